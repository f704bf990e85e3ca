//! Until when a credential holds: the ways in which endpoints say it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Taken for the life of a token whose endpoint does not tell it.
const ASSUMED_LIFE: Duration = Duration::from_secs(300);
/// A token is never kept for longer than this, whatever its endpoint says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A number of seconds, or a date: IBM and Google write numbers, older Entra endpoints strings, AWS both.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Told {
    Number(f64),
    Text(String),
    Other(IgnoredAny),
}

impl Told {
    fn seconds(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().ok()?,
            Self::Other(_) => return None,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// The end of a life told in seconds from now.
pub fn after(told: Option<&Told>, now: SystemTime) -> SystemTime {
    now + told.and_then(Told::seconds).unwrap_or(ASSUMED_LIFE).min(LONGEST_LIFE)
}

/// The end of a life told as a date (RFC 3339) or as seconds since 1970.
pub fn at(told: Option<&Told>, now: SystemTime) -> SystemTime {
    let date = told.and_then(|told| match told {
        Told::Text(text) => rfc3339(text).or_else(|| UNIX_EPOCH.checked_add(told.seconds()?)),
        Told::Number(_) | Told::Other(_) => UNIX_EPOCH.checked_add(told.seconds()?),
    });
    date.unwrap_or(now + ASSUMED_LIFE).min(now + LONGEST_LIFE)
}

fn rfc3339(text: &str) -> Option<SystemTime> {
    let date = DateTime::from_str(text.trim(), Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn told(json: &str) -> Told {
        serde_json::from_str(json).unwrap()
    }

    fn life(end: SystemTime) -> u64 {
        end.duration_since(now()).unwrap().as_secs()
    }

    #[test]
    fn seconds_from_now_in_every_dress() {
        for (json, seconds) in [
            ("3599", 3599),
            ("\"3599\"", 3599),
            ("3599.5", 3599),
            ("-1", 300),
            ("\"soon\"", 300),
            ("null", 300),
            ("[1]", 300),
            ("1e300", 300),
            ("99999999", 24 * 3600),
        ] {
            assert_eq!(life(after(Some(&told(json)), now())), seconds, "{json}");
        }
        assert_eq!(life(after(None, now())), 300);
    }

    #[test]
    fn dates_in_every_dress() {
        for (json, seconds) in [
            ("\"2026-01-01T01:00:00Z\"", 3600),
            ("\"2026-01-01T01:00:00.123Z\"", 3600),
            ("\"2026-01-01T02:00:00+01:00\"", 3600),
            ("1767229200", 3600),
            ("1.7672292E9", 3600),
            ("\"tomorrow\"", 300),
            ("1e300", 300),
            ("\"2999-01-01T00:00:00Z\"", 24 * 3600),
        ] {
            assert_eq!(life(at(Some(&told(json)), now())), seconds, "{json}");
        }
        let past = at(Some(&told("\"2025-12-31T23:00:00Z\"")), now());
        assert!(past < now(), "an end in the past stays there");
    }
}
