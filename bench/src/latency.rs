//! Rows under load: direct and through the gateway, in turns.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;

use crate::call::Call;
use crate::conn::Conn;
use crate::found::Found;
use crate::gateway::Gateway;
use crate::load::{self, Tally};
use crate::quantiles::Samples;
use crate::report::{Figure, Settings, Unit};
use crate::rows::Row;
use crate::schedule::{Pair, Side, turns};

/// The rate that the latency targets are for.
const TARGET_RATE: u32 = 1000;
/// Length of a turn, and of each side's warm-up, in seconds.
const TURN: u32 = 1;

/// A line of the table: its name, the quantile in per mille, and the target of what is added, in
/// microseconds.
type Line = (&'static str, usize, Option<f64>);

const WHOLE_ANSWER: [Line; 3] = [("p50", 500, Some(150.0)), ("p99", 990, Some(1000.0)), ("p99.9", 999, None)];
const FIRST_TOKEN: [Line; 3] =
    [("first token p50", 500, Some(300.0)), ("first token p99", 990, None), ("first token p99.9", 999, None)];
const WHOLE_STREAM: [Line; 3] =
    [("whole stream p50", 500, None), ("whole stream p99", 990, None), ("whole stream p99.9", 999, None)];
/// How late requests were sent. Where it is near the latency itself, the machine was too busy to measure.
const LATENESS: [Line; 2] = [("sent late by, p50", 500, None), ("sent late by, p99", 990, None)];

/// Latency at a constant rate.
pub fn open_loop(
    row: &Row,
    gateway: &Gateway,
    upstream: SocketAddr,
    settings: &Settings,
    found: &mut Found,
) -> anyhow::Result<()> {
    let rate = (settings.rate / row.every).max(1);
    let section = format!("{} ({rate}/s)", row.name);
    let (tallies, cpu) =
        in_turns(row, gateway, upstream, settings, settings.seconds, found, |conns, call| {
            load::open_loop(conns, call, rate, TURN)
        })?;
    let requests = tallies.gateway.total.len();
    let has_targets = settings.rate == TARGET_RATE;
    let Pair { direct, gateway } = tallies;
    let mut say = |lines: &[Line], direct: Samples, gateway: Samples| {
        let (direct, gateway) = (direct.sorted(), gateway.sorted());
        for &(name, per_mille, limit) in lines {
            let (Some(direct), Some(gateway)) = (direct.quantile(per_mille), gateway.quantile(per_mille))
            else {
                continue;
            };
            let figure = Figure::of_gateway(&section, name, Unit::Micros, micros(gateway));
            let figure = figure.added_to(micros(direct));
            found.figures.push(match limit.filter(|_| has_targets) {
                Some(limit) => figure.at_most(limit),
                None => figure,
            });
        }
    };
    if row.stream {
        say(&FIRST_TOKEN, direct.first_token, gateway.first_token);
        say(&WHOLE_STREAM, direct.total, gateway.total);
    } else {
        say(&WHOLE_ANSWER, direct.total, gateway.total);
    }
    say(&LATENESS, direct.lag, gateway.lag);
    let per_thousand = cpu.as_secs_f64() * 1e3 / requests.max(1) as f64;
    let name = if row.stream { "gateway CPU for 1,000 streams" } else { "gateway CPU for 1,000 requests" };
    found.figures.push(Figure::of_gateway(&section, name, Unit::Seconds, per_thousand));
    Ok(())
}

/// As many requests as the connections can carry.
pub fn closed_loop(
    row: &Row,
    gateway: &Gateway,
    upstream: SocketAddr,
    settings: &Settings,
    found: &mut Found,
) -> anyhow::Result<()> {
    let section = format!("{}, as fast as it goes", row.name);
    let seconds = settings.seconds.div_ceil(2);
    let turn = Duration::from_secs(TURN.into());
    let (tallies, cpu) = in_turns(row, gateway, upstream, settings, seconds, found, |conns, call| {
        load::closed_loop(conns, call, turn)
    })?;
    let requests = tallies.gateway.total.len() as f64;
    let rate = |tally: &Tally| tally.total.len() as f64 / tally.elapsed.as_secs_f64();
    let figure = |name, unit, value| Figure::of_gateway(&section, name, unit, value);
    found.figures.extend([
        figure("requests", Unit::PerSecond, rate(&tallies.gateway)).beside(rate(&tallies.direct)),
        figure("requests for each CPU second of the gateway", Unit::PerSecond, requests / cpu.as_secs_f64()),
    ]);
    Ok(())
}

/// Runs `turn` on each side in turns, `seconds` in all for each; also says the gateway's CPU time.
fn in_turns(
    row: &Row,
    gateway: &Gateway,
    upstream: SocketAddr,
    settings: &Settings,
    seconds: u32,
    found: &mut Found,
    turn: impl Fn(&mut [Conn], &Call) -> Tally,
) -> anyhow::Result<(Pair<Tally>, Duration)> {
    // New ones for each row: the gateway closes connections that were idle for the length of a row.
    let connect = |addr| (0..settings.connections).map(|_| Conn::new(addr)).collect::<Vec<_>>();
    let mut conns = Pair { direct: connect(upstream), gateway: connect(gateway.addr) };
    let mut tallies = Pair::<Tally>::default();
    for side in [Side::Direct, Side::Gateway] {
        let warm_up = turn(conns.get_mut(side), row.calls.get(side));
        if let Some(failure) = warm_up.failures.first() {
            bail!("{}, {side:?}: {failure}", row.name);
        }
    }
    let before = gateway.process.cpu()?;
    for side in turns(seconds / TURN) {
        let mut tally = turn(conns.get_mut(side), row.calls.get(side));
        let failures = tally.failures.len();
        found.count(row.name, &mut tally);
        *tallies.get_mut(side) += tally;
        if failures >= settings.connections {
            bail!("{}, {side:?}: too many requests fail: {:?}", row.name, found.failures);
        }
    }
    // The gateway has nothing to do in the other side's turns.
    Ok((tallies, gateway.process.cpu()? - before))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
