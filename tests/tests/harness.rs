//! The harness tested on itself: what the other tests rely on.

use penstock_e2e::client::{Call, events};
use penstock_e2e::{
    Behaviour, Cluster, End, Event, Level, Proc, Replay, Script, answers, conformance, python, wait_until,
};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

fn ask(replay: &Replay) -> Call {
    Call::post(&format!("{}/v1/chat/completions?x=1", replay.url()), &json!({"model": "m", "stream": true}))
        .bearer("key")
}

#[test]
fn replay_answers_in_sequence_and_keeps_requests() {
    let replay = Replay::start([
        Behaviour::status(503, "busy"),
        Behaviour::json(json!({"a": 1})).header("x-request-id", "r1"),
        Behaviour::EmptyBody200,
    ]);
    assert_eq!(ask(&replay).send().unwrap().status, 503);
    let answer = ask(&replay).send().unwrap();
    assert_eq!((answer.json(), answer.header("x-request-id")), (json!({"a": 1}), "r1"));
    let empty = ask(&replay).send().unwrap();
    assert_eq!((empty.status.as_u16(), empty.body.len()), (200, 0));
    assert!(ask(&replay).send().unwrap().body.is_empty(), "the last one repeats");

    let seen = replay.take_requests();
    assert_eq!(seen.len(), 4);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/v1/chat/completions?x=1"));
    assert_eq!((seen[0].header("authorization"), &seen[0].json()["model"]), ("Bearer key", &json!("m")));
    assert!(seen[0].wants_stream() && replay.requests().is_empty());
    assert_eq!(replay.cancelled(), 0);
}

#[test]
fn replay_streams_whole_cut_and_hanging() {
    let all = [Event::data("1"), Event::named("two", "2\n2"), Event::data("3")];
    let replay = Replay::start(Behaviour::sse(all.clone()).chunk_delay(Duration::from_millis(5)));
    let answer = ask(&replay).send().unwrap();
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.events(), all);

    replay.set(Behaviour::sse(all.clone()).end(End::CutAfter(2)));
    let (bytes, error) = ask(&replay).open().unwrap().rest();
    assert_eq!(events(std::str::from_utf8(&bytes).unwrap()), all[..2]);
    assert!(error.is_some(), "a cut stream is no complete one");
    assert_eq!(replay.cancelled(), 0, "it was us who cut it");

    replay.set(Behaviour::sse(all).end(End::HangAfter(1)));
    let mut stream = ask(&replay).open().unwrap();
    assert_eq!(stream.next(SOON).unwrap().unwrap(), "data: 1\n\n");
    assert_eq!(replay.connections(), 1);
    drop(stream);
    wait_until(SOON, "the replay server sees the client go", || replay.cancelled() == 1);
    wait_until(SOON, "no connection is left", || replay.connections() == 0);
}

#[test]
fn replay_cuts_bytes_anywhere() {
    let replay = Replay::start(Behaviour::RawStream {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        bytes: "data: gr\u{fc}n\n\n".into(),
        chunk_size: 1,
        paced: Default::default(),
    });
    let answer = ask(&replay).send().unwrap();
    assert_eq!(answer.events(), [Event::data("gr\u{fc}n")]);
    assert_eq!(answer.header("content-type"), "text/event-stream");
}

#[test]
fn replay_fails_before_the_answer() {
    let replay = Replay::start(Behaviour::ResetBeforeHeaders);
    let error = ask(&replay).send().unwrap_err();
    let hyper = std::error::Error::source(&error);
    let text = format!("{error:?} {hyper:?}");
    assert!(text.contains("ConnectionReset"), "{text}");

    replay.refuse();
    let refused = |replay: &Replay| {
        let error = ask(replay).send().unwrap_err().to_string();
        assert!(error.contains("refused"), "{error}");
    };
    refused(&replay);
    refused(&replay);
    replay.set(Behaviour::json(json!({})));
    replay.accept();
    assert_eq!(ask(&replay).send().unwrap().status, 200);
    replay.refuse();
    refused(&replay);
}

#[test]
fn replay_hangs_until_the_client_goes() {
    let replay = Replay::start(Script::by(|_, index| match index {
        0 => Behaviour::HangAfterHeaders,
        _ => Behaviour::json(json!({})).delayed(Duration::from_millis(30)),
    }));
    let stream = ask(&replay).open().unwrap();
    assert_eq!(stream.status, 200);
    drop(stream);
    wait_until(SOON, "the first is cancelled", || replay.cancelled() == 1);
    assert_eq!(ask(&replay).send().unwrap().status, 200);

    replay.set(Behaviour::HangBeforeHeaders);
    let waiting = std::thread::spawn({
        let addr = replay.addr();
        move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(addr).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            stream.read(&mut [0]).unwrap_err().kind()
        }
    });
    assert_eq!(waiting.join().unwrap(), std::io::ErrorKind::WouldBlock, "nothing came");
    wait_until(SOON, "the second is cancelled", || replay.cancelled() == 2);
}

/// The replay server and the client stay alive while a test blocks its own runtime.
#[tokio::test]
async fn the_harness_may_be_called_inside_a_runtime() {
    let replay = Replay::start(answers::openai("hi"));
    assert_eq!(ask(&replay).send().unwrap().events().last(), Some(&Event::data("[DONE]")));
    replay.refuse();
    replay.accept();
    assert_eq!(ask(&replay).send().unwrap().status, 200);
}

#[test]
fn processes_are_read_signalled_and_reaped() {
    let script = "trap 'echo bye >&2; exit 7' TERM; echo \"hello $WHO\"; while :; do sleep 0.05; done";
    let mut proc = Proc::spawn("shell", Path::new("/bin/sh"), ["-c", script], [("WHO", "you")]);
    assert_eq!(proc.wait_for_line("hello", SOON), "hello you");
    assert!(proc.running());
    let mark = proc.mark();
    assert_eq!(proc.stop().code(), Some(7));
    assert_eq!(proc.wait_for_line_after(mark, "bye", SOON), "bye");
    assert_eq!(proc.logs(), "hello you\nbye\n");

    let mut stubborn = Proc::spawn("shell", Path::new("/bin/sh"), ["-c", "exec sleep 600"], [("A", "b")]);
    stubborn.kill();
    assert!(!stubborn.running());
    let pid = Proc::spawn("shell", Path::new("/bin/sh"), ["-c", "exec sleep 600"], [("A", "b")]).pid();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "dropping reaps");
}

#[test]
fn official_sdks_parse_the_replayed_answers() {
    let text = "Two words and some";
    for (sdk, script, suffix) in
        [("openai", answers::openai(text), "/v1"), ("anthropic", answers::anthropic(text), "")]
    {
        let replay = Replay::start(script);
        let call = |stream: bool| {
            json!({
                "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": stream,
            })
        };
        for asynchronous in [false, true] {
            let job = json!({
                "sdk": sdk, "base_url": format!("{}{suffix}", replay.url()), "api_key": "k",
                "async": asynchronous, "concurrency": 2, "calls": [call(false), call(true)],
            });
            let answers: Vec<Value> = python::run("sdk.py", &[], &[], &job);
            assert_eq!(answers.len(), 2);
            for answer in answers {
                assert_eq!((&answer["ok"], &answer["text"]), (&json!(true), &json!(text)), "{sdk}: {answer}");
                assert_eq!(answer["model"], "m", "{sdk}: {answer}");
            }
        }
        replay.set(answers::openai_error(429, "rate_limit_exceeded", "slow down"));
        let job = json!({
            "sdk": sdk, "base_url": format!("{}{suffix}", replay.url()), "api_key": "k", "calls": [call(true)],
        });
        let answers: Vec<Value> = python::run("sdk.py", &[], &[], &job);
        assert_eq!((&answers[0]["error"], &answers[0]["status"]), (&json!("RateLimitError"), &json!(429)));
    }
}

#[test]
fn recorded_exchanges_are_played() {
    let name = "recorded_exchanges_are_played";
    let Some(exchanges) = conformance::load("openai", name) else { return };
    let streams = exchanges.iter().filter(|exchange| exchange.stream && exchange.fidelity == "wire");
    let replay = Replay::start(Behaviour::EmptyBody200);
    for exchange in streams.filter(|exchange| exchange.response_text.is_some()).take(5) {
        replay.set(exchange.behaviour(13).unwrap());
        let answer = ask(&replay).send().unwrap();
        assert_eq!(answer.body, exchange.response_body().unwrap(), "{}", exchange.id);
    }
}

#[test]
fn clusters_start_beside_each_other_and_leave_nothing() {
    let name = "clusters_start_beside_each_other_and_leave_nothing";
    let Some(cluster) = Cluster::start(Level::Api, name) else { return };
    if std::env::var_os("PENSTOCK_TEST_KUBECONFIG").is_some() {
        assert!(cluster.kubectl_ok(&["get", "ns"]).contains("kube-system"));
        return;
    }
    let other = Cluster::start(Level::Api, name).expect("as the first");
    let map = |cluster: &Cluster, value: &str| {
        let yaml =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: ".to_owned() + value + "}";
        cluster.apply(&yaml);
        cluster.get_json(&["configmap", "m"])["data"]["a"].as_str().unwrap().to_owned()
    };
    assert_eq!((map(&cluster, "one"), map(&other, "two")), ("one".into(), "two".into()));
    assert!(cluster.kubectl_ok(&["get", "ns"]).contains("kube-system"));
    assert!(!cluster.kubectl(&["get", "configmap", "absent"]).ok);

    let dirs = [&cluster, &other].map(|cluster| cluster.kubeconfig().parent().unwrap().to_owned());
    drop((cluster, other));
    for dir in dirs {
        assert!(!dir.exists(), "{}", dir.display());
        let dir = dir.to_str().unwrap();
        wait_until(SOON, "no process is left", || !command_lines().iter().any(|line| line.contains(dir)));
    }
}

#[test]
fn helm_runs() {
    if penstock_e2e::assets::programs(&["helm"]).is_err() {
        return penstock_e2e::skip("helm_runs", "no helm, and no Go to build it with");
    }
    let Some(cluster) = Cluster::shared(Level::Api, "helm_runs") else { return };
    assert_eq!(cluster.helm(&["list", "-q"]).expect_ok("helm list"), "");
}

#[test]
#[ignore = "needs root, containerd and two programs more to build: see the README"]
fn a_node_runs_a_pod_from_an_image_made_here() {
    let name = "a_node_runs_a_pod_from_an_image_made_here";
    let Some(cluster) = Cluster::start(Level::Node(1), name) else { return };
    cluster.load_image("localhost/sleep:1", Path::new("/usr/bin/sleep"), "/sleep");
    cluster.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: sleep, image: localhost/sleep:1, imagePullPolicy: Never, args: ['600']}]",
    );
    cluster.kubectl_ok(&["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s"]);
    let ip = cluster.get_json(&["pod", "sleeper"])["status"]["podIP"].as_str().unwrap().to_owned();
    assert!(cluster.on_node(&["ip", "route", "get", &ip]).expect_ok("ip route").contains("cni0"));
}

/// Of all processes.
fn command_lines() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
