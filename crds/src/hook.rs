//! Hooks of a route: services that are asked where a request goes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, SecretKeyRef};

/// A service that is asked about each request of the route, by HTTP POST.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.endpoint) != has(self.serviceRef)").message("give exactly one of `endpoint` and `serviceRef`"))]
pub struct Hook {
    /// Name, unique in the route; it appears in metrics, messages and what the hook is sent.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Its URL. Link-local, metadata, multicast and unspecified addresses are never asked, whatever the name resolves to, and no redirect is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s#@]+$"))]
    pub endpoint: Option<String>,

    /// A Service in the same namespace, asked by plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_ref: Option<HookServiceRef>,

    /// When it is asked. Route: before the rules are looked at.
    #[serde(default)]
    pub phase: HookPhase,

    /// How long it may take in all, connecting included: up to 10s.
    #[serde(default = "fifth_of_a_second")]
    pub timeout: Duration,

    /// What happens when it gives no answer that can be used: Ignore goes on as if it had nothing to say; Fail answers 503 (`hook_failed`).
    #[serde(default)]
    pub failure_policy: HookFailurePolicy,

    /// What it is sent: Metadata is what conditions can ask of a request, without its messages; Body adds the client's whole body.
    #[serde(default)]
    pub send: HookSends,

    /// How long an answer holds for requests that look the same to the hook, in seconds. 0 asks every time.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub cache_seconds: u32,

    /// Entry of a Secret with the key that requests to the hook are signed with, as Standard Webhooks has it: base64 of 24 to 64 bytes, with or without `whsec_` in front. Without it they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret_ref: Option<SecretKeyRef>,

    /// It is asked beside the request, which does not wait for it, and what it says is counted and not followed.
    #[serde(default)]
    pub shadow: bool,
}

/// A Service in the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookServiceRef {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Path of the URL; `/` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/[^\s#]*$"))]
    pub path: Option<String>,
}

/// When a hook is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HookPhase {
    /// Before the rules are looked at.
    #[default]
    Route,
}

/// What a hook that gives no answer means for the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HookFailurePolicy {
    /// It goes on as if the hook had nothing to say.
    #[default]
    Ignore,
    /// It is answered 503.
    Fail,
}

/// What a hook is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HookSends {
    /// What conditions can ask of a request, without its messages.
    #[default]
    Metadata,
    /// The client's whole body, too.
    Body,
}

fn fifth_of_a_second() -> Duration {
    Duration::from_millis(200)
}
