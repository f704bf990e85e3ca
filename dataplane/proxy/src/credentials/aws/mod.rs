//! AWS: signatures (SigV4), Bedrock's API keys, and the identity that a pod has from AWS.

mod container;
mod instance;
mod keys;
mod pod;
mod sign;
mod web_identity;

pub use keys::from_secret;
pub use pod::Pod;
pub use sign::Signer;

/// What a signature is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The service's signing name, for example `bedrock` (not `bedrock-runtime`, which is a host).
    pub service: String,
    pub region: String,
}

impl Scope {
    /// Hosts of Bedrock in this region. Others below amazonaws.com belong to customers: API gateways, load balancers.
    pub fn hosts(&self) -> (Vec<String>, Vec<String>) {
        let region = &self.region;
        let domain = domain(region);
        let mut exact = Vec::new();
        let mut below = Vec::new();
        for name in ["bedrock-runtime", "bedrock-runtime-fips", "bedrock-mantle"] {
            exact.push(format!("{name}.{region}.{domain}"));
            exact.push(format!("{name}.{region}.api.aws"));
            below.push(format!("{name}.{region}.vpce.{domain}"));
        }
        (exact, below)
    }
}

/// The domain of a region's partition: <https://docs.aws.amazon.com/general/latest/gr/rande.html>.
fn domain(region: &str) -> &'static str {
    match region.split_once('-').map_or(region, |(area, _)| area) {
        "cn" => "amazonaws.com.cn",
        "eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}
