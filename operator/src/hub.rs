//! What is published, and how far each proxy has followed. A state machine: time comes in, no IO.
//!
//! Every published snapshot has a sequence number. An object remembers the number at which what it contributes last
//! changed; it is served by a proxy that has acknowledged that number or a later one. So a change to one object does
//! not take `Programmed` from the others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use penstock_config::{KeysHealth, Revision, TargetHealth};

use crate::compile::{ObjectKey, Verdict};
use crate::report::Report;

/// Number of a published snapshot, from 1. 0 is before the first.
pub type Sequence = u64;

/// One push stream. A proxy that comes back has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(u64);

/// A proxy that has nothing in force yet is not ready, and does not count, for this long after it came.
pub const JOIN_GRACE: Duration = Duration::from_secs(5);

/// Published revisions remembered, to know what a proxy that comes back serves.
const HISTORY: usize = 64;

/// An object as it was compiled last.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub verdict: Verdict,
    /// The sequence at which what it contributes last changed.
    pub since: Sequence,
}

/// How far a proxy has followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Follower {
    pub id: String,
    /// The newest sequence it has put in force.
    pub acked: Sequence,
    /// The newest sequence it refused, and its words.
    pub refused: Option<(Sequence, String)>,
    /// It has an open stream.
    pub connected: bool,
}

/// Everything known of the fleet.
#[derive(Debug)]
pub struct Hub {
    lost_grace: Duration,
    sequence: Sequence,
    /// Newest last.
    history: VecDeque<(Sequence, Revision)>,
    /// Shared, because status looks at all of them each time a proxy answers.
    objects: Arc<BTreeMap<ObjectKey, Published>>,
    proxies: BTreeMap<String, Proxy>,
    next_stream: u64,
}

#[derive(Debug)]
struct Proxy {
    acked: Sequence,
    refused: Option<(Sequence, String)>,
    link: Link,
    /// It said what it serves, or acknowledged or refused something: it is ready, or should be.
    counts: bool,
    joined: Instant,
}

#[derive(Debug)]
enum Link {
    /// `sent` holds what was sent on this stream and not answered yet, oldest first; `report`, what was said of health
    /// on it: a proxy that comes back says it anew.
    Open {
        stream: StreamId,
        sent: VecDeque<(Sequence, Revision)>,
        report: Option<Arc<Report>>,
    },
    Lost {
        since: Instant,
    },
}

impl Hub {
    /// A proxy that vanishes without a farewell counts for `lost_grace`, then is forgotten.
    pub fn new(lost_grace: Duration) -> Self {
        Self {
            lost_grace,
            sequence: 0,
            history: VecDeque::new(),
            objects: Arc::default(),
            proxies: BTreeMap::new(),
            next_stream: 0,
        }
    }

    /// Takes in what was compiled. Returns the sequence number when the revision is new and must be sent out.
    pub fn publish(
        &mut self,
        revision: Revision,
        verdicts: BTreeMap<ObjectKey, Verdict>,
    ) -> Option<Sequence> {
        let is_new = self.revision() != Some(&revision);
        if is_new {
            self.sequence += 1;
            self.history.push_back((self.sequence, revision));
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        let before = std::mem::take(&mut self.objects);
        let objects = verdicts
            .into_iter()
            .map(|(key, verdict)| {
                let unchanged = before.get(&key).filter(|old| old.verdict.fragment == verdict.fragment);
                let since = unchanged.map_or(self.sequence, |old| old.since);
                (key, Published { verdict, since })
            })
            .collect();
        self.objects = Arc::new(objects);
        is_new.then_some(self.sequence)
    }

    pub fn revision(&self) -> Option<&Revision> {
        self.history.back().map(|(_, revision)| revision)
    }

    pub fn objects(&self) -> &Arc<BTreeMap<ObjectKey, Published>> {
        &self.objects
    }

    /// A proxy opened a stream and said what it serves. An older stream of the same proxy no longer counts.
    pub fn hello(&mut self, id: &str, serving: Option<&Revision>, now: Instant) -> StreamId {
        self.next_stream += 1;
        let stream = StreamId(self.next_stream);
        // What it serves counts as acknowledged, where that revision is remembered.
        let acked = serving.map_or(0, |revision| self.newest_with(revision));
        let known = self.proxies.get(id);
        let proxy = Proxy {
            acked,
            refused: known.and_then(|proxy| proxy.refused.clone()).filter(|(sequence, _)| *sequence > acked),
            link: Link::Open { stream, sent: VecDeque::new(), report: None },
            counts: serving.is_some() || known.is_some_and(|proxy| proxy.counts),
            joined: now,
        };
        self.proxies.insert(id.to_owned(), proxy);
        stream
    }

    fn newest_with(&self, revision: &Revision) -> Sequence {
        let found = self.history.iter().rev().find(|(_, known)| known == revision);
        found.map_or(0, |(sequence, _)| *sequence)
    }

    /// Whether the proxy of this stream serves the current revision already, so that nothing need be sent.
    pub fn is_current(&self, id: &str, stream: StreamId) -> bool {
        let open = self.proxies.get(id).filter(|proxy| proxy.stream() == Some(stream));
        self.sequence > 0 && open.is_some_and(|proxy| proxy.acked == self.sequence)
    }

    /// A snapshot left for the proxy.
    pub fn sent(&mut self, id: &str, stream: StreamId, sequence: Sequence, revision: &Revision) {
        if let Some(sent) = self.open(id, stream) {
            sent.push_back((sequence, revision.clone()));
            if sent.len() > HISTORY {
                sent.pop_front();
            }
        }
    }

    /// The proxy put a revision in force. False when nothing of the kind was sent on this stream.
    pub fn ack(&mut self, id: &str, stream: StreamId, revision: &Revision) -> bool {
        let Some((proxy, sequence)) = self.answered(id, stream, revision) else { return false };
        proxy.acked = proxy.acked.max(sequence);
        proxy.refused = proxy.refused.take().filter(|(refused, _)| *refused > sequence);
        proxy.counts = true;
        true
    }

    /// The proxy refused a revision. False when nothing of the kind was sent on this stream.
    pub fn refuse(&mut self, id: &str, stream: StreamId, revision: &Revision, error: String) -> bool {
        let Some((proxy, sequence)) = self.answered(id, stream, revision) else { return false };
        proxy.refused = Some((sequence, error));
        proxy.counts = true;
        true
    }

    /// Finds what the answer is about. Proxies answer in order, so everything sent before it is done with too.
    fn answered(
        &mut self,
        id: &str,
        stream: StreamId,
        revision: &Revision,
    ) -> Option<(&mut Proxy, Sequence)> {
        let sent = self.open(id, stream)?;
        let at = sent.iter().position(|(_, known)| known == revision)?;
        let sequence = sent.drain(..=at).next_back().map(|(sequence, _)| sequence)?;
        Some((self.proxies.get_mut(id)?, sequence))
    }

    fn open(&mut self, id: &str, stream: StreamId) -> Option<&mut VecDeque<(Sequence, Revision)>> {
        match &mut self.proxies.get_mut(id)?.link {
            Link::Open { stream: open, sent, .. } if *open == stream => Some(sent),
            Link::Open { .. } | Link::Lost { .. } => None,
        }
    }

    /// The proxy said what is new in the health of its targets.
    pub fn health(
        &mut self,
        id: &str,
        stream: StreamId,
        (targets, keys): (Vec<TargetHealth>, Vec<KeysHealth>),
        now: Timestamp,
    ) {
        if let Some(Proxy { link: Link::Open { stream: open, report, .. }, .. }) = self.proxies.get_mut(id)
            && *open == stream
        {
            Arc::make_mut(report.get_or_insert_default()).hear(targets, keys, now);
        }
    }

    /// What each proxy says that has an open stream, and has said something on it.
    pub fn reports(&self) -> Vec<Arc<Report>> {
        let report = |proxy: &Proxy| match &proxy.link {
            Link::Open { report, .. } => report.clone(),
            Link::Lost { .. } => None,
        };
        self.proxies.values().filter_map(report).collect()
    }

    /// The proxy shuts down: it is forgotten at once.
    pub fn bye(&mut self, id: &str, stream: StreamId) {
        if self.proxies.get(id).is_some_and(|proxy| proxy.stream() == Some(stream)) {
            self.proxies.remove(id);
        }
    }

    /// The stream broke. The proxy goes on serving what it has, so it still counts for a while.
    pub fn lost(&mut self, id: &str, stream: StreamId, now: Instant) {
        if let Some(proxy) = self.proxies.get_mut(id).filter(|proxy| proxy.stream() == Some(stream)) {
            proxy.link = Link::Lost { since: now };
        }
    }

    /// Forgets proxies that were lost too long ago.
    pub fn expire(&mut self, now: Instant) {
        let grace = self.lost_grace;
        self.proxies.retain(|_, proxy| match proxy.link {
            Link::Open { .. } => true,
            Link::Lost { since } => proxy.counts && now.saturating_duration_since(since) < grace,
        });
    }

    /// The proxies that count: those that are ready, or should be.
    pub fn followers(&self, now: Instant) -> Vec<Follower> {
        let counts =
            |proxy: &&Proxy| proxy.counts || now.saturating_duration_since(proxy.joined) >= JOIN_GRACE;
        let view = |(id, proxy): (&String, &Proxy)| Follower {
            id: id.clone(),
            acked: proxy.acked,
            refused: proxy.refused.clone(),
            connected: proxy.stream().is_some(),
        };
        self.proxies.iter().filter(|(_, proxy)| counts(proxy)).map(view).collect()
    }

    /// Proxies with an open stream.
    pub fn connected(&self) -> usize {
        self.proxies.values().filter(|proxy| proxy.stream().is_some()).count()
    }
}

impl Proxy {
    fn stream(&self) -> Option<StreamId> {
        match &self.link {
            Link::Open { stream, .. } => Some(*stream),
            Link::Lost { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Fragment, Kind};
    use penstock_config::{ClientAuth, Snapshot};

    /// A revision is a hash, so it takes a snapshot to make one.
    fn revision(n: u64) -> Revision {
        let route = penstock_config::Route {
            models: vec![n.to_string()],
            rules: vec![],
            failover: penstock_config::Failover {
                reasons: vec![],
                max_attempts: 1,
                connect_ms: 1,
                first_token_ms: 1,
                answer_ms: None,
                idle_ms: 1,
                total_ms: 1,
                retries: penstock_config::Retries::default(),
                hedging: None,
            },
            parameter_policy: penstock_config::ParameterPolicy::Disclose,
            hooks: vec![],
            intents: None,
        };
        let routes = [("a/b".to_owned(), route)].into();
        Snapshot { auth: ClientAuth::Open, pools: BTreeMap::new(), routes }.revision()
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey { kind: Kind::ModelRoute, namespace: "ai".into(), name: name.into() }
    }

    fn verdict(generation: i64, contributes: &str) -> Verdict {
        Verdict {
            generation,
            accepted: Ok(()),
            resolved_refs: Ok(()),
            problems: vec![],
            warnings: vec![],
            fragment: Fragment::of(Some(&contributes)),
        }
    }

    fn world(objects: &[(&str, i64, &str)]) -> BTreeMap<ObjectKey, Verdict> {
        objects.iter().map(|(name, generation, text)| (key(name), verdict(*generation, text))).collect()
    }

    struct Test {
        hub: Hub,
        now: Instant,
    }

    impl Test {
        fn new() -> Self {
            Self { hub: Hub::new(Duration::from_secs(60)), now: Instant::now() }
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
            self.hub.expire(self.now);
        }

        fn publish(&mut self, n: u64) -> Option<Sequence> {
            self.hub.publish(revision(n), world(&[]))
        }

        fn hello(&mut self, id: &str, serving: Option<u64>) -> StreamId {
            self.hub.hello(id, serving.map(revision).as_ref(), self.now)
        }

        fn acked(&self) -> Vec<(String, Sequence)> {
            self.hub.followers(self.now).into_iter().map(|f| (f.id, f.acked)).collect()
        }
    }

    fn counted(pairs: &[(&str, Sequence)]) -> Vec<(String, Sequence)> {
        pairs.iter().map(|(id, acked)| ((*id).to_owned(), *acked)).collect()
    }

    #[test]
    fn only_a_new_revision_is_sent_out() {
        let mut t = Test::new();
        assert_eq!(t.publish(1), Some(1));
        assert_eq!(t.publish(1), None);
        assert_eq!(t.publish(2), Some(2));
        assert_eq!(t.publish(1), Some(3));
    }

    #[test]
    fn an_object_keeps_its_sequence_while_it_contributes_the_same() {
        let mut t = Test::new();
        t.hub.publish(revision(1), world(&[("a", 1, "x"), ("b", 1, "y")]));
        t.hub.publish(revision(2), world(&[("a", 1, "x"), ("b", 2, "z")]));
        assert_eq!((t.hub.objects()[&key("a")].since, t.hub.objects()[&key("b")].since), (1, 2));
        // A new generation that changes nothing is served already.
        t.hub.publish(revision(2), world(&[("a", 2, "x"), ("b", 2, "z")]));
        assert_eq!(t.hub.objects()[&key("a")].since, 1);
        assert_eq!(t.hub.objects()[&key("a")].verdict.generation, 2);
        // Deleted and made anew is new.
        t.hub.publish(revision(3), world(&[("b", 2, "z")]));
        t.hub.publish(revision(2), world(&[("a", 1, "x"), ("b", 2, "z")]));
        assert_eq!((t.hub.objects()[&key("a")].since, t.hub.objects()[&key("b")].since), (4, 2));
    }

    #[test]
    fn a_proxy_follows_by_acknowledging_what_it_was_sent() {
        let mut t = Test::new();
        t.publish(1);
        let p = t.hello("p", None);
        assert_eq!(t.acked(), []);
        t.hub.sent("p", p, 1, &revision(1));
        assert!(t.hub.ack("p", p, &revision(1)));
        assert_eq!(t.acked(), counted(&[("p", 1)]));
        assert!(!t.hub.ack("p", p, &revision(1)), "nothing more was sent");
        assert!(!t.hub.ack("p", p, &revision(9)));
    }

    #[test]
    fn a_revision_that_came_twice_is_acknowledged_in_order() {
        let mut t = Test::new();
        let p = t.hello("p", None);
        for (sequence, n) in [(1, 1), (2, 2), (3, 1)] {
            t.publish(n);
            t.hub.sent("p", p, sequence, &revision(n));
        }
        t.hub.ack("p", p, &revision(1));
        assert_eq!(t.acked(), counted(&[("p", 1)]));
        t.hub.ack("p", p, &revision(1));
        assert_eq!(t.acked(), counted(&[("p", 3)]));
    }

    #[test]
    fn a_refusal_is_kept_until_something_newer_is_acknowledged() {
        let mut t = Test::new();
        let p = t.hello("p", None);
        t.publish(1);
        t.hub.sent("p", p, 1, &revision(1));
        assert!(t.hub.refuse("p", p, &revision(1), "no".into()));
        let refused = t.hub.followers(t.now)[0].refused.clone();
        assert_eq!(refused, Some((1, "no".into())));
        t.publish(2);
        t.hub.sent("p", p, 2, &revision(2));
        t.hub.ack("p", p, &revision(2));
        assert_eq!(t.hub.followers(t.now)[0].refused, None);
    }

    #[test]
    fn what_a_proxy_serves_already_counts_as_acknowledged() {
        let mut t = Test::new();
        t.publish(1);
        t.publish(2);
        let new = t.hello("new", Some(2));
        let old = t.hello("old", Some(1));
        let unknown = t.hello("unknown", Some(7));
        assert!(t.hub.is_current("new", new) && !t.hub.is_current("old", old));
        assert!(!t.hub.is_current("unknown", unknown));
        assert_eq!(t.acked(), counted(&[("new", 2), ("old", 1), ("unknown", 0)]));
    }

    #[test]
    fn a_proxy_that_has_nothing_yet_counts_after_a_while() {
        let mut t = Test::new();
        t.publish(1);
        t.hello("p", None);
        assert_eq!(t.acked(), []);
        t.pass(5);
        assert_eq!(t.acked(), counted(&[("p", 0)]));
    }

    #[test]
    fn a_lost_proxy_counts_for_its_grace() {
        let mut t = Test::new();
        t.publish(1);
        let p = t.hello("p", Some(1));
        t.hub.lost("p", p, t.now);
        assert_eq!(t.hub.connected(), 0);
        t.pass(59);
        assert_eq!(t.acked(), counted(&[("p", 1)]));
        t.pass(1);
        assert_eq!(t.acked(), []);
    }

    #[test]
    fn a_lost_proxy_that_never_served_is_forgotten_at_once() {
        let mut t = Test::new();
        t.publish(1);
        let p = t.hello("p", None);
        t.hub.lost("p", p, t.now);
        t.pass(10);
        assert_eq!(t.acked(), []);
    }

    #[test]
    fn a_farewell_forgets_at_once() {
        let mut t = Test::new();
        t.publish(1);
        let p = t.hello("p", Some(1));
        t.hub.bye("p", p);
        assert_eq!(t.acked(), []);
    }

    #[test]
    fn the_end_of_an_older_stream_is_no_loss() {
        let mut t = Test::new();
        t.publish(1);
        let first = t.hello("p", Some(1));
        let second = t.hello("p", Some(1));
        t.hub.lost("p", first, t.now);
        t.hub.bye("p", first);
        assert_eq!(t.hub.connected(), 1);
        t.publish(2);
        t.hub.sent("p", second, 2, &revision(2));
        assert!(!t.hub.ack("p", first, &revision(2)));
        assert!(t.hub.ack("p", second, &revision(2)));
    }

    fn said(model: &str) -> (Vec<TargetHealth>, Vec<KeysHealth>) {
        let open = Some(penstock_config::OpenBreaker { cooldown_ms: 1000, last_failure: None });
        let target = TargetHealth { pool: "a/p".into(), provider: "o".into(), model: model.into(), open };
        (vec![target], vec![])
    }

    #[test]
    fn a_report_goes_with_its_stream() {
        let mut t = Test::new();
        t.publish(1);
        let open = |hub: &Hub| hub.reports().iter().map(|report| report.open.len()).collect::<Vec<_>>();
        let p = t.hello("p", Some(1));
        let q = t.hello("q", Some(1));
        assert_eq!(open(&t.hub), [0_usize; 0], "nobody has said anything");
        t.hub.health("p", p, said("m"), Timestamp::UNIX_EPOCH);
        t.hub.health("p", p, said("n"), Timestamp::UNIX_EPOCH);
        t.hub.health("q", q, (vec![], vec![]), Timestamp::UNIX_EPOCH);
        assert_eq!(open(&t.hub), [2, 0]);
        let kept = t.hub.reports();
        t.hub.health("q", q, said("m"), Timestamp::UNIX_EPOCH);
        assert_eq!((open(&t.hub), kept[1].open.len()), (vec![2, 1], 0));

        t.hub.lost("p", p, t.now);
        assert_eq!(open(&t.hub), [1], "it still counts, but what it said may have changed");
        let p2 = t.hello("p", Some(1));
        t.hub.health("p", p, said("m"), Timestamp::UNIX_EPOCH);
        assert_eq!(open(&t.hub), [1], "an older stream is not heard");
        t.hub.health("p", p2, (vec![], vec![]), Timestamp::UNIX_EPOCH);
        assert_eq!(open(&t.hub), [0, 1]);
        t.hub.bye("q", q);
        assert_eq!(open(&t.hub), [0]);
    }
}
