//! EKS Pod Identity and ECS: an agent beside the pod hands out keys.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use http::Uri;
use http::header::AUTHORIZATION;

use super::Scope;
use super::keys::TemporaryKeys;
use crate::credentials::exchange::{Call, Endpoint, Exchange};
use crate::credentials::mint::Issued;
use crate::credentials::{CredentialError, Surroundings};

static AGENT: Endpoint = Endpoint {
    name: "the pod identity agent",
    codes: &[("/code", ""), ("/Code", "")],
    advice: &[],
    otherwise: "check the pod identity association of the pod's ServiceAccount, and the role's trust policy",
    unreachable: "check that the EKS Pod Identity Agent runs on the node",
};

/// Where ECS has its agent.
const ECS: &str = "http://169.254.170.2";
/// Addresses to which a token may go without TLS: the agents of ECS and EKS, and the pod itself.
const TRUSTED: [&str; 6] =
    ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1", "[::1]", "localhost"];

/// An agent's address, and how to show the pod's token there.
pub struct Container {
    url: String,
    token: Token,
}

enum Token {
    None,
    /// Rotates; wins over a fixed one.
    File(String),
    Fixed(String),
}

impl Container {
    /// `None` where the pod has none.
    pub fn find(surroundings: &Surroundings) -> Result<Option<Self>, CredentialError> {
        let relative = surroundings.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = surroundings.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let url = match (relative, full) {
            (Some(path), _) => format!("{ECS}{path}"),
            (None, Some(url)) => url,
            (None, None) => return Ok(None),
        };
        if !is_trusted(&url) {
            return Err(CredentialError::unusable(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor the address of an ECS or EKS agent",
            ));
        }
        let file = surroundings.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Token::File);
        let fixed = || surroundings.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Token::Fixed);
        Ok(Some(Self { url, token: file.or_else(fixed).unwrap_or(Token::None) }))
    }

    pub async fn issue(&self, exchange: &Exchange, scope: &Scope) -> Result<Issued, CredentialError> {
        let call = Call::get(&AGENT, &self.url);
        let call = match &self.token {
            Token::None => call,
            Token::File(path) => call.header(AUTHORIZATION, exchange.surroundings.read(path).await?),
            Token::Fixed(token) => call.header(AUTHORIZATION, token),
        };
        let answer = exchange.call(call).await?;
        let keys: TemporaryKeys = answer.json()?;
        keys.issued(scope, exchange.now).ok_or_else(|| answer.lacks("keys"))?
    }
}

fn is_trusted(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => uri.host().is_some_and(|host| TRUSTED.contains(&host)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_without_tls_only_to_an_agent() {
        for url in [
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:8080/x",
            "https://agent.example/x",
        ] {
            assert!(is_trusted(url), "{url}");
        }
        for url in ["http://agent.example/x", "http://169.254.170.2.example/x", "ftp://127.0.0.1/", "/x", ""]
        {
            assert!(!is_trusted(url), "{url}");
        }
    }
}
