//! IAM roles for ServiceAccounts (IRSA): the pod's token against keys of a role, by STS AssumeRoleWithWebIdentity.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use serde::Deserialize;

use super::keys::TemporaryKeys;
use super::{Scope, domain};
use crate::credentials::exchange::{Call, Endpoint, Exchange};
use crate::credentials::mint::Issued;
use crate::credentials::{CredentialError, Surroundings};

static STS: Endpoint = Endpoint {
    name: "AWS's token service (STS)",
    codes: &[("/Error/Code", "")],
    advice: &[
        (
            "AccessDenied",
            "check that the role's trust policy names the pod's ServiceAccount and the cluster's OIDC provider",
        ),
        (
            "InvalidIdentityToken",
            "check that IAM has the cluster's OIDC provider, with sts.amazonaws.com as an audience",
        ),
        ("ExpiredTokenException", "check that the clock is right; the cluster renews the pod's token"),
        ("ExpiredToken", "check that the clock is right; the cluster renews the pod's token"),
        (
            "RegionDisabledException",
            "activate STS for the region, or set AWS_REGION to one where it is active",
        ),
    ],
    otherwise: "check the role in AWS_ROLE_ARN and its trust policy",
    unreachable: "check that the pod may reach it; AWS_REGION and AWS_ENDPOINT_URL_STS say which one is asked",
};

/// A role, and the token file that the cluster keeps fresh.
pub struct WebIdentity {
    token_file: String,
    role: String,
    session: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    assume_role_with_web_identity_response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    assume_role_with_web_identity_result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    credentials: TemporaryKeys,
}

impl WebIdentity {
    /// `None` where the pod has none.
    pub fn find(surroundings: &Surroundings, scope: &Scope) -> Result<Option<Self>, CredentialError> {
        let Some(token_file) = surroundings.variable("AWS_WEB_IDENTITY_TOKEN_FILE") else { return Ok(None) };
        let Some(role) = surroundings.variable("AWS_ROLE_ARN") else {
            return Err(CredentialError::unusable("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"));
        };
        // The pod's region, where a private cluster has its way to STS; else the provider's.
        let region = surroundings
            .variable("AWS_REGION")
            .or_else(|| surroundings.variable("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| scope.region.clone());
        Ok(Some(Self {
            token_file,
            role,
            session: surroundings
                .variable("AWS_ROLE_SESSION_NAME")
                .unwrap_or_else(|| "penstock-proxy".into()),
            url: surroundings
                .variable("AWS_ENDPOINT_URL_STS")
                .unwrap_or_else(|| format!("https://sts.{region}.{}/", domain(&region))),
        }))
    }

    pub async fn issue(&self, exchange: &Exchange, scope: &Scope) -> Result<Issued, CredentialError> {
        let token = exchange.surroundings.read(&self.token_file).await?;
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", self.role.as_str()),
            ("RoleSessionName", self.session.as_str()),
            ("WebIdentityToken", token.as_str()),
        ];
        let answer = exchange.call(Call::post_form(&STS, &self.url, &fields)).await?;
        let Answer { assume_role_with_web_identity_response: response } = answer.json()?;
        let keys = response.assume_role_with_web_identity_result.credentials;
        keys.issued(scope, exchange.now).ok_or_else(|| answer.lacks("keys"))?
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn url(variables: &'static [(&'static str, &'static str)]) -> String {
        let surroundings = Surroundings::new(
            |name| match name {
                "AWS_WEB_IDENTITY_TOKEN_FILE" => Some("/token".into()),
                "AWS_ROLE_ARN" => Some("arn:aws:iam::123456789012:role/r".into()),
                _ => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
            },
            || SystemTime::UNIX_EPOCH,
        );
        let scope = Scope { service: "bedrock".into(), region: "us-west-2".into() };
        let Ok(Some(identity)) = WebIdentity::find(&surroundings, &scope) else { panic!("an identity") };
        identity.url
    }

    #[test]
    fn sts_is_asked_in_the_pods_region() {
        assert_eq!(url(&[]), "https://sts.us-west-2.amazonaws.com/");
        assert_eq!(url(&[("AWS_REGION", "eu-central-1")]), "https://sts.eu-central-1.amazonaws.com/");
        assert_eq!(url(&[("AWS_DEFAULT_REGION", "cn-north-1")]), "https://sts.cn-north-1.amazonaws.com.cn/");
        assert_eq!(url(&[("AWS_REGION", "eusc-de-east-1")]), "https://sts.eusc-de-east-1.amazonaws.eu/");
        assert_eq!(url(&[("AWS_ENDPOINT_URL_STS", "https://sts.corp.example")]), "https://sts.corp.example");
    }
}
