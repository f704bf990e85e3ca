//! A streamed answer after its commit point.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use penstock_config::FailoverReason;
use penstock_llm::ClientError;

use crate::failure::Failure;
use crate::health::{LastFailure, Seat};
use crate::meter::Meter;
use crate::metrics::Outcome;
use crate::pump::Pump;
use crate::reply::Body;
use crate::runtime::{Candidate, Route};

/// A stream after its commit point. It has no task of its own: the client's connection pulls it, so that a client
/// that reads slowly slows the provider down, and one that leaves drops, and so cancels, the provider's request.
pub struct Live {
    pub pump: Box<Pump>,
    pub meter: Meter,
    pub target: Arc<Candidate>,
    pub route: Arc<Route>,
    pub deadline: Instant,
    /// Its place at the target, until the last byte.
    pub seat: Option<Seat>,
    pub ended: bool,
}

impl Live {
    pub fn into_body(self) -> Body {
        let frames = stream::unfold(self, |mut live| async move {
            let bytes = live.next().await?;
            Some((Ok(Frame::data(bytes)), live))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let bytes = self.pump.take();
            if !bytes.is_empty() {
                if self.pump.is_complete() {
                    self.succeed();
                }
                return Some(bytes);
            }
            if self.ended {
                self.pump.drain().await;
                return None;
            }
            if self.pump.is_complete() {
                self.succeed();
                continue;
            }
            self.advance().await;
        }
    }

    async fn advance(&mut self) {
        let now = Instant::now();
        let until = self.deadline.min(now + self.target.limits.idle);
        let failure = match tokio::time::timeout_at(until.into(), self.pump.advance()).await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => Failure::from_fault(fault),
            Err(_) => {
                let mut failure = Failure::timeout(true);
                failure.message = if until == self.deadline {
                    "the answer took longer than the route's total timeout".into()
                } else {
                    "the provider fell silent in the middle of its answer".into()
                };
                failure
            }
        };
        self.fail(failure);
    }

    /// Too late for another target: the client is told, in its own format, that the answer is not whole.
    fn fail(&mut self, failure: Failure) {
        let failure = failure.redacted(&self.target.keys);
        tracing::debug!(
            route = &*self.route.name,
            target = &*self.target.label,
            failure.message,
            "stream failed"
        );
        let now = Instant::now();
        let reason = failure.reason.unwrap_or(FailoverReason::ServerError);
        let words = LastFailure::new(reason, failure.code.as_deref(), &failure.message, now);
        self.target.vitals.breaker.note(words);
        self.target.vitals.breaker.failed(now);
        let Failure { status, code, param, message, .. } = failure;
        self.pump.fail(&ClientError { status, code, param, message });
        self.settle(Outcome::StreamError);
    }

    fn succeed(&mut self) {
        if !self.ended {
            self.target.vitals.breaker.succeeded(Instant::now());
            self.settle(Outcome::Success);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.meter.usage(self.pump.usage());
        if let Some(ledger) = self.pump.ledger() {
            self.meter.disclose(ledger);
        }
        self.meter.end(outcome);
        self.seat = None;
        self.ended = true;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.ended {
            // The client left: what was counted until then is counted, and what was lost is told.
            self.meter.usage(self.pump.usage());
            if let Some(ledger) = self.pump.ledger() {
                self.meter.disclose(ledger);
            }
        }
    }
}
