//! What translation costs by itself: the pure code, without a socket, beside the path that keeps a request's bytes.
//!
//! Both do what the proxy does for a request: the same-format path reads the envelope, changes the model's name in place
//! and reads the answer for its usage; the other one decodes and encodes the request, and the answer the other way.
//! Rounds of the two take turns, and the median round counts.

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use penstock_llm::catalogue;
use penstock_llm::envelope::Envelope;
use penstock_llm::sse::Parser;
use penstock_llm::{Format, Ledger, Reply, Upstream, passthrough, provider, translate};
use serde_json::{Value, json};

const ROUNDS: usize = 41;
/// Long enough for the clock, short enough for many rounds.
const ROUND: Duration = Duration::from_millis(20);

/// One comparison; times are of one request.
struct Row {
    name: &'static str,
    same: Duration,
    translated: Duration,
}

/// Prints the table. Fails when something cannot be translated, never for a figure.
pub fn run() -> anyhow::Result<()> {
    let rows = [
        whole("chat to Anthropic and back, 1 KiB each way", 1 << 10)?,
        whole("chat to Anthropic and back, 68 KiB each way", 68 << 10)?,
        stream("stream of 100 chunks, Anthropic to chat", 100)?,
    ];
    let mut out = String::from(
        "| translation | same format | translated | difference | ratio |\n|---|---|---|---|---|\n",
    );
    for Row { name, same, translated } in rows {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let (same, translated) = (micros(same), micros(translated));
        let (difference, ratio) = (translated - same, translated / same);
        writeln!(out, "| {name} | {same:.1} µs | {translated:.1} µs | {difference:+.1} µs | {ratio:.2} |")?;
    }
    println!("{out}");
    Ok(())
}

/// A conversation of about this many bytes.
fn chat_request(bytes: usize) -> Vec<u8> {
    let text =
        "What does clause seven of the agreement say about late delivery? ".repeat(bytes.div_ceil(130));
    json!({
        "model": "support-bot",
        "messages": [
            {"role": "system", "content": "You answer questions about contracts."},
            {"role": "user", "content": text.get(..bytes / 2).unwrap_or(&text)},
            {"role": "assistant", "content": "It names a penalty."},
            {"role": "user", "content": text.get(..bytes / 2).unwrap_or(&text)},
        ],
        "max_tokens": 512,
        "temperature": 0.3,
    })
    .to_string()
    .into_bytes()
}

fn answer(bytes: usize, format: Format) -> Vec<u8> {
    let text = "The penalty is two percent for each week of delay. ".repeat(bytes / 50);
    let answer = match format {
        Format::Messages => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 300, "output_tokens": 200, "cache_read_input_tokens": 0},
        }),
        _ => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 300, "completion_tokens": 200, "total_tokens": 500},
        }),
    };
    answer.to_string().into_bytes()
}

fn reply() -> Reply {
    Reply { request_id: "req_1".into(), model: "support-bot".into(), created: 1, include_usage: true }
}

fn provider_of(name: &str) -> anyhow::Result<&'static dyn provider::Provider> {
    provider::by_name(name).ok_or_else(|| anyhow::anyhow!("no provider type {name}"))
}

fn whole(name: &'static str, bytes: usize) -> anyhow::Result<Row> {
    let body = chat_request(bytes);
    let (openai, anthropic) = (provider_of("OpenAI")?, provider_of("Anthropic")?);
    let facts = catalogue::find("anthropic", "claude-sonnet-4-5").unwrap_or_default();
    let claude = Upstream { facts: &facts, ..Upstream::new("claude-sonnet-4-5", anthropic) };
    let gpt = Upstream::new("gpt-4o", openai);
    let (of_gpt, of_claude) = (answer(bytes, Format::Chat), answer(bytes, Format::Messages));

    let same = || -> anyhow::Result<usize> {
        let envelope = Envelope::parse(&body)?;
        anyhow::ensure!(
            passthrough::keeps_bytes(&envelope, &body, Format::Chat, &gpt),
            "the bytes must stay"
        );
        let sent = envelope.splice(&body, gpt.model, false);
        let response = Format::Chat.dialect().decode_response(&of_gpt, &gpt)??;
        Ok(sent.len() + response.parts.len())
    };
    let translated = || -> anyhow::Result<usize> {
        black_box(Envelope::parse(&body)?);
        let request = Format::Chat.dialect().decode_request(&body)?;
        let mut ledger = Ledger::new(Format::Chat);
        let sent = translate::encode_request(&request, Format::Messages, &claude, &mut ledger)?;
        let response = Format::Messages.dialect().decode_response(&of_claude, &claude)??;
        Ok(sent.len() + Format::Chat.dialect().encode_response(&response, &reply(), &mut ledger).len())
    };
    measure(name, same, translated)
}

fn stream(name: &'static str, chunks: usize) -> anyhow::Result<Row> {
    let of_claude = claude_stream(chunks);
    let of_gpt = gpt_stream(chunks);
    let claude = Upstream::new("claude-sonnet-4-5", provider_of("Anthropic")?);
    let gpt = Upstream::new("gpt-4o", provider_of("OpenAI")?);
    let same = || pump(&of_gpt, Format::Chat, &gpt, false);
    let translated = || pump(&of_claude, Format::Messages, &claude, true);
    measure(name, same, translated)
}

/// A stream, event by event, to a chat client.
fn pump(
    pieces: &[Vec<u8>],
    format: Format,
    upstream: &Upstream<'_>,
    translates: bool,
) -> anyhow::Result<usize> {
    let mut frames = format.dialect().framing().frames(Parser::DEFAULT_LIMIT);
    let mut decoder = format.dialect().stream_decoder(upstream);
    let mut encoder = Format::Chat.dialect().stream_encoder(reply());
    let (mut events, mut out) = (Vec::new(), Vec::new());
    for piece in pieces {
        frames.push(piece);
        while let Some(frame) = frames.next()? {
            decoder.push(&frame, &mut events)?;
            if translates {
                events.iter().for_each(|event| encoder.push(event, &mut out));
            } else {
                out.extend_from_slice(&frame.raw);
            }
            events.clear();
        }
    }
    decoder.finish(&mut events)?;
    if translates {
        encoder.finish(&mut out);
    }
    Ok(out.len())
}

fn event(name: &str, data: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

fn claude_stream(chunks: usize) -> Vec<Vec<u8>> {
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [], "stop_reason": null, "usage": {"input_tokens": 20, "output_tokens": 1}}});
    let block =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " penalty of two"}});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 100}});
    let mut out = vec![event("message_start", &start), event("content_block_start", &block)];
    out.extend(std::iter::repeat_n(event("content_block_delta", &delta), chunks));
    out.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})));
    out.push(event("message_delta", &end));
    out.push(event("message_stop", &json!({"type": "message_stop"})));
    out
}

fn gpt_stream(chunks: usize) -> Vec<Vec<u8>> {
    let chunk = |delta: Value, finish: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]});
        format!("data: {chunk}\n\n").into_bytes()
    };
    let mut out = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    out.extend(std::iter::repeat_n(chunk(json!({"content": " penalty of two"}), Value::Null), chunks));
    out.push(chunk(json!({}), "stop".into()));
    let usage = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120}});
    out.push(format!("data: {usage}\n\n").into_bytes());
    out.push(b"data: [DONE]\n\n".to_vec());
    out
}

/// Rounds of the two in turn; the median round of each counts.
fn measure(
    name: &'static str,
    same: impl Fn() -> anyhow::Result<usize>,
    translated: impl Fn() -> anyhow::Result<usize>,
) -> anyhow::Result<Row> {
    // A first round of each warms up, and says how often fits into one.
    let (same_times, translated_times) = (times(&same)?, times(&translated)?);
    let (mut a, mut b) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        a.push(round(&same, same_times)?);
        b.push(round(&translated, translated_times)?);
    }
    a.sort_unstable();
    b.sort_unstable();
    Ok(Row { name, same: a[ROUNDS / 2], translated: b[ROUNDS / 2] })
}

fn times(work: &impl Fn() -> anyhow::Result<usize>) -> anyhow::Result<u32> {
    let (start, mut times) = (Instant::now(), 0);
    while start.elapsed() < ROUND {
        black_box(work()?);
        times += 1;
    }
    Ok(times.max(1))
}

fn round(work: &impl Fn() -> anyhow::Result<usize>, times: u32) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..times {
        black_box(work()?);
    }
    Ok(start.elapsed() / times)
}
