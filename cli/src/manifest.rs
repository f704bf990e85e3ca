//! Manifests to typed objects: each document is checked with the rules of the API server, and what passes
//! becomes an [`Object`]. `lint` and `up` both start here, so that they cannot disagree.

use penstock_crds::{GROUP, ModelRoute, ProviderPool, VERSION};
use penstock_operator::compile::{ClientAuthSource, SecretState, Secrets, World};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::close::closest;
use crate::document::documents;
use crate::metadata;
use crate::problem::{ObjectId, Place, Problem, Severity};
use crate::schema::{Finding, KindSchema, field};
use crate::secret::{self, Entries};
use crate::source::Source;

/// An object that the API server would take.
#[derive(Clone, Debug)]
pub enum Object {
    Pool(Box<ProviderPool>),
    Route(Box<ModelRoute>),
    Secret(Entries),
}

/// An object, and where it stands.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub id: ObjectId,
    pub place: Place,
    pub object: Object,
}

/// What the sources hold.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub manifests: Vec<Manifest>,
    pub problems: Vec<Problem>,
    /// Where something was refused. The object is `None` when not even its name could be read.
    pub refused: Vec<Place>,
}

/// The world of `manifests` alone: nothing broken in it, and no past.
pub fn world_of(manifests: &[Manifest], client_auth: ClientAuthSource) -> World {
    let mut world = World::new(vec![], vec![], secrets_of(manifests), client_auth);
    for manifest in manifests {
        match &manifest.object {
            Object::Pool(pool) => world.pools.push((**pool).clone()),
            Object::Route(route) => world.routes.push((**route).clone()),
            Object::Secret(_) => {}
        }
    }
    world
}

/// The Secrets among `manifests`, as `compile` takes them.
pub fn secrets_of(manifests: &[Manifest]) -> Secrets {
    let entries = manifests.iter().filter_map(|manifest| match &manifest.object {
        Object::Secret(entries) => {
            let id = (manifest.id.namespace.clone(), manifest.id.name.clone());
            Some((id, SecretState::Present(entries.clone())))
        }
        Object::Pool(_) | Object::Route(_) => None,
    });
    entries.collect()
}

/// Reads, checks and types every document of every source.
pub fn load(sources: &[Source], schemas: &[KindSchema]) -> Loaded {
    let mut loader = Loader { schemas, loaded: Loaded::default() };
    for source in sources {
        for document in documents(source) {
            let place = Place { file: source.name.clone(), document: document.number, object: None };
            match document.value {
                Ok(value) => loader.value(&place, value),
                Err(error) => {
                    let line = error.line.map(|l| format!("line {l}: ")).unwrap_or_default();
                    loader.error(&place, "", format!("{line}{}", error.message));
                }
            }
        }
    }
    loader.loaded
}

struct Loader<'a> {
    schemas: &'a [KindSchema],
    loaded: Loaded,
}

impl Loader<'_> {
    fn error(&mut self, place: &Place, path: impl Into<String>, message: impl Into<String>) {
        self.loaded.problems.push(Problem::error(place, path, message));
        if !self.loaded.refused.contains(place) {
            self.loaded.refused.push(place.clone());
        }
    }

    /// An object, or a `List` of objects.
    fn value(&mut self, place: &Place, mut value: Value) {
        if !value.is_object() {
            return self.error(
                place,
                "",
                "is not an object: a manifest has `apiVersion`, `kind` and `metadata`",
            );
        }
        let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match value.get_mut("items") {
            Some(Value::Array(items)) if is_list => {
                for item in std::mem::take(items) {
                    self.value(place, item);
                }
            }
            _ => self.object(place, value),
        }
    }

    fn object(&mut self, place: &Place, value: Value) {
        let (Some(api_version), Some(kind)) = (value["apiVersion"].as_str(), value["kind"].as_str()) else {
            for name in ["apiVersion", "kind"].into_iter().filter(|name| !value[*name].is_string()) {
                self.error(place, name, "is required");
            }
            return;
        };
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        let identity = metadata::identity(&value);
        let object = identity.map(|(namespace, name)| ObjectId { kind: kind.clone(), namespace, name });
        let place = Place { object, ..place.clone() };
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        match (group, kind.as_str()) {
            ("", "Secret") if version == "v1" => self.secret(&place, &value),
            (GROUP, _) if version != VERSION => {
                self.error(&place, "apiVersion", format!("no such version: write {GROUP}/{VERSION}"));
            }
            (GROUP, _) => self.custom_resource(&place, &kind, value),
            _ => self.skip(place, &api_version, &kind),
        }
    }

    fn skip(&mut self, place: Place, api_version: &str, kind: &str) {
        let message =
            format!("skipped: {kind} of {api_version} is none of ProviderPool, ModelRoute and Secret");
        self.loaded.problems.push(Problem { severity: Severity::Note, place, path: String::new(), message });
    }

    fn secret(&mut self, place: &Place, value: &Value) {
        let Some(fields) = value.as_object() else { return };
        let (entries, found) = secret::read(fields);
        self.finish(
            place,
            metadata::check(value).into_iter().chain(found).collect(),
            Ok(Object::Secret(entries)),
        );
    }

    fn custom_resource(&mut self, place: &Place, kind: &str, mut value: Value) {
        let Some(schema) = self.schemas.iter().find(|s| s.kind == kind) else {
            let kinds: Vec<String> = self.schemas.iter().map(|s| s.kind.clone()).collect();
            let close = closest(kind, &kinds).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return self.error(place, "kind", format!("no kind {kind:?} in {GROUP}/{VERSION}{close}"));
        };
        let mut findings = metadata::check(&value);
        findings.extend(schema.check(&mut value));
        // The status belongs to the operator: the API server drops what a manifest says of it.
        if let Some(fields) = value.as_object_mut() {
            fields.shift_remove("status");
        }
        let object = match kind {
            "ProviderPool" => typed(value).map(Object::Pool),
            "ModelRoute" => typed(value).map(Object::Route),
            _ => Err(Finding { path: "kind".to_owned(), message: "this build cannot serve it".to_owned() }),
        };
        self.finish(place, findings, object);
    }

    /// Keeps the object when nothing was found, and reports what was.
    fn finish(&mut self, place: &Place, findings: Vec<Finding>, object: Result<Object, Finding>) {
        let had_findings = !findings.is_empty();
        for Finding { path, message } in findings {
            self.error(place, path, message);
        }
        match object {
            // A type error after findings repeats one of them.
            Err(_) if had_findings => {}
            Err(Finding { path, message }) => self.error(place, path, message),
            Ok(_) if had_findings => {}
            Ok(object) => self.keep(place, object),
        }
    }

    fn keep(&mut self, place: &Place, object: Object) {
        let Some(id) = place.object.clone() else { return };
        let earlier = self.loaded.manifests.iter().find(|m| m.id == id).map(|m| m.place.clone());
        match earlier {
            Some(earlier) => {
                let message = format!("is already given in {}:{}", earlier.file, earlier.document);
                self.error(place, "metadata.name", message);
            }
            None => self.loaded.manifests.push(Manifest { id, place: place.clone(), object }),
        }
    }
}

/// Into the Rust type. The schema has passed the value, so an error means that schema and type disagree.
fn typed<T: DeserializeOwned>(value: Value) -> Result<Box<T>, Finding> {
    serde_path_to_error::deserialize(value).map(Box::new).map_err(|error| Finding {
        path: field("", &error.path().to_string()),
        message: error.inner().to_string(),
    })
}
