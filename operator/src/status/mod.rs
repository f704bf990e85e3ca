//! Writes what is so into the status of every object: decide (pure), compare, write only what differs.
//!
//! One object that cannot be written waits its own time and holds up no other.

mod decide;
mod health;
mod health_events;
mod hold;
mod render;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use penstock_crds::status::{ModelRouteStatus, ObjectStatus, ProviderPoolStatus, condition};
use penstock_crds::{ModelRoute, ProviderPool};
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

pub use decide::{Wanted, WantedCondition, decide};
use health::{FleetHealth, ObjectHealth};
pub use health_events::HealthEvent;
use health_events::Told;
use hold::Holds;
use render::{changes as changed_conditions, render, says};

use crate::api_error::describe;
use crate::backoff::Backoff;
use crate::compile::{Kind, ObjectKey};
use crate::events;
use crate::hub::{Follower, Published};
use crate::metrics::Metrics;
use crate::publisher::{Look, Publisher};
use crate::resolve::key_of;
use crate::watch::{Changes, Guarded, Stores};

const FIELD_MANAGER: &str = "penstock-operator";
/// Changes of the fleet come in bursts: one pass over the objects takes them all.
const GATHER: Duration = Duration::from_millis(20);
/// Proxies are forgotten, and late ones counted, by the clock alone.
const TICK: Duration = Duration::from_millis(500);
/// A column wider than this pushes the conditions off the screen.
const LONGEST_SUMMARY: usize = 64;
/// Writes at one time.
const CONCURRENT: usize = 16;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// After a start, objects that are Programmed keep that for this long: proxies come back with pauses of up to five
/// seconds, and until they are back it only looks as if nobody served.
const SETTLE: Duration = Duration::from_secs(6);

/// What the writer works with.
pub struct StatusWriter {
    pub client: Client,
    pub stores: Stores,
    pub publisher: Arc<Publisher>,
    pub changes: Arc<Changes>,
    pub metrics: Metrics,
}

/// Runs for ever, from the first published snapshot on.
pub async fn run(writer: StatusWriter, mut synced: watch::Receiver<bool>) {
    if synced.wait_for(|synced| *synced).await.is_err() {
        return;
    }
    let mut work = Work::new(Instant::now() + SETTLE);
    let mut tick = tokio::time::interval(TICK);
    let mut next_pass = Instant::now();
    let mut changed = false;
    loop {
        let ticked = tokio::select! {
            () = writer.changes.status.notified(), if !changed => {
                changed = true;
                next_pass = next_pass.max(Instant::now() + GATHER);
                continue;
            }
            Some(done) = work.writes.join_next() => {
                work.finish(done.ok(), &writer.metrics);
                work.start_writes(&writer.client);
                // What the object should say may have changed while it was being written.
                changed = true;
                next_pass = next_pass.max(Instant::now() + GATHER);
                continue;
            }
            () = sleep_until(next_pass), if changed => false,
            _ = tick.tick() => true,
        };
        let now = Instant::now();
        let look = writer.publisher.look(now.into_std());
        if ticked && !work.changes_with_time(&look.fleet, now) {
            continue;
        }
        changed = false;
        pass(&writer, &mut work, &look, now);
        work.start_writes(&writer.client);
        work.fleet = look.fleet;
        // However many objects there are, looking at them takes a fifth of the time and no more.
        next_pass = Instant::now() + now.elapsed() * 4;
    }
}

/// What was written last and the version it was written over: the store may not show it yet.
type Written = (Option<String>, Wanted);

/// What is under way.
struct Work {
    settled_at: Instant,
    /// What the last pass found to be written.
    queue: VecDeque<(Object, Wanted)>,
    writes: JoinSet<(ObjectKey, Outcome)>,
    in_flight: HashSet<ObjectKey>,
    written: HashMap<ObjectKey, Written>,
    failing: HashMap<ObjectKey, (Backoff, Instant)>,
    holds: Holds,
    told: Told,
    /// The fleet at the last pass.
    fleet: Vec<Follower>,
    settling: bool,
    /// How many proxies there were before this operator started, as the objects' status has it.
    fleet_before: Option<usize>,
}

impl Work {
    fn new(settled_at: Instant) -> Self {
        Self {
            settled_at,
            fleet: Vec::new(),
            settling: true,
            fleet_before: None,
            queue: VecDeque::new(),
            writes: JoinSet::new(),
            in_flight: HashSet::new(),
            written: HashMap::new(),
            failing: HashMap::new(),
            holds: Holds::default(),
            told: Told::default(),
        }
    }

    /// Whether a pass without any news could find something to do.
    fn changes_with_time(&mut self, fleet: &[Follower], now: Instant) -> bool {
        let was_settling = std::mem::replace(&mut self.settling, now < self.settled_at);
        was_settling || !self.failing.is_empty() || self.fleet != fleet || self.holds.is_due(now.into_std())
    }

    fn finish(&mut self, done: Option<(ObjectKey, Outcome)>, metrics: &Metrics) {
        // A write that panicked has lost its key; nothing is in flight then that would not be found again.
        let Some((key, outcome)) = done else {
            self.in_flight.clear();
            return;
        };
        self.in_flight.remove(&key);
        metrics.status_writes.with_label_values(&[outcome.label()]).inc();
        match outcome {
            Outcome::Written => {
                self.failing.remove(&key);
            }
            Outcome::Gone => {
                self.failing.remove(&key);
                self.written.remove(&key);
            }
            Outcome::Failed => {
                self.written.remove(&key);
                self.holds.failed(&key);
                let (backoff, at) =
                    self.failing.entry(key).or_insert_with(|| (Backoff::api(), Instant::now()));
                *at = Instant::now() + backoff.next().unwrap_or(TICK);
            }
        }
    }

    /// Starts as many of the queued writes as may run at one time.
    fn start_writes(&mut self, client: &Client) {
        while self.writes.len() < CONCURRENT {
            let Some((object, wanted)) = self.queue.pop_front() else { return };
            let now = Instant::now().into_std();
            let shown = shown(&self.written, &self.holds, &object, now);
            let mut news = Vec::new();
            if let Some(health) = wanted.health.as_ref().filter(|health| shown != Some(health)) {
                news = self.told.news(&object.key, shown, health, now);
                self.holds.wrote(&object.key, now);
            }
            self.in_flight.insert(object.key.clone());
            self.written.insert(object.key.clone(), (object.version.clone(), wanted.clone()));
            self.writes.spawn(write(client.clone(), object, wanted, news));
        }
    }

    /// Whether the object may be written now.
    fn may_write(&self, object: &Object, wanted: &Wanted, now: Instant) -> bool {
        let waits = self.failing.get(&object.key).is_some_and(|(_, at)| *at > now);
        let unseen = self.written.get(&object.key).is_some_and(|(over, written)| {
            // The status of an unreadable object cannot be seen, only remembered.
            (object.readable.is_none() || *over == object.version) && written == wanted
        });
        let settling = now < self.settled_at && object.is_programmed();
        !waits && !unseen && !settling && !self.in_flight.contains(&object.key)
    }
}

/// The health that the object's status has, also while the store does not show it yet: what it shows may be the spec's
/// newest change with the status from before our write.
fn shown<'a>(
    written: &'a HashMap<ObjectKey, Written>,
    holds: &Holds,
    object: &'a Object,
    now: std::time::Instant,
) -> Option<&'a ObjectHealth> {
    let readable = object.readable.as_ref();
    let is_newer = |over: &Option<String>| {
        readable.is_none() || *over == object.version || holds.was_written_lately(&object.key, now)
    };
    match written.get(&object.key) {
        Some((over, written)) if is_newer(over) => written.health.as_ref(),
        _ => readable.and_then(|readable| readable.health.as_ref()),
    }
}

/// An object as the store has it.
struct Object {
    key: ObjectKey,
    uid: Option<String>,
    version: Option<String>,
    generation: i64,
    /// `None` when it cannot be read.
    readable: Option<Readable>,
}

/// What only an object that can be read has.
struct Readable {
    summary: String,
    status: Option<ObjectStatus>,
    health: Option<ObjectHealth>,
}

impl Object {
    fn is_programmed(&self) -> bool {
        let mut conditions = self.status().into_iter().flat_map(|status| &status.conditions);
        conditions.any(|c| c.type_ == condition::PROGRAMMED && c.status == "True")
    }

    fn status(&self) -> Option<&ObjectStatus> {
        self.readable.as_ref()?.status.as_ref()
    }

    fn summary(&self) -> Option<&str> {
        self.readable.as_ref().map(|readable| readable.summary.as_str())
    }

    fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.key.kind.api_version()),
            kind: Some(self.key.kind.as_str().into()),
            namespace: Some(self.key.namespace.clone()),
            name: Some(self.key.name.clone()),
            uid: self.uid.clone(),
            ..ObjectReference::default()
        }
    }
}

/// The largest fleet that a status speaks of: the `3` of `2/3`.
fn fleet_of(objects: &[Object]) -> usize {
    let of = |object: &Object| object.status()?.proxies.as_ref()?.split_once('/')?.1.parse().ok();
    objects.iter().filter_map(of).max().unwrap_or_default()
}

/// One look at everything: what should be said, what is said, and a write for what differs.
fn pass(writer: &StatusWriter, work: &mut Work, look: &Look, now: Instant) {
    let Look { fleet, objects: published, reports, served } = look;
    let health = FleetHealth::of(reports);
    let objects = objects(&writer.stores);
    work.forget_deleted(&objects);
    work.holds.begin();
    work.queue.clear();
    let fleet_before = *work.fleet_before.get_or_insert_with(|| fleet_of(&objects));
    let mut counts = BTreeMap::new();
    for object in objects {
        let Some(mut wanted) = wanted(&object, published, fleet) else { continue };
        if now < work.settled_at {
            wanted = wanted.until_fleet_is_back(fleet_before, fleet.len());
        }
        count(&mut counts, object.key.kind, &wanted);
        wanted.health = Some(work.choose_health(&object, health.of_object(&object.key, served), now));
        let health = object.readable.as_ref().and_then(|readable| readable.health.as_ref());
        if !says(object.status(), health, &wanted) && work.may_write(&object, &wanted, now) {
            work.queue.push_back((object, wanted));
        }
    }
    for kind in Kind::ALL {
        for condition in [condition::ACCEPTED, condition::RESOLVED_REFS, condition::PROGRAMMED] {
            for status in ["True", "False", "Unknown"] {
                let number = counts.get(&(kind, condition, status)).copied().unwrap_or_default();
                writer.metrics.objects.with_label_values(&[kind.as_str(), condition, status]).set(number);
            }
        }
    }
}

/// `None` while the newest spec has not been compiled: that comes in a moment.
fn wanted(object: &Object, published: &BTreeMap<ObjectKey, Published>, fleet: &[Follower]) -> Option<Wanted> {
    let published = published.get(&object.key)?;
    (published.verdict.generation == object.generation).then(|| decide(published, object.summary(), fleet))
}

fn count(counts: &mut BTreeMap<(Kind, &'static str, &'static str), i64>, kind: Kind, wanted: &Wanted) {
    for condition in &wanted.conditions {
        *counts.entry((kind, condition.r#type, condition.status)).or_default() += 1;
    }
}

impl Work {
    fn choose_health(&mut self, object: &Object, known: ObjectHealth, now: Instant) -> ObjectHealth {
        let just_started = now < self.settled_at;
        let now = now.into_std();
        let shown = shown(&self.written, &self.holds, object, now).cloned();
        self.holds.choose(&object.key, shown.as_ref(), known, just_started, now)
    }

    fn forget_deleted(&mut self, objects: &[Object]) {
        if self.written.len() + self.failing.len() == 0 && self.holds.is_empty() {
            return;
        }
        let there: HashSet<&ObjectKey> = objects.iter().map(|object| &object.key).collect();
        self.written.retain(|key, _| there.contains(key));
        self.failing.retain(|key, _| there.contains(key));
        self.holds.keep_only(&there);
    }
}

/// How a write ended.
enum Outcome {
    Written,
    /// The object was deleted, or deleted and made anew, meanwhile.
    Gone,
    Failed,
}

impl Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

async fn write(
    client: Client,
    object: Object,
    wanted: Wanted,
    news: Vec<HealthEvent>,
) -> (ObjectKey, Outcome) {
    let status = render(object.status(), &wanted, Timestamp::now());
    let status = Rendered { object: &status, health: wanted.health.as_ref() };
    let written = match object.key.kind {
        Kind::ModelRoute => timeout(WRITE_TIMEOUT, apply::<ModelRoute>(&client, &object, &status)).await,
        Kind::ProviderPool => timeout(WRITE_TIMEOUT, apply::<ProviderPool>(&client, &object, &status)).await,
    };
    let outcome = match written {
        Ok(Ok(())) => Outcome::Written,
        // 409: the name now belongs to another object, which will have a status of its own.
        Ok(Err(kube::Error::Api(error))) if error.is_not_found() || error.is_conflict() => Outcome::Gone,
        Ok(Err(error)) => {
            let error = describe(&error);
            tracing::warn!(error, object = %object.key, "the status could not be written; trying again");
            Outcome::Failed
        }
        Err(_) => {
            tracing::warn!(object = %object.key, "the status was not written within 10 s; trying again");
            Outcome::Failed
        }
    };
    if matches!(outcome, Outcome::Written) {
        let regarding = object.reference();
        for condition in changed_conditions(object.status(), &wanted) {
            events::publish(&client, &regarding, condition).await;
        }
        for news in &news {
            events::of_health(&client, &regarding, news).await;
        }
    }
    (object.key, outcome)
}

/// The status of an object of either kind.
#[derive(Serialize)]
struct Rendered<'a> {
    #[serde(flatten)]
    object: &'a ObjectStatus,
    #[serde(flatten)]
    health: Option<&'a ObjectHealth>,
}

/// Server-side apply of the status alone. The uid keeps it from an object of the same name made meanwhile.
async fn apply<K>(client: &Client, object: &Object, status: &Rendered<'_>) -> kube::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<Guarded<K>> = Api::namespaced(client.clone(), &object.key.namespace);
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": object.key.name, "uid": object.uid},
        "status": status,
    });
    api.patch_status(&object.key.name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&patch))
        .await?;
    Ok(())
}

fn objects(stores: &Stores) -> Vec<Object> {
    let (routes, pools) = (stores.routes(), stores.pools());
    let routes = routes.iter().map(|object| {
        let readable = object.0.as_ref().ok().map(|route| {
            let (status, health) = match route.status.clone() {
                Some(ModelRouteStatus { object, health }) => {
                    (Some(object), Some(ObjectHealth::Route(health)))
                }
                None => (None, None),
            };
            let summary = summary(route.spec.models.iter().map(|model| model.name.as_str()));
            Readable { summary, status, health }
        });
        object_of(Kind::ModelRoute, &**object, readable)
    });
    let pools = pools.iter().map(|object| {
        let readable = object.0.as_ref().ok().map(|pool| {
            let (status, health) = match pool.status.clone() {
                Some(ProviderPoolStatus { object, health }) => {
                    (Some(object), Some(ObjectHealth::Pool(health)))
                }
                None => (None, None),
            };
            let summary = summary(pool.spec.providers.iter().map(|provider| provider.name.as_str()));
            Readable { summary, status, health }
        });
        object_of(Kind::ProviderPool, &**object, readable)
    });
    routes.chain(pools).collect()
}

fn object_of(kind: Kind, object: &impl ResourceExt, readable: Option<Readable>) -> Object {
    Object {
        key: key_of(kind, object),
        uid: object.uid(),
        version: object.resource_version(),
        generation: object.meta().generation.unwrap_or_default(),
        readable,
    }
}

/// Names for a column of kubectl: the first ones, and how many more there are.
fn summary<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut left_out = 0_usize;
    for name in names {
        let fits = left_out == 0 && text.len() + name.len() < LONGEST_SUMMARY;
        match (fits, text.is_empty()) {
            (_, true) => text.push_str(name),
            (true, false) => text.extend([",", name]),
            (false, false) => left_out += 1,
        }
    }
    if left_out > 0 {
        text.push_str(&format!(",+{left_out}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_as_short_as_a_column() {
        assert_eq!(summary(["a", "b-*"].into_iter()), "a,b-*");
        assert_eq!(summary([].into_iter()), "");
        let long = "x".repeat(50);
        let names = [long.as_str(), long.as_str(), "y"];
        assert_eq!(summary(names.into_iter()), format!("{long},+2"));
    }
}
