//! What the gateway costs before it does anything: start-up time, size, memory; and memory with streams open.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::call::{Api, Shape};
use crate::conn::Conn;
use crate::found::Found;
use crate::gateway::Gateway;
use crate::load;
use crate::quantiles::Samples;
use crate::report::{Figure, Unit};
use crate::script::SLOW;

const STARTS: usize = 5;
/// The number of streams that the target of memory is for.
const TARGET_STREAMS: usize = 256;

/// Starts the gateway a few times; the last one stays.
pub fn start(binary: &Path, upstream: SocketAddr, found: &mut Found) -> anyhow::Result<Gateway> {
    let mut gateway = Gateway::start(binary, upstream)?;
    let mut times = Samples::default();
    times.push(gateway.start_up);
    for _ in 1..STARTS {
        drop(gateway);
        gateway = Gateway::start(binary, upstream)?;
        times.push(gateway.start_up);
    }
    let sorted = times.sorted();
    let millis = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e3;
    let figure = |name: &str, unit, value| Figure::of_gateway("start and size", name, unit, value);
    let size = std::fs::metadata(binary).context("the size of the binary")?.len() as f64 / 1e6;
    found.figures.extend([
        figure("start to ready, median of 5", Unit::Millis, millis(sorted.quantile(500))).at_most(100.0),
        figure("start to ready, slowest of 5", Unit::Millis, millis(sorted.max())),
        figure("binary", Unit::Megabytes, size).at_most(20.0),
    ]);
    Ok(gateway)
}

/// Memory of a gateway that has served nothing yet.
pub fn idle(gateway: &Gateway, found: &mut Found) -> anyhow::Result<()> {
    found.figures.push(rss("idle, after its start", gateway.process.rss()?).at_most(15.0));
    Ok(())
}

/// Memory of the same gateway when everything else was measured.
pub fn at_the_end(gateway: &Gateway, found: &mut Found) -> anyhow::Result<()> {
    found.figures.push(rss("idle, after all of the above", gateway.process.rss()?));
    Ok(())
}

/// Memory with many streams open at the same moment.
pub fn open_streams(gateway: &Gateway, streams: usize, found: &mut Found) {
    let shape = Shape { bytes: 1 << 10, stream: true, script: SLOW };
    let call = shape.through(Api::Chat, Api::Chat, gateway.addr);
    let mut conns: Vec<_> = (0..streams).map(|_| Conn::new(gateway.addr)).collect();
    let mut most = (0, 0);
    let mut tally = load::held_streams(&mut conns, &call, |open| {
        most = most.max((open, gateway.process.rss().unwrap_or_default()));
    });
    found.count("open streams", &mut tally);
    let (open, bytes) = most;
    let figure = rss(&format!("with {open} open streams"), bytes);
    let is_for_target = open >= TARGET_STREAMS;
    found.figures.push(if is_for_target { figure.at_most(40.0) } else { figure });
}

fn rss(name: &str, bytes: u64) -> Figure {
    Figure::of_gateway("memory (RSS)", name, Unit::Mebibytes, bytes as f64 / f64::from(1 << 20))
}
