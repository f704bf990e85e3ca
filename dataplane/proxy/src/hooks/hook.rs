//! One hook of a route, ready to be asked.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use penstock_config as config;
use penstock_config::{HookFailurePolicy, HookSends};
use penstock_llm::BadRequest;
use penstock_route::{Feature, Subject};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::book::{Kept, Shared};
use super::cache::Key;
use super::sign::Signer;
use super::trouble::Trouble;
use super::wire::{self, Features, HookRequest, HookVerdict, Offer, Version};
use crate::asked::Asked;
use crate::metrics::{HookMetrics, HookResult};
use crate::runtime::Route;
use crate::unix_time::unix_ms;

/// A hook of a route.
pub struct Hook {
    pub name: String,
    uri: Uri,
    timeout: Duration,
    pub failure_policy: HookFailurePolicy,
    send: HookSends,
    /// How long an answer holds; zero is not at all.
    life: Duration,
    signing: Signing,
    pub shadow: bool,
    kept: Arc<Kept>,
    shared: Arc<Shared>,
    metrics: HookMetrics,
}

enum Signing {
    Off,
    On(Signer),
    /// It should, and there is no key.
    Missing,
}

/// A request as a hook is sent it.
pub struct Sent {
    body: Bytes,
    /// Where the answer is kept.
    key: Option<Key>,
}

/// What came of asking.
pub struct Outcome {
    pub verdict: Result<Arc<HookVerdict>, Trouble>,
    pub duration: Duration,
    pub cached: bool,
}

impl Hook {
    pub(super) fn new(
        hook: &config::Hook,
        kept: Arc<Kept>,
        shared: Arc<Shared>,
        metrics: HookMetrics,
    ) -> Result<Self, String> {
        let config::Hook { name, url, timeout_ms, failure_policy, send, cache_seconds, signing, shadow } =
            hook;
        let url = config::hook::address(url)?;
        let uri = url.as_str().parse().map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        let signing = match signing {
            None => Signing::Off,
            Some(config::HookSigning { id: _, secret: None }) => Signing::Missing,
            Some(config::HookSigning { id, secret: Some(secret) }) => {
                let key = config::hook::signing_key(secret.expose());
                Signing::On(Signer::new(key.map_err(|flaw| format!("the key {id} {flaw}"))?.expose()))
            }
        };
        Ok(Self {
            name: name.clone(),
            uri,
            timeout: Duration::from_millis(*timeout_ms),
            failure_policy: *failure_policy,
            send: *send,
            life: Duration::from_secs(u64::from(*cache_seconds)),
            signing,
            shadow: *shadow,
            kept,
            shared,
            metrics,
        })
    }

    /// Writes down what the hook is asked of this request.
    pub fn write(&self, asked: &Asked<'_, '_>, offers: &[Offer<'_>]) -> Result<Sent, BadRequest> {
        let job = asked.job;
        let told = asked.body();
        let body = match self.send {
            HookSends::Metadata => None,
            HookSends::Body => {
                let whole: &RawValue = serde_json::from_slice(job.original)
                    .map_err(|error| BadRequest::new("", format!("the body is no JSON: {error}")))?;
                Some(whole)
            }
        };
        let mut request = HookRequest {
            version: Version::V1,
            request_id: "",
            hook: &self.name,
            route: &job.route.name,
            model: &job.envelope.model,
            endpoint: asked.endpoint(),
            stream: job.is_stream(),
            prompt_tokens: told.prompt_tokens,
            user: &told.user,
            metadata: &told.metadata,
            has: features(asked),
            tools: &told.tools,
            headers: wire::headers(job.headers),
            labels: &asked.labels,
            rules: offers,
            body,
        };
        let unwritable = |error: serde_json::Error| BadRequest::new("", error.to_string());
        let key = match self.life.is_zero() {
            true => None,
            false => {
                let mut hash = Hash(Sha256::new());
                serde_json::to_writer(&mut hash, &request).map_err(unwritable)?;
                Some(hash.0.finalize().into())
            }
        };
        request.request_id = &job.reply.request_id;
        let body = serde_json::to_vec(&request).map_err(unwritable)?.into();
        Ok(Sent { body, key })
    }

    /// Asks, or finds what was said of such a request before.
    pub async fn ask(&self, sent: &Sent, offers: &[Offer<'_>], until: Instant) -> Outcome {
        let started = Instant::now();
        let kept = sent.key.as_ref().and_then(|key| self.kept.verdicts.get(key, self.life, started));
        if let Some(verdict) = kept {
            self.metrics.count(HookResult::Cached);
            return Outcome { verdict: Ok(verdict), duration: started.elapsed(), cached: true };
        }
        let until = until.min(started + self.timeout);
        let verdict = match tokio::time::timeout_at(until.into(), self.exchange(sent, offers)).await {
            Ok(verdict) => verdict.map(Arc::new),
            Err(_) => Err(Trouble::Timeout),
        };
        let duration = started.elapsed();
        self.metrics.duration.observe(duration.as_secs_f64());
        self.metrics.count(match &verdict {
            Ok(verdict) if verdict.refuse.is_some() => HookResult::Refused,
            Ok(_) => HookResult::Ok,
            Err(trouble) => trouble.result(),
        });
        if let (Some(key), Ok(verdict)) = (sent.key, &verdict) {
            self.kept.verdicts.put(key, verdict.clone(), Instant::now());
        }
        Outcome { verdict, duration, cached: false }
    }

    async fn exchange(&self, sent: &Sent, offers: &[Offer<'_>]) -> Result<HookVerdict, Trouble> {
        let signature = match &self.signing {
            Signing::Off => None,
            Signing::On(signer) => {
                // A request's own id may be its client's, and the same twice.
                let id = format!("hook_{:032x}", rand::random::<u128>());
                Some(signer.headers(&id, unix_ms() / 1000, &sent.body).ok_or(Trouble::Unsigned)?)
            }
            Signing::Missing => return Err(Trouble::Unsigned),
        };
        let extra = signature.as_ref().map_or(&[][..], |headers| headers);
        match self.shared.client.post(&self.uri, &sent.body, extra).await? {
            Some(bytes) => HookVerdict::read(&bytes, offers).map_err(Trouble::Invalid),
            None => Ok(HookVerdict::default()),
        }
    }

    /// Asks beside the request, which goes on. Where too many are being asked already, nobody is; says whether it was.
    pub fn ask_beside(self: &Arc<Self>, sent: Sent, route: &Arc<Route>, model: &str) -> bool {
        let Some(permits) = self.kept.permits(&self.shared, sent.body.len()) else {
            self.metrics.count(HookResult::Dropped);
            return false;
        };
        let (hook, route, model) = (self.clone(), route.clone(), model.to_owned());
        tokio::spawn(async move {
            let _permits = permits;
            let until = Instant::now() + hook.timeout;
            let outcome = hook.ask(&sent, &wire::offers(&route, &model), until).await;
            outcome.log(&route.name, &hook.name);
        });
        true
    }
}

impl Outcome {
    pub fn log(&self, route: &str, hook: &str) {
        let Self { verdict, duration, cached } = self;
        match verdict {
            Ok(verdict) => tracing::debug!(route, hook, ?duration, cached, %verdict, "a hook was asked"),
            Err(trouble) => tracing::debug!(route, hook, ?duration, %trouble, "a hook failed"),
        }
    }
}

fn features(asked: &Asked<'_, '_>) -> Features {
    let has = |feature| asked.has(feature);
    Features {
        image: has(Feature::Image),
        pdf: has(Feature::Pdf),
        audio: has(Feature::Audio),
        video: has(Feature::Video),
        tools: has(Feature::Tools),
        json_schema: has(Feature::JsonSchema),
        reasoning: has(Feature::Reasoning),
    }
}

/// Hashes what is written to it.
struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
