//! What a provider says of its limits in an answer's headers, and the same in the words of the client's SDK.
//!
//! OpenAI and most who copy it: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets as durations
//! (<https://platform.openai.com/docs/guides/rate-limits>). Anthropic:
//! `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`, resets as RFC 3339 timestamps
//! (<https://docs.claude.com/en/api/rate-limits>). Times come in as an argument.

use crate::Format;

/// Limits of the key that made the request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    pub requests: Limit,
    pub tokens: Limit,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limit {
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// Milliseconds from now.
    pub reset_ms: Option<u64>,
}

impl Limits {
    /// Reads them; `header` looks one up by its lower-case name, `now` is Unix milliseconds.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, now: u64) -> Self {
        let of = |what: &str| {
            let openai = |member: &str| header(&format!("x-ratelimit-{member}-{what}"));
            let anthropic = |member: &str| header(&format!("anthropic-ratelimit-{what}-{member}"));
            let count = |member: &str| {
                openai(member).or_else(|| anthropic(member)).and_then(|text| text.trim().parse().ok())
            };
            Limit {
                limit: count("limit"),
                remaining: count("remaining"),
                reset_ms: openai("reset")
                    .and_then(duration)
                    .or_else(|| anthropic("reset").and_then(timestamp).map(|at| at.saturating_sub(now))),
            }
        };
        Self { requests: of("requests"), tokens: of("tokens") }
    }

    /// Milliseconds until the key that has nothing left can be used again; `None` while it has. Resets tell when a limit
    /// is whole again, and the first request of it is there sooner: a request's share of the time, or a tenth where
    /// tokens are what is lacking.
    pub fn spent(&self) -> Option<u64> {
        let Self { requests, tokens } = self;
        let of_requests = (requests.remaining == Some(0))
            .then(|| Some(requests.reset_ms? / requests.limit.unwrap_or(1).max(1)))
            .flatten();
        let of_tokens = (tokens.remaining == Some(0)).then(|| Some(tokens.reset_ms? / 10)).flatten();
        of_requests.max(of_tokens).filter(|wait| *wait > 0)
    }

    /// As headers for a client of this format.
    pub fn write(&self, client: Format, now: u64) -> Vec<(&'static str, String)> {
        let Self { requests, tokens } = self;
        let mut out = Vec::new();
        let mut put = |name, value: Option<String>| out.extend(value.map(|value| (name, value)));
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        if client == Format::Messages {
            let at =
                |limit: &Limit| limit.reset_ms.map(|ms| crate::time::rfc3339(now.saturating_add(ms) / 1000));
            put("anthropic-ratelimit-requests-limit", text(requests.limit));
            put("anthropic-ratelimit-requests-remaining", text(requests.remaining));
            put("anthropic-ratelimit-requests-reset", at(requests));
            put("anthropic-ratelimit-tokens-limit", text(tokens.limit));
            put("anthropic-ratelimit-tokens-remaining", text(tokens.remaining));
            put("anthropic-ratelimit-tokens-reset", at(tokens));
            return out;
        }
        let wait = |limit: &Limit| limit.reset_ms.map(|ms| format!("{ms}ms"));
        put("x-ratelimit-limit-requests", text(requests.limit));
        put("x-ratelimit-remaining-requests", text(requests.remaining));
        put("x-ratelimit-reset-requests", wait(requests));
        put("x-ratelimit-limit-tokens", text(tokens.limit));
        put("x-ratelimit-remaining-tokens", text(tokens.remaining));
        put("x-ratelimit-reset-tokens", wait(tokens));
        out
    }
}

/// `1s`, `6m0s`, `12ms`, `1h2m3.5s`, or a bare number of seconds.
fn duration(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds);
    }
    let (mut rest, mut total) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let number: f64 = number.parse().ok()?;
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit)?;
        let seconds = match unit {
            "d" => number * 86_400.0,
            "h" => number * 3600.0,
            "m" => number * 60.0,
            "s" => number,
            "ms" => number / 1000.0,
            _ => return None,
        };
        total = total.checked_add(milliseconds(seconds)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A year is the longest that anyone means.
fn milliseconds(seconds: f64) -> Option<u64> {
    (0.0..=31_536_000.0).contains(&seconds).then_some((seconds * 1000.0).ceil() as u64)
}

/// Unix milliseconds of an RFC 3339 timestamp in UTC.
fn timestamp(text: &str) -> Option<u64> {
    crate::time::parse_rfc3339(text.trim()).map(|seconds| seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)], now: u64) -> Limits {
        Limits::read(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value), now)
    }

    #[test]
    fn a_limit_that_is_spent_says_for_how_long() {
        let openai = |remaining| {
            read(
                &[
                    ("x-ratelimit-limit-requests", "60"),
                    ("x-ratelimit-remaining-requests", remaining),
                    ("x-ratelimit-reset-requests", "1m0s"),
                ],
                0,
            )
        };
        assert_eq!(openai("0").spent(), Some(1_000), "one of sixty a minute is back after a second");
        assert_eq!(openai("1").spent(), None);
        let tokens = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "20s")];
        assert_eq!(read(&tokens, 0).spent(), Some(2_000));
        assert_eq!(Limits::default().spent(), None);
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("1s", Some(1000)),
            ("6m0s", Some(360_000)),
            ("12ms", Some(12)),
            ("1h2m3.5s", Some(3_723_500)),
            ("7.66", Some(7660)),
            ("0", Some(0)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("1e300", None),
            ("5x", None),
        ] {
            assert_eq!(duration(text), ms, "{text}");
        }
    }

    #[test]
    fn limits_change_their_words() {
        let of_anthropic = read(
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:10Z"),
                ("anthropic-ratelimit-tokens-limit", "many"),
            ],
            1_767_225_600_000,
        );
        assert_eq!(
            of_anthropic.write(Format::Chat, 0),
            [
                ("x-ratelimit-limit-requests", "50".to_owned()),
                ("x-ratelimit-remaining-requests", "49".to_owned()),
                ("x-ratelimit-reset-requests", "10000ms".to_owned()),
            ]
        );
        let of_openai = read(
            &[("x-ratelimit-remaining-tokens", "9"), ("x-ratelimit-reset-tokens", "1m")],
            1_767_225_600_000,
        );
        assert_eq!(
            of_openai.write(Format::Messages, 1_767_225_600_000),
            [
                ("anthropic-ratelimit-tokens-remaining", "9".to_owned()),
                ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:01:00Z".to_owned()),
            ]
        );
        assert!(read(&[], 0).write(Format::Chat, 0).is_empty());
    }
}
