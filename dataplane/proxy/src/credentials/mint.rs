//! A credential that has to be fetched: one fetch at a time, whoever waits for it.
//!
//! The fetch is a task of its own. A client that leaves must not take it away from the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::exchange::{Exchange, TIME_LIMIT};
use super::renewal::{Renewal, Verdict};
use super::{Credential, CredentialError, Surroundings};
use crate::upstream::Client;

/// A way to get a credential.
pub trait Issuer: Send + Sync {
    fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>>;
}

/// A new credential.
pub struct Issued {
    pub credential: Credential,
    /// `None` where it has no end.
    pub expires_at: Option<SystemTime>,
}

type Outcome = Result<Arc<Credential>, CredentialError>;
type Flight = watch::Receiver<Option<Outcome>>;

/// A credential and its issuer.
pub struct Mint {
    /// For log lines: whose credential it is.
    label: String,
    issuer: Box<dyn Issuer>,
    surroundings: Arc<Surroundings>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    renewal: Renewal<Arc<Credential>>,
    flight: Option<Flight>,
}

impl Mint {
    pub fn new(label: String, issuer: Box<dyn Issuer>, surroundings: Arc<Surroundings>) -> Arc<Self> {
        Arc::new(Self { label, issuer, surroundings, state: Mutex::default() })
    }

    /// The credential in force. Waits for a fetch only where there is none that is valid.
    pub async fn credential(self: &Arc<Self>, client: &Client) -> Outcome {
        let mut flight = {
            let mut state = self.lock();
            match state.renewal.verdict(self.surroundings.now()) {
                Verdict::Use(credential) => return Ok(credential),
                Verdict::UseAndRenew(credential) => {
                    self.join_or_start(&mut state, client);
                    return Ok(credential);
                }
                Verdict::Fail(error) => return Err(error),
                Verdict::Renew => self.join_or_start(&mut state, client),
            }
        };
        match flight.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Err(CredentialError::unusable("the fetch of the credential was broken off")),
        }
    }

    /// The provider did not take the credential.
    pub fn refused(&self) {
        self.lock().renewal.refused(self.surroundings.now());
    }

    /// Every credential that a provider's error may quote.
    pub fn known(&self) -> Vec<Arc<Credential>> {
        self.lock().renewal.known().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join_or_start(self: &Arc<Self>, state: &mut State, client: &Client) -> Flight {
        // One whose task is gone without a word lands nowhere.
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (land, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let (mint, client) = (self.clone(), client.clone());
        tokio::spawn(async move {
            let outcome = mint.fetch(client).await;
            land.send_replace(Some(outcome));
        });
        flight
    }

    async fn fetch(&self, client: Client) -> Outcome {
        let exchange = Exchange::new(self.surroundings.clone(), client);
        // The calls have the limit themselves and say which one was slow. This one is for files on a dead volume.
        let limit = TIME_LIMIT + Duration::from_secs(1);
        let issued = tokio::time::timeout(limit, self.issuer.issue(&exchange)).await.unwrap_or_else(|_| {
            Err(CredentialError::unusable("a file of the credential cannot be read in time"))
        });
        let now = self.surroundings.now();
        // Taken for a success, it would be fetched anew by every request.
        let issued = issued.and_then(|issued| match issued.expires_at {
            Some(end) if end <= now => Err(CredentialError::unusable(
                "a new credential has already ended: check the clock of the proxy's node",
            )),
            _ => Ok(issued),
        });
        let mut state = self.lock();
        state.flight = None;
        match issued {
            Ok(Issued { credential, expires_at }) => {
                let credential = Arc::new(credential);
                state.renewal.issued(credential.clone(), expires_at, now);
                Ok(credential)
            }
            Err(error) => {
                let is_news = state.renewal.failed(error.clone(), now);
                drop(state);
                if is_news {
                    tracing::warn!(credential = self.label, %error, "no new credential");
                }
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::future::FutureExt;

    use super::*;
    use crate::upstream::Clients;

    struct Stumbles(AtomicBool);

    impl Issuer for Stumbles {
        fn issue<'a>(&'a self, _: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
            async {
                assert!(self.0.swap(true, Ordering::SeqCst), "the first fetch dies");
                Ok(Issued { credential: Credential::Nothing, expires_at: None })
            }
            .boxed()
        }
    }

    struct Ended;

    impl Issuer for Ended {
        fn issue<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Issued, CredentialError>> {
            let issued = Issued { credential: Credential::Nothing, expires_at: Some(exchange.now) };
            async { Ok(issued) }.boxed()
        }
    }

    #[tokio::test]
    async fn a_credential_that_has_ended_is_none() {
        let surroundings = Arc::new(Surroundings::new(|_| None, || SystemTime::UNIX_EPOCH));
        let mint = Mint::new("test".into(), Box::new(Ended), surroundings);
        let error = mint.credential(&Clients::default().get(1000)).await.err().unwrap();
        assert!(error.to_string().contains("check the clock"), "{error}");
    }

    #[tokio::test]
    async fn a_fetch_that_dies_answers_who_waits_and_blocks_none_after_it() {
        let surroundings = Arc::new(Surroundings::new(|_| None, || SystemTime::UNIX_EPOCH));
        let mint = Mint::new("test".into(), Box::new(Stumbles(AtomicBool::new(false))), surroundings);
        let client = Clients::default().get(1000);
        let error = mint.credential(&client).await.err().unwrap();
        assert!(error.to_string().contains("broken off"), "{error}");
        assert!(mint.credential(&client).await.is_ok());
    }
}
