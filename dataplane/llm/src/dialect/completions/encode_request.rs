//! The neutral request to a provider that speaks completions.

use serde_json::{Map, Value, json};

use crate::dialect::{Format, Upstream, extras, fields};
use crate::error::Refused;
use crate::field::Field;
use crate::ledger::{Fate, Ledger};
use crate::message::{Reasoning, Request, ResponseFormat, ToolChoice};

use super::{PROMPT, transcript};

/// OpenAI returns no more probabilities a token.
const MAX_LOGPROBS: u64 = 5;

pub(super) fn encode(
    request: &Request,
    upstream: &Upstream<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let Request {
        model: _,
        stream,
        // Asked for always: the proxy meters by it.
        include_usage: _,
        // Both in the transcript.
        system: _,
        // Noted by who calls this.
        late_system: _,
        messages: _,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        user,
        reasoning,
        thinking_mode: _,
        response_format,
        n,
        seed,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        logprobs,
        top_logprobs,
        service_tier,
        verbosity,
        metadata,
        // Joined by who calls this.
        provider_options: _,
        extra,
        origin,
    } = request;
    let is_same_format = *origin == Some(Format::Completions);
    let quirks = upstream.provider.quirks(upstream.model);
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    set("model", upstream.model.into());
    match extra.get(PROMPT).filter(|_| is_same_format) {
        Some(prompt) => set(PROMPT, prompt.clone()),
        None => set(PROMPT, transcript::write(request, ledger)?.into()),
    }
    if let Some(asked) = max_tokens {
        let most = upstream.facts.max_output.filter(|_| !is_same_format).unwrap_or(u64::MAX);
        if *asked > most {
            ledger.note(Field::MaxTokens, Fate::Clamped);
        }
        set("max_tokens", (*asked).min(most).into());
    }
    if let Some(asked) = temperature {
        if *asked > quirks.max_temperature {
            ledger.note(Field::Temperature, Fate::Clamped);
        }
        set("temperature", asked.min(quirks.max_temperature).into());
    }
    let mut set_some = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            set(name, value);
        }
    };
    set_some("top_p", top_p.map(Value::from));
    set_some("seed", seed.map(Value::from));
    set_some("n", n.map(Value::from));
    set_some("presence_penalty", presence_penalty.map(Value::from));
    set_some("frequency_penalty", frequency_penalty.map(Value::from));
    set_some("logit_bias", logit_bias.clone());
    match top_k {
        Some(top) if quirks.takes_top_k => set_some("top_k", Some((*top).into())),
        Some(_) => ledger.note(Field::TopK, Fate::Dropped),
        None => {}
    }
    if !stop.is_empty() {
        if stop.len() > quirks.max_stops && !is_same_format {
            ledger.note(Field::Stop, Fate::Clamped);
        }
        let most = if is_same_format { usize::MAX } else { quirks.max_stops };
        let stops: Vec<&str> = stop.iter().take(most).map(String::as_str).collect();
        set_some("stop", (!stops.is_empty()).then(|| stops.into()));
    }
    match user {
        Some(user) if user.chars().count() <= quirks.max_user || is_same_format => {
            set_some("user", Some(user.as_str().into()));
        }
        Some(_) => ledger.note(Field::User, Fate::Dropped),
        None => {}
    }
    if *logprobs == Some(true) {
        let asked = top_logprobs.unwrap_or(0);
        let most = if is_same_format { u64::MAX } else { MAX_LOGPROBS };
        if asked > most {
            ledger.note(Field::TopLogprobs, Fate::Clamped);
        }
        set_some("logprobs", Some(asked.min(most).into()));
    } else if top_logprobs.is_some_and(|top| top > 0) {
        ledger.note(Field::TopLogprobs, Fate::Dropped);
    }
    if *stream {
        set_some("stream", Some(true.into()));
        set_some("stream_options", quirks.stream_options.then(|| json!({"include_usage": true})));
    }
    let has_tools = !tools.is_empty();
    for (field, is_lost) in [
        (Field::Tool, has_tools),
        (Field::ToolChoice, matches!(tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))),
        (Field::ParallelToolCalls, has_tools && *parallel_tool_calls == Some(false)),
        (request.reasoning_field(), reasoning.as_ref().is_some_and(|it| *it != Reasoning::Off)),
        (Field::ResponseFormat, response_format.as_ref().is_some_and(|it| *it != ResponseFormat::Text)),
        (Field::ServiceTier, service_tier.as_ref().is_some_and(|tier| tier != "auto")),
        (Field::Verbosity, verbosity.is_some()),
        (Field::Metadata, metadata.as_ref().is_some_and(|it| !it.is_empty())),
    ] {
        if is_lost {
            ledger.note(field, Fate::Dropped);
        }
    }
    if is_same_format {
        fields::add_missing(&mut out, extra);
    } else {
        extras::note_dropped(extra, ledger);
    }
    // Writing into memory cannot fail.
    Ok(serde_json::to_vec(&out).unwrap_or_default())
}
