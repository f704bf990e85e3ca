//! One provider's credentials, ready to go on requests.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::Full;

use super::mint::{Issuer, Mint};
use super::reach::Reach;
use super::{Credential, CredentialError, Scheme, Surroundings, aws, entra, google, ibm};
use crate::upstream::Client;

/// Puts credentials on the requests of one scheme and one secret. Lives across configurations.
pub struct Authorizer {
    /// A Secret that cannot be used fails its requests, not the configuration.
    source: Result<Source, CredentialError>,
    /// Set where the identity is the pod's own.
    reach: Option<Reach>,
    surroundings: Arc<Surroundings>,
}

enum Source {
    /// As the Secret has it.
    Fixed(Credential),
    /// Fetched and renewed.
    Minted(Arc<Mint>),
}

impl Authorizer {
    /// Without `secret`, a scheme of a cloud takes the identity that the pod has there.
    pub fn new(scheme: &Scheme, secret: Option<&str>, surroundings: &Arc<Surroundings>) -> Self {
        let secret = secret.map(str::trim);
        let (source, reach) = match secret {
            Some("") => (Err(CredentialError::unusable("the Secret's entry is empty")), None),
            Some(secret) => from_secret(scheme, secret, surroundings),
            None => of_pod(scheme, surroundings),
        };
        Self { source, reach, surroundings: surroundings.clone() }
    }

    /// Puts the credentials on a request that is otherwise complete: a signature covers its URL and body. May wait
    /// for a token, for at most about 10 s.
    pub async fn authorize(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &Bytes,
        client: &Client,
    ) -> Result<(), CredentialError> {
        let minted;
        let credential = match &self.source {
            Err(error) => return Err(error.clone()),
            Ok(Source::Fixed(credential)) => credential,
            Ok(Source::Minted(mint)) => {
                minted = mint.credential(client).await?;
                &*minted
            }
        };
        // A signature is bound to the request's host; a token is not.
        if let (Credential::Header(_), Some(reach)) = (credential, &self.reach) {
            reach.check(request.uri())?;
        }
        credential.put_on(request, body, self.surroundings.now())
    }

    /// The provider did not take the credentials (401, 403): a token that was fetched a while ago is fetched anew.
    pub fn refused(&self) {
        if let Ok(Source::Minted(mint)) = &self.source {
            mint.refused();
        }
    }

    /// The text without the keys and tokens that it quotes; `None` where it quotes none. AWS quotes the session token
    /// when a signature is wrong.
    pub fn redact(&self, text: &str) -> Option<String> {
        let minted;
        let known: Vec<&Credential> = match &self.source {
            Err(_) => Vec::new(),
            Ok(Source::Fixed(credential)) => vec![credential],
            Ok(Source::Minted(mint)) => {
                minted = mint.known();
                minted.iter().map(|credential| &**credential).collect()
            }
        };
        known.into_iter().flat_map(Credential::quotable).fold(None, |redacted, secret| {
            let now = redacted.as_deref().unwrap_or(text);
            if now.contains(secret) { Some(now.replace(secret, "[secret]")) } else { redacted }
        })
    }
}

type Made = (Result<Source, CredentialError>, Option<Reach>);

fn from_secret(scheme: &Scheme, secret: &str, surroundings: &Arc<Surroundings>) -> Made {
    match scheme {
        Scheme::Header { name, prefix } => (fixed(Credential::header(name.clone(), prefix, secret)), None),
        Scheme::Aws(scope) => (fixed(aws::from_secret(scope, secret)), None),
        Scheme::Google => match google::KeyFile::parse(secret, google::Origin::Secret) {
            Err(error) => (Err(error), None),
            Ok(file) => {
                let reach = file.is_pods_own().then(|| googles(surroundings));
                (minted(scheme, file, surroundings), reach)
            }
        },
        Scheme::IbmIam { endpoint } => {
            let endpoint = endpoint.clone().or_else(|| surroundings.variable(ibm::ENDPOINT_VARIABLE));
            (minted(scheme, ibm::ApiKey::new(endpoint.as_deref(), secret), surroundings), None)
        }
        Scheme::AzureEntra => {
            (fixed(Credential::header(HeaderName::from_static("api-key"), "", secret)), None)
        }
    }
}

fn of_pod(scheme: &Scheme, surroundings: &Arc<Surroundings>) -> Made {
    match scheme {
        Scheme::Header { .. } => (Ok(Source::Fixed(Credential::Nothing)), None),
        Scheme::Aws(scope) => {
            let (exact, below) = scope.hosts();
            let reach = Reach::new("AWS Bedrock", exact, below, surroundings);
            (minted(scheme, aws::Pod { scope: scope.clone() }, surroundings), Some(reach))
        }
        Scheme::Google => (minted(scheme, google::Pod, surroundings), Some(googles(surroundings))),
        Scheme::IbmIam { .. } => {
            (Err(CredentialError::unusable("IBM Cloud needs an API key: give the provider a Secret")), None)
        }
        Scheme::AzureEntra => {
            let hosts = entra::HOSTS.map(str::to_owned).to_vec();
            let reach = Reach::new("Azure's AI services", Vec::new(), hosts, surroundings);
            (minted(scheme, entra::Pod, surroundings), Some(reach))
        }
    }
}

fn googles(surroundings: &Surroundings) -> Reach {
    Reach::new("Google's APIs", Vec::new(), vec![google::HOST.into()], surroundings)
}

fn fixed(credential: Result<Credential, CredentialError>) -> Result<Source, CredentialError> {
    credential.map(Source::Fixed)
}

fn minted(
    scheme: &Scheme,
    issuer: impl Issuer + 'static,
    surroundings: &Arc<Surroundings>,
) -> Result<Source, CredentialError> {
    Ok(Source::Minted(Mint::new(scheme.to_string(), Box::new(issuer), surroundings.clone())))
}
