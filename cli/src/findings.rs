//! What `compile` says of the objects, as problems with a file and a document.

use std::collections::BTreeMap;

use penstock_crds::status::reason;
use penstock_crds::{Auth, ModelRoute, ProviderPool};
use penstock_llm::catalogue::Overrides;
use penstock_operator::compile::{
    Compiled, Kind, ObjectKey, Problem as Found, SecretState, Secrets, Unreadable, World,
};

use crate::manifest::{Manifest, Object};
use crate::problem::{ObjectId, Place, Problem, Severity};
use crate::source::Source;

/// The findings on objects that are in `manifests`; others have been reported already.
pub fn of_compile(world: &World, compiled: &Compiled, manifests: &[Manifest]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for manifest in manifests {
        let verdict =
            compiled.verdicts.iter().find(|(key, _)| is(&manifest.id, key)).map(|(_, verdict)| verdict);
        for found in verdict.into_iter().flat_map(|v| &v.problems) {
            if is_echo(&manifest.object, found) {
                continue;
            }
            // The message starts with the path for the sake of `kubectl describe`; here it has a place of its own.
            let message = found.message.strip_prefix(&format!("{}: ", found.path)).unwrap_or(&found.message);
            let message = on_refused_pool(world, message).unwrap_or_else(|| message.to_owned());
            problems.push(Problem::error(&manifest.place, &found.path, message));
        }
        // Each begins with its path.
        let warnings = verdict.into_iter().flat_map(|verdict| &verdict.warnings);
        problems.extend(warnings.map(|message| Problem {
            severity: Severity::Warning,
            place: manifest.place.clone(),
            path: String::new(),
            message: message.clone(),
        }));
    }
    problems
}

/// A route whose pool was refused need not repeat why.
fn on_refused_pool(world: &World, message: &str) -> Option<String> {
    let mut names = world.unreadable.iter().map(|object| &object.key.name);
    let name = names.find(|name| message.starts_with(&format!("pool `{name}` cannot serve")))?;
    Some(format!("pool `{name}` was refused: see its own problems"))
}

/// What a route says of the Secrets of its pools repeats what they say; those of its hooks are its own.
fn is_echo(object: &Object, found: &Found) -> bool {
    matches!(object, Object::Route(_))
        && SECRET_REASONS.contains(&found.reason)
        && !found.path.starts_with("spec.hooks")
}

const SECRET_REASONS: [&str; 2] = [reason::SECRET_NOT_FOUND, reason::SECRET_KEY_NOT_FOUND];

/// Whether an object names a Secret, or an entry of one, that is not there.
pub fn lacks_secrets(compiled: &Compiled) -> bool {
    let mut problems = compiled.verdicts.values().flat_map(|verdict| &verdict.problems);
    problems.any(|problem| SECRET_REASONS.contains(&problem.reason))
}

/// How `compile` takes an object that was refused: it keeps its place, and what it last was.
pub fn unreadable(id: &ObjectId) -> Option<Unreadable> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == id.kind)?;
    let key = ObjectKey { kind, namespace: id.namespace.clone(), name: id.name.clone() };
    Some(Unreadable { key, generation: 0, error: "it was refused".to_owned() })
}

fn is(id: &ObjectId, key: &ObjectKey) -> bool {
    id.kind == key.kind.as_str() && id.namespace == key.namespace && id.name == key.name
}

/// Gives every Secret that the objects name and nobody gave a stand-in, and a warning to each place that names it:
/// in a cluster it may well be there, and what else is wrong shall be seen in spite of it.
pub fn stand_in_for_secrets(manifests: &[Manifest], secrets: &mut Secrets) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let mut missing: BTreeMap<(String, String), BTreeMap<String, _>> = BTreeMap::new();
    // The routes come last: a signing key may stand in for any other one, but not the other way around.
    let is_route = |manifest: &&Manifest| matches!(manifest.object, Object::Route(_));
    let routes = manifests.iter().filter(is_route);
    for manifest in manifests.iter().filter(|manifest| !is_route(manifest)).chain(routes) {
        for Named { path, secret, entries } in secret_refs(&manifest.object) {
            let id = (manifest.id.namespace.clone(), secret.to_owned());
            if secrets.contains_key(&id) {
                continue;
            }
            warnings.push(warning(&manifest.place, path, &id));
            let stand_ins = missing.entry(id).or_default();
            for (entry, text) in entries {
                stand_ins.insert(entry.to_owned(), penstock_config::Secret::new(text.as_bytes().to_vec()));
            }
        }
    }
    secrets.extend(missing.into_iter().map(|(id, entries)| (id, SecretState::Present(entries))));
    warnings
}

/// A file with facts of models.
pub fn catalogue(source: &Source) -> Result<Overrides, Vec<Problem>> {
    penstock_operator::catalogue::parse(&source.text).map_err(|wrong| {
        let place = Place { file: source.name.clone(), document: 1, object: None };
        wrong.lines().map(|line| Problem::error(&place, "", line.to_owned())).collect()
    })
}

fn warning(place: &Place, path: String, (namespace, name): &(String, String)) -> Problem {
    let message = format!("Secret {namespace}/{name} is not among these files; it must be in the cluster");
    Problem { severity: Severity::Warning, place: place.clone(), path, message }
}

/// A place that names a Secret, and what stands in for the entries that it needs there.
struct Named<'a> {
    path: String,
    secret: &'a str,
    entries: Vec<(&'a str, &'static str)>,
}

fn secret_refs(object: &Object) -> Vec<Named<'_>> {
    match object {
        Object::Pool(pool) => of_pool(pool).collect(),
        Object::Route(route) => of_route(route).collect(),
        Object::Secret(_) => vec![],
    }
}

fn of_route(route: &ModelRoute) -> impl Iterator<Item = Named<'_>> {
    let hooks = route.spec.hooks.iter().enumerate();
    hooks.filter_map(|(i, hook)| Some((i, hook.signing_secret_ref.as_ref()?))).map(|(i, secret)| Named {
        path: format!("spec.hooks[{i}].signingSecretRef.name"),
        secret: &secret.name,
        entries: vec![(&secret.key, "whsec_c3RhbmQtaW4gb2YgYSBzaWduaW5nIGtleQ==")],
    })
}

fn of_pool(pool: &ProviderPool) -> impl Iterator<Item = Named<'_>> {
    let auths = pool.spec.providers.iter().enumerate().filter_map(|(i, p)| Some((i, p.auth.as_ref()?)));
    auths.flat_map(|(i, auth)| {
        let path = move |rest: &str| format!("spec.providers[{i}].auth.{rest}.name");
        let Auth { api_keys, aws, google, azure: _ } = auth;
        let keys = api_keys.iter().flatten().enumerate().map(move |(j, key)| Named {
            path: path(&format!("apiKeys[{j}].secretRef")),
            secret: &key.secret_ref.name,
            entries: vec![(&key.secret_ref.key, "stand-in")],
        });
        let aws = aws.iter().filter_map(|aws| aws.secret_ref.as_ref()).map(move |secret| Named {
            path: path("aws.secretRef"),
            secret: &secret.name,
            entries: vec![("access-key-id", "stand-in"), ("secret-access-key", "stand-in")],
        });
        let google = google.iter().filter_map(|google| google.secret_ref.as_ref()).map(move |secret| Named {
            path: path("google.secretRef"),
            secret: &secret.name,
            entries: vec![(&secret.key, r#"{"type": "service_account"}"#)],
        });
        keys.chain(aws).chain(google)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, world_of};
    use crate::schema::KindSchema;
    use penstock_operator::compile::{ClientAuthSource, compile};

    #[test]
    fn warnings_are_told_and_are_no_errors() {
        let text = include_str!("../tests/manifests/good/minimal.yaml").to_owned();
        let loaded = load(&[Source { name: "minimal.yaml".into(), text }], &KindSchema::all());
        let world = world_of(&loaded.manifests, ClientAuthSource::Open);
        let mut compiled = compile(&world);
        assert_eq!(of_compile(&world, &compiled, &loaded.manifests), []);
        for verdict in compiled.verdicts.values_mut() {
            verdict.warnings.push("spec.rules[0]: odd".into());
        }
        let found = of_compile(&world, &compiled, &loaded.manifests);
        assert_eq!(found.len(), compiled.verdicts.len());
        assert!(found.iter().all(|problem| !problem.is_error()), "{found:?}");
        assert!(found[0].to_string().ends_with(": warning: spec.rules[0]: odd"), "{}", found[0]);
    }
}
