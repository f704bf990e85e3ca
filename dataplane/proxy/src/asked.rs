//! A request as hooks and the conditions of rules see it, and which rule it meets.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use penstock_llm::embed::{EmbedInput, EmbedRequest};
use penstock_llm::message::{Media, Part, PartBody, Role};
use penstock_llm::needs::Needs;
use penstock_llm::{BadRequest, ClientError, Request, count};
use penstock_route::intent::Guess;
use penstock_route::{Feature, Subject, Turn};

use crate::job::{Ask, Job};
use crate::metrics::Metrics;
use crate::runtime::Rule;
use crate::trail::{DecidedIntent, RuleVerdict, Trail};

/// The first rule whose condition holds.
///
/// # Errors
/// No rule does, or a condition asks for what stands in a body that cannot be read.
pub fn choose<'r>(
    asked: &Asked<'_, 'r>,
    metrics: &Metrics,
    trail: &mut Trail,
) -> Result<&'r Arc<Rule>, ClientError> {
    let job = asked.job;
    for rule in &job.route.rules {
        let holds = rule.when.as_ref().map_or(Ok(Ok(true)), |when| {
            if when.reads_body() {
                job.check()?;
            }
            Ok::<_, BadRequest>(when.holds(asked))
        });
        let verdict = match holds? {
            Ok(true) => RuleVerdict::Holds,
            Ok(false) => RuleVerdict::HoldsNot,
            Err(error) => {
                metrics.rule_failed(&job.route.name, &rule.name);
                tracing::debug!(
                    route = &*job.route.name,
                    rule = &*rule.name,
                    error,
                    "a condition has no value"
                );
                RuleVerdict::Fails(error)
            }
        };
        if trail.intent.is_none() {
            trail.intent = asked.guessed();
        }
        let is_met = verdict == RuleVerdict::Holds;
        trail.rules.push((rule.name.clone(), verdict));
        if is_met {
            trail.rule = Some(rule.name.clone());
            return Ok(rule);
        }
    }
    let account: Vec<String> = trail
        .rules
        .iter()
        .map(|(name, verdict)| match verdict {
            RuleVerdict::Fails(error) => format!("`{name}` cannot be evaluated: {error}"),
            RuleVerdict::Holds | RuleVerdict::HoldsNot => format!("`{name}` does not hold"),
        })
        .collect();
    let message = format!("no rule of route {} takes this request: {}", job.route.name, account.join("; "));
    Err(ClientError::new(404, "no_rule_matches", message))
}

/// A request, and what hooks said of it.
pub struct Asked<'j, 'r> {
    pub job: &'j Job<'r>,
    pub labels: BTreeMap<String, String>,
    body: OnceLock<Body>,
    /// All texts of the request, copied; most conditions do without.
    turns: OnceLock<Vec<Turn>>,
    guess: OnceLock<Option<Guess<'r>>>,
}

impl<'j, 'r> Asked<'j, 'r> {
    pub fn new(job: &'j Job<'r>) -> Self {
        Self {
            job,
            labels: BTreeMap::new(),
            body: OnceLock::new(),
            turns: OnceLock::new(),
            guess: OnceLock::new(),
        }
    }

    /// Of the last message of the user: what stands before it was answered already.
    fn guess(&self) -> Option<Guess<'r>> {
        *self.guess.get_or_init(|| {
            let last = self.messages().iter().rfind(|turn| turn.role == "user")?;
            self.job.route.intents.as_ref()?.learned.guess(&last.text)
        })
    }

    /// What was guessed, where anything asked.
    fn guessed(&self) -> Option<DecidedIntent> {
        let Guess { name, score } = (*self.guess.get()?)?;
        Some(DecidedIntent { name: name.to_owned(), score, below_threshold: self.intent().is_empty() })
    }

    pub fn body(&self) -> &Body {
        self.body.get_or_init(|| match self.job.ask {
            Ask::Embed => self.job.embed_request().map(Body::of_embedding).unwrap_or_default(),
            _ => {
                let needs = self.job.needs().unwrap_or_default();
                self.job.request().map(|request| Body::of(request, &needs)).unwrap_or_default()
            }
        })
    }
}

impl Subject for Asked<'_, '_> {
    fn model(&self) -> &str {
        &self.job.envelope.model
    }

    fn endpoint(&self) -> &str {
        self.job.ask.path()
    }

    fn stream(&self) -> bool {
        self.job.is_stream()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.job.headers.get(name)?.to_str().ok()
    }

    fn user(&self) -> &str {
        &self.body().user
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.body().metadata.get(key).map(String::as_str)
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    fn prompt_tokens(&self) -> i64 {
        self.body().prompt_tokens
    }

    fn messages(&self) -> &[Turn] {
        self.turns.get_or_init(|| self.job.request().map(turns).unwrap_or_default())
    }

    fn tools(&self) -> &[String] {
        &self.body().tools
    }

    fn has(&self, feature: Feature) -> bool {
        let needs = &self.body().needs;
        match feature {
            Feature::Image => needs.image,
            Feature::Pdf => needs.pdf,
            Feature::Audio => needs.audio,
            Feature::Video => needs.video,
            Feature::Tools => needs.tools,
            Feature::JsonSchema => needs.json_schema,
            Feature::Reasoning => needs.reasoning,
        }
    }

    fn intent(&self) -> &str {
        let threshold = self.job.route.intents.as_ref().map_or(1.0, |intents| intents.threshold);
        self.guess().filter(|guess| guess.score >= threshold).map_or("", |guess| guess.name)
    }

    fn intent_score(&self) -> f64 {
        self.guess().map_or(0.0, |guess| guess.score)
    }
}

/// What only the decoded body tells.
#[derive(Debug, Default, PartialEq)]
pub struct Body {
    pub user: String,
    pub metadata: BTreeMap<String, String>,
    pub prompt_tokens: i64,
    pub tools: Vec<String>,
    /// An embedding needs nothing of these.
    needs: Needs,
}

impl Body {
    fn of(request: &Request, needs: &Needs) -> Self {
        let text =
            |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let metadata = request.metadata.iter().flatten();
        Self {
            user: request.user.clone().unwrap_or_default(),
            metadata: metadata.map(|(key, value)| (key.clone(), text(value))).collect(),
            prompt_tokens: i64::try_from(needs.prompt_tokens).unwrap_or(i64::MAX),
            tools: request.tools.iter().map(|tool| tool.name.clone()).collect(),
            needs: *needs,
        }
    }

    fn of_embedding(request: &EmbedRequest) -> Self {
        let tokens = |input: &EmbedInput| match input {
            EmbedInput::Text(text) => count::text(text),
            EmbedInput::Tokens(tokens) => u64::try_from(tokens.len()).unwrap_or(u64::MAX),
        };
        let sum = request.inputs.iter().map(tokens).fold(0, u64::saturating_add);
        Self {
            user: request.user.clone().unwrap_or_default(),
            prompt_tokens: i64::try_from(sum).unwrap_or(i64::MAX),
            ..Self::default()
        }
    }
}

/// Results of tools stand in messages of the user, and are turns of their own.
fn turns(request: &Request) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut say = |role, parts: &mut dyn Iterator<Item = &Part>| {
        let texts: Vec<&str> = parts.filter_map(text_of).collect();
        turns.push(Turn { role, text: texts.join("\n") });
    };
    if !request.system.is_empty() {
        say("system", &mut request.system.iter());
    }
    for message in &request.messages {
        let mut own = message.parts.iter().filter(|part| result_of(part).is_none()).peekable();
        for result in message.parts.iter().filter_map(result_of) {
            say("tool", &mut result.iter());
        }
        let is_all_results = own.peek().is_none() && !message.parts.is_empty();
        match message.role {
            Role::Assistant => say("assistant", &mut own),
            Role::User if is_all_results => {}
            Role::User => say("user", &mut own),
        }
    }
    turns
}

fn result_of(part: &Part) -> Option<&[Part]> {
    match &part.body {
        PartBody::ToolResult { parts, .. } => Some(parts),
        _ => None,
    }
}

fn text_of(part: &Part) -> Option<&str> {
    match &part.body {
        PartBody::Text(text) | PartBody::Refusal(text) => Some(text),
        PartBody::Document { media: Media::PlainText(text), .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use penstock_llm::Format;
    use serde_json::json;

    use super::*;

    fn decoded(value: &serde_json::Value) -> Request {
        Format::Chat.dialect().decode_request(value.to_string().as_bytes()).unwrap()
    }

    fn body(value: serde_json::Value) -> Body {
        let request = decoded(&value);
        Body::of(&request, &Needs::of(&request))
    }

    #[test]
    fn what_a_body_tells() {
        let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let pdf = json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQK"}});
        let asks = json!({
            "model": "m", "user": "u", "metadata": {"a": "x"},
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "reasoning_effort": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "one"}, pdf, {"type": "text", "text": "two"}]},
                {"role": "assistant", "content": null, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
                {"role": "user", "content": "and?"},
            ],
        });
        let found = body(asks.clone());
        let all = turns(&decoded(&asks));
        let said: Vec<_> = all.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
        assert_eq!(
            said,
            [
                ("system", "Be brief."),
                ("user", "one\ntwo"),
                ("assistant", ""),
                ("tool", "42"),
                ("user", "and?")
            ]
        );
        assert_eq!(found.tools, ["f"]);
        let uses: Vec<_> = found.needs.names().collect();
        assert_eq!(uses, ["pdf", "tools", "jsonSchema", "reasoning"]);
        assert_eq!((found.user.as_str(), found.metadata["a"].as_str()), ("u", "x"));
        assert!(found.prompt_tokens > 20, "{}", found.prompt_tokens);
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let found = body(json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}));
        assert_eq!((found.user.as_str(), found.tools.len(), found.needs.names().count()), ("", 0, 0));
        let off =
            json!({"model": "m", "thinking_mode": false, "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(body(off).needs.names().count(), 0);
    }
}
