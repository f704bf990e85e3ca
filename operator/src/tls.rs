//! Certificates: the operator's own CA, and serving certificates signed by it. No IO.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

const DAY: Duration = Duration::from_secs(24 * 3600);
const CA_DAYS: u32 = 3650;
const SERVING_DAYS: u32 = 365;
/// Clocks of nodes differ a little.
const SKEW: Duration = Duration::from_secs(3600);

/// The CA. Its subject is always the same, so the key alone is enough to sign with it again.
pub struct Authority {
    pub certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn generate(now: SystemTime) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = ca_params();
        params.not_before = (now - SKEW).into();
        params.not_after = (now + DAY * CA_DAYS).into();
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self { certificate_pem, issuer: Issuer::new(params, key) })
    }

    /// From what [`Authority::certificate_pem`] and [`Authority::key_pem`] gave.
    pub fn from_pem(certificate: &str, key: &str) -> anyhow::Result<Self> {
        let key = KeyPair::from_pem(key).context("ca.key is no private key in PEM")?;
        Ok(Self { certificate_pem: certificate.to_owned(), issuer: Issuer::new(ca_params(), key) })
    }

    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for these DNS names and IP addresses, checked against the CA as a proxy will check it.
    pub fn issue(&self, hostnames: &[String], now: SystemTime) -> anyhow::Result<CertifiedKey> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(hostnames)
            .context("a --push-hostname is neither a DNS name nor an IP address")?;
        params.distinguished_name = named("penstock operator");
        params.not_before = (now - SKEW).into();
        params.not_after = (now + DAY * SERVING_DAYS).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer)?.into();
        for name in hostnames {
            self.check(&certificate, name, now).with_context(|| {
                format!("the CA does not vouch for {name}; if this operator did not make the CA, delete its Secret")
            })?;
        }
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = CryptoProvider::get_default().context("no TLS provider was installed")?;
        Ok(CertifiedKey::new(vec![certificate], provider.key_provider.load_private_key(key)?))
    }

    fn check(&self, certificate: &CertificateDer<'_>, name: &str, now: SystemTime) -> anyhow::Result<()> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes()) {
            roots.add(root.context("ca.crt is no certificate in PEM")?)?;
        }
        let verifier = WebPkiServerVerifier::builder(Arc::new(roots)).build().context("ca.crt")?;
        let name = ServerName::try_from(name)?;
        let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH)?);
        verifier.verify_server_cert(certificate, &[], &name, &[], now)?;
        Ok(())
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("penstock operator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(common_name: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// The serving certificate in force. A new one is shown to new connections; open streams stay.
pub struct Serving(RwLock<Arc<CertifiedKey>>);

impl Serving {
    pub fn new(key: CertifiedKey) -> Self {
        Self(RwLock::new(Arc::new(key)))
    }

    pub fn replace(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serving")
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// TLS of the push listener.
pub fn server_config(serving: Arc<Serving>) -> rustls::ServerConfig {
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_stored_authority_signs_on() {
        crate::test_tls();
        let now = SystemTime::now();
        let made = Authority::generate(now).unwrap();
        let stored = Authority::from_pem(&made.certificate_pem, &made.key_pem()).unwrap();
        let hosts = names(&["penstock-operator.penstock.svc", "127.0.0.1", "localhost"]);
        stored.issue(&hosts, now).unwrap();
        // Years later too.
        stored.issue(&hosts, now + DAY * 3000).unwrap();
    }

    #[test]
    fn a_foreign_authority_is_told_at_the_start() {
        crate::test_tls();
        let now = SystemTime::now();
        let (one, other) = (Authority::generate(now).unwrap(), Authority::generate(now).unwrap());
        let mixed = Authority::from_pem(&one.certificate_pem, &other.key_pem()).unwrap();
        let error = format!("{:#}", mixed.issue(&names(&["localhost"]), now).unwrap_err());
        assert!(error.contains("delete its Secret"), "{error}");
        assert!(Authority::from_pem(&one.certificate_pem, "nonsense").is_err());
    }

    #[test]
    fn a_name_that_is_none_is_told() {
        crate::test_tls();
        let now = SystemTime::now();
        assert!(Authority::generate(now).unwrap().issue(&names(&["not a name"]), now).is_err());
    }
}
