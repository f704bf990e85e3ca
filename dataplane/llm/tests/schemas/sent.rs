//! Requests to the vendors whose schema is a document for Python's tools or a Python package: every client's request to
//! each of them, as the proxy would send it, embeddings and counts among them. `PENSTOCK_SENT_OUT` names a file for them,
//! one JSON a line:
//!
//! - `id`: whose request it is and to which model; `schema`, a name of OpenAI's document, or `vendor`, a package; `body`.
//! - `asked`, where the request goes on in the client's format: `body`, what the client wrote, and `as`, what that should
//!   fit. What its own format does not know goes on as it is.
//!
//! Bodies that are equal but for the model are written once.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};

use penstock_llm::envelope::Envelope;
use penstock_llm::{Format, Ledger, Refused, Upstream, catalogue, count, passthrough, provider, translate};
use serde_json::{Value, json};

use crate::embeddings;
use crate::requests::{Named, of_fixtures, of_recordings};

/// The member by which a line says who checks it, and its value.
pub type Check = (&'static str, &'static str);

struct Target {
    provider: &'static str,
    format: Format,
    check: Check,
    /// Of each kind that requests differ by.
    models: &'static [&'static str],
}

const TARGETS: &[Target] = &[
    Target {
        provider: "OpenAI",
        format: Format::Chat,
        check: ("schema", "CreateChatCompletionRequest"),
        models: &["gpt-4o", "o3-mini", "gpt-5", "gpt-5.2"],
    },
    Target {
        provider: "OpenAI",
        format: Format::Responses,
        check: ("schema", "CreateResponse"),
        models: &["gpt-4o", "gpt-5", "gpt-5.2"],
    },
    Target {
        provider: "OpenAI",
        format: Format::Completions,
        check: ("schema", "CreateCompletionRequest"),
        models: &["gpt-3.5-turbo-instruct"],
    },
    Target {
        provider: "Anthropic",
        format: Format::Messages,
        check: ("vendor", "anthropic"),
        models: &[
            "claude-3-haiku-20240307",
            "claude-3-7-sonnet-20250219",
            "claude-opus-4-1",
            "claude-sonnet-4-5",
            "claude-opus-4-8",
            "claude-sonnet-5-5",
            "claude-of-which-nothing-is-known",
        ],
    },
    Target {
        provider: "Cohere",
        format: Format::Cohere,
        check: ("vendor", "cohere"),
        models: &[
            "command-r-08-2024",
            "command-a-03-2025",
            "command-a-vision-07-2025",
            "command-a-reasoning-08-2025",
            "command-a-plus-05-2026",
        ],
    },
    Target {
        provider: "Mistral",
        format: Format::Chat,
        check: ("vendor", "mistralai"),
        models: &[
            "mistral-large-latest",
            "mistral-medium-latest",
            "magistral-medium-latest",
            "voxtral-small-latest",
            "open-mistral-nemo",
        ],
    },
];

#[test]
fn requests_to_vendors_that_are_checked_in_python() {
    let mut requests = of_fixtures(&Format::ALL);
    let of_ours = requests.len();
    requests.extend(of_recordings(&Format::ALL));
    // What a client adds for one provider is its own word.
    requests.iter_mut().for_each(|named| named.request.provider_options.clear());
    let out = std::env::var_os("PENSTOCK_SENT_OUT").map(|path| File::create(path).unwrap());
    let mut lines = Lines { out: out.map(BufWriter::new), written: HashSet::new() };
    for target in TARGETS {
        let (mut sent, mut refused) = (0, BTreeMap::new());
        for (named, model) in target.asks(&requests) {
            match target.send(named, model) {
                Ok(body) => {
                    sent += 1;
                    let asked = target.asked_as(named).map(|own| json!({"as": own, "body": named.body}));
                    lines.write(target.check, &named.name, &body, asked);
                }
                Err(error) => {
                    let words: String = error.message.chars().take(60).collect();
                    *refused.entry(words).or_insert(0) += 1;
                }
            }
        }
        assert!(sent > 200, "{sent} bodies to {}", target.provider);
        println!("{} in {:?}: {sent} bodies, refused {refused:#?}", target.provider, target.format);
    }
    let counts = count_with_anthropic(&requests, &mut lines);
    let embeddings = embeddings::write(&mut lines);
    let recorded = requests.len() - of_ours;
    let different = lines.written.len();
    println!(
        "{of_ours} requests of fixtures, {recorded} recorded, {counts} counts, {embeddings} embeddings, \
         {different} different bodies"
    );
}

/// Every prompt of an Anthropic client, asked how long it is.
fn count_with_anthropic(requests: &[Named], lines: &mut Lines) -> usize {
    let upstream = Upstream::new("claude-sonnet-4-5", provider::by_name("Anthropic").unwrap());
    let mut asked = 0;
    for named in requests.iter().filter(|named| named.request.origin == Some(Format::Messages)) {
        let mut ledger = Ledger::new(Format::Messages);
        let body = count::encode_request(&named.request, Format::Messages, &upstream, &mut ledger).unwrap();
        let own = json!({"as": "anthropic.count", "body": named.body});
        lines.write(
            ("vendor", "anthropic.count"),
            &named.name,
            &serde_json::from_slice(&body).unwrap(),
            Some(own),
        );
        asked += 1;
    }
    asked
}

impl Target {
    fn asks<'a>(&self, requests: &'a [Named]) -> impl Iterator<Item = (&'a Named, &'static str)> {
        let models = self.models;
        requests.iter().flat_map(|named| models.iter().map(move |model| (named, *model)))
    }

    /// As the proxy does.
    fn send(&self, named: &Named, model: &str) -> Result<Value, Refused> {
        let provider = provider::by_name(self.provider).unwrap();
        let facts = catalogue::find(&provider.key(), model).unwrap_or_default();
        let upstream = Upstream { facts: &facts, ..Upstream::new(model, provider) };
        let client = named.request.origin.unwrap();
        if client == self.format {
            let bytes = named.body.to_string().into_bytes();
            let envelope = Envelope::parse(&bytes).unwrap();
            if passthrough::keeps_bytes(&envelope, &bytes, client, &upstream) {
                let forces_usage = matches!(client, Format::Chat | Format::Completions) && envelope.stream;
                return Ok(serde_json::from_slice(&envelope.splice(&bytes, model, forces_usage)).unwrap());
            }
        }
        let body =
            translate::encode_request(&named.request, self.format, &upstream, &mut Ledger::new(client))?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    /// What a request that goes on in its client's format should fit.
    fn asked_as(&self, named: &Named) -> Option<&'static str> {
        let is_own = named.request.origin == Some(self.format);
        // Clients of Mistral's speak OpenAI's format, those that were recorded there Mistral's.
        let speaks_openai = self.provider == "Mistral" && named.recorded_at.as_deref() != Some("mistral");
        is_own.then_some(if speaks_openai { "openai" } else { self.check.1 })
    }
}

/// Where the bodies go.
pub struct Lines {
    out: Option<BufWriter<File>>,
    written: HashSet<String>,
}

impl Lines {
    /// `asked` is what the client wrote, and what that should fit.
    pub fn write(&mut self, check: Check, name: &str, body: &Value, asked: Option<Value>) {
        let (member, of) = check;
        let mut line = json!({member: of, "body": body});
        line["body"]["model"] = Value::Null;
        if let Some(asked) = asked {
            line["asked"] = asked;
        }
        if !self.written.insert(line.to_string()) {
            return;
        }
        line["body"]["model"] = body["model"].clone();
        line["id"] = format!("{name} for {}", body["model"].as_str().unwrap()).into();
        if let Some(out) = &mut self.out {
            writeln!(out, "{line}").unwrap();
        }
    }
}
