//! One provider's model, as a target of one rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use http::uri::InvalidUri;
use penstock_config::FailoverReason;
use penstock_llm::catalogue::{self, Facts};
use penstock_llm::provider::{Call, Provider, Site};
use penstock_llm::simulated::Behaviour;
use penstock_llm::{Format, Upstream};

use crate::health::{KeyRing, Places, Vitals};
use crate::job::Wire;
use crate::metrics::LazyTargetMetrics;
use crate::upstream::Client;

/// One provider's model, as a target of one rule.
pub struct Candidate {
    /// Which target of its rule it belongs to.
    pub target: usize,
    /// The same in every proxy and configuration that has this target.
    pub identity: u64,
    pub priority: u32,
    pub weight: u32,
    /// Failures after which alone it is tried; empty for always.
    pub only_after: Arc<[FailoverReason]>,
    /// Nobody wrote it down: it is of the same class as a target that asks for equivalents.
    pub is_equivalent: bool,
    /// Clients name the model, not the configuration.
    pub is_open: bool,
    pub limits: Limits,
    /// `namespace/name` of the pool.
    pub pool: Arc<str>,
    /// The provider's name in its pool.
    pub provider_name: Arc<str>,
    pub provider: &'static dyn Provider,
    /// The model as the pool names it; `*` for whatever clients name.
    pub model: String,
    /// The provider's own id for the model.
    pub upstream: String,
    /// The catalogue's, with what the pool and the operator know better.
    pub facts: Facts,
    pub(super) site: Arc<OwnedSite>,
    pub(super) uris: Vec<(Wired, Uri)>,
    /// `pool/provider/model`, for `x-penstock-target` and messages.
    pub label: Arc<str>,
    pub via: Via,
    pub keys: Arc<KeyRing>,
    pub vitals: Arc<Vitals>,
    pub places: Option<Arc<Places>>,
    pub metrics: Arc<LazyTargetMetrics>,
}

/// How long the steps of an attempt may take, and the connections that are made in time.
#[derive(Clone)]
pub struct Limits {
    pub client: Client,
    /// To the first meaningful event of a stream.
    pub first_token: Duration,
    /// To the end of an answer that is not streamed; `None`: an even share of what is left.
    pub answer: Option<Duration>,
    /// Silence inside an answer.
    pub idle: Duration,
}

/// The owned form of [`Site`].
pub(super) struct OwnedSite {
    pub endpoint: String,
    pub region: Option<String>,
    pub project: Option<String>,
    pub api_version: Option<String>,
}

/// A call and the format that it is written in.
pub(super) type Wired = (Format, Call);

/// How a candidate is reached.
#[derive(Clone)]
pub enum Via {
    Http,
    Simulated { behaviour: Arc<Behaviour>, ordinal: Arc<AtomicU64> },
}

impl Candidate {
    /// What dialects must know of it.
    pub fn upstream(&self) -> Upstream<'_> {
        Upstream {
            model: &self.upstream,
            provider: self.provider,
            facts: &self.facts,
            site: self.site.borrow(),
        }
    }

    /// Where this call goes; `None` where the provider has none.
    pub fn uri(&self, format: Format, call: Call) -> Option<&Uri> {
        self.uris.iter().find(|(wired, _)| *wired == (format, call)).map(|(_, uri)| uri)
    }

    pub fn uri_of(&self, wire: Wire, stream: bool) -> Option<&Uri> {
        match wire {
            Wire::Generate { format, .. } => self.uri(format, Call::Generate { stream }),
            Wire::CountTokens(format) => self.uri(format, Call::CountTokens),
            Wire::Embed { .. } => {
                self.uris.iter().find(|((_, call), _)| *call == Call::Embed).map(|(_, uri)| uri)
            }
            Wire::Nothing => None,
        }
    }

    /// Numbers a simulated provider's requests, so that its failures spread evenly.
    pub fn next_ordinal(ordinal: &AtomicU64) -> u64 {
        ordinal.fetch_add(1, Ordering::Relaxed)
    }
}

impl Candidate {
    /// The same provider, asked for a model that the client names; `None` where it is not known to serve it.
    pub(super) fn named(&self, model: &str) -> Option<Self> {
        if !self.provider.serves(model) {
            return None;
        }
        let uris = uris(self.provider, &self.site.borrow(), model).ok()?;
        if uris.is_empty() && matches!(self.via, Via::Http) {
            return None;
        }
        Some(Self {
            target: self.target,
            identity: self.identity,
            priority: self.priority,
            weight: self.weight,
            only_after: self.only_after.clone(),
            is_equivalent: self.is_equivalent,
            is_open: true,
            limits: self.limits.clone(),
            pool: self.pool.clone(),
            provider_name: self.provider_name.clone(),
            provider: self.provider,
            model: model.to_owned(),
            upstream: model.to_owned(),
            facts: catalogue::find(&self.provider.key(), model).unwrap_or_default(),
            site: self.site.clone(),
            uris,
            label: label(&self.pool, &self.provider_name, model),
            via: self.via.clone(),
            keys: self.keys.clone(),
            vitals: self.vitals.clone(),
            places: self.places.clone(),
            // Clients name the model: a series of its own for each name would let them make as many as they like.
            metrics: self.metrics.clone(),
        })
    }
}

/// In the labels of a provider that is asked for whatever clients name.
pub(super) const ANY_MODEL: &str = "*";

pub(super) fn identity(pool: &str, model: &str) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{pool}\0{model}").as_bytes());
    let first = digest.as_ref().first_chunk::<8>();
    first.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

pub(super) fn label(pool: &str, provider: &str, model: &str) -> Arc<str> {
    let short_pool = pool.rsplit('/').next().unwrap_or(pool);
    format!("{short_pool}/{provider}/{model}").into()
}

impl OwnedSite {
    pub(super) fn borrow(&self) -> Site<'_> {
        let Self { endpoint, region, project, api_version } = self;
        Site {
            endpoint,
            region: region.as_deref(),
            project: project.as_deref(),
            api_version: api_version.as_deref(),
        }
    }
}

/// Every URL that the provider has for this model.
pub(super) fn uris(
    provider: &dyn Provider,
    site: &Site<'_>,
    model: &str,
) -> Result<Vec<(Wired, Uri)>, InvalidUri> {
    let calls =
        [Call::Generate { stream: false }, Call::Generate { stream: true }, Call::Embed, Call::CountTokens];
    let formats = provider.formats(model);
    let wired = formats.iter().flat_map(|format| calls.map(|call| (*format, call)));
    wired
        .filter_map(|(format, call)| Some(((format, call), provider.url(site, model, format, call)?)))
        .map(|(wired, url)| Ok((wired, url.parse()?)))
        .collect()
}
