//! The push stream: newline-delimited JSON frames on one HTTP/2 request, both ways.
//!
//! The proxy sends `POST /v1/stream` with its ServiceAccount token; the request body carries
//! [`ProxyFrame`]s, the response body carries [`PushFrame`]s.
//!
//! **Versions.** A frame whose type is not known reads as `Later` and is skipped. Operators before that rule end the
//! stream instead, so a proxy sends frames beyond the first ones only where the operator's answer names them in
//! [`FRAMES_HEADER`]; and an operator takes a proxy that never sends them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{KeysHealth, Revision, Snapshot, TargetHealth};

/// Audience of the ServiceAccount tokens that proxies present.
pub const TOKEN_AUDIENCE: &str = "penstock-operator";
/// Header of the operator's answer: the frames that it takes beyond the first ones, separated by commas.
pub const FRAMES_HEADER: &str = "x-penstock-frames";
/// In [`FRAMES_HEADER`]: the operator takes [`ProxyFrame::Health`].
pub const HEALTH_FRAMES: &str = "health";

/// From operator to proxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum PushFrame {
    /// Replace the configuration.
    Snapshot { revision: Revision, snapshot: Box<Snapshot> },
    /// Keeps an idle stream alive.
    Ping,
    /// Of a later version: it is skipped.
    #[serde(other, skip_serializing)]
    Later,
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
    /// What has changed in the health of targets since the frame before. The first one of a stream begins anew, and
    /// comes even when there is nothing to say: it means that what is not in it is well.
    Health { targets: Vec<TargetHealth>, keys: Vec<KeysHealth> },
    /// The proxy is shutting down and wants no more configuration.
    Bye,
    /// Of a later version: it is skipped.
    #[serde(other, skip_serializing)]
    Later,
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
        for broken in ["{\"type\":\"ack\"}", "{\"type\":7}", "{}", "ping", ""] {
            assert!(read_frame::<ProxyFrame>(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_frame_of_a_later_version_is_no_broken_one() {
        let line = br#"{"type":"tokens","counts":{"a":[1,2]},"revision":null}"#;
        assert_eq!(read_frame::<ProxyFrame>(line).unwrap(), ProxyFrame::Later);
        assert!(matches!(read_frame::<PushFrame>(line).unwrap(), PushFrame::Later));
        // Members that a later version adds to a known one.
        let line = br#"{"type":"health","targets":[{"pool":"a/p","provider":"o","model":"m","weather":1}],"keys":[],"more":{}}"#;
        let ProxyFrame::Health { targets, keys } = read_frame(line).unwrap() else { panic!("health") };
        assert_eq!((targets[0].model.as_str(), &targets[0].open, keys.len()), ("m", &None, 0));
    }

    #[test]
    fn health_round_trips() {
        let health = ProxyFrame::Health {
            targets: vec![TargetHealth {
                pool: "a/p".into(),
                provider: "o".into(),
                model: "m".into(),
                open: Some(crate::OpenBreaker { cooldown_ms: 1500, last_failure: None }),
            }],
            keys: vec![KeysHealth { pool: "a/p".into(), provider: "o".into(), ailing: None }],
        };
        assert_eq!(read_frame::<ProxyFrame>(&write_frame(&health)).unwrap(), health);
    }
}
