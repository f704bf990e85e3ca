//! The hooks of a route: where each is asked, and what its requests are signed with.

use penstock_config as config;
use penstock_crds as crds;
use penstock_crds::status::reason;

use super::keys::{self, Unusable};
use super::{Problem, Secrets};

/// A client waits for as long.
const LONGEST: crds::Duration = crds::Duration::from_secs(10);

/// Where hooks come from, and what is wrong with them.
pub(super) struct Hooks<'a> {
    pub namespace: &'a str,
    pub secrets: &'a Secrets,
    /// What the route contributed last: a key that cannot be read keeps its last value.
    pub last: Option<&'a config::Route>,
    pub invalid: &'a mut Vec<Problem>,
    pub unresolved: &'a mut Vec<Problem>,
}

impl Hooks<'_> {
    /// Those that could be asked. A hook whose Secret cannot be read stays, with its last key or without any.
    pub fn compile(&mut self, hooks: &[crds::Hook]) -> Vec<config::Hook> {
        hooks
            .iter()
            .enumerate()
            .filter_map(|(i, hook)| self.hook(&format!("spec.hooks[{i}]"), hook))
            .collect()
    }

    fn hook(&mut self, path: &str, hook: &crds::Hook) -> Option<config::Hook> {
        let crds::Hook {
            name,
            endpoint,
            service_ref,
            phase: crds::HookPhase::Route,
            timeout,
            failure_policy,
            send,
            cache_seconds,
            signing_secret_ref,
            shadow,
        } = hook;
        let url = self.address(path, endpoint.as_deref(), service_ref.as_ref());
        let timeout_ms = self.timeout(path, *timeout);
        let signing = signing_secret_ref.as_ref().map(|reference| self.signing(path, reference));
        Some(config::Hook {
            name: name.clone(),
            url: url?,
            timeout_ms: timeout_ms?,
            failure_policy: match failure_policy {
                crds::HookFailurePolicy::Ignore => config::HookFailurePolicy::Ignore,
                crds::HookFailurePolicy::Fail => config::HookFailurePolicy::Fail,
            },
            send: match send {
                crds::HookSends::Metadata => config::HookSends::Metadata,
                crds::HookSends::Body => config::HookSends::Body,
            },
            cache_seconds: *cache_seconds,
            signing,
            shadow: *shadow,
        })
    }

    fn address(
        &mut self,
        path: &str,
        endpoint: Option<&str>,
        service: Option<&crds::HookServiceRef>,
    ) -> Option<String> {
        let (field, url) = match (endpoint, service) {
            (Some(endpoint), None) => ("endpoint", endpoint.to_owned()),
            (None, Some(crds::HookServiceRef { name, port, path })) => {
                let path = path.as_deref().unwrap_or("/");
                // The name of the cluster's domain is left to the resolver, which knows it.
                ("serviceRef", format!("http://{name}.{}.svc:{port}{path}", self.namespace))
            }
            // The schema refuses it; a file may have it all the same.
            _ => {
                let text = "give exactly one of `endpoint` and `serviceRef`";
                self.invalid.push(Problem::new(reason::INVALID, path, text));
                return None;
            }
        };
        // A proxy that meets one which its client cannot read would refuse the whole snapshot.
        let readable = |parsed: String| {
            let read = parsed.parse::<http::Uri>();
            read.map(drop).map_err(|error| format!("`{url}` is not a URL: {error}"))
        };
        match config::hook::address(&url).and_then(|parsed| readable(parsed.into())) {
            Ok(()) => Some(url),
            Err(error) => {
                self.invalid.push(Problem::new(reason::INVALID, format!("{path}.{field}"), error));
                None
            }
        }
    }

    fn timeout(&mut self, path: &str, timeout: crds::Duration) -> Option<u64> {
        let text = if timeout.as_millis() == 0 {
            "0s lets no hook answer; give a time above 0".to_owned()
        } else if timeout > LONGEST {
            format!("{timeout} is longer than {LONGEST}; give less")
        } else {
            return Some(timeout.as_millis());
        };
        self.invalid.push(Problem::new(reason::INVALID, format!("{path}.timeout"), text));
        None
    }

    fn signing(&mut self, path: &str, reference: &crds::SecretKeyRef) -> config::HookSigning {
        let id = format!("{}/{}", reference.name, reference.key);
        let secret = match keys::signing_secret(self.secrets, self.namespace, reference) {
            Ok(secret) => Some(secret),
            Err(Unusable { reason, field, text }) => {
                let last =
                    self.last.iter().flat_map(|route| &route.hooks).filter_map(|hook| hook.signing.as_ref());
                let last = last.filter(|signing| signing.id == id).find_map(|signing| signing.secret.clone());
                let note = match last {
                    Some(_) => " (until then the key read before goes on being used)",
                    None => " (until then the hook is not asked, and counts as one that failed)",
                };
                let path = format!("{path}.signingSecretRef.{field}");
                self.unresolved.push(Problem::new(reason, path, format_args!("{text}{note}")));
                last
            }
        };
        config::HookSigning { id, secret }
    }
}

/// A key that was rotated counts at once, also for a route that goes on as it last was.
pub(super) fn take_new_keys(hooks: &mut [config::Hook], namespace: &str, secrets: &Secrets) {
    for signing in hooks.iter_mut().filter_map(|hook| hook.signing.as_mut()) {
        let Some((name, key)) = signing.id.split_once('/') else { continue };
        let reference = crds::SecretKeyRef { name: name.to_owned(), key: key.to_owned() };
        if let Ok(secret) = keys::signing_secret(secrets, namespace, &reference) {
            signing.secret = Some(secret);
        }
    }
}
