//! The custom resources of Penstock and the CRDs generated from them.
//!
//! Owns: field names, bounds, CEL rules, defaults, condition types and reasons.
//! Refuses to know: how a resource is compiled, pushed or served. No IO.
//!
//! The rule for every field: the schema accepts only what the code does.

// Each `printcolumn` is an attribute of its own; clippy takes their equal members for repetitions.
#![allow(clippy::duplicated_attributes)]

mod duration;
mod health_status;
mod hook;
mod model_route;
mod provider_pool;
pub mod status;

pub use duration::Duration;
pub use hook::*;
pub use model_route::*;
pub use provider_pool::*;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// API group of every kind here.
pub const GROUP: &str = "penstock.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";

/// Every CRD of the project, in a stable order.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![ModelRoute::crd(), ProviderPool::crd()];
    for version in crds.iter_mut().flat_map(|crd| &mut crd.spec.versions) {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        schema.into_iter().for_each(fit_api_server);
    }
    crds
}

/// schemars writes Rust's unsigned integers as formats that the API server does not know and warns about (the bounds
/// beside them say the same), and closes an object without members, which structural schemas do by themselves and may
/// not say.
fn fit_api_server(schema: &mut JSONSchemaProps) {
    schema.format.take_if(|format| format.starts_with("uint"));
    schema.additional_properties.take_if(|extra| matches!(extra, JSONSchemaPropsOrBool::Bool(false)));
    if let Some(properties) = &mut schema.properties {
        properties.values_mut().for_each(fit_api_server);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        fit_api_server(values);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        fit_api_server(items);
    }
}
