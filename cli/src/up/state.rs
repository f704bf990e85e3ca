//! What `up` serves, and what a new reading of the files makes of it. No IO and no clock.
//!
//! The rule of a cluster holds here too: a broken object keeps what it last was, and blocks nothing else. A
//! file that cannot be read, or a document that is not YAML, is taken for a broken edit of the objects that
//! were in that file.

use penstock_config::Snapshot;
use penstock_llm::catalogue::Overrides;
use penstock_operator::compile::{ClientAuthSource, Compiled, SecretState, World, compile};

use super::env_secret::GivenEntry;
use crate::findings;
use crate::manifest::{Manifest, load, secrets_of, world_of};
use crate::problem::{ObjectId, Place, Problem};
use crate::schema::KindSchema;
use crate::source::{Reading, Source};

/// The past of a running `up`.
pub struct State {
    schemas: Vec<KindSchema>,
    given: Vec<GivenEntry>,
    client_auth: ClientAuthSource,
    /// Name of the source that is no manifest but a catalogue.
    catalogue: Option<String>,
    /// What it said last that could be read.
    overrides: Overrides,
    /// Every object of the last reading, broken ones as they last were.
    known: Vec<Manifest>,
    last_good: Option<Snapshot>,
}

/// What a reading comes to.
pub struct Turn {
    pub snapshot: Snapshot,
    pub problems: Vec<Problem>,
    /// What is wrong with the client keys.
    pub auth_problem: Option<String>,
    /// Something names a Secret, or an entry of one, that nobody gave.
    pub lacks_secrets: bool,
}

impl State {
    pub fn new(given: Vec<GivenEntry>, client_auth: ClientAuthSource, catalogue: Option<String>) -> Self {
        Self {
            schemas: KindSchema::all(),
            given,
            client_auth,
            catalogue,
            overrides: Overrides::default(),
            known: Vec::new(),
            last_good: None,
        }
    }

    /// Compiles a reading, with the past where the present is broken.
    pub fn turn(&mut self, reading: &Reading) -> Turn {
        let (catalogues, manifests): (Vec<Source>, Vec<Source>) =
            reading.sources.iter().cloned().partition(|source| self.catalogue.as_ref() == Some(&source.name));
        let loaded = load(&manifests, &self.schemas);
        let mut problems = loaded.problems;
        for source in &catalogues {
            match findings::catalogue(source) {
                Ok(overrides) => self.overrides = overrides,
                Err(wrong) => problems.extend(wrong),
            }
        }
        problems.extend(reading.unreadable.iter().map(|file| {
            let place = Place { file: file.name.clone(), document: 1, object: None };
            Problem::error(&place, "", format!("cannot be read: {}", file.message))
        }));

        let lost: Vec<&str> =
            loaded.refused.iter().filter(|p| p.object.is_none()).map(|p| p.file.as_str()).collect();
        let gone: Vec<&str> = reading.unreadable.iter().map(|u| u.name.as_str()).collect();
        let broken = |old: &Manifest| {
            loaded.refused.iter().any(|p| p.object.as_ref() == Some(&old.id))
                || lost.contains(&old.place.file.as_str())
                || gone.iter().any(|name| is_in(&old.place.file, name))
        };
        let is_present = |id: &ObjectId| loaded.manifests.iter().any(|m| m.id == *id);
        let kept: Vec<Manifest> =
            self.known.iter().filter(|m| !is_present(&m.id) && broken(m)).cloned().collect();

        let world = self.world(&loaded.manifests, &kept);
        let compiled = compile(&world);
        problems.extend(findings::of_compile(&world, &compiled, &loaded.manifests));
        let lacks_secrets = findings::lacks_secrets(&compiled);
        let Compiled { snapshot, auth_problem, verdicts: _ } = compiled;
        self.known = loaded.manifests.into_iter().chain(kept).collect();
        Turn { snapshot, problems, auth_problem, lacks_secrets }
    }

    /// The snapshot is being served: from now on it is what a broken object falls back to.
    pub fn served(&mut self, snapshot: Snapshot) {
        self.last_good = Some(snapshot);
    }

    fn world(&self, fresh: &[Manifest], kept: &[Manifest]) -> World {
        let mut world = world_of(fresh, self.client_auth.clone());
        world.catalogue.clone_from(&self.overrides);
        world.last_good.clone_from(&self.last_good);
        world.unreadable = kept.iter().filter_map(|m| findings::unreadable(&m.id)).collect();
        world.secrets.extend(secrets_of(kept));
        for entry in &self.given {
            let state = world.secrets.entry(entry.secret.clone()).or_insert(SecretState::Missing);
            if let SecretState::Present(entries) = state {
                entries.insert(entry.key.clone(), entry.value.clone());
            } else {
                *state = SecretState::Present([(entry.key.clone(), entry.value.clone())].into());
            }
        }
        world
    }
}

/// Whether `file` is the path `name`, or in the folder of that name.
fn is_in(file: &str, name: &str) -> bool {
    file.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || name.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Unreadable;

    const POOL: &str = "apiVersion: penstock.dev/v1alpha1
kind: ProviderPool
metadata: {name: pool}
spec: {providers: [{name: sim, type: Simulated, models: [{name: m}]}]}
";
    const ROUTE: &str = "apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: route}
spec: {models: [{name: bot}], rules: [{name: all, targets: [{pool: pool, model: m}]}]}
";

    fn reading(files: &[(&str, &str)]) -> Reading {
        let sources = files.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() });
        Reading { sources: sources.collect(), unreadable: vec![] }
    }

    fn serve(state: &mut State, reading: &Reading) -> (Vec<String>, Vec<String>) {
        let turn = state.turn(reading);
        let routes = turn.snapshot.routes.values().flat_map(|r| r.models.clone()).collect();
        state.served(turn.snapshot);
        (routes, turn.problems.iter().map(ToString::to_string).collect())
    }

    fn started() -> State {
        let mut state = State::new(vec![], ClientAuthSource::Open, None);
        let good = reading(&[("pool.yaml", POOL), ("route.yaml", ROUTE)]);
        assert_eq!(serve(&mut state, &good), (vec!["bot".into()], vec![]));
        state
    }

    #[test]
    fn a_refused_edit_keeps_the_route() {
        let mut state = started();
        let bad = ROUTE.replace("rules", "ruels");
        for _ in 0..2 {
            let (models, problems) =
                serve(&mut state, &reading(&[("pool.yaml", POOL), ("route.yaml", &bad)]));
            assert_eq!(models, ["bot"]);
            assert!(problems[0].contains("spec.ruels: unknown field; did you mean `rules`?"), "{problems:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_yaml_keeps_what_was_in_the_file() {
        let mut state = started();
        for broken in ["spec: [", "just text"] {
            let (models, problems) =
                serve(&mut state, &reading(&[("pool.yaml", broken), ("route.yaml", ROUTE)]));
            assert_eq!(models, ["bot"]);
            assert!(problems[0].starts_with("pool.yaml:1: "), "{problems:?}");
        }
    }

    #[test]
    fn a_file_that_is_gone_keeps_what_was_in_it() {
        let mut state = started();
        let mut now = reading(&[("route.yaml", ROUTE)]);
        now.unreadable.push(Unreadable { name: "pool.yaml".into(), message: "gone".into() });
        assert_eq!(serve(&mut state, &now).0, ["bot"]);
    }

    #[test]
    fn a_broken_reference_keeps_the_route_and_a_removed_document_ends_it() {
        let mut state = started();
        let bad = ROUTE.replace("pool: pool", "pool: pol");
        let (models, problems) = serve(&mut state, &reading(&[("pool.yaml", POOL), ("route.yaml", &bad)]));
        assert_eq!(models, ["bot"]);
        assert!(problems[0].contains("spec.rules[0].targets[0].pool: no ProviderPool `pol`"), "{problems:?}");
        assert_eq!(
            serve(&mut state, &reading(&[("pool.yaml", POOL), ("route.yaml", "# none\n")])),
            (vec![], vec![])
        );
    }

    #[test]
    fn folders_hold_their_files() {
        assert!(is_in("a/b.yaml", "a") && is_in("a/b.yaml", "a/") && is_in("a", "a"));
        assert!(!is_in("ab.yaml", "a"));
    }
}
