//! The two ports of `up`.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use penstock_proxy::{Proxy, serve, serve_admin};
use tokio::net::TcpListener;
use tokio::sync::watch;

const DEFAULT_METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

#[derive(Args)]
pub struct ListenArgs {
    /// Address of the API; port 0 takes a free one.
    #[arg(long = "listen", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// Address of /metrics, /healthz and /readyz, or `off`. [default: 127.0.0.1:9090, if it is free]
    #[arg(long, value_name = "ADDRESS|off")]
    metrics_listen: Option<MetricsListen>,
}

impl ListenArgs {
    pub fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum MetricsListen {
    Off,
    On(SocketAddr),
}

impl FromStr for MetricsListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            text => text
                .parse()
                .map(Self::On)
                .map_err(|_| "write an address such as 127.0.0.1:9090, or off".to_owned()),
        }
    }
}

/// Bound, not yet served.
pub struct Listeners {
    api: TcpListener,
    metrics: Option<TcpListener>,
    pub api_address: SocketAddr,
    pub metrics_address: Option<SocketAddr>,
}

impl Listeners {
    /// Binds both. Only the default metrics port may be missing: nobody asked for it.
    pub async fn bind(args: &ListenArgs) -> Result<Self, String> {
        let api = bind(args.address, "--listen").await?;
        let metrics = match args.metrics_listen {
            Some(MetricsListen::Off) => None,
            Some(MetricsListen::On(address)) => Some(bind(address, "--metrics-listen").await?),
            None => TcpListener::bind(DEFAULT_METRICS)
                .await
                .inspect_err(|error| {
                    eprintln!("no metrics: {DEFAULT_METRICS}: {error}; choose with --metrics-listen")
                })
                .ok(),
        };
        let api_address = api.local_addr().map_err(|error| error.to_string())?;
        let metrics_address = metrics.as_ref().and_then(|listener| listener.local_addr().ok());
        Ok(Self { api, metrics, api_address, metrics_address })
    }

    /// Serves until `stopped` turns true, then drains.
    pub async fn serve(self, proxy: Arc<Proxy>, stopped: watch::Receiver<bool>) {
        if let Some(listener) = self.metrics {
            // Ends with the process, so that the drain can still be watched.
            tokio::spawn(serve_admin(proxy.clone(), listener, std::future::pending()));
        }
        serve(proxy, self.api, until(stopped)).await;
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("{flag} {address}: {error}; choose another address with {flag}"))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_is_an_address_too() {
        assert_eq!("off".parse(), Ok(MetricsListen::Off));
        assert_eq!("127.0.0.1:1".parse(), Ok(MetricsListen::On("127.0.0.1:1".parse().unwrap())));
        assert!("on".parse::<MetricsListen>().is_err());
    }
}
