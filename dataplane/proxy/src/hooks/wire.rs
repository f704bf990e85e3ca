//! What a hook is sent and what it may answer: docs/hooks.openapi.yaml is made of these types. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use http::HeaderMap;
use penstock_route::{is_credential, is_label};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::runtime::{Candidate, Route, Target};

/// Largest answer of a hook, in bytes.
pub const ANSWER_LIMIT: usize = 64 << 10;
const MOST_LABELS: usize = 16;
/// Characters of a label's value.
const LONGEST_VALUE: usize = 256;
/// Characters of what a refused client is told.
const LONGEST_MESSAGE: usize = 1000;
const LONGEST_CODE: usize = 64;

/// What a hook is asked: a request, and which rules and targets its route has for it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HookRequest<'a> {
    /// Of this message. Members may be added to a version; none is taken away or means something else.
    pub version: Version,
    /// `x-request-id` of the answer that the client will get.
    pub request_id: &'a str,
    /// The hook's name in the route.
    pub hook: &'a str,
    /// `namespace/name` of the ModelRoute.
    pub route: &'a str,
    /// As the client wrote it.
    pub model: &'a str,
    /// The path that the client asked, such as `/v1/chat/completions`; `/v1beta/models` for Gemini's.
    pub endpoint: &'a str,
    /// The client wants a stream.
    pub stream: bool,
    /// Tokens of the prompt, an estimate.
    pub prompt_tokens: i64,
    /// The client's end user; empty where it names none.
    pub user: &'a str,
    /// The request's own `metadata`; what is no string there is JSON text here.
    pub metadata: &'a BTreeMap<String, String>,
    /// What the request uses that not every model can do.
    pub has: Features,
    /// Names of the tools that are offered.
    pub tools: &'a [String],
    /// The client's headers by their lower-case names, the first of each. Left out are credentials, and headers that only
    /// tell one request, one try or one connection from another.
    pub headers: BTreeMap<&'a str, &'a str>,
    /// What the hooks before this one said.
    pub labels: &'a BTreeMap<String, String>,
    /// The rules of the route, in their order, with the targets that can be used now.
    pub rules: &'a [Offer<'a>],
    /// The body as the client sent it, in the format of `endpoint`; only where the hook has `send: Body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub body: Option<&'a RawValue>,
}

/// Of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Version {
    V1,
}

/// What a request uses that not every model can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Features {
    pub image: bool,
    pub pdf: bool,
    pub audio: bool,
    pub video: bool,
    pub tools: bool,
    pub json_schema: bool,
    pub reasoning: bool,
}

/// A rule of the route.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Offer<'a> {
    pub name: &'a str,
    pub targets: Vec<OfferedTarget<'a>>,
}

/// A target of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OfferedTarget<'a> {
    /// Name of the ProviderPool.
    pub pool: &'a str,
    /// Model, as the pool names it.
    pub model: &'a str,
}

/// The rules of a route as a hook is told of them, for a request of this model.
pub fn offers<'a>(route: &'a Route, model: &'a str) -> Vec<Offer<'a>> {
    let of = |target| offered(target, model);
    let rules = route.rules.iter();
    rules
        .map(|rule| Offer { name: &rule.name, targets: rule.targets.iter().filter_map(of).collect() })
        .collect()
}

/// A target by the names that the route's resource has for it; one without a model of its own is for the client's. `None`
/// for what nobody wrote down, and where nobody serves the model.
pub fn offered<'a>(target: &'a Target, model: &'a str) -> Option<OfferedTarget<'a>> {
    let own = target.candidates.first().map(|candidate| (&**candidate, candidate.model.as_str()));
    let (Candidate { pool, is_equivalent, .. }, model) = match own {
        Some(own) => own,
        None => (target.first_for(model)?, model),
    };
    (!is_equivalent).then(|| OfferedTarget { pool: pool.rsplit('/').next().unwrap_or(pool), model })
}

/// Headers of the connection, of the body's form, and names of one request or one try. A hook has nothing to choose by in
/// them, and two requests that differ in nothing else are the same to the cache.
const OF_ONE_REQUEST: [&str; 23] = [
    "accept-encoding",
    "b3",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "expect",
    "idempotency-key",
    "keep-alive",
    "sentry-trace",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "uber-trace-id",
    "upgrade",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-request-id",
    "x-stainless-read-timeout",
    "x-stainless-retry-count",
];
const OF_A_TRACE: [&str; 2] = ["x-b3-", "x-datadog-"];
/// What the words of a credential's name end with. More than conditions are kept from: a condition compares one header,
/// a hook is handed all of them.
const CREDENTIAL_WORDS: [&str; 12] = [
    "authorization",
    "authentication",
    "assertion",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "key",
    "password",
    "secret",
    "signature",
    "token",
];

/// The headers that a hook is sent.
pub fn headers(all: &HeaderMap) -> BTreeMap<&str, &str> {
    let first = |name| Some((http::HeaderName::as_str(name), all.get(name)?.to_str().ok()?));
    all.keys().filter_map(first).filter(|(name, _)| is_sent(name)).collect()
}

fn is_sent(name: &str) -> bool {
    let is_secret = |word: &str| CREDENTIAL_WORDS.iter().any(|ending| word.ends_with(ending));
    !(is_credential(name)
        || name.split(['-', '_', '.']).any(is_secret)
        || OF_ONE_REQUEST.contains(&name)
        || OF_A_TRACE.iter().any(|prefix| name.starts_with(prefix)))
}

/// What a hook says of a request. Every member may be missing: `{}` and 204 say nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HookVerdict {
    /// Name of the rule that takes the request, whatever its condition says.
    pub rule: Option<String>,
    /// Who may answer: these targets, in this order, and nobody else. Each is one that a rule of the route has.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(deserialize_with = "objects")]
    pub targets: Option<Vec<TargetName>>,
    /// What conditions see as `request.labels["..."]`, and later hooks as `labels`. One of the same name that an earlier
    /// hook set is replaced.
    #[cfg_attr(test, schemars(schema_with = "schema::labels"))]
    pub labels: Option<BTreeMap<String, String>>,
    /// Ends the request; nothing else that is said counts.
    #[serde(deserialize_with = "object")]
    pub refuse: Option<Refusal>,
}

/// A target of the route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetName {
    /// Name of the ProviderPool.
    pub pool: String,
    /// Model, as the pool names it.
    pub model: String,
}

impl TargetName {
    pub fn is(&self, other: OfferedTarget<'_>) -> bool {
        (self.pool.as_str(), self.model.as_str()) == (other.pool, other.model)
    }
}

/// How a request is refused, in the client's own format.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status. 408, 409 and 429 make the official SDKs try again.
    #[serde(default = "forbidden")]
    #[cfg_attr(test, schemars(range(min = 400, max = 499)))]
    pub status: u16,
    /// `code` of the error.
    #[serde(default = "refused_by_hook")]
    #[cfg_attr(test, schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9._-]+$")))]
    pub code: String,
    /// For the person who reads it.
    #[cfg_attr(test, schemars(length(min = 1, max = 1000)))]
    pub message: String,
}

fn forbidden() -> u16 {
    403
}

fn refused_by_hook() -> String {
    "refused_by_hook".to_owned()
}

impl HookVerdict {
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8], offers: &[Offer<'_>]) -> Result<Self, String> {
        let Object(verdict): Object<Self> =
            serde_json::from_slice(bytes).map_err(|error| short(&error.to_string(), 200))?;
        verdict.check(offers)?;
        Ok(verdict)
    }

    fn check(&self, offers: &[Offer<'_>]) -> Result<(), String> {
        let Self { rule, targets, labels, refuse } = self;
        if let Some(rule) = rule
            && !offers.iter().any(|offer| offer.name == rule)
        {
            return Err(format!("the route has no rule `{}`", short(rule, 100)));
        }
        targets.as_deref().map_or(Ok(()), |targets| check_targets(targets, offers))?;
        labels.as_ref().map_or(Ok(()), check_labels)?;
        refuse.as_ref().map_or(Ok(()), Refusal::check)
    }
}

fn check_targets(targets: &[TargetName], offers: &[Offer<'_>]) -> Result<(), String> {
    if targets.is_empty() {
        return Err("`targets` has none; to say nothing of them, leave it out".to_owned());
    }
    let known: BTreeSet<OfferedTarget<'_>> =
        offers.iter().flat_map(|offer| &offer.targets).copied().collect();
    let mut seen = BTreeSet::new();
    for TargetName { pool, model } in targets {
        let named = OfferedTarget { pool, model };
        let what = || format!("target `{}` of pool `{}`", short(model, 100), short(pool, 100));
        if !known.contains(&named) {
            return Err(format!("no rule of the route has {}", what()));
        }
        if !seen.insert(named) {
            return Err(format!("{} stands there twice", what()));
        }
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), String> {
    if labels.len() > MOST_LABELS {
        return Err(format!("{} labels; {MOST_LABELS} is the most", labels.len()));
    }
    for (name, value) in labels {
        if !is_label(name) {
            return Err(format!(
                "label `{}` is not of 1 to 63 lower-case letters, digits, `.`, `_` and `-`",
                short(name, 100)
            ));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(format!("the value of label `{name}` is longer than {LONGEST_VALUE} characters"));
        }
    }
    Ok(())
}

impl Refusal {
    fn check(&self) -> Result<(), String> {
        let Self { status, code, message } = self;
        if !(400..500).contains(status) {
            return Err(format!("status {status} is not between 400 and 499"));
        }
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !(1..=LONGEST_CODE).contains(&code.len()) || !code.bytes().all(is_plain) {
            return Err("`code` is not of 1 to 64 letters, digits, `.`, `_` and `-`".to_owned());
        }
        if message.is_empty() || message.chars().count() > LONGEST_MESSAGE {
            return Err(format!("`message` is not of 1 to {LONGEST_MESSAGE} characters"));
        }
        Ok(())
    }
}

/// Read from an object alone. Serde by itself takes a list of a struct's members, too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct OfMembers<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMembers<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, members: M) -> Result<Self::Value, M::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        reader.deserialize_map(OfMembers(PhantomData))
    }
}

fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(reader)?.map(|Object(value)| value))
}

fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<Option<Vec<T>>, D::Error> {
    let found = Option::<Vec<Object<T>>>::deserialize(reader)?;
    Ok(found.map(|found| found.into_iter().map(|Object(value)| value).collect()))
}

/// In words, for people.
impl fmt::Display for HookVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, targets, labels, refuse } = self;
        let mut said = Vec::new();
        said.extend(
            refuse.as_ref().map(|refusal| format!("refused with {} {}", refusal.status, refusal.code)),
        );
        said.extend(rule.as_ref().map(|rule| format!("rule {rule}")));
        said.extend(targets.as_ref().map(|targets| {
            let names = targets.iter().map(|TargetName { pool, model }| format!("{pool}/{model}"));
            format!("targets {}", names.collect::<Vec<_>>().join(", "))
        }));
        said.extend(labels.iter().flatten().map(|(name, value)| format!("label {name}={value}")));
        if said.is_empty() { f.write_str("nothing") } else { f.write_str(&said.join("; ")) }
    }
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// What a type does not say of itself.
#[cfg(test)]
mod schema {
    use schemars::{Schema, SchemaGenerator, json_schema};

    pub fn labels(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["object", "null"],
            "maxProperties": 16,
            "propertyNames": {"pattern": "^[a-z0-9._-]{1,63}$"},
            "additionalProperties": {"type": "string", "maxLength": 256},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Vec<Offer<'static>> {
        let target = |pool, model| OfferedTarget { pool, model };
        vec![
            Offer { name: "cheap", targets: vec![target("economy", "small")] },
            Offer { name: "default", targets: vec![target("frontier", "large"), target("economy", "small")] },
        ]
    }

    fn read(text: &str) -> Result<HookVerdict, String> {
        HookVerdict::read(text.as_bytes(), &offers())
    }

    #[test]
    fn verdicts_are_read() {
        for (text, want) in [
            ("{}", "nothing"),
            (r#"{"rule": null, "labels": null, "targets": null, "refuse": null}"#, "nothing"),
            (r#"{"rule": "cheap"}"#, "rule cheap"),
            (
                r#"{"targets": [{"pool": "economy", "model": "small"}, {"pool": "frontier", "model": "large"}]}"#,
                "targets economy/small, frontier/large",
            ),
            (r#"{"labels": {"topic": "refund", "a.b_c-1": ""}}"#, "label a.b_c-1=; label topic=refund"),
            (r#"{"refuse": {"message": "no"}}"#, "refused with 403 refused_by_hook"),
            (
                r#"{"rule": "default", "refuse": {"status": 429, "code": "too-many", "message": "later"}}"#,
                "refused with 429 too-many; rule default",
            ),
        ] {
            assert_eq!(read(text).unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_verdict_is_said() {
        let many: BTreeMap<String, &str> = (0..17).map(|i| (format!("l{i}"), "x")).collect();
        let labels = |labels: serde_json::Value| serde_json::json!({ "labels": labels }).to_string();
        let refuse = |refuse: serde_json::Value| serde_json::json!({ "refuse": refuse }).to_string();
        for (text, want) in [
            (String::new(), "EOF"),
            ("[]".into(), "expected an object"),
            (r#"["cheap"]"#.into(), "expected an object"),
            (r#"{"targets": [["economy", "small"]]}"#.into(), "expected an object"),
            (r#"{"refuse": [403, "code", "no"]}"#.into(), "expected an object"),
            (r#"{"rule": "cheap", "rule": "default"}"#.into(), "duplicate field"),
            ("sure".into(), "expected"),
            (r#"{"rule": "cheap"} {}"#.into(), "trailing"),
            (r#"{"rule": 1}"#.into(), "expected a string"),
            (r#"{"rules": "cheap"}"#.into(), "unknown field `rules`"),
            (r#"{"rule": "none"}"#.into(), "no rule `none`"),
            (r#"{"targets": []}"#.into(), "`targets` has none"),
            (
                r#"{"targets": [{"pool": "frontier", "model": "small"}]}"#.into(),
                "no rule of the route has target `small` of pool `frontier`",
            ),
            (r#"{"targets": [{"pool": "ns/economy", "model": "small"}]}"#.into(), "no rule of the route has"),
            (r#"{"targets": [{"pool": "economy", "model": "small", "weight": 1}]}"#.into(), "unknown field"),
            (
                r#"{"targets": [{"pool": "economy", "model": "small"}, {"pool": "economy", "model": "small"}]}"#
                    .into(),
                "stands there twice",
            ),
            (labels(serde_json::json!(many)), "17 labels"),
            (labels(serde_json::json!({"Topic": "x"})), "label `Topic`"),
            (labels(serde_json::json!({"": "x"})), "label ``"),
            (labels(serde_json::json!({"a".repeat(64): "x"})), "label `aaa"),
            (labels(serde_json::json!({"topic": "ß".repeat(257)})), "longer than 256"),
            (labels(serde_json::json!({"topic": 1})), "expected a string"),
            (refuse(serde_json::json!({})), "missing field `message`"),
            (refuse(serde_json::json!({"message": ""})), "`message`"),
            (refuse(serde_json::json!({"message": "x".repeat(1001)})), "`message`"),
            (refuse(serde_json::json!({"message": "no", "status": 399})), "status 399"),
            (refuse(serde_json::json!({"message": "no", "status": 500})), "status 500"),
            (refuse(serde_json::json!({"message": "no", "code": "two words"})), "`code`"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(want) && error.chars().count() < 300, "{text}: {error}");
        }
        let long = format!(r#"{{"rule": "{}"}}"#, "x".repeat(60_000));
        assert!(read(&long).unwrap_err().len() < 200);
    }

    #[test]
    fn credentials_and_names_of_one_request_stay_here() {
        let sent = |name: &'static str| {
            let all = HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static("v"),
            )]);
            headers(&all).contains_key(name)
        };
        for name in [
            "authorization",
            "proxy-authorization",
            "x-forwarded-authorization",
            "cookie",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "ocp-apim-subscription-key",
            "x-amz-security-token",
            "x-auth-token",
            "x-accesstoken",
            "cf-access-jwt-assertion",
            "webhook-signature",
            "x_client_secret",
            "x-request-id",
            "traceparent",
            "x-b3-traceid",
            "x-stainless-retry-count",
            "content-length",
            "connection",
        ] {
            assert!(!sent(name), "{name}");
        }
        for name in ["x-tier", "user-agent", "x-auth-request-user", "x-max-tokens", "x-session-id", "x-keys"]
        {
            assert!(sent(name), "{name}");
        }
        let mut two = HeaderMap::new();
        two.append("x-tier", "gold".parse().unwrap());
        two.append("x-tier", "silver".parse().unwrap());
        two.append("x-odd", http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(headers(&two), BTreeMap::from([("x-tier", "gold")]));
    }
}
