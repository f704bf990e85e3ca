//! Facts of models that the cluster adds to the built-in catalogue: a ConfigMap, watched.
//!
//! Owns: how such a document is read from YAML, and what the ConfigMap last said that could be read. Refuses to know:
//! what facts mean.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::runtime::utils::StreamBackoff;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Resource};
use penstock_llm::catalogue::Overrides;
use serde_json::{Map, Value};

use crate::api_error::describe;
use crate::backoff::Backoff;
use crate::events;
use crate::settings::NamespacedName;
use crate::watch::Changes;

/// Reads one document.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn parse(text: &str) -> Result<Overrides, String> {
    let document: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    of_document(&document)
}

fn of_document(document: &Value) -> Result<Overrides, String> {
    Overrides::parse(document)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Every entry of a ConfigMap, in the order of their names; a later one adds to those before it.
fn of_entries(entries: &BTreeMap<String, String>) -> Result<Overrides, String> {
    let mut whole: Map<String, Value> = Map::new();
    for (name, text) in entries {
        let document: Value = serde_saphyr::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        match document {
            Value::Null => {}
            Value::Object(providers) => penstock_llm::translate::merge(&mut whole, &providers),
            _ => return Err(format!("{name}: not a mapping of provider types")),
        }
    }
    of_document(&whole.into())
}

/// What the ConfigMap says. Without one: nothing, and that is known at once.
#[derive(Clone)]
pub struct CatalogueWatch(Arc<Mutex<Option<Overrides>>>);

impl CatalogueWatch {
    /// For an operator that was given no ConfigMap.
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Some(Overrides::default()))))
    }

    /// Not read yet; [`follow`] fills it.
    pub fn unread() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    /// `None` until it has been read once.
    pub fn overrides(&self) -> Option<Overrides> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True where that is news.
    fn set(&self, overrides: Overrides) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.as_ref() != Some(&overrides);
        *known = Some(overrides);
        is_new
    }
}

/// Watches the ConfigMap for ever. What cannot be read changes nothing: what it said before stays in force.
pub async fn follow(client: Client, name: NamespacedName, watch: CatalogueWatch, changes: Arc<Changes>) {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &name.namespace);
    let mut versions = Box::pin(StreamBackoff::new(watch_object(api, &name.name), Backoff::api()));
    let mut last_error = String::new();
    while let Some(version) = versions.next().await {
        let mut regarding = ObjectReference::default();
        let read = match version {
            Ok(Some(map)) => {
                regarding = map.object_ref(&());
                of_entries(&map.data.unwrap_or_default())
            }
            Ok(None) => Ok(Overrides::default()),
            // What the ConfigMap says is still to be learned. Nothing is published before: an empty catalogue in its
            // place would take prices, and routes that only it makes possible, from proxies that have them.
            Err(error) => {
                tracing::warn!(configmap = %name, error = describe(&error), "the catalogue cannot be watched");
                continue;
            }
        };
        let overrides = match read {
            Ok(overrides) => {
                last_error.clear();
                overrides
            }
            Err(error) => {
                if error != last_error {
                    tracing::warn!(configmap = %name, error, "the catalogue cannot be read; what it said before, if anything, stays in force");
                    let note = format!("{error}\nwhat it said before, if anything, stays in force");
                    events::warn(&client, &regarding, "ReadCatalogue", "InvalidCatalogue", &note).await;
                    last_error = error;
                }
                // At the start there is nothing before, and a typo in a ConfigMap must not stop every other change.
                watch.overrides().unwrap_or_default()
            }
        };
        if watch.set(overrides) {
            changes.of_world();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn entries_add_up_in_the_order_of_their_names() {
        let overrides = of_entries(&entries(&[
            ("b.yaml", "openai: {gpt-x: {maxOutput: 7}}"),
            ("a.yaml", "openai: {gpt-x: {maxOutput: 5, contextWindow: 9}, gpt-y: {tools: true}}"),
            ("c.yaml", ""),
        ]))
        .unwrap();
        let facts = overrides.find("openai", "gpt-x").unwrap();
        assert_eq!((facts.max_output, facts.context_window), (Some(7), Some(9)));
        assert!(overrides.serves("openai", "gpt-y"));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, part) in [
            ("openai: {gpt-x: {maxOutptu: 7}}", "openai.gpt-x"),
            ("nobody: {}", "nobody"),
            ("- 1", "mapping"),
            ("{", "a.yaml"),
        ] {
            let error = of_entries(&entries(&[("a.yaml", text)])).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
