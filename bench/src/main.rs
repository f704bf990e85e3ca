//! `penstock-bench`: what the gateway adds to a direct call, measured beside it in the same run.
//!
//! Read [`run`] first. A new kind of request is a new entry in `rows.rs`; a figure is one line of the report.

mod answer;
mod call;
mod conn;
mod footprint;
mod found;
mod framing;
mod gateway;
mod intents;
mod latency;
mod load;
mod process;
mod quantiles;
mod report;
mod routing;
mod rows;
mod schedule;
mod script;
mod translation;
mod upstream;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, value_parser};

use crate::found::Found;
use crate::report::{Machine, Report, Settings};

/// Measures what Penstock adds to a direct call. Fails only when requests fail, never for a figure.
#[derive(Parser)]
struct Flags {
    /// Requests per second; streams come at a tenth of it.
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds for each side of a row: direct, and through the gateway.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Keep-alive connections of the load generator.
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Streams that are open at the same time while memory is read.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=4096))]
    streams: u32,
    /// Write all figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Cargo profile of the gateway. Figures of another one than `release` say nothing.
    #[arg(long, default_value = "release")]
    profile: String,
    /// A `penstock` that was built before, instead of building one.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    penstock: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    FakeUpstream,
    /// What translation costs by itself, without a socket, beside the path that keeps a request's bytes.
    Translation,
    /// What a routing decision costs by itself, with a thousand routes of ten rules loaded.
    Routing,
    /// What intents cost: learning from examples, and a guess. With data: how often the guess is right.
    Intents(intents::Flags),
}

fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    match &flags.role {
        Some(Role::FakeUpstream) => return upstream::run().map(|()| ExitCode::SUCCESS),
        Some(Role::Routing) => return routing::run().map(|()| ExitCode::SUCCESS),
        Some(Role::Translation) => return translation::run().map(|()| ExitCode::SUCCESS),
        Some(Role::Intents(flags)) => return intents::run(flags).map(|()| ExitCode::SUCCESS),
        None => {}
    }
    let report = run(&flags)?;
    print!("{}", report.table());
    if let Some(file) = &flags.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(flags: &Flags) -> anyhow::Result<Report> {
    // Threads inherit it. Without it the kernel lets each of them sleep 50 µs longer than asked.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1000");
    let settings = Settings {
        rate: flags.rate,
        seconds: flags.seconds,
        connections: flags.connections as usize,
        streams: flags.streams as usize,
        gateway: match &flags.penstock {
            Some(binary) => binary.display().to_string(),
            None => format!("penstock, profile {}", flags.profile),
        },
    };
    let binary = match &flags.penstock {
        Some(binary) => binary.clone(),
        None => gateway::build(&flags.profile)?,
    };
    let (_upstream, upstream) = gateway::fake_upstream()?;
    let mut found = Found::default();

    let gateway = footprint::start(&binary, upstream, &mut found)?;
    footprint::idle(&gateway, &mut found)?;
    eprintln!("opening {} streams", settings.streams);
    footprint::open_streams(&gateway, settings.streams, &mut found);
    let rows = rows::all(upstream, gateway.addr);
    for row in &rows {
        eprintln!("measuring {}", row.name);
        latency::open_loop(row, &gateway, upstream, &settings, &mut found)?;
    }
    for row in rows.iter().filter(|row| row.is_for_maximum) {
        eprintln!("measuring {}, as fast as it goes", row.name);
        latency::closed_loop(row, &gateway, upstream, &settings, &mut found)?;
    }
    footprint::at_the_end(&gateway, &mut found)?;

    let Found { figures, requests, failed, failures } = found;
    Ok(Report { settings, machine: machine(), figures, requests, failed, failures })
}

fn machine() -> Machine {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: cpu.map_or("unknown processor", |(_, name)| name).to_owned(),
    }
}
