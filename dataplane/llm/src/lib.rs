//! LLM wire formats, as pure code: bytes in, typed neutral messages between, bytes out.
//!
//! Owns: dialects, embeddings, counting of tokens, provider types, framing of streams, the catalogue of models, the
//! ledger of what happened to each field, and the simulated provider's answers.
//! Refuses to know: sockets, clocks, tasks, Kubernetes, configuration.
//!
//! Hub and spoke: a dialect decodes and encodes one wire format, in both directions, through [`message`].

pub mod catalogue;
pub mod collect;
pub mod count;
pub mod dialect;
pub mod embed;
pub mod envelope;
pub mod error;
pub mod eventstream;
pub mod field;
pub mod framing;
pub mod ledger;
pub mod message;
pub mod needs;
pub mod passthrough;
pub mod provider;
pub mod ratelimit;
pub mod simulated;
pub mod sse;
pub mod time;
pub mod translate;
pub mod web_media;

pub use collect::collect;
pub use dialect::{Dialect, Format, Reply, StreamDecoder, StreamEncoder, Upstream};
pub use error::{BadRequest, Broken, ClientError, ErrorKind, Refused, UpstreamError};
pub use field::Field;
pub use framing::{Frame, Frames, Framing};
pub use ledger::{Fate, Ledger};
pub use message::{Event, FinishReason, Request, Response, Usage};
