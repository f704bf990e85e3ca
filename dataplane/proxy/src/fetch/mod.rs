//! Bytes of images and documents that clients name by their web addresses, for providers that take bytes alone.
//!
//! Off unless the proxy is told from where it may fetch. Nothing of the client's request goes along, an address is
//! checked after it was resolved, at every redirect, and files are bounded in number, size and time.

mod origins;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use penstock_llm::web_media::{Fetched, MediaKind};
use prometheus::IntCounter;
use tower_service::Service;
use url::Url;

pub use self::origins::MediaOrigin;
use self::origins::admit;
use crate::metrics::Metrics;

/// Files of one request.
const MOST_FILES: usize = 16;
/// Bytes of one file, and of all files of a request.
const FILE_LIMIT: usize = 20 << 20;
const TOTAL_LIMIT: usize = 32 << 20;
/// Open at a time for one request.
const AT_ONCE: usize = 4;
const REDIRECTS: usize = 3;
/// For all files of a request.
const TIME: Duration = Duration::from_secs(15);

type Connector = HttpsConnector<HttpConnector<Guarded>>;

/// Fetches media.
pub struct Fetcher {
    origins: Arc<[MediaOrigin]>,
    client: Client<Connector, Empty<Bytes>>,
    done: IntCounter,
    failed: IntCounter,
}

impl Fetcher {
    /// `None` where nothing may be fetched.
    pub fn new(origins: &[MediaOrigin], metrics: &Metrics) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let origins: Arc<[MediaOrigin]> = origins.into();
        let mut http =
            HttpConnector::new_with_resolver(Guarded { inner: GaiResolver::new(), origins: origins.clone() });
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            // Hosts are as many as clients name: nothing is kept for the next time.
            .pool_max_idle_per_host(0)
            .build(connector);
        let [done, failed] = metrics.fetched();
        Some(Self { origins, client, done, failed })
    }

    /// The bytes behind every address, in their order.
    ///
    /// # Errors
    /// What is wrong with one of them, for the client.
    pub async fn fetch_all(&self, addresses: &[(MediaKind, &str)]) -> Result<Vec<Fetched>, String> {
        let fetched = self.try_all(addresses).await;
        if fetched.is_ok() { &self.done } else { &self.failed }.inc();
        fetched
    }

    async fn try_all(&self, addresses: &[(MediaKind, &str)]) -> Result<Vec<Fetched>, String> {
        if addresses.len() > MOST_FILES {
            return Err(format!("{} files to fetch; {MOST_FILES} is the most", addresses.len()));
        }
        let fetches: Vec<_> = addresses.iter().map(|(kind, url)| self.fetch(*kind, url)).collect();
        let mut total = 0;
        let all = stream::iter(fetches).buffered(AT_ONCE).and_then(|fetched| {
            total += fetched.data.len() / 4 * 3;
            let fits = total <= TOTAL_LIMIT;
            std::future::ready(fits.then_some(fetched).ok_or_else(|| {
                format!("the files behind the addresses are larger than {TOTAL_LIMIT} bytes together")
            }))
        });
        match tokio::time::timeout(TIME, all.try_collect()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("the files did not arrive within {} s", TIME.as_secs())),
        }
    }

    async fn fetch(&self, kind: MediaKind, url: &str) -> Result<Fetched, String> {
        self.follow(kind, url).await.map_err(|error| format!("{} cannot be fetched: {error}", shown(url)))
    }

    async fn follow(&self, kind: MediaKind, url: &str) -> Result<Fetched, String> {
        let mut url = Url::parse(url).map_err(|error| error.to_string())?;
        for _ in 0..=REDIRECTS {
            let response = self.get(&url).await?;
            let (head, body) = response.into_parts();
            if head.status.is_redirection() {
                let to = head.headers.get(LOCATION).and_then(|to| to.to_str().ok());
                let to = to.ok_or("a redirect to nowhere")?;
                url = url.join(to).map_err(|error| format!("a redirect to no address: {error}"))?;
                continue;
            }
            if !head.status.is_success() {
                return Err(format!("the server answers {}", head.status));
            }
            let bytes = Limited::new(body, FILE_LIMIT).collect().await.map_err(|error| {
                match error.is::<http_body_util::LengthLimitError>() {
                    true => format!("it is larger than {FILE_LIMIT} bytes"),
                    false => "the connection broke off".to_owned(),
                }
            })?;
            let bytes = bytes.to_bytes();
            let media_type = media_type(kind, &head.headers, &bytes)?;
            return Ok(Fetched { media_type, data: STANDARD.encode(&bytes) });
        }
        Err(format!("more than {REDIRECTS} redirects"))
    }

    async fn get(&self, url: &Url) -> Result<http::Response<Incoming>, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http:// and https:// addresses are fetched".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a user name or password is not fetched".to_owned());
        }
        // An address in figures is resolved by nobody, so that the resolver does not see it.
        let literal = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(url::Host::Domain(_)) => None,
            None => return Err("there is no host in it".to_owned()),
        };
        if literal.is_some_and(|address| !admit(&self.origins, address)) {
            return Err(CLOSED.to_owned());
        }
        let mut url = url.clone();
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(|_| "it is not a URL".to_owned())?;
        let request = Request::get(uri)
            .header(USER_AGENT, concat!("penstock/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        // What a private name resolves to, and what listens there, is nothing to tell a client about.
        self.client.request(request).await.map_err(|error| match is_closed(&error) {
            true => CLOSED.to_owned(),
            false => "there is no answer".to_owned(),
        })
    }
}

const CLOSED: &str = "this proxy does not fetch from there";

fn is_closed(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains(CLOSED) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What the bytes say counts more than what the server says: many serve a WebP as `image/png`, and providers look.
fn media_type(kind: MediaKind, headers: &HeaderMap, bytes: &[u8]) -> Result<String, String> {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let seen = infer::get(bytes).map(|found| found.mime_type()).filter(|seen| kind.takes(seen));
    match seen {
        Some(seen) => Ok(seen.to_owned()),
        None if kind.takes(&said) && said != "application/octet-stream" => Ok(said),
        None if said.is_empty() => Err("the server does not say what it is".to_owned()),
        None => Err(format!("it is `{}`", shown(&said))),
    }
}

/// Short enough for a message, and without what may be a signature.
fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect()
}

/// Resolves names to the addresses that may be fetched from. Checked here and not before, so that a name cannot mean
/// one thing when it is checked and another when it is connected to.
#[derive(Clone)]
struct Guarded {
    inner: GaiResolver,
    origins: Arc<[MediaOrigin]>,
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.inner.call(name);
        let origins = self.origins.clone();
        Box::pin(async move {
            let admitted: Vec<SocketAddr> =
                resolving.await?.filter(|address| admit(&origins, address.ip())).collect();
            match admitted.is_empty() {
                true => Err(io::Error::other(CLOSED)),
                false => Ok(admitted.into_iter()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_more_than_the_server() {
        let headers = |said: &str| HeaderMap::from_iter([(CONTENT_TYPE, said.parse().unwrap())]);
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let of = |kind, said: &str, bytes: &[u8]| media_type(kind, &headers(said), bytes);
        assert_eq!(of(MediaKind::Image, "image/jpeg", png).as_deref(), Ok("image/png"));
        assert_eq!(of(MediaKind::Image, "application/octet-stream", png).as_deref(), Ok("image/png"));
        assert_eq!(
            of(MediaKind::Image, "Image/SVG+xml; charset=utf-8", b"<svg").as_deref(),
            Ok("image/svg+xml")
        );
        assert_eq!(of(MediaKind::Document, "text/plain; charset=utf-8", b"hi").as_deref(), Ok("text/plain"));
        assert_eq!(of(MediaKind::Document, "application/pdf", b"%PDF-1.7").as_deref(), Ok("application/pdf"));
        for (kind, said, bytes) in [
            (MediaKind::Image, "text/html", b"<html>".as_slice()),
            (MediaKind::Document, "text/html", b"<html>"),
            (MediaKind::Document, "application/octet-stream", b"?"),
            (MediaKind::Audio, "image/png", png),
        ] {
            let error = of(kind, said, bytes).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[tokio::test]
    async fn figures_and_names_of_closed_addresses_are_refused() {
        let metrics = Metrics::new();
        let fetcher = Fetcher::new(&[MediaOrigin::Public], &metrics).unwrap();
        for url in [
            "http://127.0.0.1:9/a.png",
            "http://2130706433/a.png",
            "http://0x7f.1/a.png",
            "http://[::1]:9/a.png",
            "http://[::ffff:169.254.169.254]/latest/meta-data",
            "http://169.254.169.254/latest/meta-data",
            "http://localhost:9/a.png",
        ] {
            let error = fetcher.fetch_all(&[(MediaKind::Image, url)]).await.unwrap_err();
            assert!(error.ends_with(CLOSED), "{url}: {error}");
        }
        for (url, part) in [
            ("http://user:pass@example.com/", "password"),
            ("ftp://example.com/", "only http"),
            ("http://", "empty host"),
        ] {
            let error = fetcher.fetch_all(&[(MediaKind::Image, url)]).await.unwrap_err();
            assert!(error.contains(part), "{url}: {error}");
        }
        let many = vec![(MediaKind::Image, "http://127.0.0.1/"); MOST_FILES + 1];
        assert!(fetcher.fetch_all(&many).await.unwrap_err().contains("17 files"));
        assert!(Fetcher::new(&[], &metrics).is_none());
    }
}
