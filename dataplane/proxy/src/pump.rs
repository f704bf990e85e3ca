//! Moves a streamed answer from the provider to the client, frame by frame.
//!
//! Knows nothing of routes, retries or metrics: it reads a source, writes bytes, and says what it saw.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use penstock_llm::{
    Broken, ClientError, Event, FinishReason, Format, Frame, Frames, Ledger, Reply, StreamDecoder,
    StreamEncoder, UpstreamError, Usage, passthrough::UsageChunk, sse,
};

/// Where events come from.
pub enum Source {
    Wire {
        body: Incoming,
        frames: Frames,
        decoder: Box<dyn StreamDecoder>,
    },
    /// Events, each after a pause; not `complete` where the stream is cut at its end.
    Simulated {
        events: std::vec::IntoIter<(Duration, Event)>,
        complete: bool,
    },
}

/// How they reach the client.
pub enum Writer {
    /// The provider speaks the client's format: frames pass as they are.
    Same {
        /// Where usage goes, in the formats that give it when asked.
        usage: Option<UsageChunk>,
        /// What a frame's data becomes where it may not pass as it is.
        stamp: Option<Stamp>,
    },
    Translate(Box<dyn StreamEncoder>),
}

/// Rewrites a frame's data; `None` leaves it as it is.
pub type Stamp = Box<dyn Fn(&str) -> Option<String> + Send>;

/// Why a stream ended before its time.
#[derive(Debug)]
pub enum Fault {
    /// The provider said so itself.
    Upstream(UpstreamError),
    Broken(Broken),
    /// The connection broke.
    Transport(String),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// A streamed answer in motion.
pub struct Pump {
    source: Source,
    writer: Writer,
    format: Format,
    reply: Reply,
    out: Vec<u8>,
    events: Vec<Event>,
    usage: Usage,
    finish: Option<FinishReason>,
    meaningful: bool,
    complete: bool,
}

impl Pump {
    pub fn new(source: Source, writer: Writer, format: Format, reply: Reply) -> Self {
        Self {
            source,
            writer,
            format,
            reply,
            out: Vec::new(),
            events: Vec::new(),
            usage: Usage::default(),
            finish: None,
            meaningful: false,
            complete: false,
        }
    }

    /// The client's format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Has something come that a person would call the beginning of an answer?
    pub fn has_begun(&self) -> bool {
        self.meaningful
    }

    /// The answer is whole; nothing more will come.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish.as_ref()
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What the client's format had no place for.
    pub fn ledger(&self) -> Option<&Ledger> {
        match &self.writer {
            Writer::Same { .. } => None,
            Writer::Translate(encoder) => Some(encoder.ledger()),
        }
    }

    /// Bytes for the client that have gathered since the last call.
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    /// Waits for the next piece from the provider and writes down what it means for the client.
    pub async fn advance(&mut self) -> Result<(), Fault> {
        match &mut self.source {
            Source::Wire { body, frames, decoder } => {
                let piece = match body.frame().await {
                    None => None,
                    Some(Ok(frame)) => Some(frame.into_data().unwrap_or_default()),
                    Some(Err(error)) => return Err(Fault::Transport(error.to_string())),
                };
                match piece {
                    Some(bytes) => {
                        frames.push(&bytes);
                        while let Some(frame) = frames.next()? {
                            decoder.push(&frame, &mut self.events)?;
                            write_frame(&mut self.writer, &frame, &self.events, &mut self.out);
                            let done = decoder.is_done();
                            self.meaningful |= note(&mut self.events, &mut self.usage, &mut self.finish)?;
                            if done {
                                return self.end();
                            }
                        }
                        Ok(())
                    }
                    None => {
                        if let Some(frame) = frames.finish() {
                            decoder.push(&frame, &mut self.events)?;
                            write_frame(&mut self.writer, &frame, &self.events, &mut self.out);
                            self.meaningful |= note(&mut self.events, &mut self.usage, &mut self.finish)?;
                        }
                        self.end()
                    }
                }
            }
            Source::Simulated { events, complete } => match events.next() {
                Some((pause, event)) => {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    if let Writer::Translate(encoder) = &mut self.writer {
                        encoder.push(&event, &mut self.out);
                    }
                    self.events.push(event);
                    self.meaningful |= note(&mut self.events, &mut self.usage, &mut self.finish)?;
                    Ok(())
                }
                None if *complete => self.end(),
                None => Err(Broken::Cut.into()),
            },
        }
    }

    /// No more comes: what the decoder has held back until now, and the end.
    fn end(&mut self) -> Result<(), Fault> {
        if let Source::Wire { decoder, .. } = &mut self.source {
            decoder.finish(&mut self.events)?;
        }
        if let Writer::Translate(encoder) = &mut self.writer {
            self.events.iter().for_each(|event| encoder.push(event, &mut self.out));
        }
        self.meaningful |= note(&mut self.events, &mut self.usage, &mut self.finish)?;
        match &mut self.writer {
            Writer::Translate(encoder) => encoder.finish(&mut self.out),
            Writer::Same { usage: Some(usage), .. } => usage.finish(&mut self.out),
            Writer::Same { .. } => {}
        }
        self.complete = true;
        Ok(())
    }

    /// Closes the answer with an error event in the client's format.
    pub fn fail(&mut self, error: &ClientError) {
        match &mut self.writer {
            Writer::Translate(encoder) => encoder.error(error, &mut self.out),
            Writer::Same { .. } => {
                self.format.dialect().stream_encoder(self.reply.clone()).error(error, &mut self.out);
            }
        }
    }

    /// Reads the little that follows a complete answer, so that the connection can be used again.
    pub async fn drain(&mut self) {
        if let Source::Wire { body, .. } = &mut self.source {
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            // A provider that keeps the connection open for longer costs it, not the client.
            let _ = tokio::time::timeout(Duration::from_millis(200), rest).await;
        }
    }
}

/// Takes notes of the events and empties the list. True where one of them begins an answer.
fn note(
    events: &mut Vec<Event>,
    usage: &mut Usage,
    finish: &mut Option<FinishReason>,
) -> Result<bool, Fault> {
    let mut meaningful = false;
    for event in events.drain(..) {
        meaningful |= event.is_meaningful();
        match event {
            Event::Usage(later) => usage.merge(&later),
            Event::Finish(reason) => *finish = Some(reason),
            Event::Error(error) => return Err(Fault::Upstream(error)),
            _ => {}
        }
    }
    Ok(meaningful)
}

fn write_frame(writer: &mut Writer, frame: &Frame, events: &[Event], out: &mut Vec<u8>) {
    // An error of the provider is written by `Pump::fail`, in the client's format.
    if events.iter().any(|event| matches!(event, Event::Error(_))) {
        return;
    }
    match writer {
        Writer::Same { usage: Some(usage), stamp: _ } => {
            let has_usage = events.iter().any(|event| matches!(event, Event::Usage(_)));
            usage.write(frame, has_usage, out);
        }
        Writer::Same { usage: None, stamp } => match stamp.as_ref().and_then(|stamp| stamp(&frame.data)) {
            Some(data) => sse::write_event(out, frame.event.as_deref(), &data),
            None => out.extend_from_slice(&frame.raw),
        },
        Writer::Translate(encoder) => events.iter().for_each(|event| encoder.push(event, out)),
    }
}
