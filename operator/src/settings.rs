//! What the operator is told at its start.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::compile::ClientAuthSource;

/// The Penstock operator: watches ProviderPools and ModelRoutes, compiles them, pushes to proxies, writes status.
#[derive(Clone, Debug, Parser)]
#[command(name = "penstock-operator", version)]
pub struct Settings {
    /// Watch only this namespace. Repeat it for several; without it, all namespaces.
    #[arg(
        long = "watch-namespace",
        env = "PENSTOCK_WATCH_NAMESPACE",
        value_delimiter = ',',
        value_name = "NAMESPACE"
    )]
    pub watch_namespaces: Vec<String>,

    /// Secret whose entries are the keys that clients of the proxies must show: one entry for each client.
    #[arg(long, env = "PENSTOCK_CLIENT_KEYS_SECRET", value_name = "NAMESPACE/NAME")]
    pub client_keys_secret: Option<NamespacedName>,

    /// Let anyone who reaches a proxy use it, without a key.
    #[arg(long, env = "PENSTOCK_ALLOW_ANONYMOUS")]
    pub allow_anonymous: bool,

    /// Address of the push stream that proxies connect to (HTTPS). Port 0 takes a free one.
    #[arg(long, env = "PENSTOCK_PUSH_LISTEN", default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    pub push_listen: SocketAddr,

    /// DNS name or IP address by which proxies reach the push stream; repeat it for several.
    #[arg(
        long = "push-hostname",
        env = "PENSTOCK_PUSH_HOSTNAME",
        value_delimiter = ',',
        required = true,
        value_name = "NAME"
    )]
    pub push_hostnames: Vec<String>,

    /// ServiceAccount that proxies run as; repeat it for several.
    #[arg(
        long = "proxy-service-account",
        env = "PENSTOCK_PROXY_SERVICE_ACCOUNT",
        value_delimiter = ',',
        required = true,
        value_name = "NAMESPACE/NAME"
    )]
    pub proxy_service_accounts: Vec<NamespacedName>,

    /// How long a proxy that vanished without a farewell still counts in `status.proxies`.
    #[arg(long, env = "PENSTOCK_PROXY_LOST_GRACE", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub proxy_lost_grace: Duration,

    /// Secret with the operator's own CA; made when it is not there.
    #[arg(long, env = "PENSTOCK_CA_SECRET", value_name = "NAMESPACE/NAME")]
    pub ca_secret: NamespacedName,

    /// ConfigMap that the CA's certificate is published in, as `ca.crt`.
    #[arg(long, env = "PENSTOCK_CA_CONFIGMAP", value_name = "NAMESPACE/NAME")]
    pub ca_configmap: NamespacedName,

    /// ConfigMap with facts of models that are added to the built-in catalogue or set over it: prices, limits, abilities. Watched; see docs/catalogue.md.
    #[arg(long, env = "PENSTOCK_CATALOGUE_CONFIGMAP", value_name = "NAMESPACE/NAME")]
    pub catalogue_configmap: Option<NamespacedName>,

    /// Address of /healthz, /readyz and /metrics (plain HTTP). Port 0 takes a free one.
    #[arg(long, env = "PENSTOCK_HEALTH_LISTEN", default_value = "0.0.0.0:9090", value_name = "ADDRESS")]
    pub health_listen: SocketAddr,

    /// How log lines look. RUST_LOG chooses which there are; the default is `info`.
    #[arg(long, env = "PENSTOCK_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

impl Settings {
    /// Who may call the proxies. Exactly one way has to be chosen, so that nothing is open by accident.
    ///
    /// # Errors
    /// Both ways or none were given.
    pub fn client_auth(&self) -> Result<ClientAuthSource, &'static str> {
        match (&self.client_keys_secret, self.allow_anonymous) {
            (Some(NamespacedName { namespace, name }), false) => {
                Ok(ClientAuthSource::Secret { namespace: namespace.clone(), name: name.clone() })
            }
            (None, true) => Ok(ClientAuthSource::Open),
            (None, false) => Err(
                "say who may call the proxies: --client-keys-secret NAMESPACE/NAME for callers with a key, or --allow-anonymous for anyone",
            ),
            (Some(_), true) => Err("--client-keys-secret and --allow-anonymous exclude each other: give one"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// `namespace/name` of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacedName {
    pub namespace: String,
    pub name: String,
}

impl FromStr for NamespacedName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.into(), name: name.into() })
            }
            _ => Err("write NAMESPACE/NAME"),
        }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<penstock_crds::Duration>().map(|duration| duration.0).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &[&str] = &[
        "penstock-operator",
        "--push-hostname=localhost,127.0.0.1",
        "--proxy-service-account=penstock/proxy",
        "--ca-secret=penstock/ca",
        "--ca-configmap=penstock/ca",
    ];

    fn parse(more: &[&str]) -> Settings {
        Settings::try_parse_from(NEEDED.iter().chain(more)).unwrap()
    }

    #[test]
    fn exactly_one_way_to_let_callers_in() {
        assert!(parse(&[]).client_auth().unwrap_err().contains("--allow-anonymous"));
        assert_eq!(parse(&["--allow-anonymous"]).client_auth(), Ok(ClientAuthSource::Open));
        let keys = ClientAuthSource::Secret { namespace: "a".into(), name: "b".into() };
        assert_eq!(parse(&["--client-keys-secret", "a/b"]).client_auth(), Ok(keys));
        assert!(parse(&["--client-keys-secret", "a/b", "--allow-anonymous"]).client_auth().is_err());
    }

    #[test]
    fn lists_and_durations() {
        let settings = parse(&["--watch-namespace=a,b", "--watch-namespace=c", "--proxy-lost-grace=1m30s"]);
        assert_eq!(settings.watch_namespaces, ["a", "b", "c"]);
        assert_eq!(settings.push_hostnames, ["localhost", "127.0.0.1"]);
        assert_eq!(settings.proxy_lost_grace, Duration::from_secs(90));
    }

    #[test]
    fn names_have_two_parts() {
        for bad in ["", "a", "/", "a/", "/b", "a/b/c"] {
            assert!(bad.parse::<NamespacedName>().is_err(), "{bad}");
        }
    }
}
