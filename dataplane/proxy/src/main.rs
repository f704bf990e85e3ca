//! `penstock-proxy`: the proxy as a process of its own, fed by the operator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use http::Uri;
use penstock_proxy::push::{self, Link};
use penstock_proxy::{MediaOrigin, Proxy, Settings, last_good, serve, serve_admin};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The Penstock proxy: one OpenAI-compatible endpoint in front of every LLM provider.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Address of the API.
    #[arg(long, env = "PENSTOCK_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, env = "PENSTOCK_ADMIN_LISTEN", default_value = "0.0.0.0:9090")]
    admin_listen: SocketAddr,
    /// The operator's push address, https://host:port.
    #[arg(long, env = "PENSTOCK_OPERATOR")]
    operator: Uri,
    /// PEM file with the operator's CA.
    #[arg(long, env = "PENSTOCK_OPERATOR_CA_FILE")]
    operator_ca_file: PathBuf,
    /// File with a ServiceAccount token for the audience `penstock-operator`.
    #[arg(long, env = "PENSTOCK_TOKEN_FILE")]
    token_file: PathBuf,
    /// Folder for the last good configuration; it holds credentials, so make it a memory-backed volume.
    #[arg(long, env = "PENSTOCK_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Name of this proxy, its pod's.
    #[arg(long, env = "PENSTOCK_PROXY_ID")]
    proxy_id: String,
    /// After SIGTERM: how long to go on accepting while load balancers learn that this proxy is leaving. Seconds,
    /// or with a unit: 5s, 500ms.
    #[arg(long, env = "PENSTOCK_DRAIN_DELAY", default_value = "5s", value_parser = duration)]
    drain_delay: Duration,
    /// After that: how long requests in flight may go on.
    #[arg(long, env = "PENSTOCK_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration)]
    drain_timeout: Duration,
    /// Largest request body, in bytes.
    #[arg(long, env = "PENSTOCK_MAX_REQUEST_BYTES", default_value_t = 32 << 20)]
    max_request_bytes: usize,
    /// How many of the last decisions are kept in memory for `penstock explain`; 0 keeps none.
    #[arg(long, env = "PENSTOCK_DECISIONS", default_value_t = 256)]
    decisions: usize,
    /// Where images and documents may be fetched from that clients name by their web addresses, for providers that
    /// take bytes alone: `public`, and ranges of addresses such as 10.1.0.0/16, separated by commas. Without it nothing
    /// is fetched.
    #[arg(long, env = "PENSTOCK_FETCH_MEDIA_FROM", value_delimiter = ',', value_name = "public|CIDR")]
    fetch_media_from: Vec<MediaOrigin>,
    /// How log lines look. RUST_LOG sets what is logged.
    #[arg(long, env = "PENSTOCK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| format!("not a duration: {text}"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(format!("not a duration: {text}; write for example 500ms, 5s or 1m")),
    }
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    start_log(flags.log_format);
    // Two TLS providers at once would panic at the first handshake; this is the only place that names one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome =
        tokio::runtime::Runtime::new().context("starting the runtime").and_then(|rt| rt.block_on(run(flags)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let proxy = Proxy::new(Settings {
        max_request_bytes: flags.max_request_bytes,
        decisions: flags.decisions,
        drain_timeout: flags.drain_timeout,
        fetch_media_from: flags.fetch_media_from,
        ..Settings::default()
    });
    if let Some(folder) = &flags.state_dir {
        start_from_last_good(&proxy, folder);
    }
    let api =
        TcpListener::bind(flags.listen).await.with_context(|| format!("listening on {}", flags.listen))?;
    let admin = TcpListener::bind(flags.admin_listen)
        .await
        .with_context(|| format!("listening on {}", flags.admin_listen))?;
    tracing::info!(api = %api.local_addr()?, admin = %admin.local_addr()?, "listening");

    let (stop, stopped) = watch::channel(false);
    let until_stopped = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let (say_bye, bye) = watch::channel(false);
    let link = Link {
        operator: flags.operator,
        ca_file: flags.operator_ca_file,
        token_file: flags.token_file,
        proxy_id: flags.proxy_id,
        state_dir: flags.state_dir,
    };
    let pushing = tokio::spawn(push::run(proxy.clone(), link, Box::pin(until_stopped(bye))));
    let serving = tokio::spawn(serve(proxy.clone(), api, until_stopped(stopped.clone())));
    let (stop_admin, admin_stopped) = watch::channel(false);
    let admin = tokio::spawn(serve_admin(proxy.clone(), admin, until_stopped(admin_stopped)));

    wait_for_signal().await?;
    tracing::info!("shutting down");
    proxy.start_draining();
    // The operator must not wait for the acks of a proxy that is leaving.
    say_bye.send_replace(true);
    tokio::time::sleep(flags.drain_delay).await;
    stop.send_replace(true);
    serving.await?;
    pushing.await?;
    // Last, so that what the drain did can be scraped.
    stop_admin.send_replace(true);
    admin.await?;
    tracing::info!("stopped");
    Ok(())
}

fn start_from_last_good(proxy: &Proxy, folder: &std::path::Path) {
    match last_good::load(folder) {
        Ok(None) => {}
        Ok(Some(snapshot)) => match proxy.apply(&snapshot) {
            Ok(revision) => tracing::info!(%revision, "serving the last good configuration"),
            Err(error) => tracing::error!(%error, "the last good configuration cannot be served"),
        },
        Err(error) => tracing::error!(%error, "the last good configuration cannot be read"),
    }
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

fn start_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
