//! How long a provider asks to wait, where the body of its error says so.
//!
//! Most say it in a header; these members and wordings are of those that do not, or not always.

use std::time::Duration;

use serde_json::Value;

/// No wait is longer, seconds.
const LONGEST: f64 = 86_400.0;

/// Members with seconds: gateways; Hugging Face, of a model that is loading.
const SECONDS: &[&str] = &["retry_after", "retry_after_seconds", "retryAfter", "estimated_time"];

/// What stands before the time in a message, lower case: OpenAI and Groq ("Please try again in 7m30.72s"), Azure
/// ("Please retry after 26 seconds"), Google ("Please retry in 34.1s"), Moonshot ("try again after 1 seconds").
const WORDINGS: &[&str] = &["try again in ", "retry after ", "retry in ", "try again after "];

/// From the members of an error object, or of what it holds.
pub(super) fn in_members(error: &Value) -> Option<Duration> {
    let of = |holder: &Value| {
        let number = |name: &str| match holder.get(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim_end_matches('s').parse().ok(),
            _ => None,
        };
        let milliseconds = number("retry_after_ms").map(|ms| ms / 1000.0);
        milliseconds.or_else(|| SECONDS.iter().find_map(|name| number(name))).and_then(duration)
    };
    // Google's `RetryInfo`.
    let details = error.get("details").and_then(Value::as_array);
    let delay = details.into_iter().flatten().find_map(|detail| {
        let text = detail.get("retryDelay")?.as_str()?.strip_suffix('s')?;
        duration(text.parse().ok()?)
    });
    delay.or_else(|| of(error)).or_else(|| of(error.get("metadata")?))
}

/// From the words of an error, in lower case.
pub(super) fn in_words(text: &str) -> Option<Duration> {
    let rest = WORDINGS.iter().find_map(|wording| text.split_once(wording)).map(|(_, rest)| rest)?;
    let mut seconds = 0.0;
    let mut is_known = false;
    let mut rest = rest.trim_start();
    // `7m30.72s`, `26 seconds`, `20ms`, `1 minute and 3 seconds`.
    while let Some((number, behind)) = leading(rest, |c| c.is_ascii_digit() || c == '.') {
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else { break };
        let Some((unit, behind)) = leading(behind.trim_start(), |c| c.is_ascii_alphabetic()) else { break };
        let Some(factor) = factor(unit) else { break };
        seconds += number * factor;
        is_known = true;
        rest = behind.trim_start_matches([' ', ',']).trim_start_matches("and ");
    }
    is_known.then(|| duration(seconds)).flatten()
}

fn factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

/// What the text begins with, and the rest; `None` where it begins with something else.
fn leading(text: &str, is: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text.find(|c| !is(c)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(head, _)| !head.is_empty())
}

fn duration(seconds: f64) -> Option<Duration> {
    (0.0..=LONGEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words() {
        for (text, ms) in [
            ("please try again in 20ms. visit", Some(20)),
            ("please try again in 7m30.72s. need more", Some(450_720)),
            ("try again in 50 seconds.", Some(50_000)),
            ("please retry after 26 seconds. to increase", Some(26_000)),
            ("please retry in 34.1s.", Some(34_100)),
            ("please try again after 1 seconds", Some(1000)),
            ("try again in 1 minute and 3 seconds", Some(63_000)),
            ("try again in a while", None),
            ("try again in 5 bananas", None),
            ("try again in 99999999 hours", None),
            ("try again in ", None),
            ("slow down", None),
        ] {
            assert_eq!(in_words(text), ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn members() {
        for (error, ms) in [
            (json!({"details": [{"@type": "x"}, {"retryDelay": "3.5s"}]}), Some(3500)),
            (json!({"retry_after": 2}), Some(2000)),
            (json!({"retry_after_ms": 1500}), Some(1500)),
            (json!({"metadata": {"retry_after_seconds": "7"}}), Some(7000)),
            (json!({"estimated_time": 20.5}), Some(20_500)),
            (json!({"retry_after": -1}), None),
            (json!({"retry_after": 1e300}), None),
            (json!({"retry_after": "soon"}), None),
            (json!([]), None),
        ] {
            assert_eq!(in_members(&error), ms.map(Duration::from_millis), "{error}");
        }
    }
}
