//! What one proxy says of the health of its targets. What it has not spoken of is well.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use penstock_config::{AilingKeys, KeysHealth, LastFailure, OpenBreaker, TargetHealth};
use penstock_crds::status::MOST_REFUSED_KEYS;

/// Entries kept of one proxy. More than it has targets would be a mistake of its own.
const MOST_ENTRIES: usize = 20_000;
/// Characters kept of each text of a proxy.
const LONGEST_MESSAGE: usize = 256;
const LONGEST_REASON: usize = 64;

/// Pool (`namespace/name`), provider, model.
pub type TargetName = (String, String, String);
/// Pool (`namespace/name`), provider.
pub type ProviderName = (String, String);

/// What a proxy last said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub open: BTreeMap<TargetName, Open>,
    pub ailing: BTreeMap<ProviderName, Ailing>,
}

/// A breaker that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub until: Timestamp,
    pub error: Option<Error>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub reason: String,
    pub message: String,
    pub time: Timestamp,
}

/// Keys of which none can be used, or some are refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Ailing {
    /// When a key is tried again, where none can be used now.
    pub none_until: Option<Timestamp>,
    /// None can be used, and each was refused.
    pub all_refused: bool,
    pub some_refused: bool,
    pub refused_ids: Vec<String>,
}

impl Report {
    /// Takes in a frame.
    pub fn hear(&mut self, targets: Vec<TargetHealth>, keys: Vec<KeysHealth>, now: Timestamp) {
        for TargetHealth { pool, provider, model, open } in targets {
            put(&mut self.open, (pool, provider, model), open.map(|open| opened(open, now)));
        }
        for KeysHealth { pool, provider, ailing } in keys {
            put(&mut self.ailing, (pool, provider), ailing.map(|keys| ailing_of(keys, now)));
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        None => drop(map.remove(&key)),
        Some(value) if map.len() < MOST_ENTRIES || map.contains_key(&key) => drop(map.insert(key, value)),
        Some(_) => {}
    }
}

fn opened(open: OpenBreaker, now: Timestamp) -> Open {
    let OpenBreaker { cooldown_ms, last_failure } = open;
    let error = last_failure.map(|LastFailure { reason, message, age_ms }| Error {
        reason: cut(reason, LONGEST_REASON),
        message: cut(message, LONGEST_MESSAGE),
        time: whole_seconds(before(now, age_ms)),
    });
    Open { until: whole_seconds(after(now, cooldown_ms)), error }
}

fn ailing_of(keys: AilingKeys, now: Timestamp) -> Ailing {
    let AilingKeys { usable, rate_limited, refused, refused_ids, cooldown_ms } = keys;
    let mut refused_ids: Vec<String> =
        refused_ids.into_iter().take(MOST_REFUSED_KEYS).map(|id| cut(id, LONGEST_MESSAGE * 2)).collect();
    refused_ids.sort_unstable();
    refused_ids.dedup();
    Ailing {
        none_until: (usable == 0).then(|| whole_seconds(after(now, cooldown_ms))),
        all_refused: usable == 0 && rate_limited == 0 && refused > 0,
        some_refused: refused > 0,
        refused_ids,
    }
}

fn cut(mut text: String, longest: usize) -> String {
    text.retain(|c| !c.is_control());
    if let Some((at, _)) = text.char_indices().nth(longest) {
        text.truncate(at);
    }
    text
}

/// The day's end of all times is no reason to panic.
fn after(now: Timestamp, ms: u64) -> Timestamp {
    now.checked_add(Duration::from_millis(ms)).unwrap_or(now)
}

fn before(now: Timestamp, ms: u64) -> Timestamp {
    now.checked_sub(Duration::from_millis(ms)).unwrap_or(now)
}

/// As a status shows it: rounded up.
fn whole_seconds(time: Timestamp) -> Timestamp {
    let up = time.checked_add(SignedDuration::from_nanos(999_999_999)).unwrap_or(time);
    Timestamp::from_second(up.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(model: &str, cooldown_ms: Option<u64>) -> TargetHealth {
        let last_failure =
            LastFailure { reason: "Connect".into(), message: "refused\n".repeat(100), age_ms: 1500 };
        TargetHealth {
            pool: "a/p".into(),
            provider: "o".into(),
            model: model.into(),
            open: cooldown_ms
                .map(|cooldown_ms| OpenBreaker { cooldown_ms, last_failure: Some(last_failure) }),
        }
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05.25Z".parse().unwrap()
    }

    #[test]
    fn frames_add_up() {
        let mut report = Report::default();
        report.hear(vec![target("m", Some(2000)), target("n", Some(0))], vec![], now());
        report.hear(vec![target("n", None), target("never", None)], vec![], now());
        let (name, open) = report.open.first_key_value().unwrap();
        assert_eq!((name.2.as_str(), report.open.len()), ("m", 1));
        assert_eq!(open.until.to_string(), "2026-01-02T03:04:08Z");
        let error = open.error.as_ref().unwrap();
        assert_eq!(error.time.to_string(), "2026-01-02T03:04:04Z");
        assert_eq!((error.message.len(), error.message.contains('\n')), (LONGEST_MESSAGE, false));
    }

    #[test]
    fn keys() {
        let said = |usable, rate_limited, refused| {
            let refused_ids = vec!["s/b".into(), "s/a".into(), "s/a".into()];
            ailing_of(AilingKeys { usable, rate_limited, refused, refused_ids, cooldown_ms: 1 }, now())
        };
        let [one, limited, all] = [said(1, 0, 1), said(0, 1, 1), said(0, 0, 2)];
        assert_eq!((one.none_until, one.all_refused, one.some_refused), (None, false, true));
        assert_eq!(one.refused_ids, ["s/a", "s/b"]);
        assert_eq!((limited.none_until.is_some(), limited.all_refused), (true, false));
        assert!(all.all_refused && all.none_until.is_some());
    }

    #[test]
    fn a_proxy_that_never_stops_talking_is_forgotten_in_part_and_times_do_not_overflow() {
        let mut report = Report::default();
        let many = (0..MOST_ENTRIES + 10).map(|i| target(&i.to_string(), Some(u64::MAX))).collect();
        report.hear(many, vec![], now());
        assert_eq!(report.open.len(), MOST_ENTRIES);
        report.hear(vec![target("0", None), target("late", Some(1))], vec![], now());
        assert_eq!(report.open.len(), MOST_ENTRIES);
    }
}
