//! `penstock up`: the whole product in one process, from files. The same compile, the same proxy.
//!
//! The story is in [`serve`]: read, compile, listen, greet, then reload until a signal comes.

mod env_secret;
mod greeting;
mod listen;
mod state;
mod watch;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use penstock_operator::compile::ClientAuthSource;
use penstock_proxy::{MediaOrigin, Proxy, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch as flag;

use crate::exit;
use crate::source::{Origin, Reading, Source, read_all};
use env_secret::EnvSecret;
use greeting::Greeting;
use listen::{ListenArgs, Listeners};
use state::{State, Turn};
use watch::Watch;

#[derive(Args)]
pub struct UpArgs {
    /// File, folder or `-` for standard input; may be given several times. Without it: the quickstart.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filenames: Vec<String>,
    #[command(flatten)]
    listen: ListenArgs,
    /// File with facts of models that are added to the built-in catalogue or set over it (docs/catalogue.md). Read again when it changes.
    #[arg(long, value_name = "FILE")]
    catalogue: Option<String>,
    /// One entry of a Secret from the environment: NAMESPACE/NAME/KEY=VARIABLE; may be given several times.
    #[arg(long = "env-secret", value_name = "NS/NAME/KEY=VAR")]
    env_secrets: Vec<EnvSecret>,
    /// Callers need one of the keys in this Secret: NAMESPACE/NAME.
    #[arg(long, value_name = "NS/NAME", value_parser = secret_name, conflicts_with = "allow_anonymous")]
    client_keys_secret: Option<SecretName>,
    /// Let anyone call who reaches the port. On loopback addresses that is so without the flag.
    #[arg(long)]
    allow_anonymous: bool,
    /// Where images and documents may be fetched from that callers name by their web addresses, for providers that take
    /// bytes alone: `public`, and ranges of addresses such as 10.1.0.0/16, separated by commas. Without it nothing is
    /// fetched.
    #[arg(long, value_delimiter = ',', value_name = "public|CIDR")]
    fetch_media_from: Vec<MediaOrigin>,
}

type SecretName = (String, String);

fn secret_name(text: &str) -> Result<SecretName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write namespace/name".to_owned()),
    }
}

/// The very files of `examples/quickstart`, so that the embedded default and the example cannot differ.
fn quickstart() -> Vec<Origin> {
    let files = [
        ("examples/quickstart/pools.yaml", include_str!("../../../examples/quickstart/pools.yaml")),
        ("examples/quickstart/route.yaml", include_str!("../../../examples/quickstart/route.yaml")),
    ];
    files.map(|(name, text)| Origin::Text(Source { name: name.to_owned(), text: text.to_owned() })).to_vec()
}

/// Requests in flight may go on for so long after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the command until a signal ends it.
pub fn run(args: &UpArgs) -> ExitCode {
    // Two TLS providers at once would panic at the first handshake; this is the only place that names one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(serve(args)).unwrap_or_else(|code| code),
        Err(error) => exit::usage(error),
    }
}

async fn serve(args: &UpArgs) -> Result<ExitCode, ExitCode> {
    if !args.listen.is_loopback() && args.client_keys_secret.is_none() && !args.allow_anonymous {
        return Err(exit::usage(format_args!(
            "other machines can reach {}, so say who may call: --client-keys-secret NAMESPACE/NAME (callers need a key), or --allow-anonymous (anyone may spend your providers' money)",
            args.listen.address
        )));
    }
    let origins = origins(args).map_err(|unreadable| exit::unreadable(&[unreadable]))?;
    let given =
        args.env_secrets.iter().map(EnvSecret::read).collect::<Result<_, _>>().map_err(exit::usage)?;
    let first = read_all(&origins);
    if !first.unreadable.is_empty() {
        return Err(exit::unreadable(&first.unreadable));
    }
    let mut signals = Signals::new().map_err(exit::usage)?;
    let listeners = Listeners::bind(&args.listen).await.map_err(exit::usage)?;

    let mut state = State::new(given, client_auth(args), args.catalogue.clone());
    let proxy = Proxy::new(Settings {
        drain_timeout: DRAIN,
        fetch_media_from: args.fetch_media_from.clone(),
        ..Settings::default()
    });
    let turn = take(&mut state, &proxy, &first).map_err(|message| {
        eprintln!("error: {message}");
        exit::PROBLEMS
    })?;
    let (stop, stopped) = flag::channel(false);
    let (api, metrics) = (listeners.api_address, listeners.metrics_address);
    let serving = tokio::spawn(listeners.serve(proxy.clone(), stopped));
    let greeting = Greeting {
        listen: api,
        metrics,
        manifests: &manifests(args),
        snapshot: &turn.snapshot,
        keys_secret: args.client_keys_secret.as_ref().map(|(ns, name)| format!("{ns}/{name}")).as_deref(),
    }
    .text();
    say(&greeting);

    let mut watch = Watch::new(origins, first);
    loop {
        tokio::select! {
            () = signals.next() => break,
            // Compiling, and learning intents, may take seconds, and requests are served meanwhile.
            reading = watch.changed() => tokio::task::block_in_place(|| reload(&mut state, &proxy, &reading)),
        }
    }
    say("\nstopping: requests in flight may finish; once more to stop at once");
    proxy.start_draining();
    stop.send_replace(true);
    tokio::select! {
        _ = serving => {}
        () = signals.next() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn origins(args: &UpArgs) -> Result<Vec<Origin>, crate::source::Unreadable> {
    let mut origins = match args.filenames.as_slice() {
        [] => quickstart(),
        names => names.iter().map(|name| Origin::from_arg(name)).collect::<Result<_, _>>()?,
    };
    origins.extend(args.catalogue.as_ref().map(|file| Origin::Path(file.into())));
    Ok(origins)
}

fn manifests(args: &UpArgs) -> String {
    if args.filenames.is_empty() {
        "the built-in quickstart (examples/quickstart): one simulated provider is down, the next one answers"
            .to_owned()
    } else {
        format!("{}, read again when they change", args.filenames.join(", "))
    }
}

fn client_auth(args: &UpArgs) -> ClientAuthSource {
    match &args.client_keys_secret {
        Some((namespace, name)) => {
            ClientAuthSource::Secret { namespace: namespace.clone(), name: name.clone() }
        }
        None => ClientAuthSource::Open,
    }
}

/// Compiles a reading, prints its problems, and puts it in force.
fn take(state: &mut State, proxy: &Proxy, reading: &Reading) -> Result<Turn, String> {
    let turn = state.turn(reading);
    for problem in &turn.problems {
        eprintln!("{problem}");
    }
    if let Some(problem) = &turn.auth_problem {
        eprintln!("{problem}");
    }
    if turn.lacks_secrets {
        eprintln!(
            "a Secret can be given as a manifest, or entry by entry: --env-secret NAMESPACE/NAME/KEY=VARIABLE"
        );
    }
    proxy.apply(&turn.snapshot).map_err(|error| format!("the configuration cannot be served: {error}"))?;
    state.served(turn.snapshot.clone());
    Ok(turn)
}

fn reload(state: &mut State, proxy: &Proxy, reading: &Reading) {
    let before = proxy.serving();
    match take(state, proxy, reading) {
        Err(message) => eprintln!("{message}; what was served before goes on"),
        Ok(turn) => {
            let errors = turn.problems.iter().filter(|p| p.is_error()).count();
            let outcome = match (errors, before == proxy.serving()) {
                (0, true) => "read again: nothing changed".to_owned(),
                (0, false) => format!("reloaded: {}", greeting::models(&turn.snapshot)),
                (1, _) => "reloaded with 1 problem: what it concerns goes on as it last was".to_owned(),
                (n, _) => format!("reloaded with {n} problems: what they concern goes on as it last was"),
            };
            say(&outcome);
        }
    }
}

/// Prints at once, also into a pipe; nobody reading is no reason to stop serving.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
