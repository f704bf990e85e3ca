//! Connections to addresses that somebody else named: a client, a route. Which ones may be connected to is checked on
//! what a name was resolved to, so that it cannot mean one thing when it is checked and another when it is used.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::sync::Semaphore;
use tower_service::Service;

/// Names that are resolved at a time: one that no server answers for holds a thread, also after nobody waits any more.
const NAMES_AT_ONCE: usize = 16;

pub type Connector<R = GaiResolver> = HttpsConnector<HttpConnector<Guarded<R>>>;

/// May this address be connected to?
pub type Admit = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Which versions of HTTP a connection may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    One,
    OneAndTwo,
}

/// Connects to admitted addresses only. One that stands in a URL in figures is resolved by nobody, and has to be
/// checked by who has the URL.
pub fn connector<R>(resolver: Guarded<R>, versions: Versions) -> Connector<R> {
    let mut http = HttpConnector::new_with_resolver(resolver);
    http.enforce_http(false);
    http.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
    match versions {
        Versions::One => builder.wrap_connector(http),
        Versions::OneAndTwo => builder.enable_http2().wrap_connector(http),
    }
}

/// Resolves names to the addresses that are admitted.
#[derive(Clone)]
pub struct Guarded<R = GaiResolver> {
    inner: R,
    admit: Admit,
    names: Arc<Semaphore>,
    /// What is said where no address is admitted.
    refusal: &'static str,
}

impl Guarded<GaiResolver> {
    pub fn new(admit: Admit, refusal: &'static str) -> Self {
        Self::over(GaiResolver::new(), admit, refusal)
    }
}

impl<R> Guarded<R> {
    pub fn over(inner: R, admit: Admit, refusal: &'static str) -> Self {
        Self { inner, admit, names: Arc::new(Semaphore::new(NAMES_AT_ONCE)), refusal }
    }
}

impl<R> Service<Name> for Guarded<R>
where
    R: Service<Name, Response: Iterator<Item = SocketAddr> + Send, Error = io::Error, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { mut inner, admit, names, refusal } = self.clone();
        Box::pin(async move {
            let permit = names.acquire_owned().await.map_err(io::Error::other)?;
            // A task of its own: who stops waiting frees no thread, and must free no permit.
            let resolving = tokio::spawn(async move {
                let _permit = permit;
                inner.call(name).await.map(|found| found.collect::<Vec<_>>())
            });
            let found = resolving.await.map_err(io::Error::other)??;
            let admitted: Vec<SocketAddr> = found.into_iter().filter(|found| admit(found.ip())).collect();
            match admitted.is_empty() {
                true => Err(io::Error::other(refusal)),
                false => Ok(admitted.into_iter()),
            }
        })
    }
}
