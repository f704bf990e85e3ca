//! Microsoft Entra: the pod's token against one for Azure's AI services (AKS workload identity).
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>, third case.

use futures_util::future::{BoxFuture, FutureExt};

use super::CredentialError;
use super::exchange::{Call, Endpoint, Exchange};
use super::mint::{Issued, Issuer};
use super::oauth;

static TOKEN: Endpoint = Endpoint {
    name: "Microsoft Entra",
    codes: &[("/error", ""), ("/error_codes/0", "AADSTS")],
    advice: &[
        (
            "AADSTS700016",
            "check AZURE_CLIENT_ID and AZURE_TENANT_ID: the tenant does not know the application",
        ),
        ("AADSTS90002", "check AZURE_TENANT_ID: there is no such tenant"),
        ("AADSTS700024", "check that the clock is right: the pod's token is not valid now"),
        (
            "AADSTS70021",
            "add a federated credential to the identity, with the cluster's issuer and the pod's ServiceAccount",
        ),
        (
            "AADSTS700213",
            "add a federated credential to the identity, with the cluster's issuer and the pod's ServiceAccount",
        ),
        (
            "AADSTS7002138",
            "check the subject in the identity's federated credential: upper and lower case count",
        ),
        (
            "AADSTS700211",
            "check the issuer in the identity's federated credential: it must be the cluster's, to the last slash",
        ),
    ],
    otherwise: "check the identity's federated credential: the cluster's issuer and the pod's ServiceAccount",
    unreachable: "check that the pod may reach it, and AZURE_AUTHORITY_HOST",
};

const AUTHORITY: &str = "https://login.microsoftonline.com";

/// Hosts of Azure's AI services. Others below azure.com belong to customers: virtual machines, web apps.
pub const HOSTS: [&str; 8] = [
    "openai.azure.com",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
    "api.cognitive.microsoft.com",
    "openai.azure.us",
    "cognitiveservices.azure.us",
    "openai.azure.cn",
    "cognitiveservices.azure.cn",
];

/// The identity that AKS workload identity gives the pod.
pub struct Pod;

impl Issuer for Pod {
    fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
        async {
            let variable = |name: &'static str| {
                exchange.surroundings.variable(name).ok_or_else(|| {
                    CredentialError::Unusable(format!(
                        "the pod has no Entra identity: {name} is not set; use AKS workload identity (label the pod \
                         azure.workload.identity/use, annotate its ServiceAccount), or give the provider a Secret \
                         with an API key"
                    ))
                })
            };
            let assertion = exchange.surroundings.read(&variable("AZURE_FEDERATED_TOKEN_FILE")?).await?;
            let (client, tenant) = (variable("AZURE_CLIENT_ID")?, variable("AZURE_TENANT_ID")?);
            let authority =
                exchange.surroundings.variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.into());
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", client.as_str()),
                ("scope", scope(&authority)),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion.as_str()),
            ];
            let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            oauth::token(exchange, Call::post_form(&TOKEN, &url, &fields)).await
        }
        .boxed()
    }
}

/// The AI services of the cloud that an authority belongs to.
fn scope(authority: &str) -> &'static str {
    let host = authority.trim_end_matches('/');
    if host.ends_with(".us") {
        "https://cognitiveservices.azure.us/.default"
    } else if host.ends_with(".cn") {
        "https://cognitiveservices.azure.cn/.default"
    } else {
        "https://cognitiveservices.azure.com/.default"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_scope() {
        assert_eq!(
            scope("https://login.microsoftonline.com/"),
            "https://cognitiveservices.azure.com/.default"
        );
        assert_eq!(scope("https://login.microsoftonline.us/"), "https://cognitiveservices.azure.us/.default");
        assert_eq!(
            scope("https://login.partner.microsoftonline.cn"),
            "https://cognitiveservices.azure.cn/.default"
        );
    }
}
