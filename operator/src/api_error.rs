//! What the API server said, for people: its message without the debug print that kube's errors carry.

use std::error::Error;

use kube::runtime::watcher;

/// An error's text with its causes, down to what the API server said.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut parts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => {
                next = None;
                status.message.clone()
            }
            _ => {
                next = error.source();
                own_text(error)
            }
        };
        // Many errors repeat their cause.
        if !parts.iter().any(|part: &String| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// Without the cause where the text repeats it.
fn own_text(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<watcher::Error>() {
        Some(watcher::Error::InitialListFailed(_)) => "listing failed".into(),
        Some(watcher::Error::WatchStartFailed(_)) => "watching failed".into(),
        Some(watcher::Error::WatchFailed(_)) => "the watch broke".into(),
        Some(watcher::Error::WatchError(status)) => status.message.clone(),
        Some(watcher::Error::NoResourceVersion) | None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use kube::core::Status;

    #[test]
    fn says_what_the_api_server_said_and_no_more() {
        let refused = || kube::Error::Api(Box::new(Status::failure("secrets is forbidden", "Forbidden")));
        let error = Err::<(), _>(refused()).context("reading the CA").unwrap_err();
        assert_eq!(describe(error.as_ref()), "reading the CA: secrets is forbidden");
        let error = watcher::Error::InitialListFailed(refused());
        assert_eq!(describe(&error), "listing failed: secrets is forbidden");
    }
}
