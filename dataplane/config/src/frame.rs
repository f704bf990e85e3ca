//! The push stream: newline-delimited JSON frames on one HTTP/2 request, both ways.
//!
//! The proxy sends `POST /v1/stream` with its ServiceAccount token; the request body carries
//! [`ProxyFrame`]s, the response body carries [`PushFrame`]s.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Revision, Snapshot};

/// Audience of the ServiceAccount tokens that proxies present.
pub const TOKEN_AUDIENCE: &str = "penstock-operator";

/// From operator to proxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum PushFrame {
    /// Replace the configuration.
    Snapshot { revision: Revision, snapshot: Box<Snapshot> },
    /// Keeps an idle stream alive.
    Ping,
}

/// From proxy to operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum ProxyFrame {
    /// First frame: who this is, and what it already serves.
    Hello { proxy: String, version: String, serving: Option<Revision> },
    /// New requests are served from this revision.
    Ack { revision: Revision },
    /// The revision was not applied; the one before goes on serving.
    Refuse { revision: Revision, error: String },
    /// The proxy is shutting down and wants no more configuration.
    Bye,
}

/// A frame could not be read.
#[derive(Debug, thiserror::Error)]
#[error("a frame of the push stream cannot be read: {0}")]
pub struct FrameError(#[from] serde_json::Error);

/// One line, its newline included.
pub fn write_frame<T: Serialize>(frame: &T) -> Vec<u8> {
    // Frames are plain structs with string keys: serializing them cannot fail.
    let mut line = serde_json::to_vec(frame).unwrap_or_default();
    line.push(b'\n');
    line
}

/// One line, with or without its newline.
pub fn read_frame<T: DeserializeOwned>(line: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_as_lines() {
        let hello = ProxyFrame::Hello { proxy: "p-1".into(), version: "0.1.0".into(), serving: None };
        let line = write_frame(&hello);
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(read_frame::<ProxyFrame>(&line).unwrap(), hello);
    }

    #[test]
    fn a_broken_frame_is_an_error() {
        assert!(read_frame::<PushFrame>(b"{\"type\":\"later\"}").is_err());
    }
}
