//! What `compile` reads.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use penstock_config::{Secret, Snapshot};
use penstock_crds::{Auth, ModelRoute, ProviderPool};
use penstock_llm::catalogue::Overrides;

use super::ObjectKey;

/// Secrets by namespace and name.
pub type Secrets = BTreeMap<(String, String), SecretState>;

/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct World {
    pub pools: Vec<ProviderPool>,
    pub routes: Vec<ModelRoute>,
    /// Objects that are stored but cannot be read, for example after a downgrade of the CRDs.
    pub unreadable: Vec<Unreadable>,
    /// At least those of [`secret_refs`]; one that is not here counts as missing.
    pub secrets: Secrets,
    pub client_auth: ClientAuthSource,
    /// Facts of models that lie over the built-in catalogue, and under what pools say.
    pub catalogue: Overrides,
    /// The snapshot compiled before this one; see the module doc.
    pub last_good: Option<Snapshot>,
}

impl World {
    /// A world without a past.
    pub fn new(
        pools: Vec<ProviderPool>,
        routes: Vec<ModelRoute>,
        secrets: Secrets,
        client_auth: ClientAuthSource,
    ) -> Self {
        let catalogue = Overrides::default();
        Self { pools, routes, unreadable: Vec::new(), secrets, client_auth, catalogue, last_good: None }
    }
}

/// An object whose text is not a valid object of its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    pub key: ObjectKey,
    pub generation: i64,
    pub error: String,
}

/// What is known of a Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretState {
    /// Its entries.
    Present(BTreeMap<String, Secret<Vec<u8>>>),
    Missing,
    /// The operator may not read it; the text says which permission is missing.
    Forbidden(String),
    /// Still being read.
    Pending,
}

/// Where the keys that clients must show come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientAuthSource {
    /// Anyone may call; only where the operator was told so explicitly.
    Open,
    /// Every entry of this Secret is one accepted key, named by the entry.
    Secret { namespace: String, name: String },
}

/// Every Secret that this world names, by namespace and name.
pub fn secret_refs(
    pools: &[ProviderPool],
    routes: &[ModelRoute],
    auth: &ClientAuthSource,
) -> BTreeSet<(String, String)> {
    let of_pools = pools.iter().flat_map(|pool| {
        let namespace = namespace_of(pool);
        let auths = pool.spec.providers.iter().filter_map(|provider| provider.auth.as_ref());
        auths.flat_map(names_of).map(move |name| (namespace.clone(), name))
    });
    let of_routes = routes.iter().flat_map(|route| {
        let namespace = namespace_of(route);
        let signing = route.spec.hooks.iter().filter_map(|hook| hook.signing_secret_ref.as_ref());
        signing.map(move |reference| (namespace.clone(), reference.name.clone()))
    });
    let of_auth = match auth {
        ClientAuthSource::Open => None,
        ClientAuthSource::Secret { namespace, name } => Some((namespace.clone(), name.clone())),
    };
    of_pools.chain(of_routes).chain(of_auth).collect()
}

/// Names of the Secrets that hold a provider's credentials.
fn names_of(auth: &Auth) -> Vec<String> {
    let Auth { api_keys, aws, google, azure: _ } = auth;
    let of_keys = api_keys.iter().flatten().map(|key| &key.secret_ref.name);
    let of_aws = aws.iter().filter_map(|aws| aws.secret_ref.as_ref()).map(|secret| &secret.name);
    let of_google = google.iter().filter_map(|google| google.secret_ref.as_ref()).map(|secret| &secret.name);
    of_keys.chain(of_aws).chain(of_google).cloned().collect()
}

/// Objects read from files may leave the namespace out.
pub(super) fn namespace_of(object: &impl kube::Resource<DynamicType = ()>) -> String {
    object.namespace().unwrap_or_else(|| "default".into())
}
