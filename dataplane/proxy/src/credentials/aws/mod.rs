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
    /// Bedrock takes API keys of its own as well.
    fn is_bedrock(&self) -> bool {
        self.service == "bedrock" || self.service == "bedrock-mantle"
    }

    /// Hosts of Bedrock in this region, and domains of its private endpoints. Others below amazonaws.com belong to
    /// customers: API gateways, load balancers.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html>
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bedrock_has_its_hosts_in_each_partition() {
        let hosts = |region: &str| Scope { service: "bedrock".into(), region: region.into() }.hosts();
        let (exact, below) = hosts("us-east-1");
        for host in ["bedrock-runtime.us-east-1.amazonaws.com", "bedrock-mantle.us-east-1.api.aws"] {
            assert!(exact.iter().any(|known| known == host), "{host}");
        }
        assert!(below.iter().any(|known| known == "bedrock-runtime.us-east-1.vpce.amazonaws.com"));
        let (exact, _) = hosts("cn-north-1");
        assert!(exact.iter().any(|known| known == "bedrock-runtime.cn-north-1.amazonaws.com.cn"));
    }
}
