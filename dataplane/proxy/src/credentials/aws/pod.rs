//! The pod's own identity at AWS, found in the order of the AWS SDKs.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>, without profiles, which a pod does
//! not have. A source that is set and fails is an error: another identity than the one that was meant would be worse.

use futures_util::future::{BoxFuture, FutureExt};

use super::container::Container;
use super::keys::keys;
use super::web_identity::WebIdentity;
use super::{Scope, Signer, instance};
use crate::credentials::exchange::Exchange;
use crate::credentials::mint::{Issued, Issuer};
use crate::credentials::{Credential, CredentialError, Surroundings};

/// Whatever identity the pod has when it is asked for.
pub struct Pod {
    pub scope: Scope,
}

/// Where the identity comes from.
enum Source {
    /// Keys or a Bedrock API key in the environment.
    Environment(Credential),
    /// IAM roles for ServiceAccounts (IRSA).
    WebIdentity(WebIdentity),
    /// EKS Pod Identity, or ECS.
    Container(Container),
    /// The role of the node.
    Instance,
}

impl Issuer for Pod {
    fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
        async move {
            match find(&exchange.surroundings, &self.scope)? {
                Source::Environment(credential) => Ok(Issued { credential, expires_at: None }),
                Source::WebIdentity(identity) => identity.issue(exchange, &self.scope).await,
                Source::Container(container) => container.issue(exchange, &self.scope).await,
                Source::Instance => instance::issue(exchange, &self.scope).await,
            }
        }
        .boxed()
    }
}

fn find(surroundings: &Surroundings, scope: &Scope) -> Result<Source, CredentialError> {
    let variable = |name| surroundings.variable(name);
    if scope.is_bedrock()
        && let Some(key) = variable("AWS_BEARER_TOKEN_BEDROCK")
    {
        return Credential::bearer(&key).map(Source::Environment);
    }
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => {
            let keys = keys(&id, &secret, variable("AWS_SESSION_TOKEN")).ok_or_else(|| {
                CredentialError::unusable("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is empty")
            })?;
            let signer = Signer::new(keys, scope.clone())?;
            return Ok(Source::Environment(Credential::Aws(signer)));
        }
        (Some(_), None) => {
            return Err(CredentialError::unusable("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"));
        }
        (None, Some(_)) => {
            return Err(CredentialError::unusable("AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"));
        }
        (None, None) => {}
    }
    if let Some(identity) = WebIdentity::find(surroundings, scope)? {
        return Ok(Source::WebIdentity(identity));
    }
    if let Some(container) = Container::find(surroundings)? {
        return Ok(Source::Container(container));
    }
    Ok(Source::Instance)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::SystemTime;

    use super::*;

    fn found(service: &str, variables: &[(&'static str, &'static str)]) -> String {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        let surroundings = Surroundings::new(
            move |name| variables.get(name).map(|value| (*value).to_owned()),
            || SystemTime::UNIX_EPOCH,
        );
        match find(&surroundings, &Scope { service: service.into(), region: "us-east-1".into() }) {
            Ok(Source::Environment(Credential::Header(_))) => "bearer".into(),
            Ok(Source::Environment(_)) => "environment".into(),
            Ok(Source::WebIdentity(_)) => "web identity".into(),
            Ok(Source::Container(_)) => "container".into(),
            Ok(Source::Instance) => "instance".into(),
            Err(error) => error.to_string(),
        }
    }

    /// Every source set, the first ones taken away one by one.
    #[test]
    fn sources_come_in_the_order_of_the_sdks() {
        let all = [
            ("AWS_BEARER_TOKEN_BEDROCK", "key"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ];
        for (from, expected) in
            [(0, "bearer"), (1, "environment"), (3, "web identity"), (5, "container"), (6, "instance")]
        {
            assert_eq!(found("bedrock", &all[from..]), expected);
        }
        assert_eq!(found("sagemaker", &all), "environment", "Bedrock's key opens Bedrock only");
    }

    #[test]
    fn half_a_source_is_an_error() {
        for half in [
            ("AWS_ACCESS_KEY_ID", "hidden"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ] {
            let error = found("bedrock", &[half]);
            assert!(
                error.contains(half.0) && error.contains("without") && !error.contains("hidden"),
                "{error}"
            );
        }
    }
}
