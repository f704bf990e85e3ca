//! `penstock catalogue update`: writes `models.txt` anew from the two public catalogues and the corrections.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use penstock_llm::catalogue::line::is_day;
use penstock_llm::catalogue::{Catalogue, sources};
use sha2::{Digest, Sha256};

use super::changes;
use super::generate::{Generated, Inputs, Snapshot, generate};
use super::{litellm, models_dev};
use crate::exit;
use crate::source::Unreadable;

#[derive(Args)]
pub struct UpdateArgs {
    /// LiteLLM's `model_prices_and_context_window.json`.
    #[arg(long, value_name = "FILE")]
    litellm: PathBuf,
    /// models.dev's `api.json`.
    #[arg(long = "models-dev", value_name = "FILE")]
    models_dev: PathBuf,
    /// Day on which LiteLLM's file was fetched [default: the day of the file; a file that was read before keeps its day]
    #[arg(long, value_name = "DAY", value_parser = day)]
    fetched: Option<String>,
    /// The folder of `models.txt` and `corrections.txt`.
    #[arg(long, value_name = "DIR", default_value = "dataplane/llm/src/catalogue")]
    catalogue: PathBuf,
    /// Write nothing; the exit code is 1 when the file would change.
    #[arg(long)]
    check: bool,
}

fn day(text: &str) -> Result<String, String> {
    if is_day(text) { Ok(text.to_owned()) } else { Err("write a day as 2026-11-30".to_owned()) }
}

/// Runs the command: what changed goes to standard output.
pub fn run(args: &UpdateArgs) -> ExitCode {
    match update(args) {
        Ok(code) => code,
        Err(unreadable) => exit::unreadable(&[unreadable]),
    }
}

fn update(args: &UpdateArgs) -> Result<ExitCode, Unreadable> {
    let models = args.catalogue.join("models.txt");
    let corrections = args.catalogue.join("corrections.txt");
    let before = read(&models)?;
    let fetched = match &args.fetched {
        Some(day) => day.clone(),
        None => day_of(&args.litellm)?,
    };
    let made = make(&Texts {
        litellm: (&args.litellm, &read(&args.litellm)?),
        models_dev: (&args.models_dev, &read(&args.models_dev)?),
        corrections: (&corrections, &read(&corrections)?),
        before: &before,
        fetched: &fetched,
    })?;
    report(&before, &made);
    if made.text == before {
        return Ok(ExitCode::SUCCESS);
    }
    if args.check {
        return Ok(exit::PROBLEMS);
    }
    fs::write(&models, &made.text).map_err(|error| unreadable(&models, &error))?;
    Ok(ExitCode::SUCCESS)
}

/// Day of a file's last change, in UTC.
fn day_of(file: &Path) -> Result<String, Unreadable> {
    let changed = fs::metadata(file).and_then(|metadata| metadata.modified());
    let changed = changed.map_err(|error| unreadable(file, &error))?;
    let changed = jiff::Timestamp::try_from(changed).map_err(|error| unreadable(file, &error))?;
    Ok(changed.strftime("%F").to_string())
}

/// What the file is made of, each with its place for messages.
pub struct Texts<'a> {
    pub litellm: (&'a Path, &'a str),
    pub models_dev: (&'a Path, &'a str),
    pub corrections: (&'a Path, &'a str),
    /// The file as it is: a source that did not change keeps its day.
    pub before: &'a str,
    pub fetched: &'a str,
}

/// Makes the file. Pure.
pub fn make(texts: &Texts<'_>) -> Result<Generated, Unreadable> {
    let Texts { litellm: litellm_file, models_dev: models_dev_file, corrections, before, fetched } = texts;
    let litellm = litellm::read(litellm_file.1).map_err(|error| unreadable(litellm_file.0, &error))?;
    let (models_dev, newest) =
        models_dev::read(models_dev_file.1).map_err(|error| unreadable(models_dev_file.0, &error))?;
    generate(&Inputs {
        litellm: &litellm,
        models_dev: &models_dev,
        litellm_snapshot: snapshot(litellm_file.1, before, fetched),
        models_dev_snapshot: snapshot(models_dev_file.1, before, newest.as_deref().unwrap_or(fetched)),
        corrections: corrections.1,
    })
    .map_err(|error| unreadable(corrections.0, &error))
}

fn snapshot(text: &str, before: &str, day: &str) -> Snapshot {
    let sha256 = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let known =
        sources::read(before).find(|source| source.what.ends_with(&sha256)).and_then(|source| source.day);
    Snapshot { day: known.unwrap_or(day).to_owned(), sha256 }
}

/// What a person wants to know of an update.
fn report(before: &str, made: &Generated) {
    let mut out = std::io::stdout().lock();
    let changes = changes::between(before, &made.text);
    // A closed pipe (`| head`) is no reason to fail.
    for change in &changes {
        let _ = writeln!(out, "{change}");
    }
    for (key, dispute) in &made.disputes {
        let winner = if dispute.takes_litellm { "LiteLLM's, which names its page" } else { "models.dev's" };
        let _ = writeln!(
            out,
            "disputed {key}: LiteLLM {}, models.dev {}; taken: {winner}",
            dispute.litellm, dispute.models_dev
        );
    }
    let catalogue = Catalogue::new(&made.text, "");
    let _ = writeln!(
        out,
        "{} models of {} providers, {} bytes; {} models changed, {} disputed prices",
        catalogue.lines().count(),
        catalogue.providers().count(),
        made.text.len(),
        changes.len(),
        made.disputes.len()
    );
}

fn read(file: &Path) -> Result<String, Unreadable> {
    fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Unreadable {
    Unreadable { name: file.display().to_string(), message: error.to_string() }
}
