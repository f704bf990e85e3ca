//! IBM Cloud IAM: an API key against a token.
//!
//! <https://cloud.ibm.com/apidocs/iam-identity-token-api#gettoken-apikey>

use futures_util::future::{BoxFuture, FutureExt};
use penstock_config::Secret;

use super::CredentialError;
use super::exchange::{Call, Endpoint, Exchange};
use super::mint::{Issued, Issuer};
use super::oauth;

static IAM: Endpoint = Endpoint {
    name: "IBM Cloud IAM",
    codes: &[("/errorCode", "")],
    advice: &[("BXNIM0415E", "the API key does not exist (any more): put a valid one into the Secret")],
    otherwise: "check the API key in the Secret",
    unreachable: "check that the pod may reach it",
};

/// Another IAM for the whole proxy, with its path: a private endpoint of the account's.
pub const ENDPOINT_VARIABLE: &str = "PENSTOCK_IBM_IAM_ENDPOINT";

const URL: &str = "https://iam.cloud.ibm.com/identity/token";

/// An API key that is exchanged for tokens.
pub struct ApiKey {
    url: String,
    key: Secret<String>,
}

impl ApiKey {
    /// `endpoint`: another IAM than the public one, with its path.
    pub fn new(endpoint: Option<&str>, key: &str) -> Self {
        Self { url: endpoint.unwrap_or(URL).to_owned(), key: Secret::new(key.to_owned()) }
    }
}

impl Issuer for ApiKey {
    fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
        let fields =
            [("grant_type", "urn:ibm:params:oauth:grant-type:apikey"), ("apikey", self.key.expose())];
        oauth::token(exchange, Call::post_form(&IAM, &self.url, &fields)).boxed()
    }
}
