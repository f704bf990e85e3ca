//! What a proxy remembers of a request, from its admin port.

use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use penstock_proxy::trail::Decision;
use tokio::net::TcpStream;

/// No decision is longer.
const MOST: usize = 1 << 20;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The decision on the request with this id, or the last one.
pub fn fetch(proxy: &str, id: Option<&str>) -> Result<Decision, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let asked = async { tokio::time::timeout(PATIENCE, ask(proxy, id)).await };
    runtime.block_on(asked).unwrap_or_else(|_| Err(format!("{proxy} did not answer within 5 s")))
}

async fn ask(proxy: &str, id: Option<&str>) -> Result<Decision, String> {
    let uri: Uri = proxy.parse().map_err(|_| format!("`{proxy}` is no URL; write http://HOST:PORT"))?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(format!("`{proxy}` is not http://HOST:PORT"));
    };
    let address = (host.trim_start_matches('[').trim_end_matches(']'), uri.port_u16().unwrap_or(80));
    let unreachable = |error: &dyn std::fmt::Display| {
        format!(
            "{proxy} cannot be reached: {error}; give a proxy's admin port, which is 9090 unless set otherwise"
        )
    };
    let stream = TcpStream::connect(address).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error))?;
    tokio::spawn(connection);
    let path = match id {
        Some(id) => format!("/decisions/{id}"),
        None => "/decisions?limit=1".to_owned(),
    };
    let request = Request::get(path)
        .header(http::header::HOST, host)
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|_| "a request id has letters, digits and -_.: only".to_owned())?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), MOST).collect().await.map_err(|error| unreachable(&error))?;
    let body = body.to_bytes();
    if !status.is_success() {
        return Err(format!("{proxy} says {status}: {}", String::from_utf8_lossy(&body).trim()));
    }
    let unread = |error| format!("{proxy} answered something else than a decision: {error}");
    match id {
        Some(_) => serde_json::from_slice(&body).map_err(unread),
        None => {
            let last: Vec<Decision> = serde_json::from_slice(&body).map_err(unread)?;
            last.into_iter().next().ok_or_else(|| format!("{proxy} has decided nothing yet"))
        }
    }
}
