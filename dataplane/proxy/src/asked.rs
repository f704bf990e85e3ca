//! A request as the conditions of rules see it, and which rule it meets.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use penstock_llm::embed::{EmbedInput, EmbedRequest};
use penstock_llm::message::{Media, Part, PartBody, Reasoning, ResponseFormat, Role};
use penstock_llm::{ClientError, Format, Request, count};
use penstock_route::{Feature, Subject, Turn};

use crate::job::{Ask, Job};
use crate::metrics::Metrics;
use crate::runtime::Rule;

/// The first rule whose condition holds.
///
/// # Errors
/// No rule does, or a condition asks for what stands in a body that cannot be read.
pub fn choose<'r>(job: &Job<'r>, metrics: &Metrics) -> Result<&'r Arc<Rule>, ClientError> {
    let asked = Asked { job, body: OnceLock::new() };
    let mut account = Vec::new();
    for rule in &job.route.rules {
        let Some(when) = &rule.when else { return Ok(rule) };
        if when.reads_body() {
            job.check()?;
        }
        match when.holds(&asked) {
            Ok(true) => return Ok(rule),
            Ok(false) => account.push(format!("`{}` does not hold", rule.name)),
            Err(error) => {
                metrics.rule_failed(&job.route.name, &rule.name);
                tracing::debug!(route = job.route.name, rule = rule.name, error, "a condition has no value");
                account.push(format!("`{}` cannot be evaluated: {error}", rule.name));
            }
        }
    }
    let message = format!("no rule of route {} takes this request: {}", job.route.name, account.join("; "));
    Err(ClientError::new(404, "no_rule_matches", message))
}

struct Asked<'j, 'r> {
    job: &'j Job<'r>,
    body: OnceLock<Body>,
}

impl Asked<'_, '_> {
    fn body(&self) -> &Body {
        self.body.get_or_init(|| match self.job.ask {
            Ask::Embed => self.job.embed_request().map(Body::of_embedding).unwrap_or_default(),
            _ => self.job.request().map(Body::of).unwrap_or_default(),
        })
    }
}

impl Subject for Asked<'_, '_> {
    fn model(&self) -> &str {
        &self.job.envelope.model
    }

    fn endpoint(&self) -> &str {
        match self.job.ask {
            Ask::Generate(Format::Messages) => "/v1/messages",
            Ask::Generate(Format::Responses) => "/v1/responses",
            Ask::Generate(Format::Completions) => "/v1/completions",
            Ask::Generate(Format::Gemini) => "/v1beta/models",
            Ask::Generate(_) => "/v1/chat/completions",
            Ask::Embed => "/v1/embeddings",
            Ask::CountTokens => "/v1/messages/count_tokens",
        }
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

    fn prompt_tokens(&self) -> i64 {
        self.body().prompt_tokens
    }

    fn messages(&self) -> &[Turn] {
        &self.body().turns
    }

    fn tools(&self) -> &[String] {
        &self.body().tools
    }

    fn has(&self, feature: Feature) -> bool {
        self.body().features.contains(&feature)
    }
}

/// What only the decoded body tells.
#[derive(Debug, Default, PartialEq)]
struct Body {
    user: String,
    metadata: BTreeMap<String, String>,
    prompt_tokens: i64,
    turns: Vec<Turn>,
    tools: Vec<String>,
    features: Vec<Feature>,
}

impl Body {
    fn of(request: &Request) -> Self {
        let text =
            |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let metadata = request.metadata.iter().flatten();
        Self {
            user: request.user.clone().unwrap_or_default(),
            metadata: metadata.map(|(key, value)| (key.clone(), text(value))).collect(),
            prompt_tokens: i64::try_from(count::estimate(request)).unwrap_or(i64::MAX),
            turns: turns(request),
            tools: request.tools.iter().map(|tool| tool.name.clone()).collect(),
            features: features(request),
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

fn features(request: &Request) -> Vec<Feature> {
    let mut found = Vec::new();
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    for part in request.system.iter().chain(parts) {
        note(part, &mut found);
    }
    if !request.tools.is_empty() {
        found.push(Feature::Tools);
    }
    if matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. })) {
        found.push(Feature::JsonSchema);
    }
    if !matches!(request.reasoning, None | Some(Reasoning::Off)) {
        found.push(Feature::Reasoning);
    }
    found
}

fn note(part: &Part, found: &mut Vec<Feature>) {
    let feature = match &part.body {
        PartBody::Image(_) => Feature::Image,
        PartBody::Audio(_) => Feature::Audio,
        PartBody::Video(_) => Feature::Video,
        // Plain text needs nothing of a model.
        PartBody::Document { media, .. } if is_pdf(media) => Feature::Pdf,
        PartBody::ToolResult { parts, .. } => return parts.iter().for_each(|part| note(part, found)),
        _ => return,
    };
    if !found.contains(&feature) {
        found.push(feature);
    }
}

/// What is behind an address is taken for what documents mostly are.
fn is_pdf(media: &Media) -> bool {
    match media {
        Media::Url { .. } => true,
        Media::Base64 { media_type, .. } => media_type.starts_with("application/pdf"),
        Media::PlainText(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: serde_json::Value) -> Body {
        Body::of(&Format::Chat.dialect().decode_request(value.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn what_a_body_tells() {
        let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let pdf = json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQK"}});
        let found = body(json!({
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
        }));
        let turns: Vec<_> = found.turns.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
        assert_eq!(
            turns,
            [
                ("system", "Be brief."),
                ("user", "one\ntwo"),
                ("assistant", ""),
                ("tool", "42"),
                ("user", "and?")
            ]
        );
        assert_eq!(found.tools, ["f"]);
        assert_eq!(found.features, [Feature::Pdf, Feature::Tools, Feature::JsonSchema, Feature::Reasoning]);
        assert_eq!((found.user.as_str(), found.metadata["a"].as_str()), ("u", "x"));
        assert!(found.prompt_tokens > 20, "{}", found.prompt_tokens);
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let found = body(json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}));
        assert_eq!((found.user.as_str(), found.tools.len(), found.features.len()), ("", 0, 0));
        let off =
            json!({"model": "m", "thinking_mode": false, "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(body(off).features, []);
    }
}
