//! A person's refresh token, as `gcloud auth application-default login` stores it.

use penstock_config::Secret;
use serde::Deserialize;

use crate::credentials::CredentialError;
use crate::credentials::exchange::{Call, Endpoint, Exchange};
use crate::credentials::mint::Issued;
use crate::credentials::oauth;

static TOKEN: Endpoint = Endpoint {
    name: "Google's token endpoint",
    codes: &[("/error", ""), ("/error_subtype", "")],
    advice: &[(
        "invalid_grant",
        "the refresh token has ended or was revoked: sign in anew and renew the Secret",
    )],
    otherwise: "check the client id and secret beside the refresh token",
    unreachable: "check that the pod may reach it",
};

/// `type: authorized_user`.
#[derive(Deserialize)]
pub struct AuthorizedUser {
    client_id: String,
    client_secret: Secret<String>,
    refresh_token: Secret<String>,
    token_uri: Option<String>,
}

impl AuthorizedUser {
    pub async fn fetch(&self, exchange: &Exchange) -> Result<Issued, CredentialError> {
        let url = self.token_uri.as_deref().unwrap_or(super::service_account::TOKEN_URI);
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
            ("refresh_token", self.refresh_token.expose()),
        ];
        oauth::token(exchange, Call::post_form(&TOKEN, url, &fields)).await
    }
}
