//! `penstock explain`: why a request goes where it goes. Offline from manifests, with the proxy's own code; or live, from
//! what a proxy remembers of a request.

mod live;
mod text;

use std::io::{Read, Write};
use std::process::ExitCode;

use clap::Args;
use penstock_operator::compile::{ClientAuthSource, compile};
use penstock_proxy::trail::Decision;
use penstock_proxy::{Proxy, Question, Settings, explain};

use crate::exit;
use crate::findings;
use crate::manifest::{load, world_of};
use crate::schema::KindSchema;
use crate::source::{Origin, Source, read_all};

#[derive(Args)]
pub struct ExplainArgs {
    /// Manifests: file or folder; may be given several times.
    #[arg(short = 'f', long = "filename", value_name = "PATH", required_unless_present = "proxy")]
    filenames: Vec<String>,
    /// File with facts of models that are added to the built-in catalogue or set over it.
    #[arg(long, value_name = "FILE")]
    catalogue: Option<String>,
    /// The endpoint that the request goes to.
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    endpoint: String,
    /// A header of the request, `name: value`; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// The request's body, JSON; `-` is standard input.
    #[arg(value_name = "REQUEST", default_value = "-")]
    request: String,
    /// A proxy's admin port: explains what it has decided, in place of what manifests would.
    #[arg(long, value_name = "http://HOST:PORT", conflicts_with = "filenames")]
    proxy: Option<String>,
    /// Which request of the proxy: what its answer has in `x-request-id`. Without it, the last one.
    #[arg(long, value_name = "ID", requires = "proxy")]
    request_id: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

type Header = (http::HeaderName, http::HeaderValue);

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    let name = name.trim().parse().map_err(|_| format!("`{}` is no name of a header", name.trim()))?;
    let value = value.trim().parse().map_err(|_| "the value has characters that no header may have")?;
    Ok((name, value))
}

/// Runs the command. The exit code tells whether the request would be, or was, answered.
pub fn run(args: &ExplainArgs) -> ExitCode {
    let decision = match &args.proxy {
        Some(proxy) => live::fetch(proxy, args.request_id.as_deref()).map_err(exit::usage),
        None => offline(args),
    };
    let decision = match decision {
        Ok(decision) => decision,
        Err(code) => return code,
    };
    let text = if args.json {
        // Plain structs with string keys: they can be written.
        serde_json::to_string_pretty(&decision).unwrap_or_default()
    } else {
        text::of(&decision)
    };
    // A closed pipe (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    if text::is_answered(&decision) { ExitCode::SUCCESS } else { exit::PROBLEMS }
}

fn offline(args: &ExplainArgs) -> Result<Decision, ExitCode> {
    // The proxy's clients are made with the configuration, although nothing is sent.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let body = read_request(&args.request)
        .map_err(|error| exit::usage(format_args!("{}: cannot be read: {error}", args.request)))?;
    let named = args.filenames.iter().chain(&args.catalogue);
    let origins = named.map(|name| Origin::from_arg(name)).collect::<Result<Vec<_>, _>>();
    let reading = read_all(&origins.map_err(|unreadable| exit::unreadable(&[unreadable]))?);
    if !reading.unreadable.is_empty() {
        return Err(exit::unreadable(&reading.unreadable));
    }
    let (catalogues, manifests): (Vec<Source>, Vec<Source>) =
        reading.sources.into_iter().partition(|source| args.catalogue.as_ref() == Some(&source.name));
    let proxy = configured(&manifests, catalogues.first())?;
    let question = Question {
        path: args.endpoint.clone(),
        headers: args.headers.iter().cloned().collect(),
        body: body.into(),
    };
    Ok(explain(&proxy, &question))
}

fn read_request(name: &str) -> std::io::Result<Vec<u8>> {
    if name != "-" {
        return std::fs::read(name);
    }
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    Ok(body)
}

/// A proxy with the configuration of the manifests. Secrets that are not among them have stand-ins: nothing is sent.
fn configured(manifests: &[Source], catalogue: Option<&Source>) -> Result<std::sync::Arc<Proxy>, ExitCode> {
    let loaded = load(manifests, &KindSchema::all());
    let mut world = world_of(&loaded.manifests, ClientAuthSource::Open);
    let mut problems = loaded.problems;
    match catalogue.map(findings::catalogue) {
        None => {}
        Some(Ok(overrides)) => world.catalogue = overrides,
        Some(Err(wrong)) => problems.extend(wrong),
    }
    // That they are not here is nothing to warn of.
    drop(findings::stand_in_for_secrets(&loaded.manifests, &mut world.secrets));
    let compiled = compile(&world);
    problems.extend(findings::of_compile(&world, &compiled, &loaded.manifests));
    for problem in &problems {
        eprintln!("{problem}");
    }
    let proxy = Proxy::new(Settings::default());
    match proxy.apply(&compiled.snapshot) {
        Ok(_) => Ok(proxy),
        Err(error) => {
            eprintln!("error: the configuration cannot be served: {error}");
            Err(exit::PROBLEMS)
        }
    }
}
