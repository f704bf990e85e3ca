//! The custom resources of Penstock and the CRDs generated from them.
//!
//! Owns: field names, bounds, CEL rules, defaults, condition types and reasons.
//! Refuses to know: how a resource is compiled, pushed or served. No IO.
//!
//! The rule for every field: the schema accepts only what the code does.

mod duration;
mod model_route;
mod provider_pool;
pub mod status;

pub use duration::Duration;
pub use model_route::*;
pub use provider_pool::*;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// API group of every kind here.
pub const GROUP: &str = "penstock.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";

/// Every CRD of the project, in a stable order.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![ModelRoute::crd(), ProviderPool::crd()]
}
