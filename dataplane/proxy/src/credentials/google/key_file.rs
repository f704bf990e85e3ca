//! A key file in one of the forms that Google hands out.

use futures_util::future::{BoxFuture, FutureExt};
use serde::Deserialize;

use super::Origin;
use super::external_account::ExternalAccount;
use super::service_account::ServiceAccount;
use super::user::AuthorizedUser;
use crate::credentials::CredentialError;
use crate::credentials::exchange::Exchange;
use crate::credentials::mint::{Issued, Issuer};

/// A key file, read and checked.
pub struct KeyFile {
    form: Form,
    quota_project: Option<String>,
}

enum Form {
    ServiceAccount(Box<ServiceAccount>),
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(Box<ExternalAccount>),
}

#[derive(Deserialize)]
struct Head {
    r#type: String,
    quota_project_id: Option<String>,
}

impl KeyFile {
    pub fn parse(text: &str, origin: Origin) -> Result<Self, CredentialError> {
        let Head { r#type, quota_project_id: quota_project } = serde_json::from_str(text).map_err(|_| {
            CredentialError::unusable(
                "Google's credentials must be the JSON of a key file, with a `type`; an API key is not enough",
            )
        })?;
        let form = match r#type.as_str() {
            "service_account" => Form::ServiceAccount(Box::new(ServiceAccount::parse(text)?)),
            "authorized_user" => Form::AuthorizedUser(read(text, "client_id, client_secret, refresh_token")?),
            "external_account" => Form::ExternalAccount(Box::new(ExternalAccount::parse(text, origin)?)),
            _ => {
                return Err(CredentialError::unusable(
                    "the `type` of Google's credentials must be service_account, authorized_user or external_account",
                ));
            }
        };
        Ok(Self { form, quota_project })
    }

    /// Does the file itself hold no secret, but says how the pod shows who it is?
    pub fn is_pods_own(&self) -> bool {
        matches!(self.form, Form::ExternalAccount(_))
    }

    pub async fn fetch(&self, exchange: &Exchange) -> Result<Issued, CredentialError> {
        let issued = match &self.form {
            Form::ServiceAccount(account) => account.fetch(exchange).await,
            Form::AuthorizedUser(user) => user.fetch(exchange).await,
            Form::ExternalAccount(account) => account.fetch(exchange).await,
        };
        let Issued { credential, expires_at } = issued?;
        Ok(Issued { credential: credential.billed_to(self.quota_project.as_deref()), expires_at })
    }
}

impl Issuer for KeyFile {
    fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
        self.fetch(exchange).boxed()
    }
}

/// Reads a form. The parser's own words would quote the file.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str, members: &str) -> Result<T, CredentialError> {
    serde_json::from_str(text)
        .map_err(|_| CredentialError::Unusable(format!("Google's credentials lack one of {members}")))
}
