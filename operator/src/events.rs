//! Events: on objects whose conditions changed, on pools whose providers fail or recover, and on a ConfigMap that cannot be read.
//!
//! Written here and not by kube's `Recorder`: that one repeats the first text of a reason for minutes, and a second
//! missing Secret would carry the name of the first.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use penstock_crds::status::{condition, reason};
use tokio::time::timeout;

use crate::api_error::describe;
use crate::status::{HealthEvent, WantedCondition};

/// The API server takes no longer note.
const LONGEST_NOTE: usize = 1024;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Writes an Event for a changed condition, where it is worth one. A failure is logged and forgotten: the condition
/// has the same words.
pub async fn publish(client: &Client, regarding: &ObjectReference, changed: &WantedCondition) {
    let Some(type_) = worth(changed) else { return };
    let action = format!("Set{}", changed.r#type);
    write(client, event(regarding, type_, action, changed.reason, &changed.message)).await;
}

/// Writes an Event of a pool's provider. A failure is logged and forgotten: the status has the same words.
pub async fn of_health(client: &Client, regarding: &ObjectReference, news: &HealthEvent) {
    let HealthEvent { type_, reason, note } = news;
    write(client, event(regarding, type_, "ReportHealth".to_owned(), reason, note)).await;
}

/// Warns about an object that has no conditions. A failure is logged and forgotten: the log has the same words.
pub async fn warn(client: &Client, regarding: &ObjectReference, action: &str, reason: &str, note: &str) {
    write(client, event(regarding, "Warning", action.to_owned(), reason, note)).await;
}

async fn write(client: &Client, event: Event) {
    let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let params = PostParams::default();
    let error = match timeout(WRITE_TIMEOUT, events.create(&params, &event)).await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => describe(&error),
        Err(_) => "the API server does not answer".to_owned(),
    };
    let object = event.regarding.and_then(|object| object.name);
    tracing::debug!(error, object, "an Event could not be written");
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
    type_: &'static str,
    action: String,
    reason: &str,
    note: &str,
) -> Event {
    let name = regarding.name.as_deref().unwrap_or_default();
    let mut note = note.to_owned();
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
        action: Some(action),
        reason: Some(reason.to_owned()),
        note: Some(note),
        type_: Some(type_.into()),
        event_time: Some(MicroTime(Timestamp::now())),
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
        WantedCondition { r#type, status, reason, message: String::new() }
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
        let event = event(&regarding, "Warning", "SetAccepted".into(), "Conflicted", &"é".repeat(2000));
        assert!(event.note.is_some_and(|note| note.len() <= LONGEST_NOTE));
        assert_eq!(event.metadata.generate_name.as_deref(), Some("r-"));
    }
}
