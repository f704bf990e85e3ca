//! Images by their web addresses, for a provider that takes bytes alone: fetched only where the proxy was told it may.

use bytes::Bytes;
use penstock_e2e::replay::Paced;
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::{Value, json};

use crate::gateway::{Gateway, World};
use crate::wire::Wire;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
/// [`PNG`] in base64.
const PNG_TEXT: &str = "iVBORw0KGgoAAAANSUhEUg==";

fn file(status: u16, headers: &[(&str, &str)], bytes: &'static [u8]) -> Behaviour {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Behaviour::RawStream {
        status,
        headers,
        bytes: Bytes::from_static(bytes),
        chunk_size: 7,
        paced: Paced::default(),
    }
}

/// A server of files, as they are met.
fn files() -> Replay {
    Replay::start(Script::by(|request, _| match request.path.split('?').next().unwrap_or_default() {
        // The server is wrong about what it is.
        "/a.png" => file(200, &[("content-type", "image/jpeg")], PNG),
        "/moved" => file(302, &[("location", "/a.png")], b""),
        "/to-metadata" => file(302, &[("location", "http://169.254.169.254/latest/meta-data/")], b""),
        "/notes" => file(200, &[("content-type", "text/plain; charset=utf-8")], b"the notes"),
        "/page" => file(200, &[("content-type", "text/html")], b"<html>please log in</html>"),
        "/circle" => file(302, &[("location", "/circle")], b""),
        _ => Behaviour::status(404, "no"),
    }))
}

fn world(ollama: &Replay) -> World {
    let mut world = World::new();
    let provider = json!({
        "name": "up", "type": "Ollama", "endpoint": ollama.url(),
        "models": [{"name": "m", "upstream": "llava", "capabilities": {"input": ["Image"]}}],
    });
    world.pool_of("local", provider);
    world.route("bot", &["local"], json!({}));
    world
}

fn ollama() -> Replay {
    Replay::start(Behaviour::json(json!({
        "model": "llava", "created_at": "2026-01-01T00:00:00Z", "done": true, "done_reason": "stop",
        "message": {"role": "assistant", "content": "a picture"}, "prompt_eval_count": 3, "eval_count": 2,
    })))
}

fn ask(gateway: &Gateway, url: &str) -> penstock_e2e::client::Answer {
    let content = json!([
        {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}},
    ]);
    let request = json!({"model": "bot", "messages": [{"role": "user", "content": content}]});
    gateway
        .call(Wire::Chat, &request)
        .header("authorization", "Bearer of-the-client")
        .send()
        .expect("an answer")
}

fn message(answer: &penstock_e2e::client::Answer) -> String {
    let body: Value = answer.json();
    body["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn nothing_is_fetched_unless_the_proxy_may() {
    let (files, ollama) = (files(), ollama());
    let url = format!("{}/a.png", files.url());
    let off = Gateway::start(&world(&ollama));
    let answer = ask(&off, &url);
    assert_eq!(answer.status, 400);
    assert!(message(&answer).contains("data:"), "{}", message(&answer));
    // The public internet is not this machine.
    let public = Gateway::start_with(&world(&ollama), &["--fetch-media-from", "public"]);
    for url in [url, format!("http://localhost:{}/a.png", files.url().rsplit(':').next().unwrap_or_default())]
    {
        let answer = ask(&public, &url);
        assert_eq!(answer.status, 400);
        assert!(message(&answer).contains("does not fetch from there"), "{}", message(&answer));
    }
    assert!(files.requests().is_empty() && ollama.requests().is_empty());
}

#[test]
fn bytes_take_the_place_of_the_address() {
    let (files, ollama) = (files(), ollama());
    let gateway = Gateway::start_with(&world(&ollama), &["--fetch-media-from", "public,127.0.0.0/8"]);
    for path in ["/a.png?signature=secret", "/moved"] {
        let answer = ask(&gateway, &format!("{}{path}", files.url()));
        assert_eq!(answer.status, 200, "{}", message(&answer));
        let disclosed = answer.header("x-penstock-translation");
        assert!(disclosed.contains("messages[].content[].image_url.url=emulated"), "{disclosed}");
        let sent = ollama.requests().last().expect("a request").json();
        assert_eq!(sent["messages"][0]["images"], json!([PNG_TEXT]), "{sent}");
    }
    // A text goes as one, to a provider that reads no other documents.
    let document =
        json!({"type": "document", "source": {"type": "url", "url": format!("{}/notes", files.url())}});
    let request =
        json!({"model": "bot", "max_tokens": 9, "messages": [{"role": "user", "content": [document]}]});
    let answer = gateway.call(Wire::Messages, &request).send().expect("an answer");
    assert_eq!(answer.status, 200, "{}", message(&answer));
    let sent = ollama.requests().last().expect("a request").json();
    assert!(sent["messages"][0]["content"].as_str().is_some_and(|text| text.contains("the notes")), "{sent}");

    for seen in files.requests() {
        assert_eq!(
            (seen.header("authorization"), seen.header("cookie"), seen.header("referer")),
            ("", "", "")
        );
        assert!(seen.header("user-agent").starts_with("penstock/"));
    }
    let sent = ollama.requests().len();
    for (path, part) in [
        ("/to-metadata", "does not fetch from there"),
        ("/page", "it is `text/html`"),
        ("/circle", "more than 3 redirects"),
        ("/gone?signature=secret", "404"),
    ] {
        let answer = ask(&gateway, &format!("{}{path}", files.url()));
        assert_eq!(answer.status, 400, "{path}");
        let body: Value = answer.json();
        assert_eq!(body["error"]["param"], "messages[].content[].image_url.url", "{body}");
        assert!(
            message(&answer).contains(part) && !message(&answer).contains("secret"),
            "{}",
            message(&answer)
        );
    }
    // Bytes that stand in a request often are in memory as often.
    let image = json!({"type": "image_url", "image_url": {"url": format!("{}/a.png", files.url())}});
    let request = json!({"model": "bot", "messages": [{"role": "user", "content": vec![image; 17]}]});
    let answer = gateway.call(Wire::Chat, &request).send().expect("an answer");
    assert!(message(&answer).contains("17 files"), "{}", message(&answer));
    assert_eq!(ollama.requests().len(), sent);
    let metrics = gateway.settled();
    assert_eq!(metrics.sum("penstock_media_fetched_total", &[("result", "ok")]), 3.0);
    assert_eq!(metrics.sum("penstock_media_fetched_total", &[("result", "failed")]), 5.0);
}
