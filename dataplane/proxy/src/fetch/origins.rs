//! Where media may be fetched from. A client names the address, so that without this anybody who may ask a model could
//! read what only the proxy's network reaches: metadata services, dashboards, the API server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// One entry of the list.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaOrigin {
    /// Every address of the public internet.
    Public,
    Net(IpNet),
}

impl FromStr for MediaOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = || text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into())).ok();
        match text {
            "public" => Ok(Self::Public),
            _ => net().map(Self::Net).ok_or_else(|| {
                format!("`{text}` is neither `public` nor a range of addresses such as 10.1.0.0/16")
            }),
        }
    }
}

/// May something be fetched from this address?
pub(super) fn admit(origins: &[MediaOrigin], address: IpAddr) -> bool {
    let address = address.to_canonical();
    origins.iter().any(|origin| match origin {
        MediaOrigin::Public => is_public(address),
        MediaOrigin::Net(net) => net.contains(&address),
    })
}

/// IANA's registries of special-purpose addresses, <https://www.iana.org/assignments/iana-ipv4-special-registry> and
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>: what is not globally reachable is not public.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && matches!(c, 0 | 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && matches!(b, 18 | 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        // Azure's channel from a host to its machines has a public address:
        // <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>.
        || address == Ipv4Addr::new(168, 63, 129, 16)
        // Multicast, reserved, broadcast.
        || a >= 224)
}

/// Only 2000::/3 is handed out. In it, what carries an IPv4 address is as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(w, x, y, z))
    };
    match a {
        // NAT64's well-known prefix.
        0x64 if [b, c, d, e, f] == [0xff9b, 0, 0, 0, 0] => v4(g, h),
        // 6to4.
        0x2002 => v4(b, c),
        // 2001::/23 is for protocols (Teredo, ORCHID), 2001:db8::/32 and 3fff::/20 for documents.
        0x2001 => b >= 0x200 && b != 0xdb8,
        0x3fff => b >= 0x1000,
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(origins: &str, address: &str) -> bool {
        let origins: Vec<MediaOrigin> = origins.split(',').map(|origin| origin.parse().unwrap()).collect();
        admit(&origins, address.parse().unwrap())
    }

    #[test]
    fn public_is_what_the_internet_reaches() {
        for address in ["1.1.1.1", "93.184.216.34", "192.0.1.1", "2606:4700::1111", "64:ff9b::101:101"] {
            assert!(admitted("public", address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!admitted("public", address), "{address}");
        }
    }

    #[test]
    fn ranges_are_added_by_name() {
        assert!(admitted("public,10.1.0.0/16", "10.1.2.3"));
        assert!(!admitted("public,10.1.0.0/16", "10.2.0.1"));
        assert!(!admitted("10.1.0.0/16", "1.1.1.1"));
        assert!(admitted("fd00::/8", "fd00::1"));
        assert!(admitted("127.0.0.1", "::ffff:127.0.0.1"));
        assert!("10.1".parse::<MediaOrigin>().unwrap_err().contains("10.1.0.0/16"));
    }
}
