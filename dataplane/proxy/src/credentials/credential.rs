//! What goes on a request: nothing, a header with a key or token, or a signature.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use penstock_config::Secret;
use std::time::SystemTime;

use super::CredentialError;
use super::aws::Signer;

/// A credential that is ready to go on a request. It has no `Debug`.
pub enum Credential {
    /// The provider asks for none.
    Nothing,
    Header(KeyHeader),
    Aws(Signer),
}

/// A header that carries a key or a token.
pub struct KeyHeader {
    name: HeaderName,
    value: HeaderValue,
    /// The key as it would be quoted.
    key: Secret<String>,
    /// Google's project to bill, where the key's file names one.
    quota_project: Option<HeaderValue>,
}

impl Credential {
    /// A key in a header of its own.
    pub fn header(name: HeaderName, prefix: &str, key: &str) -> Result<Self, CredentialError> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{key}")).map_err(|_| {
            CredentialError::unusable("the key or token holds characters that no header may have")
        })?;
        value.set_sensitive(true);
        let key = Secret::new(key.to_owned());
        Ok(Self::Header(KeyHeader { name, value, key, quota_project: None }))
    }

    /// A token as `Authorization: Bearer`.
    pub fn bearer(token: &str) -> Result<Self, CredentialError> {
        Self::header(AUTHORIZATION, "Bearer ", token)
    }

    /// Bills this Google project.
    pub fn billed_to(mut self, project: Option<&str>) -> Self {
        if let Self::Header(header) = &mut self {
            header.quota_project = project.and_then(|project| HeaderValue::from_str(project).ok());
        }
        self
    }

    /// Puts the credential on a request that is otherwise complete.
    pub fn put_on(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), CredentialError> {
        match self {
            Self::Nothing => {}
            Self::Header(KeyHeader { name, value, key: _, quota_project }) => {
                request.headers_mut().insert(name, value.clone());
                if let Some(project) = quota_project {
                    let name = HeaderName::from_static("x-goog-user-project");
                    request.headers_mut().insert(name, project.clone());
                }
            }
            Self::Aws(signer) => signer.sign(request, body, now)?,
        }
        Ok(())
    }

    /// What a provider may have seen of it, and could quote.
    pub fn quotable(&self) -> impl Iterator<Item = &str> {
        let (key, token) = match self {
            Self::Nothing => (None, None),
            Self::Header(header) => (Some(header.key.expose().as_str()), None),
            Self::Aws(signer) => (Some(signer.secret_key()), signer.session_token()),
        };
        key.into_iter().chain(token).filter(|text| !text.is_empty())
    }
}
