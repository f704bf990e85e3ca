//! Whole exchanges against a server of the test's own that plays the vendors' endpoints.

mod aws;
mod entra;
pub mod google;
mod ibm;
mod renewing;
mod secrecy;
pub mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;

use super::{Authorizer, CredentialBook, CredentialError, Scheme, Surroundings};
use crate::upstream::{Client, Clients};

/// 2026-01-01T00:00:00Z, where every test begins.
const START: u64 = 1_767_225_600;
const VERTEX: &str = "https://us-central1-aiplatform.googleapis.com/v1/x";
const BEDROCK: &str = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m:0/converse";
const AZURE: &str = "https://mine.openai.azure.com/openai/v1/chat/completions";

/// Environment, clock and client of a test.
struct World {
    book: CredentialBook,
    clock: Clock,
    client: Client,
}

#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl World {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let variables: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let clock = Clock(Arc::new(AtomicU64::new(START)));
        let (look_up, read) = (
            move |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
            },
            clock.clone(),
        );
        let surroundings = Surroundings::new(look_up, move || read.now());
        Self { book: CredentialBook::new(surroundings), clock, client: Clients::default().get(1000) }
    }

    fn authorizer(&mut self, scheme: &Scheme, secret: Option<&str>) -> Arc<Authorizer> {
        self.book.authorizer(scheme, secret)
    }

    /// Authorizes a request to this URL.
    async fn send(
        &self,
        authorizer: &Authorizer,
        url: &str,
    ) -> Result<Request<Full<Bytes>>, CredentialError> {
        send(authorizer, url, &self.client).await
    }

    /// The header of a request to this URL.
    async fn header(&self, authorizer: &Authorizer, url: &str, name: &str) -> String {
        let request = self.send(authorizer, url).await.unwrap();
        request.headers()[name].to_str().unwrap().to_owned()
    }

    async fn bearer(&self, authorizer: &Authorizer, url: &str) -> String {
        self.header(authorizer, url, "authorization").await
    }
}

async fn send(
    authorizer: &Authorizer,
    url: &str,
    client: &Client,
) -> Result<Request<Full<Bytes>>, CredentialError> {
    let body = Bytes::from_static(b"{}");
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.parse().unwrap();
    authorizer.authorize(&mut request, &body, client).await.map(|()| request)
}

fn aws() -> Scheme {
    Scheme::Aws(super::AwsScope { service: "bedrock".into(), region: "us-east-1".into() })
}

/// A file that lives as long as the folder.
fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
