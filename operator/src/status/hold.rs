//! Which health a status shows: bad news at once, good news when it lasts, and neither too often. Pure.
//!
//! A status is for people and alerts, and each write of it goes to the API server and to everyone who watches. So what
//! is shown follows what is known with these limits, for each object:
//! - the health or the credentials of something got worse: shown at once, but not within [`HOLD`] of the write before;
//! - they got better, or unknown: shown when that has lasted for [`HOLD`];
//! - they were unknown: shown at once;
//! - only times, counts or words differ: shown when [`DETAIL_HOLD`] has passed since the write before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use penstock_crds::status::{
    Credentials, Health, LastError, ModelStatus, PoolHealth, ProviderStatus, RouteHealth, TargetStatus,
};

use super::health::ObjectHealth;
use crate::compile::ObjectKey;

pub const HOLD: Duration = Duration::from_secs(5);
pub const DETAIL_HOLD: Duration = Duration::from_secs(30);
/// The ends of one cooldown, as two frames tell it, are rounded each on its own.
const SAME_TIME: i64 = 1;

/// The objects whose health was written, or is to be.
#[derive(Default)]
pub struct Holds {
    of: HashMap<ObjectKey, Hold>,
    /// When the first of what is held back is due.
    due: Option<Instant>,
}

#[derive(Default)]
struct Hold {
    written: Option<Instant>,
    /// Since when it has been better than what is shown, without a break.
    better_since: Option<Instant>,
}

/// How what is known differs from what is shown. In order of what counts where rows differ in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Same,
    Details,
    Better,
    /// Something of it was Unknown, and nothing got worse.
    Known,
    Worse,
    /// It speaks of other targets.
    Anew,
}

impl Holds {
    /// Before a look at all objects.
    pub fn begin(&mut self) {
        self.due = None;
    }

    /// What to show instead of `shown`, or still. An operator that has just started knows too little to change what is
    /// there.
    pub fn choose(
        &mut self,
        key: &ObjectKey,
        shown: Option<&ObjectHealth>,
        known: ObjectHealth,
        just_started: bool,
        now: Instant,
    ) -> ObjectHealth {
        let Some(shown) = shown else { return known };
        let change = compare(shown, &known);
        if change == Change::Same && !self.of.contains_key(key) {
            return shown.clone();
        }
        let hold = self.of.entry(key.clone()).or_default();
        let since_write = |span| hold.written.map_or(now, |written| written + span);
        let due = match change {
            Change::Better => {
                let better_since = *hold.better_since.get_or_insert(now);
                since_write(HOLD).max(better_since + HOLD)
            }
            Change::Same => {
                hold.better_since = None;
                if since_write(DETAIL_HOLD) <= now {
                    self.of.remove(key);
                }
                return shown.clone();
            }
            Change::Known | Change::Anew => now,
            Change::Worse => since_write(HOLD),
            Change::Details => since_write(DETAIL_HOLD),
        };
        if change != Change::Better {
            hold.better_since = None;
        }
        if just_started {
            return shown.clone();
        }
        if due <= now {
            return known;
        }
        self.due = Some(self.due.map_or(due, |first| first.min(due)));
        shown.clone()
    }

    /// Another health than the shown one is on its way to the API server.
    pub fn wrote(&mut self, key: &ObjectKey, now: Instant) {
        self.of.insert(key.clone(), Hold { written: Some(now), better_since: None });
    }

    pub fn was_written_lately(&self, key: &ObjectKey, now: Instant) -> bool {
        let written = self.of.get(key).and_then(|hold| hold.written);
        written.is_some_and(|written| now.saturating_duration_since(written) < HOLD)
    }

    /// It did not get there: nothing holds back the next try.
    pub fn failed(&mut self, key: &ObjectKey) {
        if let Some(hold) = self.of.get_mut(key) {
            hold.written = None;
        }
    }

    /// Whether something that was held back may be shown now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub fn keep_only(&mut self, there: &HashSet<&ObjectKey>) {
        self.of.retain(|key, _| there.contains(key));
    }
}

fn compare(shown: &ObjectHealth, known: &ObjectHealth) -> Change {
    let (before, after) = (Ranks::of(shown), Ranks::of(known));
    if !before.is_cut && !after.is_cut && !before.rows.keys().eq(after.rows.keys()) {
        return Change::Anew;
    }
    let rank = |ranks: &Ranks<'_>, place: &Place<'_>| {
        ranks.rows.get(place).or_else(|| ranks.models.get(place)).copied().unwrap_or(WELL)
    };
    let places = [&before.rows, &before.models, &after.rows, &after.models];
    let mut change = Change::Same;
    for place in places.into_iter().flat_map(BTreeMap::keys) {
        let (before, after) = (rank(&before, place), rank(&after, place));
        change = change.max(match (before, after) {
            _ if before == after => Change::Same,
            _ if before > after => Change::Better,
            (UNKNOWN, _) => Change::Known,
            _ => Change::Worse,
        });
    }
    match change {
        Change::Same if !is_alike(shown, known) => Change::Details,
        change => change,
    }
}

/// Names of a row: rule, pool, provider and model of a target; a provider, and what of it.
type Place<'a> = [&'a str; 4];

/// How bad each row is.
struct Ranks<'a> {
    rows: BTreeMap<Place<'a>, u8>,
    /// Listed only while they are not well.
    models: BTreeMap<Place<'a>, u8>,
    /// Not every row is listed.
    is_cut: bool,
}

const UNKNOWN: u8 = rank_of_health(Health::Unknown);
/// Of what is not listed.
const WELL: u8 = rank_of_health(Health::Healthy);

impl<'a> Ranks<'a> {
    fn of(health: &'a ObjectHealth) -> Self {
        let mut ranks = Self { rows: BTreeMap::new(), models: BTreeMap::new(), is_cut: false };
        match health {
            ObjectHealth::Route(RouteHealth { healthy: _, targets, more_targets }) => {
                ranks.is_cut = more_targets.is_some();
                let rows = targets
                    .iter()
                    .map(|t| ([t.rule.as_str(), &t.pool, &t.provider, &t.model], rank_of_health(t.health)));
                ranks.rows.extend(rows);
            }
            ObjectHealth::Pool(PoolHealth { healthy: _, providers }) => {
                for provider in providers {
                    let name = provider.name.as_str();
                    ranks.rows.insert([name, "", "", "health"], rank_of_health(provider.health));
                    let credentials = provider.credentials.map_or(0, rank_of_credentials);
                    ranks.models.insert([name, "", "", "credentials"], credentials);
                    let models = provider.models.iter();
                    ranks.models.extend(
                        models.map(|model| ([name, &model.name, "", "model"], rank_of_health(model.health))),
                    );
                }
            }
        }
        ranks
    }
}

const fn rank_of_health(health: Health) -> u8 {
    match health {
        Health::Unknown => 0,
        Health::Healthy => 1,
        Health::Degraded => 2,
        Health::Unavailable => 3,
    }
}

fn rank_of_credentials(credentials: Credentials) -> u8 {
    match credentials {
        Credentials::Unknown => 0,
        Credentials::Valid => 1,
        Credentials::RateLimited => 2,
        Credentials::PartlyRefused => 3,
        Credentials::Refused => 4,
    }
}

/// Whether there is nothing to tell, where every row is as bad as before.
fn is_alike(shown: &ObjectHealth, known: &ObjectHealth) -> bool {
    match (shown, known) {
        (ObjectHealth::Route(shown), ObjectHealth::Route(known)) => {
            let RouteHealth { healthy, targets, more_targets } = known;
            *healthy == shown.healthy
                && *more_targets == shown.more_targets
                && targets.len() == shown.targets.len()
                && shown.targets.iter().zip(targets).all(|(shown, known)| is_target_alike(shown, known))
        }
        (ObjectHealth::Pool(shown), ObjectHealth::Pool(known)) => {
            let PoolHealth { healthy, providers } = known;
            *healthy == shown.healthy
                && providers.len() == shown.providers.len()
                && shown.providers.iter().zip(providers).all(|(shown, known)| is_provider_alike(shown, known))
        }
        _ => false,
    }
}

fn is_target_alike(shown: &TargetStatus, known: &TargetStatus) -> bool {
    let TargetStatus { rule, pool, provider, model, health, proxies, cooldown_until, last_error } = known;
    *rule == shown.rule
        && *pool == shown.pool
        && *provider == shown.provider
        && *model == shown.model
        && *health == shown.health
        && *proxies == shown.proxies
        && is_same_time(cooldown_until.as_ref(), shown.cooldown_until.as_ref())
        && is_same_kind(last_error.as_ref(), shown.last_error.as_ref())
}

fn is_provider_alike(shown: &ProviderStatus, known: &ProviderStatus) -> bool {
    let ProviderStatus {
        name,
        health,
        credentials,
        refused_keys,
        cooldown_until,
        last_error,
        models,
        more_models,
    } = known;
    *name == shown.name
        && *health == shown.health
        && *credentials == shown.credentials
        && *refused_keys == shown.refused_keys
        && is_same_time(cooldown_until.as_ref(), shown.cooldown_until.as_ref())
        && is_same_kind(last_error.as_ref(), shown.last_error.as_ref())
        && *more_models == shown.more_models
        && models.len() == shown.models.len()
        && shown.models.iter().zip(models).all(|(shown, known)| {
            let ModelStatus { name, health, proxies, reason } = known;
            *name == shown.name
                && *health == shown.health
                && *proxies == shown.proxies
                && *reason == shown.reason
        })
}

fn is_same_time(one: Option<&Time>, other: Option<&Time>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one.0.as_second() - other.0.as_second()).abs() <= SAME_TIME,
        (None, None) => true,
        _ => false,
    }
}

/// Another failure of the same kind is nothing to tell; its words come with the next write.
fn is_same_kind(one: Option<&LastError>, other: Option<&LastError>) -> bool {
    one.map(|error| &error.reason) == other.map(|error| &error.reason)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::jiff::Timestamp;
    use penstock_config::{AilingKeys, KeysHealth, LastFailure, OpenBreaker, TargetHealth};
    use serde_json::{Value, json};

    use super::*;
    use crate::compile::Kind;
    use crate::report::Report;
    use crate::served::Served;
    use crate::status::health::FleetHealth;

    /// A route and its pool with one provider and two models, some proxies, and an API server that counts writes.
    struct Test {
        start: Instant,
        second: u64,
        holds: Holds,
        served: Served,
        proxies: Vec<Arc<Report>>,
        shown: HashMap<ObjectKey, ObjectHealth>,
        writes: HashMap<ObjectKey, usize>,
        just_started: bool,
    }

    impl Test {
        fn new(proxies: usize) -> Self {
            let mut test = Self {
                start: Instant::now(),
                second: 0,
                holds: Holds::default(),
                served: served(&["m", "n"]),
                proxies: vec![Arc::default(); proxies],
                shown: HashMap::new(),
                writes: HashMap::new(),
                just_started: false,
            };
            test.look();
            test.pass(100);
            assert_eq!(test.take_writes(), [1, 1], "the first status");
            test
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_secs(self.second)
        }

        fn timestamp(&self) -> Timestamp {
            Timestamp::from_second(1_700_000_000 + i64::try_from(self.second).unwrap()).unwrap()
        }

        /// What the status writer does in a pass.
        fn look(&mut self) {
            let now = self.now();
            let fleet = FleetHealth::of(&self.proxies);
            self.holds.begin();
            for key in keys() {
                let known = fleet.of_object(&key, &self.served);
                let shown = self.shown.get(&key);
                let chosen = self.holds.choose(&key, shown, known, self.just_started, now);
                if shown != Some(&chosen) {
                    self.holds.wrote(&key, now);
                    *self.writes.entry(key.clone()).or_default() += 1;
                    self.shown.insert(key, chosen);
                }
            }
        }

        fn pass(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.second += 1;
                self.look();
            }
        }

        /// Of the route and of the pool.
        fn take_writes(&mut self) -> [usize; 2] {
            let writes = keys().map(|key| self.writes.get(&key).copied().unwrap_or_default());
            self.writes.clear();
            writes
        }

        fn say(&mut self, proxy: usize, model: &str, failing: Option<(&str, u64)>) {
            let open = failing.map(|(reason, cooldown)| OpenBreaker {
                cooldown_ms: cooldown * 1000,
                last_failure: Some(LastFailure {
                    reason: reason.into(),
                    message: format!("at {}", self.second),
                    age_ms: 0,
                }),
            });
            let (pool, provider, model) = ("ai/p".into(), "o".into(), model.into());
            let now = self.timestamp();
            let report = Arc::make_mut(&mut self.proxies[proxy]);
            report.hear(vec![TargetHealth { pool, provider, model, open }], vec![], now);
        }

        fn refuse(&mut self, proxy: usize, refused: bool) {
            let ailing = refused.then(|| AilingKeys {
                usable: 0,
                rate_limited: 0,
                refused: 1,
                refused_ids: vec!["s/k".into()],
                cooldown_ms: 30_000,
            });
            let now = self.timestamp();
            let said = KeysHealth { pool: "ai/p".into(), provider: "o".into(), ailing };
            Arc::make_mut(&mut self.proxies[proxy]).hear(vec![], vec![said], now);
        }

        fn route(&self) -> Vec<&TargetStatus> {
            match &self.shown[&keys()[0]] {
                ObjectHealth::Route(route) => route.targets.iter().collect(),
                ObjectHealth::Pool(_) => panic!("a pool"),
            }
        }

        fn health(&self) -> Vec<(&str, Health)> {
            self.route().iter().map(|target| (target.model.as_str(), target.health)).collect()
        }

        fn provider(&self) -> &ProviderStatus {
            match &self.shown[&keys()[1]] {
                ObjectHealth::Pool(pool) => &pool.providers[0],
                ObjectHealth::Route(_) => panic!("a route"),
            }
        }
    }

    fn keys() -> [ObjectKey; 2] {
        [(Kind::ModelRoute, "r"), (Kind::ProviderPool, "p")].map(|(kind, name)| ObjectKey {
            kind,
            namespace: "ai".into(),
            name: name.into(),
        })
    }

    fn served(models: &[&str]) -> Served {
        let target = |model: &&str| {
            json!({
                "pool": "ai/p", "model": model, "priority": 0, "weight": 1,
                "candidates": [{"provider": "o", "upstream": model}],
            })
        };
        let targets: Vec<Value> = models.iter().map(target).collect();
        let snapshot = json!({
            "auth": {"mode": "open"},
            "pools": {"ai/p": {
                "health": {"consecutiveFailures": 1, "cooldownMs": 1},
                "providers": [{"name": "o", "type": "OpenAI", "endpoint": "", "keys": []}],
            }},
            "routes": {"ai/r": {
                "models": ["m"],
                "rules": [{"name": "default", "targets": targets}],
                "failover": {
                    "reasons": [], "maxAttempts": 1,
                    "connectMs": 1, "firstTokenMs": 1, "idleMs": 1, "totalMs": 1,
                },
            }},
        });
        Served::of(&serde_json::from_value(snapshot).unwrap())
    }

    use Health::{Degraded, Healthy, Unavailable, Unknown};

    #[test]
    fn bad_news_come_at_once_and_good_news_when_they_last() {
        let mut t = Test::new(1);
        t.say(0, "n", Some(("Connect", 30)));
        t.look();
        assert_eq!(t.health(), [("n", Unavailable), ("m", Healthy)], "in the same second");
        assert_eq!(t.take_writes(), [1, 1]);
        t.pass(60);
        assert_eq!(t.take_writes(), [0, 0], "nothing happened in this minute");

        t.say(0, "n", None);
        t.pass(4);
        assert_eq!(t.take_writes(), [0, 0]);
        t.pass(2);
        assert_eq!(t.health(), [("m", Healthy), ("n", Healthy)]);
        assert_eq!((t.take_writes(), t.provider().health), ([1, 1], Healthy));
        assert!(
            t.route().iter().all(|target| target.last_error.is_none() && target.cooldown_until.is_none())
        );
    }

    #[test]
    fn more_bad_news_wait_their_turn_but_not_for_good_ones() {
        let mut t = Test::new(2);
        t.say(0, "m", Some(("Connect", 30)));
        t.look();
        t.pass(1);
        t.say(1, "m", Some(("Connect", 30)));
        t.pass(3);
        assert_eq!((t.take_writes(), t.health()[0]), ([1, 1], ("m", Degraded)));
        t.say(1, "n", None);
        t.pass(1);
        assert_eq!(
            (t.take_writes(), t.health()[0]),
            ([1, 1], ("m", Unavailable)),
            "five seconds after the first"
        );
    }

    #[test]
    fn ten_minutes_of_failing_are_a_few_writes() {
        for (cooldown, proxies) in [(1, 3), (2, 3), (30, 3), (30, 100)] {
            let mut t = Test::new(proxies);
            for second in 0..600_u64 {
                // Each proxy's probe fails at a second of its own.
                for proxy in 0..proxies {
                    if second % cooldown == proxy as u64 % cooldown {
                        let reason = if second % 7 == 0 { "Timeout" } else { "ServerError" };
                        t.say(proxy, "m", Some((reason, cooldown)));
                    }
                }
                t.pass(1);
                assert!(second < 35 || t.health()[0] == ("m", Unavailable), "{cooldown} {second}");
            }
            let writes = t.take_writes();
            println!("10 minutes, {proxies} proxies, a cooldown of {cooldown} s: {writes:?} writes");
            // One for each half minute, and those of the way down.
            assert!(writes.iter().all(|writes| (10..=26).contains(writes)), "{writes:?}");
        }
    }

    #[test]
    fn ten_minutes_of_coming_and_going_are_bounded() {
        for period in [1, 2, 3, 6, 9, 20] {
            let mut t = Test::new(1);
            let mut shown = vec![];
            for second in 0..600 {
                t.say(0, "m", (second / period % 2 == 0).then_some(("Connect", 1)));
                t.pass(1);
                shown.push(t.provider().health);
            }
            let [route, pool] = t.take_writes();
            let flips = shown.windows(2).filter(|pair| pair[0] != pair[1]).count();
            println!(
                "on and off each {period} s: {route} writes of the route, {pool} of the pool, {flips} flips"
            );
            assert!(route.max(pool) <= 600 / 5 && flips <= 600 / 5);
            assert!(period > 4 || flips <= 1, "shorter than it must last: {flips}");
        }
    }

    #[test]
    fn failures_of_the_same_kind_are_not_told_again() {
        let mut t = Test::new(1);
        t.say(0, "m", Some(("Connect", 600)));
        t.look();
        let told = t.route()[0].last_error.clone();
        for left in (0..600).rev() {
            t.pass(1);
            // The same cooldown, in other words.
            t.say(0, "m", Some(("Connect", left)));
        }
        assert_eq!((t.take_writes(), t.route()[0].last_error.clone()), ([1, 1], told));
        t.say(0, "m", Some(("Timeout", 0)));
        t.pass(1);
        assert_eq!(t.take_writes(), [1, 1], "another kind is told");
        assert_eq!(t.route()[0].last_error.as_ref().unwrap().reason, "Timeout");
    }

    #[test]
    fn a_refused_key_is_told_until_it_works() {
        let mut t = Test::new(1);
        t.refuse(0, true);
        t.look();
        let provider = t.provider();
        assert_eq!((provider.health, provider.credentials), (Unavailable, Some(Credentials::Refused)));
        assert_eq!(provider.refused_keys, ["s/k"]);
        assert_eq!(t.health(), [("m", Unavailable), ("n", Unavailable)]);
        t.refuse(0, false);
        t.pass(6);
        assert_eq!((t.provider().health, t.provider().credentials), (Healthy, None));
        assert_eq!(t.take_writes(), [2, 2]);
    }

    #[test]
    fn proxies_that_come_back_at_once_are_no_news_and_those_that_stay_away_are_forgotten() {
        let mut t = Test::new(3);
        t.say(0, "m", Some(("Connect", 600)));
        t.pass(40);
        assert_eq!(t.take_writes(), [1, 1]);
        let before = t.proxies.clone();
        t.proxies.clear();
        t.pass(4);
        t.proxies = before;
        t.pass(40);
        assert_eq!(t.take_writes(), [0, 0]);
        // The one that complained dies.
        t.proxies.remove(0);
        t.pass(6);
        assert_eq!((t.take_writes(), t.health()[0]), ([1, 1], ("m", Healthy)));
        // A larger fleet is no news where all is well.
        t.proxies.push(Arc::default());
        t.pass(60);
        assert_eq!(t.take_writes(), [0, 0]);
        t.proxies.clear();
        t.pass(6);
        assert_eq!((t.take_writes(), t.health()[0]), ([1, 1], ("m", Unknown)));
        t.proxies.push(Arc::default());
        t.look();
        assert_eq!((t.take_writes(), t.health()[0]), ([1, 1], ("m", Healthy)), "at once");
    }

    #[test]
    fn an_operator_that_has_just_started_changes_nothing() {
        let mut t = Test::new(1);
        t.say(0, "m", Some(("Connect", 600)));
        t.look();
        t.take_writes();
        let before = std::mem::take(&mut t.proxies);
        (t.holds, t.just_started) = (Holds::default(), true);
        t.pass(6);
        (t.proxies, t.just_started) = (before, false);
        t.pass(60);
        assert_eq!(t.take_writes(), [0, 0]);
    }

    #[test]
    fn other_targets_are_shown_at_once() {
        let mut t = Test::new(1);
        t.say(0, "n", Some(("Connect", 30)));
        t.look();
        t.served = served(&["m", "n", "o"]);
        t.look();
        assert_eq!(t.health(), [("n", Unavailable), ("m", Healthy), ("o", Healthy)]);
        t.served = served(&["o"]);
        t.look();
        assert_eq!(t.health(), [("o", Healthy)]);
    }

    #[test]
    fn a_write_that_fails_is_tried_again_at_once() {
        let mut t = Test::new(1);
        t.say(0, "m", Some(("Connect", 30)));
        let fleet = FleetHealth::of(&t.proxies);
        let [route, _] = keys();
        let known = || fleet.of_object(&route, &t.served);
        let shown = t.shown.get(&route);
        let now = t.start + Duration::from_secs(200);
        let mut holds = Holds::default();
        assert_eq!(holds.choose(&route, shown, known(), false, now), known());
        holds.wrote(&route, now);
        assert!(holds.was_written_lately(&route, now));
        assert_eq!(Some(&holds.choose(&route, shown, known(), false, now)), shown);
        assert!(!holds.is_due(now) && holds.is_due(now + HOLD));
        holds.failed(&route);
        assert_eq!(holds.choose(&route, shown, known(), false, now), known());
    }

    #[test]
    fn nothing_is_remembered_of_what_is_well() {
        let mut t = Test::new(1);
        t.say(0, "m", Some(("Connect", 1)));
        t.pass(10);
        t.say(0, "m", None);
        t.pass(60);
        assert!(t.holds.is_empty());
        assert!(!t.holds.is_due(t.now() + Duration::from_secs(1000)));
    }
}
