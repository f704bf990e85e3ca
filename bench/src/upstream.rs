//! The fake upstream: a provider that answers at once, as a process of its own.

use std::convert::Infallible;
use std::io::Read;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::answer;
use crate::call::Api;
use crate::script::Script;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until standard input ends, which it does when the parent is gone.
pub fn run() -> anyhow::Result<()> {
    std::thread::spawn(|| {
        // An error is an end too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    tokio::runtime::Runtime::new()?.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // A client that leaves is not this side's failure.
        tokio::spawn(async { drop(connection.await) });
    }
}

#[derive(Deserialize)]
struct Ask {
    model: String,
    #[serde(default)]
    stream: bool,
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let api = Api::ALL.into_iter().find(|api| api.path() == request.uri().path());
    let body = request.into_body().collect().await?.to_bytes();
    let ask = serde_json::from_slice::<Ask>(&body).ok();
    let script = ask.as_ref().and_then(|ask| ask.model.parse::<Script>().ok());
    let (Some(api), Some(ask), Some(script)) = (api, ask, script) else {
        let mut response = Response::new(full("not a request of the benchmark"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let (body, kind) = if ask.stream {
        (events(api, script), "text/event-stream")
    } else {
        (full(answer::whole(api).to_string()), "application/json")
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

/// Each event leaves in a write of its own, as it does where each is the work of a step of a model.
fn events(api: Api, script: Script) -> Body {
    let frames = stream::unfold(answer::events(api, script), move |mut events| async move {
        let event = events.next()?;
        if event.is_delayed && script.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(script.delay_ms.into())).await;
        } else {
            // hyper flushes when the body has nothing for it at the moment.
            tokio::task::yield_now().await;
        }
        Some((Ok(Frame::data(Bytes::from(event.sse))), events))
    });
    StreamBody::new(frames).boxed_unsync()
}
