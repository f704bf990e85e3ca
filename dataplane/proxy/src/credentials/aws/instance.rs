//! The role of the node, from the instance metadata service (IMDSv2).
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

use std::time::Duration;

use http::header::HeaderName;

use super::Scope;
use super::keys::TemporaryKeys;
use crate::credentials::CredentialError;
use crate::credentials::exchange::{Call, Endpoint, Exchange};
use crate::credentials::mint::Issued;

static METADATA: Endpoint = Endpoint {
    name: "AWS's instance metadata service",
    codes: &[("/Code", "")],
    advice: &[],
    otherwise: "the pod has no AWS identity of its own, and the node has no role: bind the pod's ServiceAccount to a \
                role (IRSA or EKS Pod Identity), or give the provider a Secret",
    unreachable: "the pod has no AWS identity of its own, and its node's is out of reach: bind the pod's \
                  ServiceAccount to a role (IRSA or EKS Pod Identity), or give the provider a Secret",
};

const ADDRESS: &str = "http://169.254.169.254";
/// It is on the node and answers at once. Where a hop limit of 1 keeps pods out, it never does.
const LIMIT: Duration = Duration::from_secs(2);
/// Of the session, in seconds. It is used for three requests.
const SESSION: &str = "60";

pub async fn issue(exchange: &Exchange, scope: &Scope) -> Result<Issued, CredentialError> {
    let variable = |name| exchange.surroundings.variable(name);
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(CredentialError::unusable(
            "the pod has no AWS identity: no keys, no role of its ServiceAccount, and AWS_EC2_METADATA_DISABLED is \
             set; bind its ServiceAccount to a role (IRSA or EKS Pod Identity), or give the provider a Secret",
        ));
    }
    let address = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| ADDRESS.into());
    let address = address.trim_end_matches('/');
    let opening = Call::put(&METADATA, &format!("{address}/latest/api/token"))
        .header(HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), SESSION)
        .within(LIMIT);
    let session = exchange.call(opening).await?;
    let session = session.text()?;
    let get = |path: &str| {
        Call::get(&METADATA, &format!("{address}/latest/meta-data/iam/security-credentials/{path}"))
            .header(HeaderName::from_static("x-aws-ec2-metadata-token"), session)
            .within(LIMIT)
    };
    let roles = exchange.call(get("")).await?;
    // One role for an instance; the list has one line.
    let role = roles.text()?.lines().next().unwrap_or_default();
    let answer = exchange.call(get(role)).await?;
    let keys: TemporaryKeys = answer.json()?;
    keys.issued(scope, exchange.now).ok_or_else(|| answer.lacks("keys"))?
}
