//! The answer of an OAuth token endpoint (RFC 6749, 5.1), as Google, IBM and Entra give it.

use penstock_config::Secret;
use serde::Deserialize;

use super::exchange::{Call, Exchange};
use super::expiry::{self, Told};
use super::mint::Issued;
use super::{Credential, CredentialError};

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret<String>,
    expires_in: Option<Told>,
}

/// Calls a token endpoint for a bearer token.
pub async fn token(exchange: &Exchange, call: Call) -> Result<Issued, CredentialError> {
    let answer = exchange.call(call).await?;
    let TokenAnswer { access_token, expires_in } = answer.json()?;
    let token = access_token.expose().trim();
    if token.is_empty() {
        return Err(answer.lacks("a token"));
    }
    Ok(Issued {
        credential: Credential::bearer(token)?,
        expires_at: Some(expiry::after(expires_in.as_ref(), exchange.now)),
    })
}
