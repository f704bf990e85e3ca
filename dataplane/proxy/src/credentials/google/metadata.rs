//! The metadata server: the identity of a GKE pod (Workload Identity) or of a virtual machine.
//!
//! <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>

use http::header::HeaderName;

use super::SCOPE;
use crate::credentials::CredentialError;
use crate::credentials::exchange::{Call, Endpoint, Exchange};
use crate::credentials::mint::Issued;
use crate::credentials::oauth;

static METADATA: Endpoint = Endpoint {
    name: "Google's metadata server",
    codes: &[("/error", ""), ("/error/status", "")],
    advice: &[],
    otherwise: "check that the pod's ServiceAccount is bound to a Google identity that may use Vertex AI (GKE Workload \
                Identity)",
    unreachable: "the pod has no Google identity: GOOGLE_APPLICATION_CREDENTIALS is not set, and this is no Google \
                  machine; give the provider a Secret with a key file",
};

pub async fn fetch(exchange: &Exchange) -> Result<Issued, CredentialError> {
    let host = exchange.surroundings.variable("GCE_METADATA_HOST");
    let host = host.as_deref().unwrap_or("metadata.google.internal");
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let call = Call::get(&METADATA, &format!("http://{host}/{path}?scopes={SCOPE}"));
    oauth::token(exchange, call.header(HeaderName::from_static("metadata-flavor"), "Google")).await
}
