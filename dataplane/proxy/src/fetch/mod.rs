//! Bytes of images and documents that clients name by their web addresses, for providers that take bytes alone.
//!
//! Off unless the proxy is told from where it may fetch. Nothing of the client's request goes along, an address is
//! checked after it was resolved, at every redirect, and files are bounded in number, size and time.

mod origins;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use penstock_llm::web_media::{Fetched, MediaKind};
use prometheus::IntCounter;
use tokio::sync::Semaphore;
use url::Url;

pub use self::origins::MediaOrigin;
use self::origins::admit;
use crate::guarded::{self, Connector, Guarded, Versions};
use crate::metrics::Metrics;

/// Addresses in one request; one that stands there twice counts twice.
const MOST_FILES: usize = 16;
/// Bytes of all files of a request.
const TOTAL_LIMIT: usize = 20 << 20;
/// Requests whose files are fetched at a time, and files of each: what is being read is in memory, and a name server
/// that does not answer holds a thread.
const REQUESTS_AT_ONCE: usize = 4;
const FILES_AT_ONCE: usize = 4;
const REDIRECTS: usize = 3;
/// For all files of a request.
const TIME: Duration = Duration::from_secs(15);

/// Fetches media.
pub struct Fetcher {
    /// The web's own ports, from wherever is allowed.
    web: Reader,
    /// Other ports, from ranges that were named: a public host is not there to have its ports tried.
    named: Reader,
    requests: Semaphore,
    done: IntCounter,
    failed: IntCounter,
}

/// What a client says an address is of, and the address.
type Address<'u> = (MediaKind, &'u str);

impl Fetcher {
    /// `None` where nothing may be fetched.
    pub fn new(origins: &[MediaOrigin], metrics: &Metrics) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let named = origins.iter().filter(|origin| **origin != MediaOrigin::Public).cloned().collect();
        let [done, failed] = metrics.fetched();
        let requests = Semaphore::new(REQUESTS_AT_ONCE);
        Some(Self { web: Reader::new(origins.into()), named: Reader::new(named), requests, done, failed })
    }

    /// The bytes behind every address, before that time.
    ///
    /// # Errors
    /// What is wrong with one of them, for the client.
    pub async fn fetch_all<'u>(
        &self,
        addresses: &[Address<'u>],
        until: Instant,
    ) -> Result<HashMap<Address<'u>, Fetched>, String> {
        let time = TIME.min(until.saturating_duration_since(Instant::now()));
        let fetched = match tokio::time::timeout(time, self.try_all(addresses)).await {
            Ok(fetched) => fetched,
            Err(_) => Err("the files did not arrive in time".to_owned()),
        };
        if fetched.is_ok() { &self.done } else { &self.failed }.inc();
        fetched
    }

    async fn try_all<'u>(&self, addresses: &[Address<'u>]) -> Result<HashMap<Address<'u>, Fetched>, String> {
        if addresses.len() > MOST_FILES {
            return Err(format!("{} files to fetch; {MOST_FILES} is the most", addresses.len()));
        }
        let mut times: HashMap<Address<'u>, usize> = HashMap::new();
        addresses.iter().for_each(|address| *times.entry(*address).or_default() += 1);
        let Ok(_permit) = self.requests.acquire().await else { return Err(UNREACHABLE.to_owned()) };
        let left = AtomicUsize::new(TOTAL_LIMIT);
        let fetches: Vec<_> =
            times.iter().map(|(address, times)| self.fetch(*address, *times, &left)).collect();
        stream::iter(fetches).buffer_unordered(FILES_AT_ONCE).try_collect().await
    }

    /// `left`: of the bytes that the request's files may have, for as often as they stand there.
    async fn fetch<'u>(
        &self,
        address: Address<'u>,
        times: usize,
        left: &AtomicUsize,
    ) -> Result<(Address<'u>, Fetched), String> {
        match self.follow(address, times, left).await {
            Ok(fetched) => Ok((address, fetched)),
            Err(error) => Err(format!("{} cannot be fetched: {error}", shown(address.1))),
        }
    }

    async fn follow(
        &self,
        (kind, url): Address<'_>,
        times: usize,
        left: &AtomicUsize,
    ) -> Result<Fetched, String> {
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
            let bytes = read(body, times, left).await?;
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
        let reader = match url.port() {
            None | Some(80 | 443) => &self.web,
            Some(_) => &self.named,
        };
        reader.get(url).await
    }
}

/// Reads a whole file, as long as there is room for it.
async fn read(mut body: Incoming, times: usize, left: &AtomicUsize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "the connection broke off".to_owned())?;
        let Ok(piece) = frame.into_data() else { continue };
        let cost = piece.len().saturating_mul(times);
        if left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(cost)).is_err() {
            return Err(format!("the files of this request are larger than {TOTAL_LIMIT} bytes"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads from some origins and no others.
struct Reader {
    origins: Arc<[MediaOrigin]>,
    client: Client<Connector, Empty<Bytes>>,
}

impl Reader {
    fn new(origins: Arc<[MediaOrigin]>) -> Self {
        let of_reader = origins.clone();
        let resolver = Guarded::new(Arc::new(move |address| admit(&of_reader, address)), UNREACHABLE);
        let connector = guarded::connector(resolver, Versions::One);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            // Hosts are as many as clients name: nothing is kept for the next time.
            .pool_max_idle_per_host(0)
            .build(connector);
        Self { origins, client }
    }

    /// Why there is no answer is nothing to tell a client: it would learn which private names and ports there are.
    async fn get(&self, url: &Url) -> Result<http::Response<Incoming>, String> {
        // An address in figures is resolved by nobody, so that the resolver does not see it.
        let literal = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(url::Host::Domain(_)) => None,
            None => return Err("there is no host in it".to_owned()),
        };
        if literal.is_some_and(|address| !admit(&self.origins, address)) {
            return Err(UNREACHABLE.to_owned());
        }
        let mut url = url.clone();
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(|_| "it is not a URL".to_owned())?;
        let request = Request::get(uri)
            .header(USER_AGENT, concat!("penstock/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        self.client.request(request).await.map_err(|_| UNREACHABLE.to_owned())
    }
}

const UNREACHABLE: &str = "there is no answer, or this proxy does not fetch from there";

/// What the bytes say counts more than what the server says: many serve a WebP as `image/png`, and providers look.
fn media_type(kind: MediaKind, headers: &HeaderMap, bytes: &[u8]) -> Result<String, String> {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match infer::get(bytes).map(|found| found.mime_type()) {
        // An archive may be a document of an office, and text is what it is said to be.
        Some(seen) if seen != "application/zip" && (!seen.starts_with("text/") || seen == "text/html") => {
            if kind.takes(seen) {
                Ok(seen.to_owned())
            } else {
                Err(format!("it is `{seen}`"))
            }
        }
        _ if kind.takes(&said) && said != "application/octet-stream" => Ok(said),
        _ if said.is_empty() => Err("the server does not say what it is".to_owned()),
        _ => Err(format!("it is `{}`", said.chars().take(100).collect::<String>())),
    }
}

/// Short enough for a message, and without what may be a signature or a password.
fn shown(url: &str) -> String {
    let shown = Url::parse(url).map_or_else(
        |_| "an address".to_owned(),
        |url| format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()),
    );
    shown.chars().take(200).collect()
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
        ] {
            let error = of(kind, said, bytes).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        // Neither is a document of that kind, whatever the server says.
        for (kind, said, bytes, seen) in [
            (MediaKind::Document, "application/pdf", b"<html>".as_slice(), "text/html"),
            (MediaKind::Image, "image/png", b"%PDF-1.7", "application/pdf"),
            (MediaKind::Audio, "audio/wav", png, "image/png"),
        ] {
            assert_eq!(of(kind, said, bytes), Err(format!("it is `{seen}`")));
        }
    }

    fn soon() -> Instant {
        Instant::now() + TIME
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
            let error = fetcher.fetch_all(&[(MediaKind::Image, url)], soon()).await.unwrap_err();
            assert!(error.ends_with(UNREACHABLE), "{url}: {error}");
        }
        for (url, part) in [
            ("http://user:secret@example.com/", "password"),
            ("ftp://example.com/", "only http"),
            ("http://", "empty host"),
        ] {
            let error = fetcher.fetch_all(&[(MediaKind::Image, url)], soon()).await.unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{url}: {error}");
        }
        let many = vec![(MediaKind::Image, "http://127.0.0.1/"); MOST_FILES + 1];
        assert!(fetcher.fetch_all(&many, soon()).await.unwrap_err().contains("17 files"));
        assert!(Fetcher::new(&[], &metrics).is_none());
    }
}
