//! One try to get a credential: calls to the endpoints that give tokens out, bounded in size and time.
//!
//! Of an endpoint's refusal only the status and its error codes are kept. Its words are not: some endpoints quote
//! what they were sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::Instant;

use super::error::{Codes, Who};
use super::{CredentialError, Surroundings};
use crate::upstream::{Client, SendError};

/// For a whole try, whatever the number of its calls.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 64 << 10;
/// No vendor's error code is longer.
const CODE_LIMIT: usize = 64;

/// What is known of an endpoint: how its errors read, and what to do about them.
pub struct Endpoint {
    /// As people know it.
    pub name: &'static str,
    /// Where its errors hold a code: JSON pointers, each with a prefix that makes the code known to search engines.
    pub codes: &'static [(&'static str, &'static str)],
    /// What to do about a code.
    pub advice: &'static [(&'static str, &'static str)],
    /// What to do about any other refusal.
    pub otherwise: &'static str,
    /// What to do when it gives no answer.
    pub unreachable: &'static str,
}

const PASSING: &str = "it may pass, and the proxy tries again";

/// One try. The time was read when it began.
pub struct Exchange {
    pub surroundings: Arc<Surroundings>,
    pub now: SystemTime,
    client: Client,
    deadline: Instant,
}

/// A request to an endpoint.
pub struct Call {
    endpoint: &'static Endpoint,
    method: Method,
    url: String,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    /// Values that went out. A code that is part of one of them is an echo.
    sent: Vec<String>,
    deadline: Option<Duration>,
}

impl Call {
    fn new(endpoint: &'static Endpoint, method: Method, url: &str) -> Self {
        Self {
            endpoint,
            method,
            url: url.to_owned(),
            // AWS's STS answers in XML without it.
            headers: vec![(ACCEPT, "application/json".into())],
            body: Bytes::new(),
            sent: Vec::new(),
            deadline: None,
        }
    }

    pub fn get(endpoint: &'static Endpoint, url: &str) -> Self {
        Self::new(endpoint, Method::GET, url)
    }

    pub fn put(endpoint: &'static Endpoint, url: &str) -> Self {
        Self::new(endpoint, Method::PUT, url)
    }

    pub fn post_form(endpoint: &'static Endpoint, url: &str, fields: &[(&str, &str)]) -> Self {
        let mut call = Self::new(endpoint, Method::POST, url);
        call.headers.push((CONTENT_TYPE, "application/x-www-form-urlencoded".into()));
        call.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into();
        call.sent = fields.iter().map(|(_, value)| (*value).to_owned()).collect();
        call
    }

    pub fn post_json(endpoint: &'static Endpoint, url: &str, body: &Value) -> Self {
        let mut call = Self::new(endpoint, Method::POST, url);
        call.headers.push((CONTENT_TYPE, "application/json".into()));
        call.body = body.to_string().into();
        call
    }

    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        let value = value.into();
        self.sent.push(value.clone());
        self.headers.push((name, value));
        self
    }

    /// For an endpoint that answers at once or never.
    pub fn within(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }
}

impl Exchange {
    pub fn new(surroundings: Arc<Surroundings>, client: Client) -> Self {
        Self { now: surroundings.now(), surroundings, client, deadline: Instant::now() + TIME_LIMIT }
    }

    /// The body of a successful answer.
    pub async fn call(&self, call: Call) -> Result<Answer, CredentialError> {
        let Call { endpoint, method, url, headers, body, sent, deadline } = call;
        let uri: Uri = url.parse().map_err(|_| {
            CredentialError::Unusable(format!("the address of {} is not a URL", endpoint.name))
        })?;
        let Some(host) = uri.host() else {
            let name = endpoint.name;
            return Err(CredentialError::Unusable(format!("the address of {name} is not a whole URL")));
        };
        let who = Who { name: endpoint.name, host: host.to_owned() };
        let no_answer =
            |why: String| CredentialError::NoAnswer { who: who.clone(), why, advice: endpoint.unreachable };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let agent = HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                CredentialError::Unusable(format!(
                    "what {} is to get as {name} holds characters that no header may have",
                    endpoint.name
                ))
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        let deadline = deadline.map_or(self.deadline, |limit| self.deadline.min(Instant::now() + limit));
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| match error {
                SendError::Connect { message, .. } => format!("no connection: {message}"),
                SendError::Sent(message) => format!("the connection broke: {message}"),
            })?;
            let status = response.status();
            Ok::<_, String>((status, read(response.into_body()).await))
        };
        let (status, body) = tokio::time::timeout_at(deadline, exchange)
            .await
            .map_err(|_| no_answer("no answer in time".into()))?
            .map_err(no_answer)?;
        if status.is_success() {
            let bytes = body.map_err(no_answer)?;
            return Ok(Answer { bytes, who, advice: endpoint.unreachable });
        }
        let codes = codes(endpoint, &body.unwrap_or_default(), &sent);
        let advice = endpoint.advice_on(status.as_u16(), &codes);
        Err(CredentialError::Refused { who, status: status.as_u16(), codes: Codes(codes), advice })
    }
}

async fn read(body: Incoming) -> Result<Bytes, String> {
    match Limited::new(body, ANSWER_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(format!("an answer of more than {ANSWER_LIMIT} bytes"))
        }
        Err(_) => Err("the connection broke in the middle of the answer".into()),
    }
}

/// A successful answer, with what to say when it is not one after all.
pub struct Answer {
    pub bytes: Bytes,
    who: Who,
    advice: &'static str,
}

impl Answer {
    /// The answer's JSON. What is wrong with it is not told: a parser quotes what it read.
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, CredentialError> {
        serde_json::from_slice(&self.bytes).map_err(|_| self.lacks("what was asked for"))
    }

    /// The answer's text without the white space around it; never empty.
    pub fn text(&self) -> Result<&str, CredentialError> {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default().trim();
        if text.is_empty() { Err(self.lacks("text")) } else { Ok(text) }
    }

    /// Says that something is missing from this answer.
    pub fn lacks(&self, what: &str) -> CredentialError {
        let why = format!("a successful answer without {what}");
        CredentialError::NoAnswer { who: self.who.clone(), why, advice: self.advice }
    }
}

impl Endpoint {
    fn advice_on(&self, status: u16, codes: &[String]) -> &'static str {
        let known = self.advice.iter().find(|(code, _)| codes.iter().any(|given| given == code));
        match known {
            Some((_, advice)) => advice,
            None if status == 429 || status >= 500 => PASSING,
            None => self.otherwise,
        }
    }
}

/// The error codes of an answer that look like codes and are no echo of what was sent.
fn codes(endpoint: &Endpoint, body: &[u8], sent: &[String]) -> Vec<String> {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    let sent: Vec<String> = sent.iter().map(|value| value.to_ascii_lowercase()).collect();
    let is_code = |text: &str| {
        let folded = text.to_ascii_lowercase();
        let shaped = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-:".contains(&b));
        let echo = |value: &String| value.contains(&folded) || (value.len() >= 8 && folded.contains(value));
        (1..=CODE_LIMIT).contains(&text.len()) && shaped && !sent.iter().any(echo)
    };
    let mut found = Vec::new();
    for (pointer, prefix) in endpoint.codes {
        let code = match error.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        if is_code(&code) {
            found.push(format!("{prefix}{code}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::tests::server::Server;
    use crate::upstream::Clients;

    static ENDPOINT: Endpoint = Endpoint {
        name: "the endpoint",
        codes: &[("/error", ""), ("/error/status", ""), ("/error_codes/0", "AADSTS")],
        advice: &[("invalid_grant", "check the clock")],
        otherwise: "check the key",
        unreachable: "check the network",
    };

    fn found(body: &str, sent: &[&str]) -> Vec<String> {
        let sent: Vec<String> = sent.iter().map(|value| (*value).to_owned()).collect();
        codes(&ENDPOINT, body.as_bytes(), &sent)
    }

    #[test]
    fn codes_are_found_and_nothing_else_is_kept() {
        let body = r#"{"error":"invalid_grant","error_description":"secret words","error_codes":[700016]}"#;
        assert_eq!(found(body, &[]), ["invalid_grant", "AADSTS700016"]);
        assert_eq!(
            found(r#"{"error":{"status":"PERMISSION_DENIED","message":"m"}}"#, &[]),
            ["PERMISSION_DENIED"]
        );
        for body in ["", "<html>", "[]", r#"{"error":"two words"}"#, r#"{"error":""}"#, r#"{"error":null}"#] {
            assert!(found(body, &[]).is_empty(), "{body}");
        }
    }

    #[test]
    fn an_echo_is_no_code() {
        let key = "Abc-123_very.secret";
        for echo in [key, "very.secret", "ABC-123_VERY.SECRET", "error:Abc-123_very.secret"] {
            let body = serde_json::json!({ "error": echo }).to_string();
            assert!(found(&body, &[key]).is_empty(), "{echo}");
        }
        let long = serde_json::json!({ "error": "x".repeat(65) }).to_string();
        assert!(found(&long, &[]).is_empty());
    }

    #[tokio::test]
    async fn all_calls_of_a_try_share_its_time() {
        let server = Server::slow(Duration::from_millis(300), |_, _| (200, "answer".into())).await;
        let exchange = Exchange {
            surroundings: Arc::new(Surroundings::new(|_| None, || SystemTime::UNIX_EPOCH)),
            now: SystemTime::UNIX_EPOCH,
            client: Clients::default().get(1000),
            deadline: Instant::now() + Duration::from_millis(500),
        };
        let call = async || exchange.call(Call::get(&ENDPOINT, &server.url)).await;
        assert_eq!(call().await.unwrap().text(), Ok("answer"));
        let error = call().await.err().unwrap().to_string();
        assert_eq!(error, "the endpoint (127.0.0.1): no answer in time; check the network");
    }

    #[test]
    fn advice_goes_by_code_then_status() {
        let advice = |status, code: &str| ENDPOINT.advice_on(status, &[code.to_owned()]);
        assert_eq!(advice(400, "invalid_grant"), "check the clock");
        assert_eq!(advice(400, "other"), "check the key");
        assert_eq!(advice(503, "other"), PASSING);
    }
}
