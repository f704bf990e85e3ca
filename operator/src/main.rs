//! `penstock-operator`: settings, logs, signals; the rest is [`penstock_operator::run`].

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use penstock_operator::settings::{LogFormat, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// kube repeats a refused watch with each retry; the operator says it once itself.
const DEFAULT_LOGS: &str = "info,kube_runtime::watcher=error";

fn main() -> ExitCode {
    let settings = Settings::parse();
    if let Err(problem) = settings.client_auth() {
        let command = <Settings as clap::CommandFactory>::command();
        clap::Error::raw(ErrorKind::MissingRequiredArgument, format!("{problem}\n"))
            .with_cmd(&command)
            .exit();
    }
    log_to_stderr(settings.log_format);
    // One provider for the whole tree; a second one would panic at run time.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = penstock_operator::describe(error.as_ref()), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn start(settings: Settings) -> anyhow::Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    penstock_operator::run(settings, either(terminate, interrupt)).await
}

async fn either(mut one: Signal, mut other: Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOGS));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        // Colours only for a person at a terminal.
        LogFormat::Text => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => logs.json().init(),
    }
}
