//! The drills of failover: each way in which a provider fails, at each place among three targets, streamed and not.
//! What came of it stands in docs/drills.md.
//!
//! `UPDATE_GENERATED=1 cargo test -p penstock-e2e --test dataplane drills` writes it anew.

use crate::faults::{BEFORE, BEHIND, SAID, Trouble, Unreachable};
use crate::gateway::{Gateway, KEY_ONE, World};
use crate::wire::{Chat, Messages, Told, WIRES, Wire, count, each, first_text, is_error_body, place};
use penstock_e2e::client::Answer;
use penstock_e2e::metrics::Metrics;
use penstock_e2e::{Behaviour, Replay, Script, workspace_root};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const HEALTHY: &str = "the healthy one speaks, once and whole";
/// The names of the targets' providers, in the order in which they are tried.
const PLACES: [&str; 3] = ["first", "middle", "last"];
const STREAMED: [bool; 2] = [true, false];

/// A fault of a provider behind a network.
struct Drill {
    title: &'static str,
    /// The row of [`BEFORE`] that plays it.
    before: &'static str,
    /// The row of [`BEHIND`] that plays it in streams, where it comes after the first tokens.
    behind: &'static str,
    /// What the client hears when no other target is left: the status, streamed and not. 200: the answer of nothing
    /// is passed on.
    alone: [u16; 2],
}

const fn drill(title: &'static str, before: &'static str, alone: [u16; 2]) -> Drill {
    Drill { title, before, behind: "", alone }
}

const fn broken(title: &'static str, before: &'static str, behind: &'static str, alone: u16) -> Drill {
    Drill { title, before, behind, alone: [0, alone] }
}

/// A connection that fails says less than the 503 of the targets before it.
const DRILLS: &[Drill] = &[
    drill("503", "s503", [503, 503]),
    drill("503 with `Retry-After: 7`", "s503-wait", [503, 503]),
    drill("429", "s429", [429, 429]),
    drill("429 with `Retry-After: 7`", "s429-wait", [429, 429]),
    drill("connection refused", "refused", [503, 503]),
    drill("DNS: no such host", "no-host", [503, 503]),
    drill("TLS: the port speaks plain text", "plain-text", [503, 503]),
    drill("TLS: a certificate that nobody signed", "unsigned", [503, 503]),
    drill("TLS: a handshake that never ends", "slow-mute", [504, 504]),
    drill("reset before the headers", "reset", [503, 503]),
    drill("hang before the headers", "slow-hang-before", [504, 504]),
    drill("hang before the first token", "slow-hang-after", [504, 504]),
    broken("stall in the middle", "slow-stall", "stalled", 504),
    broken("reset in the middle", "reset-body", "reset", 503),
    broken("truncated body", "short-body", "ended", 502),
    drill("truncated before the first token", "cut-body", [503, 503]),
    drill("error event inside a 200", "error-inside", [500, 500]),
    broken("error event in the middle of a 200", "", "error", 0),
    drill("malformed JSON", "broken-json", [502, 502]),
    broken("malformed JSON in the middle", "", "malformed", 0),
    drill("malformed SSE", "noise", [502, 502]),
    broken("malformed SSE in the middle", "", "not-json", 0),
    drill("empty answer", "no-content", [200, 200]),
    drill("no bytes at all", "no-bytes", [502, 502]),
    drill("slow drip before the first token", "slow-drip", [504, 504]),
    broken("slow drip past the total time", "slow-drip", "drip", 504),
    drill("huge frame", "huge", [502, 502]),
];

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    /// The fault has no such form.
    Impossible,
    /// A whole answer, of the target at this place.
    Whole { by: usize, attempts: usize },
    /// The beginning of the answer of the target at this place, and then an error event.
    Broken { by: usize, attempts: usize },
    /// An answer without any content, which the target at this place calls complete.
    Empty { by: usize, attempts: usize },
    /// An error, before anything else.
    Error { status: u16, wait: String, attempts: usize },
}

impl Heard {
    /// What must come of a fault at this place.
    fn due(at: usize, is_committed: bool, alone: u16, wait: &str) -> Self {
        match (is_committed, at) {
            (true, _) => Self::Broken { by: at, attempts: at + 1 },
            (false, 0 | 1) => Self::Whole { by: at + 1, attempts: at + 2 },
            (false, _) if alone == 200 => Self::Empty { by: at, attempts: 3 },
            (false, _) => Self::Error { status: alone, wait: wait.to_owned(), attempts: 3 },
        }
    }

    /// In a cell of the page.
    fn cell(&self) -> String {
        let attempts = |n: &usize| if *n == 1 { "1 attempt".to_owned() } else { format!("{n} attempts") };
        match self {
            Self::Impossible => "–".to_owned(),
            Self::Whole { by, attempts: n } => format!("{}'s answer, {}", PLACES[*by], attempts(n)),
            Self::Broken { by, attempts: n } => {
                format!("{}'s tokens, error event, {}", PLACES[*by], attempts(n))
            }
            Self::Empty { by, attempts: n } => format!("{}'s empty answer, {}", PLACES[*by], attempts(n)),
            Self::Error { status, wait, attempts: n } if wait.is_empty() => {
                format!("{status}, {}", attempts(n))
            }
            Self::Error { status, wait, attempts: n } => {
                format!("{status}, `Retry-After: {wait}`, {}", attempts(n))
            }
        }
    }

    /// Reads an answer, and says what is wrong with its form.
    fn by(case: &Case, answer: &Answer) -> Result<Self, String> {
        let Case { client, targets, route, said, .. } = case;
        let attempts =
            answer.header("x-penstock-attempts").parse().map_err(|_| format!("{:?}", answer.headers))?;
        if answer.header("x-request-id").is_empty()
            || answer.header("x-penstock-route") != format!("default/{route}")
        {
            return Err(format!("{:?}", answer.headers));
        }
        if answer.status != 200 {
            let body = answer.json();
            let message = body["error"]["message"].as_str().unwrap_or_default();
            let names_all = targets.iter().all(|target| message.contains(&format!("{target}: ")));
            if !is_error_body(*client, &body) || !names_all || message.contains(KEY_ONE) {
                return Err(format!("not an error that names each attempt: {body}"));
            }
            let wait = answer.header("retry-after").to_owned();
            return Ok(Self::Error { status: answer.status.as_u16(), wait, attempts });
        }
        let target = answer.header("x-penstock-target");
        let by = targets.iter().position(|one| one == target).ok_or_else(|| format!("by {target}"))?;
        let told = Told::by(*client, answer);
        if told.is_whole(*client, "").is_ok() {
            return Ok(Self::Empty { by, attempts });
        }
        if told.errors.is_empty() {
            return told.is_whole(*client, HEALTHY).map(|()| Self::Whole { by, attempts });
        }
        // A part of an answer is never dressed up as a whole one.
        let is_honest = told.errors.len() == 1
            && told.finish.is_empty()
            && (told.starts, told.ends) == (1, 0)
            && !told.text.is_empty()
            && said.starts_with(&told.text);
        if is_honest { Ok(Self::Broken { by, attempts }) } else { Err(format!("{told:?}")) }
    }
}

/// A fault at a place, and how it is asked for.
struct Case {
    /// The client's message, by which providers tell it.
    id: String,
    route: String,
    /// As answers and errors name them.
    targets: [String; 3],
    drill: usize,
    at: usize,
    client: Wire,
    stream: bool,
    due: Heard,
    /// What the faulty provider says before it fails.
    said: String,
}

const ASKS: [(Wire, bool); 4] = [(Chat, true), (Chat, false), (Messages, true), (Messages, false)];
/// A hundred failures in a row open the breaker, and so those that are down are so many models.
const DOWN_MODELS: usize = 16;

/// The manifests of the drills, and what is to be asked.
struct Ground {
    world: World,
    cases: Vec<Case>,
    routes: usize,
}

/// One drill with a faulty provider of one kind.
struct Faulty<'a> {
    drill: usize,
    pool: &'a str,
    /// The kind of provider, for names; and the pools of the healthy ones behind it.
    kind: &'a str,
    healthy: &'a str,
    /// A provider that fails rests then: each request needs one of its own.
    rests: bool,
    failover: Value,
    /// Times of the faulty target.
    times: Value,
    due: &'a dyn Fn(usize, Wire, bool) -> Heard,
    said: &'a str,
}

impl Ground {
    fn new(down: &dyn Fn() -> Value, healthy: &[(&str, &dyn Fn() -> Value)]) -> Self {
        let mut world = World::new();
        for place in &PLACES[..2] {
            let mut provider = down();
            let models = (0..DOWN_MODELS).map(|n| json!({"name": format!("d{n}")}));
            provider["models"] = models.collect();
            world.pool_of(&format!("down-{place}"), provider);
        }
        for (kind, provider) in healthy {
            for place in &PLACES[1..] {
                world.pool_of(&format!("{kind}-{place}"), provider());
            }
        }
        Self { world, cases: vec![], routes: 0 }
    }

    /// Routes for the drill at each place, and the providers that they need: names, which are those of their model too.
    fn drill(&mut self, faulty: &Faulty<'_>) -> Vec<String> {
        let Faulty { drill, pool, kind, healthy, rests, failover, times, due, said } = faulty;
        let mut providers = Vec::new();
        for (at, place) in PLACES.iter().enumerate() {
            for (n, asks) in ASKS.chunks(if *rests { 1 } else { ASKS.len() }).enumerate() {
                let route = format!("{pool}-{kind}-{place}-{n}");
                let name = if *rests { format!("{kind}-{at}{n}") } else { (*kind).to_owned() };
                let places: [(String, String); 3] = std::array::from_fn(|place| match place.cmp(&at) {
                    Ordering::Less => {
                        (format!("down-{}", PLACES[place]), format!("d{}", self.routes % DOWN_MODELS))
                    }
                    Ordering::Equal => ((*pool).to_owned(), name.clone()),
                    Ordering::Greater => (format!("{healthy}-{}", PLACES[place]), "m".to_owned()),
                });
                let target = |(priority, (pool, model)): (usize, &(String, String))| {
                    let times = if priority == at { times.clone() } else { json!({}) };
                    json!({"pool": pool, "model": model, "priority": priority, "timeouts": times})
                };
                let rule: Vec<_> = places.iter().enumerate().map(target).collect();
                self.world.route_by_rule(&route, json!({"targets": rule}), failover.clone());
                self.routes += 1;
                let targets = std::array::from_fn(|place| {
                    let (pool, model) = &places[place];
                    let provider = if place == at { &*name } else { "up" };
                    format!("{pool}/{provider}/{model}")
                });
                for &(client, stream) in asks {
                    self.cases.push(Case {
                        id: format!("{route}-{}-{stream}", client.short()),
                        route: route.clone(),
                        targets: Clone::clone(&targets),
                        drill: *drill,
                        at,
                        client,
                        stream,
                        due: due(at, client, stream),
                        said: (*said).to_owned(),
                    });
                }
                providers.push(name);
            }
        }
        providers.dedup();
        providers
    }
}

fn played(drill: &Drill, wire: Wire, stream: bool) -> Option<Trouble> {
    if stream && drill.behind == "drip" {
        // Tokens come one by one for longer than the route's `total`.
        let events = wire.events(&DRIPS.repeat(200));
        return Some(Trouble::Plays(Behaviour::sse(events).chunk_delay(Duration::from_millis(100))));
    }
    if stream && !drill.behind.is_empty() {
        let (_, plays) = BEHIND.iter().find(|(name, _)| *name == drill.behind).expect("a row of BEHIND");
        return Some(Trouble::Plays(plays(wire)));
    }
    if drill.before.is_empty() {
        return None;
    }
    let row = BEFORE.iter().find(|row| row.name == drill.before).expect("a row of BEFORE");
    Some((row.trouble)(wire, stream).unwrap_or_else(|| panic!("{} in both ways", row.name)))
}

const DRIPS: &str = "drip ";

/// What the route and the faulty target are given, where waiting is the point.
fn patience(drill: &Drill) -> (Value, Value) {
    let times = |total: &str| json!({"timeouts": {"connect": "20s", "firstToken": "30s", "total": total}});
    match drill.behind {
        "drip" => (times("4s"), json!({})),
        // Long enough for the first tokens on a busy machine.
        "stalled" => (times("60s"), json!({"idle": "800ms", "answer": "800ms"})),
        _ if drill.before.starts_with("slow") => {
            (times("60s"), json!({"connect": "800ms", "firstToken": "800ms", "answer": "800ms"}))
        }
        _ => (times("60s"), json!({})),
    }
}

#[test]
fn each_fault_at_each_place() {
    let unreachable = Unreachable::start();
    let faulty = Replay::start(Behaviour::EmptyBody200);
    let down = Replay::start(Behaviour::status(503, "out of order"));
    let healthy = WIRES.map(|wire| (wire, Replay::start(wire.answer(HEALTHY))));

    let healthy_one = |n: usize| {
        let (wire, replay) = &healthy[n];
        World::provider(*wire, &replay.url())
    };
    let mut ground = Ground::new(
        &|| World::provider(Chat, &down.url()),
        &[(Chat.short(), &|| healthy_one(0)), (Messages.short(), &|| healthy_one(1))],
    );
    let drips = DRIPS.repeat(200);
    let mut table = HashMap::new();
    let mut unreached = HashSet::new();
    for (n, drill) in DRILLS.iter().enumerate() {
        let pool = format!("fault{n}");
        let mut providers = Vec::new();
        for wire in WIRES {
            let mut url = faulty.url();
            for stream in STREAMED {
                let trouble = played(drill, wire, stream);
                if let Some(nowhere) = trouble.as_ref().and_then(|trouble| unreachable.url(trouble)) {
                    url = nowhere;
                    unreached.insert(n);
                }
                if let Some(Trouble::Plays(behaviour)) = trouble {
                    table.insert((format!("{pool}-{}", wire.short()), stream), behaviour);
                }
            }
            let (failover, times) = patience(drill);
            let wait = if drill.before.ends_with("-wait") { "7" } else { "" };
            let due = |at: usize, client: Wire, stream: bool| match played(drill, wire, stream) {
                None => Heard::Impossible,
                Some(_) => {
                    let is_committed = stream && !drill.behind.is_empty();
                    let alone = match drill.alone[usize::from(!stream)] {
                        // What is to be translated has to be read, and there is nothing to read.
                        200 if !stream && client != wire => 502,
                        alone => alone,
                    };
                    Heard::due(at, is_committed, alone, wait)
                }
            };
            let names = ground.drill(&Faulty {
                drill: n,
                pool: &pool,
                kind: wire.short(),
                healthy: wire.other().short(),
                rests: drill.before.starts_with("s429") || !wait.is_empty(),
                failover,
                times,
                due: &due,
                said: if drill.behind == "drip" { &drips } else { SAID },
            });
            providers.extend(names.into_iter().map(|name| {
                let endpoint = wire.endpoint(&url, &format!("{pool}-{}", wire.short()));
                let mut provider = World::provider(wire, &endpoint);
                provider["models"][0]["name"] = json!(name);
                provider["name"] = json!(name);
                provider
            }));
        }
        ground.world.pool_of_many(&pool, &providers);
    }
    faulty.set(Script::by(move |request, _| table[&(place(request), request.wants_stream())].clone()));
    let (gateway, cases) = start(ground);
    let heard = run(&gateway, &cases);

    // Each provider was asked once for each request that came to it, and nobody for one that did not.
    let asked = |replay: &Replay| count(replay.requests().iter().map(first_text));
    let counts = [asked(&down), asked(&faulty), asked(&healthy[0].1), asked(&healthy[1].1)];
    each(&cases, 1, |case| {
        let [down, faulty, one, other] =
            counts.each_ref().map(|counts| counts.get(&case.id).copied().unwrap_or(0));
        let is_whole = matches!(case.due, Heard::Whole { .. });
        let due = [case.at, usize::from(!unreached.contains(&case.drill)), usize::from(is_whole)];
        let asked = [down, faulty, one + other];
        if asked == due { Ok(()) } else { Err(format!("{}: asked {asked:?} times, not {due:?}", case.id)) }
    });
    assert_eq!(unreachable.requests(), 0);
    is_counted(&gateway.settled(), &cases);

    let titles: Vec<_> = DRILLS.iter().map(|drill| drill.title).collect();
    compare_page("Providers behind a network", &titles, &table_of(titles.len(), &cases, &heard));
}

/// Whoever has to mend it is told which of the many ways to have no connection it was.
#[test]
fn a_connection_that_fails_says_how() {
    let unreachable = Unreachable::start();
    let rows = [
        ("refused", Trouble::Refused, "refused"),
        ("no-host", Trouble::NoHost, "lookup"),
        ("plain-text", Trouble::PlainText, "corrupt message"),
        ("unsigned", Trouble::Unsigned, "certificate"),
    ];
    let mut world = World::new();
    for (name, trouble, _) in &rows {
        world.pool(name, Chat, &unreachable.url(trouble).expect("a URL"));
        world.route(name, &[name], json!({"retries": {"budgetPercent": 0}, "timeouts": {"connect": "20s"}}));
    }
    let gateway = Gateway::start(&world);
    for ((name, _, says), (wire, stream)) in rows.iter().flat_map(|row| ASKS.map(|ask| (row, ask))) {
        let answer = gateway.ask(wire, name, stream).send().expect("an answer");
        let body = answer.json();
        assert_eq!(answer.status, 502, "{body}");
        assert!(is_error_body(wire, &body), "{body}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains(says)), "{name}: {body}");
    }
    assert_eq!(unreachable.requests(), 0);
}

/// Serves them, and gives what can be asked.
fn start(ground: Ground) -> (Gateway, Vec<Case>) {
    let Ground { world, mut cases, routes } = ground;
    cases.retain(|case| case.due != Heard::Impossible);
    println!("{} requests to {routes} routes", cases.len());
    (Gateway::start(&world), cases)
}

/// Asks for all of them, and gives what came of each.
fn run(gateway: &Gateway, cases: &[Case]) -> Vec<Heard> {
    let heard = Mutex::new(vec![Heard::Impossible; cases.len()]);
    let numbered: Vec<_> = cases.iter().enumerate().collect();
    each(&numbered, 24, |(n, case)| {
        let Case { id, route, client, stream, due, .. } = case;
        let mut request = client.request(route, *stream);
        request["messages"][0]["content"] = json!(id);
        let answer = gateway.call(*client, &request).send().map_err(|error| format!("{id}: {error}"))?;
        let found = Heard::by(case, &answer).map_err(|what| format!("{id}: {what}"))?;
        if found != *due {
            return Err(format!("{id}: {found:?} instead of {due:?}: {}", answer.text()));
        }
        heard.lock().expect("unpoisoned")[*n] = found;
        Ok(())
    });
    heard.into_inner().expect("unpoisoned")
}

/// The metrics say the same.
fn is_counted(metrics: &Metrics, cases: &[Case]) {
    let number = |is: fn(&Heard) -> bool| cases.iter().filter(|case| is(&case.due)).count() as f64;
    for (outcome, cases) in [
        ("success", number(|due| matches!(due, Heard::Whole { .. } | Heard::Empty { .. }))),
        ("stream_error", number(|due| matches!(due, Heard::Broken { .. }))),
        ("client_error", 0.0),
        ("upstream_error", number(|due| matches!(due, Heard::Error { .. }))),
    ] {
        assert_eq!(metrics.sum("penstock_requests_total", &[("outcome", outcome)]), cases, "{outcome}");
    }
    assert_eq!(metrics.sum("penstock_requests_total", &[]), cases.len() as f64);
    assert_eq!(metrics.sum("penstock_retries_total", &[]), 0.0, "three attempts are for three targets");
}

/// What a simulated provider can do, and what the client hears when no other target is left.
const SIMULATED: &[(&str, [u16; 2], &str)] = &[
    ("Connect", [503, 503], ""),
    ("Timeout", [504, 504], ""),
    ("RateLimited", [429, 429], "1"),
    ("ServerError", [503, 503], ""),
    ("Overloaded", [529, 529], ""),
    ("ContextLength", [400, 400], ""),
    ("EmptyAnswer", [502, 502], ""),
    ("CutStream", [0, 502], ""),
];

#[test]
fn simulated_drills() {
    let simulated = |behaviour: Value| json!({"name": "up", "type": "Simulated", "models": [{"name": "m"}], "simulated": behaviour});
    let mut ground = Ground::new(
        &|| simulated(json!({"errorRate": 100})),
        &[("good", &|| simulated(json!({"reply": HEALTHY})))],
    );
    for (n, (error, alone, wait)) in SIMULATED.iter().enumerate() {
        let pool = format!("fault{n}");
        let names = ground.drill(&Faulty {
            drill: n,
            pool: &pool,
            kind: "sim",
            healthy: "good",
            rests: !wait.is_empty(),
            failover: json!({}),
            times: json!({"firstToken": "800ms", "answer": "800ms"}),
            due: &|at, _, stream| {
                let is_committed = stream && *error == "CutStream";
                Heard::due(at, is_committed, alone[usize::from(!stream)], wait)
            },
            said: SAID,
        });
        let providers = names.into_iter().map(|name| {
            let mut provider = simulated(json!({"errorRate": 100, "error": error, "reply": SAID}));
            provider["models"][0]["name"] = json!(name);
            provider["name"] = json!(name);
            provider
        });
        ground.world.pool_of_many(&pool, &providers.collect::<Vec<_>>());
    }
    let (gateway, cases) = start(ground);
    let heard = run(&gateway, &cases);
    is_counted(&gateway.settled(), &cases);
    let titles: Vec<_> = SIMULATED.iter().map(|(error, ..)| format!("`{error}`")).collect();
    let titles: Vec<_> = titles.iter().map(String::as_str).collect();
    compare_page("Simulated providers", &titles, &table_of(titles.len(), &cases, &heard));
}

/// What came of a drill at each place, streamed and not. It is one thing in nearly all of them, whatever the formats.
type Row = [Vec<Heard>; 6];

fn table_of(drills: usize, cases: &[Case], heard: &[Heard]) -> Vec<Row> {
    let mut rows: Vec<Row> = std::iter::repeat_with(Row::default).take(drills).collect();
    for (case, heard) in cases.iter().zip(heard) {
        let cell = &mut rows[case.drill][2 * case.at + usize::from(!case.stream)];
        if !cell.contains(heard) {
            cell.push(heard.clone());
        }
    }
    rows
}

fn cell_of(heard: &[Heard]) -> String {
    match heard {
        [] => Heard::Impossible.cell(),
        several => several.iter().map(Heard::cell).collect::<Vec<_>>().join(" or "),
    }
}

const HEAD: &str = "\
# Drills

Generated by the tests; `UPDATE_GENERATED=1 cargo test -p penstock-e2e --test dataplane drills` writes it anew.

What a client sees when a provider fails. A route has three targets, `first`, `middle` and `last`, each with a priority of its own, and `failover` as it is by default (`maxAttempts: 3`). One of them has the fault; those before it answer 503, and those behind it are healthy. Each cell is the same for clients of Chat Completions and of Messages, and for a faulty provider of either format; the empty answer is the exception.

- *middle's answer, 2 attempts*: the client has one whole answer, that of `middle`, and no error.
- *first's tokens, error event, 1 attempt*: the fault came behind the first tokens. No other target can take over; the stream ends in an error of the client's own format, and without a normal stop.
- *503, 3 attempts*: no target is left. The client has a status and an error in its own format, which names each attempt and its reason. Of several failures the most useful one gives the status: a limit before an overload, that before a server's error or a timeout, and a connection that failed last.
- *last's empty answer*: the provider calls an answer of nothing complete, and no other target is left: it is passed on. An answer that is not streamed and is of another format than the client's cannot be translated, and is a 502.
- –: there is no such fault.
";

fn section(title: &str, drills: &[&str], rows: &[Row]) -> String {
    let mut text = format!(
        "## {title}\n\n| fault | at first, streamed | at first, whole | at middle, streamed | at middle, whole | at last, streamed | at last, whole |\n|---|---|---|---|---|---|---|\n"
    );
    for (drill, row) in drills.iter().zip(rows) {
        let _ = writeln!(text, "| {drill} | {} |", row.each_ref().map(|heard| cell_of(heard)).join(" | "));
    }
    text
}

/// The page is written by two tests, each of which owns its section.
fn compare_page(title: &str, drills: &[&str], rows: &[Row]) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _page = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = workspace_root().join("docs/drills.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let mut sections: Vec<String> =
        committed.split("\n## ").skip(1).map(|text| format!("## {text}")).collect();
    let fresh = section(title, drills, rows);
    let heading = format!("## {title}\n");
    match sections.iter_mut().find(|section| section.starts_with(&heading)) {
        Some(section) => *section = fresh,
        None => sections.push(fresh),
    }
    sections.iter_mut().for_each(|section| *section = section.trim_end().to_owned() + "\n");
    sections.sort();
    let page = format!("{HEAD}\n{}", sections.join("\n"));
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).expect("the page");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/drills.md has drifted: run UPDATE_GENERATED=1 cargo test -p penstock-e2e --test dataplane drills"
    );
}
