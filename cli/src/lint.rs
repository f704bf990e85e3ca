//! `penstock lint`: every problem of every document.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use penstock_operator::compile::{ClientAuthSource, compile};

use crate::exit;
use crate::findings;
use crate::manifest::{Loaded, load, world_of};
use crate::problem::{ObjectId, Problem, Severity};
use crate::schema::KindSchema;
use crate::source::{Origin, Source, read_all};

#[derive(Args)]
pub struct LintArgs {
    /// File, folder or `-` for standard input; may be given several times.
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    filenames: Vec<String>,
    /// File with facts of models that are added to the built-in catalogue or set over it; it is checked too.
    #[arg(long, value_name = "FILE")]
    catalogue: Option<String>,
    /// A Secret that is not among the files is an error instead of a warning.
    #[arg(long)]
    strict_secrets: bool,
}

/// Runs the command; problems go to standard output, what cannot be read to standard error.
pub fn run(args: &LintArgs) -> ExitCode {
    let named = args.filenames.iter().chain(&args.catalogue);
    let origins = named.map(|name| Origin::from_arg(name)).collect::<Result<Vec<_>, _>>();
    let reading = match origins {
        Ok(origins) => read_all(&origins),
        Err(unreadable) => return exit::unreadable(&[unreadable]),
    };
    let (catalogues, manifests): (Vec<Source>, Vec<Source>) =
        reading.sources.iter().cloned().partition(|source| args.catalogue.as_ref() == Some(&source.name));
    let report = lint(&manifests, catalogues.first(), args.strict_secrets);
    let mut out = std::io::stdout().lock();
    // A closed pipe (`| head`) is no reason to fail.
    for problem in &report.problems {
        let _ = writeln!(out, "{problem}");
    }
    if !reading.unreadable.is_empty() {
        return exit::unreadable(&reading.unreadable);
    }
    let _ = writeln!(out, "{}", report.summary());
    if report.errors() == 0 { ExitCode::SUCCESS } else { exit::PROBLEMS }
}

/// What lint found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the files and documents.
    pub problems: Vec<Problem>,
    objects: usize,
}

impl Report {
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|p| p.severity == severity).count()
    }

    fn summary(&self) -> String {
        let warnings = match self.count(Severity::Warning) {
            0 => String::new(),
            n => format!(", {}", counted(n, "warning")),
        };
        match self.errors() {
            0 => format!("OK: {}{warnings}", counted(self.objects, "object")),
            n => format!("{}{warnings}", counted(n, "problem")),
        }
    }
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Lints texts. Pure.
pub fn lint(sources: &[Source], catalogue: Option<&Source>, strict_secrets: bool) -> Report {
    let Loaded { manifests, mut problems, refused, .. } = load(sources, &KindSchema::all());
    let mut world = world_of(&manifests, ClientAuthSource::Open);
    match catalogue.map(findings::catalogue) {
        None => {}
        Some(Ok(overrides)) => world.catalogue = overrides,
        Some(Err(wrong)) => problems.extend(wrong),
    }
    if !strict_secrets {
        problems.extend(findings::stand_in_for_secrets(&manifests, &mut world.secrets));
    }
    let is_given = |id: &ObjectId| manifests.iter().any(|m| m.id == *id);
    let refused = refused.iter().filter_map(|place| place.object.as_ref()).filter(|id| !is_given(id));
    world.unreadable = refused.filter_map(findings::unreadable).collect();
    problems.extend(findings::of_compile(&world, &compile(&world), &manifests));

    let order = |p: &Problem| (sources.iter().position(|s| s.name == p.place.file), p.place.document);
    problems.sort_by_key(order);
    Report { problems, objects: manifests.len() }
}
