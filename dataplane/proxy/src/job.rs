//! What a request asks, and what all attempts at it share: it is decoded once, and encoded for each target.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::header::HeaderMap;
use penstock_config::ParameterPolicy;
use penstock_llm::embed::{self, EmbedFormat, EmbedRequest, EmbedResponse, Passed};
use penstock_llm::envelope::Envelope;
use penstock_llm::field::Field;
use penstock_llm::message::Issuer;
use penstock_llm::needs::Needs;
use penstock_llm::provider::Call;
use penstock_llm::{
    BadRequest, Broken, Fate, Format, Ledger, Refused, Reply, Request, Response, UpstreamError, Usage, count,
    passthrough::{self, UsageChunk},
    translate, web_media,
};

use tokio::sync::OnceCell;

use crate::fetch::Fetcher;
use crate::proxy::Proxy;
use crate::runtime::{Candidate, Route};

/// What the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// An answer, in this format.
    Generate(Format),
    /// Vectors, in OpenAI's format.
    Embed,
    /// The length of a prompt, in Anthropic's format.
    CountTokens,
}

impl Ask {
    /// The format that the client writes and reads, for errors too.
    pub fn format(self) -> Format {
        match self {
            Self::Generate(format) => format,
            Self::Embed => Format::Chat,
            Self::CountTokens => Format::Messages,
        }
    }

    /// The path, without what stands behind it in Google's.
    pub fn path(self) -> &'static str {
        match self {
            Self::Generate(Format::Messages) => "/v1/messages",
            Self::Generate(Format::Responses) => "/v1/responses",
            Self::Generate(Format::Completions) => "/v1/completions",
            Self::Generate(Format::Gemini) => "/v1beta/models",
            Self::Generate(_) => "/v1/chat/completions",
            Self::Embed => "/v1/embeddings",
            Self::CountTokens => "/v1/messages/count_tokens",
        }
    }
}

/// What all attempts of a request share.
pub struct Job<'a> {
    pub ask: Ask,
    pub body: &'a Bytes,
    /// The body as it came, where `body` also holds what the URL said.
    pub original: &'a Bytes,
    pub envelope: &'a Envelope,
    pub headers: &'a HeaderMap,
    pub reply: Reply,
    pub route: &'a Arc<Route>,
    pub max_answer_bytes: usize,
    fetcher: Option<&'a Fetcher>,
    /// Decoded when the first target of another format needs it.
    decoded: OnceLock<Result<Decoded, BadRequest>>,
    needs: OnceLock<Option<Needs>>,
    /// The request with bytes in place of web addresses; made when the first target needs it.
    inlined: OnceCell<Result<Request, String>>,
}

enum Decoded {
    Generate(Box<Request>),
    Embed(Box<EmbedRequest>),
}

/// The request cannot go to this target at all.
pub enum Unsendable {
    /// The request itself cannot be read.
    Bad(BadRequest),
    /// The provider has no way to do what the request needs.
    Refused(Refused),
}

/// A request's bytes as a provider wants them, and how its answer is read.
pub struct Encoded {
    pub body: Bytes,
    pub ledger: Ledger,
    pub wire: Wire,
}

/// What goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A generation in this format. `as_it_is`: the answer is in the client's format and passes unchanged. `collects`:
    /// the provider only streams, and the client wants the answer whole.
    Generate {
        format: Format,
        as_it_is: bool,
        collects: bool,
    },
    Embed {
        format: EmbedFormat,
        as_it_is: bool,
    },
    CountTokens(Format),
    /// Nothing: the gateway answers by itself.
    Nothing,
}

impl Wire {
    /// The format of errors, too.
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Generate { format, .. } | Self::CountTokens(format) => Some(format),
            Self::Embed { format, .. } => Some(format.errors()),
            Self::Nothing => None,
        }
    }
}

/// A complete answer as the client gets it.
pub struct Rendered {
    pub bytes: Bytes,
    pub usage: Usage,
    pub ledger: Ledger,
    /// The provider says that it filtered the content, and nothing else.
    pub is_filtered: bool,
}

impl<'a> Job<'a> {
    pub fn new(
        ask: Ask,
        (body, original): (&'a Bytes, &'a Bytes),
        envelope: &'a Envelope,
        headers: &'a HeaderMap,
        reply: Reply,
        route: &'a Arc<Route>,
        proxy: &'a Proxy,
    ) -> Self {
        Self {
            ask,
            body,
            original,
            envelope,
            headers,
            reply,
            route,
            max_answer_bytes: proxy.settings.max_answer_bytes,
            fetcher: proxy.fetcher.as_ref(),
            decoded: OnceLock::new(),
            needs: OnceLock::new(),
            inlined: OnceCell::new(),
        }
    }

    pub fn format(&self) -> Format {
        self.ask.format()
    }

    pub fn is_stream(&self) -> bool {
        matches!(self.ask, Ask::Generate(_)) && self.envelope.stream
    }

    fn decoded(&self) -> Result<&Decoded, BadRequest> {
        let decode = || {
            Ok(match self.ask {
                Ask::Embed => Decoded::Embed(Box::new(embed::decode_request(self.body)?)),
                ask => Decoded::Generate(Box::new(ask.format().dialect().decode_request(self.body)?)),
            })
        };
        self.decoded.get_or_init(decode).as_ref().map_err(Clone::clone)
    }

    /// Can the body be read at all?
    pub fn check(&self) -> Result<(), BadRequest> {
        self.decoded().map(|_| ())
    }

    /// The request, decoded; an embedding request is none.
    pub fn request(&self) -> Result<&Request, BadRequest> {
        match self.decoded()? {
            Decoded::Generate(request) => Ok(request),
            Decoded::Embed(_) => Err(BadRequest::new("", "this is no request for an answer")),
        }
    }

    /// What the request uses of a model; `None` where it is no request for an answer, or cannot be read.
    pub fn needs(&self) -> Option<Needs> {
        *self.needs.get_or_init(|| self.request().ok().map(Needs::of))
    }

    fn written<'r>(&'r self, inlined: Option<&'r Request>) -> Result<&'r Request, Unsendable> {
        inlined.map_or_else(|| self.request().map_err(Unsendable::Bad), Ok)
    }

    pub fn embed_request(&self) -> Result<&EmbedRequest, BadRequest> {
        match self.decoded()? {
            Decoded::Embed(request) => Ok(request),
            Decoded::Generate(_) => Err(BadRequest::new("", "this is no request for embeddings")),
        }
    }

    /// The request in the target's format.
    pub fn encode(&self, target: &Candidate) -> Result<Encoded, Unsendable> {
        self.encode_from(None, target)
    }

    /// Would the target, which refused the request, take it with the bytes of images and documents in place of their web
    /// addresses, and may this proxy fetch them?
    pub fn is_worth_fetching(&self, target: &Candidate) -> bool {
        let (Some(_), Ok(request)) = (self.fetcher, self.request()) else { return false };
        !web_media::addresses(request).is_empty()
            && web_media::sketches(request)
                .iter()
                .any(|sketch| self.encode_from(Some(sketch), target).is_ok())
    }

    /// The request in the target's format, with the bytes. They are fetched once for all targets. `None` where nothing
    /// can be fetched.
    pub async fn encode_inlined(
        &self,
        target: &Candidate,
        until: Instant,
    ) -> Option<Result<Encoded, Unsendable>> {
        let fetcher = self.fetcher?;
        let request = self.request().ok()?;
        let fetch = async || {
            let known = fetcher.fetch_all(&web_media::addresses(request), until).await?;
            Ok(web_media::inline(request, |kind, url| known.get(&(kind, url)).cloned()))
        };
        Some(match self.inlined.get_or_init(fetch).await {
            Ok(inlined) => self.encode_from(Some(inlined), target).map(|mut encoded| {
                encoded.ledger.note(Field::MediaUrl, Fate::Emulated);
                encoded
            }),
            Err(message) => Err(Unsendable::Refused(Refused {
                field: Field::MediaUrl.name(self.format()).to_owned(),
                message: message.clone(),
            })),
        })
    }

    /// `inlined`: what to write in place of the client's own request.
    fn encode_from(&self, inlined: Option<&Request>, target: &Candidate) -> Result<Encoded, Unsendable> {
        let encoded = match self.ask {
            Ask::Generate(client) => self.encode_generation(client, inlined, target)?,
            Ask::Embed => self.encode_embedding(target)?,
            Ask::CountTokens => self.encode_count(inlined, target)?,
        };
        let dropped = encoded.ledger.dropped().next();
        match (self.route.parameter_policy, dropped) {
            (ParameterPolicy::Strict, Some(field)) => Err(Unsendable::Refused(Refused {
                field: field.to_owned(),
                message: format!(
                    "provider {} ({}) has nothing like it, and the route's parameterPolicy is Strict; leave it out, or send the request to a route that has a provider with it",
                    target.provider_name,
                    target.provider.name()
                ),
            })),
            _ => Ok(encoded),
        }
    }

    fn encode_generation(
        &self,
        client: Format,
        inlined: Option<&Request>,
        target: &Candidate,
    ) -> Result<Encoded, Unsendable> {
        let upstream = target.upstream();
        let mut ledger = Ledger::new(client);
        let Some(format) = target.provider.format_for(client, &target.upstream) else {
            self.decoded().map_err(Unsendable::Bad)?;
            return Ok(Encoded { body: Bytes::new(), ledger, wire: Wire::Nothing });
        };
        let same = format == client;
        let collects = !self.is_stream()
            && format == Format::Chat
            && target.provider.quirks(&target.upstream).stream_only;
        let body = if collects {
            let mut request = self.written(inlined)?.clone();
            request.stream = true;
            translate::encode_request(&request, format, &upstream, &mut ledger)
                .map_err(Unsendable::Refused)?
                .into()
        } else if same
            && inlined.is_none()
            && passthrough::keeps_bytes(self.envelope, self.body, format, &upstream)
        {
            match format {
                // The model and the stream stand in the URL.
                Format::Gemini => self.original.clone(),
                _ => self.envelope.splice(self.body, &target.upstream, self.forces_usage()).into(),
            }
        } else {
            translate::encode_request(self.written(inlined)?, format, &upstream, &mut ledger)
                .map_err(Unsendable::Refused)?
                .into()
        };
        // An answer that comes as a tool call in place of JSON has to be read.
        let is_emulated = ledger.has(Field::ResponseFormat, Fate::Emulated);
        // Signatures must not look like those of the issuer whose format this is.
        let home = match format {
            Format::Gemini => Some(Issuer::Gemini),
            Format::Messages => Some(Issuer::Anthropic),
            _ => None,
        };
        let is_foreign = home.is_some() && upstream.issuer() != home;
        let is_odd = format == Format::Chat && target.provider.quirks(&target.upstream).odd_answers;
        let as_it_is = same && !is_emulated && !collects && !is_foreign && !is_odd;
        Ok(Encoded { body, ledger, wire: Wire::Generate { format, as_it_is, collects } })
    }

    fn encode_embedding(&self, target: &Candidate) -> Result<Encoded, Unsendable> {
        let mut ledger = Ledger::new(Format::Chat);
        if target.provider.formats(&target.upstream).is_empty() {
            self.decoded().map_err(Unsendable::Bad)?;
            return Ok(Encoded { body: Bytes::new(), ledger, wire: Wire::Nothing });
        }
        let format = target.provider.embed_format(&target.upstream).ok_or_else(|| {
            Unsendable::Refused(Refused {
                field: "model".into(),
                message: format!("provider {} has no embeddings", target.provider_name),
            })
        })?;
        let keeps =
            format == EmbedFormat::OpenAI && embed::keeps_bytes(self.envelope, self.body, &target.upstream());
        let body = if keeps {
            self.envelope.splice(self.body, &target.upstream, false)
        } else {
            let request = self.embed_request().map_err(Unsendable::Bad)?;
            embed::encode_request(request, format, &target.upstream(), &mut ledger)
                .map_err(Unsendable::Refused)?
        };
        let as_it_is = format == EmbedFormat::OpenAI;
        Ok(Encoded { body: body.into(), ledger, wire: Wire::Embed { format, as_it_is } })
    }

    /// A provider without a counter gets an estimate of ours, disclosed.
    fn encode_count(&self, inlined: Option<&Request>, target: &Candidate) -> Result<Encoded, Unsendable> {
        let mut ledger = Ledger::new(Format::Messages);
        let format = target.provider.format_for(Format::Messages, &target.upstream);
        let format = format.filter(|format| target.uri(*format, Call::CountTokens).is_some());
        let Some(format) = format else {
            self.decoded().map_err(Unsendable::Bad)?;
            ledger.note(Field::TokenCount, Fate::Emulated);
            return Ok(Encoded { body: Bytes::new(), ledger, wire: Wire::Nothing });
        };
        let upstream = target.upstream();
        let body = if format == Format::Messages
            && inlined.is_none()
            && passthrough::keeps_bytes(self.envelope, self.body, format, &upstream)
        {
            self.envelope.splice(self.body, &target.upstream, false)
        } else {
            count::encode_request(self.written(inlined)?, format, &upstream, &mut ledger)
                .map_err(Unsendable::Refused)?
        };
        Ok(Encoded { body: body.into(), ledger, wire: Wire::CountTokens(format) })
    }

    /// OpenAI's formats report usage in a stream only when asked.
    fn forces_usage(&self) -> bool {
        matches!(self.ask, Ask::Generate(Format::Chat | Format::Completions)) && self.envelope.stream
    }

    /// Where usage goes in a stream of the client's own format, which may have been asked for by us and not by the
    /// client. `None` where it passes as it is.
    pub fn usage_chunk(&self) -> Option<UsageChunk> {
        let runs = self.envelope.wants_running_usage() && self.envelope.include_usage();
        let is_ours = self.forces_usage() && !runs;
        is_ours.then(|| UsageChunk::new(self.envelope.include_usage()))
    }

    /// A provider's complete answer as the client gets it.
    pub fn render(
        &self,
        bytes: Bytes,
        wire: Wire,
        target: &Candidate,
    ) -> Result<Result<Rendered, UpstreamError>, Broken> {
        let mut ledger = Ledger::new(self.format());
        let upstream = target.upstream();
        let mut is_filtered = false;
        let (bytes, usage) = match wire {
            Wire::Generate { format, as_it_is, collects: _ } => {
                let response = match format.dialect().decode_response(&bytes, &upstream)? {
                    Ok(response) => response,
                    Err(error) => return Ok(Err(error)),
                };
                is_filtered = response.is_filtered();
                let bytes = if as_it_is {
                    let text = std::str::from_utf8(&bytes).unwrap_or_default();
                    passthrough::stamp(text, format, &upstream).map_or(bytes, Bytes::from)
                } else {
                    self.format().dialect().encode_response(&response, &self.reply, &mut ledger).into()
                };
                (bytes, response.usage)
            }
            Wire::Embed { as_it_is: true, .. } => match embed::pass(&bytes, self.body)? {
                Ok(Passed { usage, rewritten }) => (rewritten.map_or(bytes, Bytes::from), usage),
                Err(error) => return Ok(Err(error)),
            },
            Wire::Embed { format, as_it_is: false } => {
                let request = self.embed_request().map_err(|bad| Broken::Malformed(bad.message))?;
                match embed::decode_response(&bytes, format, request)? {
                    Ok(response) => {
                        embed::note_answer(&response, &mut ledger);
                        self.render_vectors(&response, request)
                    }
                    Err(error) => return Ok(Err(error)),
                }
            }
            Wire::CountTokens(format) => match count::decode_response(&bytes, format)? {
                Ok(tokens) => (count::encode_response(tokens).into(), Usage::default()),
                Err(error) => return Ok(Err(error)),
            },
            Wire::Nothing => (bytes, Usage::default()),
        };
        Ok(Ok(Rendered { bytes, usage, ledger, is_filtered }))
    }

    /// A provider's collected stream as the client gets it.
    pub fn render_response(&self, response: &Response) -> Rendered {
        let mut ledger = Ledger::new(self.format());
        let bytes = self.format().dialect().encode_response(response, &self.reply, &mut ledger).into();
        Rendered { bytes, usage: response.usage, ledger, is_filtered: response.is_filtered() }
    }

    fn render_vectors(&self, response: &EmbedResponse, request: &EmbedRequest) -> (Bytes, Usage) {
        (embed::encode_response(response, request, &self.reply).into(), response.usage)
    }

    /// The answer of a target without a network to something that is not a generation.
    pub fn render_by_itself(&self) -> Result<Rendered, BadRequest> {
        let ledger = Ledger::new(self.format());
        let (bytes, usage) = match self.ask {
            Ask::Embed => {
                let request = self.embed_request()?;
                self.render_vectors(&embed::simulate(request), request)
            }
            _ => (count::encode_response(count::estimate(self.request()?)).into(), Usage::default()),
        };
        Ok(Rendered { bytes, usage, ledger, is_filtered: false })
    }
}
