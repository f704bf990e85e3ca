//! What operator and proxy must both hold of a hook: where it may be, and how its signing secret reads. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use crate::Secret;

/// The address of a hook, parsed.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn address(text: &str) -> Result<Url, String> {
    let wrong = |what: &str| format!("`{text}` {what}; write for example http://router.ai.svc:8080/route");
    let url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a user name or a password in the address is no place for a secret; use `signingSecretRef`"
                .into(),
        );
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http:// nor https://"));
    }
    if url.fragment().is_some() {
        return Err(wrong("has a part behind `#`, which no server is ever sent"));
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) => return Ok(url),
        None => return Err(wrong("has no host")),
    };
    if is_closed(literal) {
        return Err(format!(
            "no hook is asked at {literal}: link-local, metadata, multicast, reserved and unspecified addresses are closed; write the address of a service"
        ));
    }
    Ok(url)
}

/// Is this an address that no hook has, because what answers there is the machine's cloud or nobody? Private ones are
/// open: that is where a cluster's services are.
pub fn is_closed(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_closed_v4(address),
        IpAddr::V6(address) => is_closed_v6(address),
    }
}

fn is_closed_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    a == 0
        || (a == 169 && b == 254)
        // Protocol assignments; Oracle's older metadata service is 192.0.0.192.
        || (a == 192 && b == 0 && c == 0)
        // Metadata of Alibaba Cloud and the channel of Azure's hosts to their machines:
        // <https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata> and
        // <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>.
        || address == Ipv4Addr::new(100, 100, 100, 200)
        || address == Ipv4Addr::new(168, 63, 129, 16)
        // Multicast, reserved, broadcast.
        || a >= 224
}

fn is_closed_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        is_closed_v4(Ipv4Addr::new(w, x, y, z))
    };
    match [a, b, c, d, e, f] {
        // Its own loopback, and what carries an IPv4 address: the deprecated form, translation, NAT64's prefix, 6to4.
        [0, 0, 0, 0, 0, 0] => !address.is_loopback() && v4(g, h),
        [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        [0x2002, ..] => v4(b, c),
        // Metadata, clock, names and pod identity of AWS:
        // <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>.
        [0xfd00, 0xec2, ..] => true,
        // Metadata of Google Cloud, <https://cloud.google.com/compute/docs/metadata/querying-metadata>, and of Scaleway.
        [0xfd20, 0xce, 0, 0, 0, 0] => [g, h] == [0, 0x254],
        [0xfd00, 0x42, 0, 0, 0, 0] => [g, h] == [0, 0x42],
        // Link-local, and multicast.
        _ => a & 0xffc0 == 0xfe80 || a & 0xff00 == 0xff00,
    }
}

/// What the secrets of Standard Webhooks begin with: <https://www.standardwebhooks.com>.
const PREFIX: &str = "whsec_";
/// What they ask of a key's length, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a text is no signing secret. Says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSigningKey {
    NotBase64,
    /// Bytes that there are.
    Length(usize),
}

impl fmt::Display for NoSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => f.write_str("is not base64"),
            Self::Length(bytes) => write!(f, "is of {bytes} bytes, and a signing key has 24 to 64"),
        }
    }
}

/// The key of a signing secret: base64, with or without `whsec_` in front.
///
/// # Errors
/// It is none.
pub fn signing_key(text: &str) -> Result<Secret<Vec<u8>>, NoSigningKey> {
    let text = text.trim();
    let key = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text));
    let key = key.map_err(|_| NoSigningKey::NotBase64)?;
    if LENGTHS.contains(&key.len()) { Ok(Secret::new(key)) } else { Err(NoSigningKey::Length(key.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_a_cluster_are_open_and_metadata_is_not() {
        for open in [
            "127.0.0.1",
            "10.0.0.1",
            "172.20.0.9",
            "192.168.1.1",
            "100.64.0.1",
            "1.1.1.1",
            "::1",
            "fd00::1",
            "fd12:3456::9",
            "2606:4700::1111",
            "64:ff9b::a00:1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_closed(open.parse().unwrap()), "{open}");
        }
        for closed in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::169.254.169.254",
            "::ffff:169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:42::42",
            "ff02::1",
        ] {
            assert!(is_closed(closed.parse().unwrap()), "{closed}");
        }
    }

    #[test]
    fn addresses_are_checked_however_they_are_written() {
        for good in [
            "http://router.ai.svc:8080/route?v=1",
            "https://hooks.example.com",
            "http://localhost:9000/",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/",
            "http://10.2.3.4/",
        ] {
            assert!(address(good).is_ok(), "{good}: {:?}", address(good));
        }
        for (bad, part) in [
            ("http://169.254.169.254/latest", "no hook is asked at 169.254.169.254"),
            ("http://2852039166/", "169.254.169.254"),
            ("http://0xa9.0xfe.0xa9.0xfe/", "169.254.169.254"),
            ("http://[::ffff:169.254.169.254]/", "closed"),
            ("http://[fe80::1]/", "closed"),
            ("http://0.0.0.0:80/", "closed"),
            ("ftp://router/", "neither http:// nor https://"),
            ("http://user:sesame@router/", "signingSecretRef"),
            ("http://router/#x", "behind `#`"),
            ("http://", "empty host"),
            ("router:8080", "neither http:// nor https://"),
            ("/route", "not a URL"),
        ] {
            let error = address(bad).unwrap_err();
            assert!(error.contains(part) && !error.contains("sesame"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_signing_secret_is_base64_of_enough_bytes() {
        let key = STANDARD.encode([7; 24]);
        for text in [key.clone(), format!("whsec_{key}"), format!(" whsec_{key}\n")] {
            assert_eq!(signing_key(&text).unwrap().expose(), &[7; 24], "{text}");
        }
        assert_eq!(signing_key("whsec_not base64").unwrap_err(), NoSigningKey::NotBase64);
        assert_eq!(signing_key("").unwrap_err(), NoSigningKey::Length(0));
        assert_eq!(signing_key(&STANDARD.encode([7; 23])).unwrap_err(), NoSigningKey::Length(23));
        assert_eq!(signing_key(&STANDARD.encode([7; 65])).unwrap_err(), NoSigningKey::Length(65));
    }
}
