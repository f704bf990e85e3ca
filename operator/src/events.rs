//! Events on objects whose conditions changed.
//!
//! Written here and not by kube's `Recorder`: that one repeats the first text of a reason for minutes, and a second
//! missing Secret would carry the name of the first.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use penstock_crds::status::{condition, reason};

use crate::api_error::describe;
use crate::status::WantedCondition;

/// The API server takes no longer note.
const LONGEST_NOTE: usize = 1024;

/// Writes an Event for a changed condition, where it is worth one. A failure is logged and forgotten: the condition
/// has the same words.
pub async fn publish(client: &Client, regarding: &ObjectReference, changed: &WantedCondition) {
    let Some(type_) = worth(changed) else { return };
    let event = event(regarding, changed, type_, Timestamp::now());
    let namespace = regarding.namespace.as_deref().unwrap_or("default");
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    if let Err(error) = events.create(&PostParams::default(), &event).await {
        let error = describe(&error);
        tracing::debug!(error, object = regarding.name, "an Event could not be written");
    }
}

/// Its type; `None` for a change that is routine, or that another condition already tells.
fn worth(changed: &WantedCondition) -> Option<&'static str> {
    match (changed.r#type, changed.status) {
        (condition::PROGRAMMED, "True") => Some("Normal"),
        (condition::PROGRAMMED, _) => {
            matches!(changed.reason, reason::REFUSED | reason::NO_PROXIES).then_some("Warning")
        }
        (_, "False") => Some("Warning"),
        _ => None,
    }
}

fn event(
    regarding: &ObjectReference,
    changed: &WantedCondition,
    type_: &'static str,
    now: Timestamp,
) -> Event {
    let name = regarding.name.as_deref().unwrap_or_default();
    let mut note = changed.message.clone();
    if note.len() > LONGEST_NOTE {
        note.truncate(note.floor_char_boundary(LONGEST_NOTE - 3));
        note.push_str("...");
    }
    Event {
        metadata: ObjectMeta {
            // The API server completes it, and cuts it where the object's name is long.
            generate_name: Some(format!("{name}-")),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(format!("Set{}", changed.r#type)),
        reason: Some(changed.reason.into()),
        note: Some(note),
        type_: Some(type_.into()),
        event_time: Some(MicroTime(now)),
        regarding: Some(regarding.clone()),
        reporting_controller: Some("penstock.dev/operator".into()),
        reporting_instance: Some(instance()),
        ..Event::default()
    }
}

/// The pod, where the chart says which.
fn instance() -> String {
    std::env::var("POD_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "penstock-operator".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(r#type: &'static str, status: &'static str, reason: &'static str) -> WantedCondition {
        WantedCondition { r#type, status, reason, message: "é".repeat(2000) }
    }

    #[test]
    fn what_is_worth_an_event() {
        assert_eq!(worth(&changed("Accepted", "True", "Accepted")), None);
        assert_eq!(worth(&changed("Accepted", "False", "Conflicted")), Some("Warning"));
        assert_eq!(worth(&changed("ResolvedRefs", "False", "SecretNotFound")), Some("Warning"));
        assert_eq!(worth(&changed("ResolvedRefs", "Unknown", "Pending")), None);
        assert_eq!(worth(&changed("Programmed", "True", "Programmed")), Some("Normal"));
        assert_eq!(worth(&changed("Programmed", "False", "Pending")), None);
        assert_eq!(worth(&changed("Programmed", "False", "NotCompiled")), None);
        assert_eq!(worth(&changed("Programmed", "False", "ProxyRefused")), Some("Warning"));
    }

    #[test]
    fn the_api_server_takes_it() {
        let regarding = ObjectReference { name: Some("r".into()), ..ObjectReference::default() };
        let event =
            event(&regarding, &changed("Accepted", "False", "Conflicted"), "Warning", Timestamp::UNIX_EPOCH);
        assert!(event.note.is_some_and(|note| note.len() <= LONGEST_NOTE));
        assert_eq!(event.metadata.generate_name.as_deref(), Some("r-"));
    }
}
