//! Where the pod's own identity may go.
//!
//! Whoever may write a ProviderPool chooses its endpoint. A key in a Secret is theirs to send where they like; the
//! pod's identity is not. As a bearer token it would be usable by whoever receives it, so it goes to its vendor's
//! hosts only, by https, and to those that the proxy was told to trust.

use http::Uri;

use super::{CredentialError, Surroundings};

/// Hosts that may see a token of the pod's own identity.
pub struct Reach {
    vendor: &'static str,
    exact: Vec<String>,
    /// These and every host below them.
    below: Vec<String>,
    /// Named in the proxy's environment; these may do without TLS.
    told: Vec<String>,
}

impl Reach {
    pub fn new(
        vendor: &'static str,
        exact: Vec<String>,
        below: Vec<String>,
        surroundings: &Surroundings,
    ) -> Self {
        let told = surroundings.variable("PENSTOCK_POD_IDENTITY_HOSTS").unwrap_or_default();
        let told =
            told.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect();
        Self { vendor, exact, below, told }
    }

    pub fn check(&self, uri: &Uri) -> Result<(), CredentialError> {
        let host = uri.host().unwrap_or_default();
        let is = |known: &String| host.eq_ignore_ascii_case(known);
        let is_below = |known: &String| {
            let at = host.len().checked_sub(known.len() + 1);
            let rest = at.and_then(|at| host.get(at..));
            rest.and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| rest.eq_ignore_ascii_case(known))
        };
        let vendors =
            self.exact.iter().any(is) || self.below.iter().any(|known| is(known) || is_below(known));
        if (vendors && uri.scheme_str() == Some("https")) || self.told.iter().any(is) {
            return Ok(());
        }
        let host = format!("{}://{host}", uri.scheme_str().unwrap_or_default());
        Err(CredentialError::ForeignHost { host, vendor: self.vendor })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_vendors_hosts_and_told_ones() {
        let surroundings = Surroundings::new(
            |name| (name == "PENSTOCK_POD_IDENTITY_HOSTS").then(|| "llm.corp.example, 127.0.0.1".into()),
            || SystemTime::UNIX_EPOCH,
        );
        let exact = vec!["bedrock-runtime.us-east-1.amazonaws.com".into()];
        let reach = Reach::new("AWS", exact, vec!["googleapis.com".into()], &surroundings);
        let goes = |url: &str| reach.check(&url.parse().unwrap()).is_ok();
        for url in [
            "https://us-central1-aiplatform.googleapis.com/v1/x",
            "https://AIPLATFORM.GoogleAPIs.com:443/",
            "https://googleapis.com/",
            "https://bedrock-runtime.us-east-1.amazonaws.com/model",
            "https://llm.corp.example/",
            "http://127.0.0.1:8080/",
        ] {
            assert!(goes(url), "{url}");
        }
        for url in [
            "http://aiplatform.googleapis.com/",
            "https://evilgoogleapis.com/",
            "https://googleapis.com.evil.example/",
            "https://googleapis.com@evil.example/",
            "https://é.example/".replace('é', "e").as_str(),
            "https://x.bedrock-runtime.us-east-1.amazonaws.com/",
            "https://abc.execute-api.us-east-1.amazonaws.com/",
            "/relative",
        ] {
            assert!(!goes(url), "{url}");
        }
        let error = reach.check(&"https://evil.example/".parse().unwrap()).unwrap_err().to_string();
        assert!(
            error.contains("https://evil.example") && error.contains("PENSTOCK_POD_IDENTITY_HOSTS"),
            "{error}"
        );
    }
}
