//! `penstock`: one command-line tool for people.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use penstock::catalogue::{self, CatalogueArgs};
use penstock::explain::{self, ExplainArgs};
use penstock::lint::{self, LintArgs};
use penstock::up::{self, UpArgs};

/// One OpenAI-compatible endpoint in front of every LLM provider, run the Kubernetes way.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 all is well; 1 problems; 2 wrong usage, or something cannot be read."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole product here, without a cluster: the proxy, fed from manifest files.
    Up(UpArgs),
    /// Check manifests with the rules of the API server and the operator, without a cluster.
    Lint(LintArgs),
    /// Say why a request goes where it goes, from manifests or from what a proxy remembers.
    Explain(ExplainArgs),
    /// The models that are known: limits, abilities, prices.
    Catalogue(CatalogueArgs),
}

fn main() -> ExitCode {
    start_log();
    match Cli::parse().command {
        Command::Up(args) => up::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Catalogue(args) => catalogue::run(&args),
    }
}

/// Log lines are for whoever asks: `RUST_LOG=info penstock up`.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
