//! `penstock catalogue`: the models that Penstock knows, for people (`show`) and for who keeps it (`update`).
//!
//! Owns: how the two public catalogues are read and merged into ours. Refuses to know: how a model is found at run time,
//! and the format of a line (`penstock_llm::catalogue` does).

mod changes;
mod dollars;
mod generate;
mod listing;
mod litellm;
mod merge;
mod models_dev;
mod providers;
mod show;
mod update;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use generate::Generated;
pub use update::{Texts, make};

#[derive(Args)]
pub struct CatalogueArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What is known of a model, and who says so.
    Show(show::ShowArgs),
    /// Write the catalogue of a checkout anew from the two public catalogues, and print what changed.
    Update(update::UpdateArgs),
}

/// Runs the command.
pub fn run(args: &CatalogueArgs) -> ExitCode {
    match &args.command {
        Command::Show(args) => show::run(args),
        Command::Update(args) => update::run(args),
    }
}
