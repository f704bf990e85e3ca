//! What of a report the operator has not heard yet, in frames of bounded size.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use penstock_config::{KeysHealth, ProxyFrame, TargetHealth, write_frame};
use serde::Serialize;

use super::report::{Ailing, Open, ProviderName, Report, TargetName};

/// Entries are added to a frame until it has this many bytes. The operator takes lines of up to 64 KiB, and no entry
/// is longer than half of that.
const FULL: usize = 32 << 10;

/// What the operator has heard on one stream.
#[derive(Debug, Default)]
pub struct Heard {
    anything: bool,
    report: Report,
}

enum News {
    Target(TargetName, Option<Open>),
    Keys(ProviderName, Option<Ailing>),
}

impl Heard {
    /// Hands over what is news, frame by frame, until `send` takes no more: the rest is news the next time.
    pub fn tell(&mut self, report: &Report, now: Instant, mut send: impl FnMut(Bytes) -> bool) {
        let mut batch = Batch::default();
        for news in self.news(report) {
            batch.add(news, now);
            if batch.bytes >= FULL && !self.hand_over(std::mem::take(&mut batch), &mut send) {
                return;
            }
        }
        // The first frame says that there is a report at all.
        if !batch.news.is_empty() || !self.anything {
            self.hand_over(batch, &mut send);
        }
    }

    fn hand_over(&mut self, batch: Batch, send: &mut impl FnMut(Bytes) -> bool) -> bool {
        let Batch { news, targets, keys, bytes: _ } = batch;
        if !send(write_frame(&ProxyFrame::Health { targets, keys }).into()) {
            return false;
        }
        self.anything = true;
        for news in news {
            match news {
                News::Target(name, open) => set(&mut self.report.targets, name, open),
                News::Keys(name, ailing) => set(&mut self.report.keys, name, ailing),
            }
        }
        true
    }

    fn news(&self, report: &Report) -> Vec<News> {
        let heard = &self.report;
        let targets = differences(&heard.targets, &report.targets, Open::is_as);
        let keys = differences(&heard.keys, &report.keys, Ailing::is_as);
        let targets = targets.into_iter().map(|(name, open)| News::Target(name, open));
        targets.chain(keys.into_iter().map(|(name, ailing)| News::Keys(name, ailing))).collect()
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

/// What is in `now` otherwise than before, and what is no longer in it.
fn differences<K: Ord + Clone, V: Clone>(
    before: &BTreeMap<K, V>,
    now: &BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<(K, Option<V>)> {
    let differs = |(key, value): &(&K, &V)| !before.get(key).is_some_and(|before| same(value, before));
    let news = now.iter().filter(differs).map(|(key, value)| (key.clone(), Some(value.clone())));
    let gone = before.keys().filter(|key| !now.contains_key(key)).map(|key| (key.clone(), None));
    news.chain(gone).collect()
}

#[derive(Default)]
struct Batch {
    news: Vec<News>,
    targets: Vec<TargetHealth>,
    keys: Vec<KeysHealth>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, news: News, now: Instant) {
        match &news {
            News::Target((pool, provider, model), open) => {
                let target = TargetHealth {
                    pool: pool.clone(),
                    provider: provider.clone(),
                    model: model.clone(),
                    open: open.as_ref().map(|open| open.to_wire(now)),
                };
                self.bytes += length(&target);
                self.targets.push(target);
            }
            News::Keys((pool, provider), ailing) => {
                let keys = KeysHealth {
                    pool: pool.clone(),
                    provider: provider.clone(),
                    ailing: ailing.as_ref().map(|ailing| ailing.to_wire(now)),
                };
                self.bytes += length(&keys);
                self.keys.push(keys);
            }
        }
        self.news.push(news);
    }
}

/// Bytes as JSON, with a comma.
fn length(entry: &impl Serialize) -> usize {
    serde_json::to_vec(entry).map_or(0, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use penstock_config::{FailoverReason, read_frame};

    use super::*;
    use crate::health::RestReason;
    use crate::health::report::tests::{COOLDOWN, World};

    /// The operator's side: the lines so far, and what they add up to.
    #[derive(Default)]
    struct Operator {
        lines: Vec<Bytes>,
        open: BTreeMap<String, TargetHealth>,
        keys: BTreeMap<String, KeysHealth>,
    }

    impl Operator {
        fn hear(&mut self, heard: &mut Heard, report: &Report, now: Instant, room: usize) {
            let mut left = room;
            heard.tell(report, now, |line| {
                if left == 0 {
                    return false;
                }
                left -= 1;
                assert!(line.len() < 64 << 10, "{}", line.len());
                let ProxyFrame::Health { targets, keys } = read_frame(&line).unwrap() else {
                    panic!("health")
                };
                self.lines.push(line);
                for target in targets {
                    let open = target.open.is_some().then(|| target.clone());
                    set(&mut self.open, target.model, open);
                }
                for of in keys {
                    let ailing = of.ailing.is_some().then(|| of.clone());
                    set(&mut self.keys, of.provider, ailing);
                }
                true
            });
        }
    }

    #[test]
    fn the_first_frame_comes_with_nothing_in_it_and_then_only_news() {
        let (world, now) = (World::new(2), Instant::now());
        let (mut heard, mut operator) = (Heard::default(), Operator::default());
        let mut look = |operator: &mut Operator, now| {
            operator.hear(&mut heard, &world.report(now), now, 9);
            operator.lines.len()
        };
        assert_eq!(look(&mut operator, now), 1);
        assert_eq!(look(&mut operator, now), 1, "nothing is no news");
        world.fail(0, FailoverReason::Connect, "refused", now);
        assert_eq!(look(&mut operator, now), 2);
        assert_eq!(operator.open["m0"].open.as_ref().unwrap().cooldown_ms, 10_000);
        // A minute of requests that all fail: one frame each time the breaker opens again.
        let mut at = now;
        for second in 1..60 {
            at = now + Duration::from_secs(second);
            let breaker = world.breaker(0);
            if breaker.foresee(at).is_none() {
                breaker.admit(at);
                world.fail(0, FailoverReason::Connect, "refused again", at);
            }
            look(&mut operator, at);
        }
        assert_eq!(operator.lines.len(), 2 + 5);
        world.breaker(0).succeeded(at);
        assert_eq!(look(&mut operator, at), 8);
        assert!(operator.open.is_empty());
    }

    #[test]
    fn keys_are_told_of_and_forgotten() {
        let (world, now) = (World::new(1), Instant::now());
        let (mut heard, mut operator) = (Heard::default(), Operator::default());
        let key = &world.targets[0].2.keys[1];
        key.rest(now, RestReason::Refused, None);
        operator.hear(&mut heard, &world.report(now), now, 9);
        assert_eq!(operator.keys["provider"].ailing.as_ref().unwrap().refused_ids, ["secret/b"]);
        let later = now + Duration::from_secs(60);
        key.worked(later);
        operator.hear(&mut heard, &world.report(later), later, 9);
        assert!(operator.keys.is_empty());
    }

    #[test]
    fn thousands_of_targets_come_in_frames_that_fit_and_wait_for_room() {
        let (world, now) = (World::new(5000), Instant::now());
        let words = "\u{1F4A5}\\\"".repeat(70);
        (0..5000).for_each(|i| world.fail(i, FailoverReason::Overloaded, &words, now));
        let (mut heard, mut operator) = (Heard::default(), Operator::default());
        let mut rounds = 0;
        while operator.open.len() < 5000 {
            operator.hear(&mut heard, &world.report(now), now, 8);
            rounds += 1;
            assert!(rounds < 60, "{} told", operator.open.len());
        }
        let bytes: usize = operator.lines.iter().map(Bytes::len).sum();
        println!("5,000 open breakers: {} frames, {bytes} bytes, {rounds} seconds", operator.lines.len());
        let told = operator.lines.len();
        operator.hear(&mut heard, &world.report(now + COOLDOWN), now + COOLDOWN, 8);
        assert_eq!(operator.lines.len(), told);
    }
}
