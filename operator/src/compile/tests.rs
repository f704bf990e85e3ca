//! Every rule of `compile`, on worlds that are YAML beside this file.

use k8s_openapi::api::core::v1 as core;
use kube::ResourceExt;
use penstock_config::{ClientAuth, Secret, Snapshot, hash_client_key};
use penstock_crds::status::reason;
use penstock_crds::{Duration, ModelRoute, ProviderPool};
use serde::de::DeserializeOwned;

use super::*;

const BASE: &str = include_str!("fixtures/base.yaml");

/// The objects of a fixture; Secrets as the API server would hand them out.
pub(super) fn world(text: &str) -> World {
    fn read<T: DeserializeOwned>(text: &str) -> T {
        serde_saphyr::from_str(text).unwrap()
    }
    let mut world = World::new(vec![], vec![], Secrets::new(), ClientAuthSource::Open);
    for document in text.split("\n---\n") {
        let kind: serde_json::Value = read(document);
        match kind["kind"].as_str() {
            Some("ProviderPool") => world.pools.push(read::<ProviderPool>(document)),
            Some("ModelRoute") => world.routes.push(read::<ModelRoute>(document)),
            Some("Secret") => {
                let secret: core::Secret = read(document);
                let entries = secret.string_data.clone().unwrap_or_default();
                let entries = entries.into_iter().map(|(k, v)| (k, Secret::new(v.into_bytes()))).collect();
                world.secrets.insert(id_of(&secret), SecretState::Present(entries));
            }
            other => panic!("{other:?}"),
        }
    }
    world
}

fn id_of(secret: &core::Secret) -> (String, String) {
    (secret.namespace().unwrap(), secret.name_any())
}

fn secret_id(namespace: &str, name: &str) -> (String, String) {
    (namespace.into(), name.into())
}

fn route_key(id: &str) -> ObjectKey {
    let (namespace, name) = id.split_once('/').unwrap();
    ObjectKey { kind: Kind::ModelRoute, namespace: namespace.into(), name: name.into() }
}

fn pool_key(id: &str) -> ObjectKey {
    ObjectKey { kind: Kind::ProviderPool, ..route_key(id) }
}

/// `provider:upstream` of each candidate of each target of the first rule.
pub(super) fn targets(snapshot: &Snapshot, route: &str) -> Vec<String> {
    let Some(route) = snapshot.routes.get(route) else { return vec![] };
    let of = |target: &penstock_config::Target| {
        let candidates: Vec<String> =
            target.candidates.iter().map(|c| format!("{}:{}", c.provider, c.upstream)).collect();
        let model = target.model.as_deref().unwrap_or("*");
        format!("{}/{model} {}", target.pool, candidates.join(" "))
    };
    route.rules[0].targets.iter().map(of).collect()
}

fn clients() -> ClientAuthSource {
    ClientAuthSource::Secret { namespace: "penstock".into(), name: "clients".into() }
}

/// The same world after `change`, compiled with the snapshot of before as last good.
fn then(before: &Compiled, text: &str, change: impl FnOnce(&mut World)) -> Compiled {
    let mut world = world(text);
    change(&mut world);
    world.last_good = Some(before.snapshot.clone());
    compile(&world)
}

#[test]
fn a_good_world_compiles_whole() {
    let compiled = compile(&world(BASE));
    for (key, verdict) in &compiled.verdicts {
        assert_eq!(verdict.problems, [], "{key}");
        assert_eq!((&verdict.accepted, &verdict.resolved_refs), (&Ok(()), &Ok(())));
        assert!(!verdict.fragment.is_nothing());
    }
    assert_eq!(compiled.verdicts[&route_key("ai/support")].generation, 7);
    assert_eq!(compiled.auth_problem, None);
    assert_eq!(compiled.snapshot.auth, ClientAuth::Open);
    insta::assert_json_snapshot!(compiled.snapshot);
}

#[test]
fn compile_is_deterministic() {
    let mut other_order = world(BASE);
    other_order.pools.reverse();
    other_order.routes.reverse();
    let (a, b) = (compile(&world(BASE)), compile(&other_order));
    assert_eq!(a, b);
    assert_eq!(a.snapshot.revision(), b.snapshot.revision());
    // What was compiled with itself as last good is the same again.
    assert_eq!(then(&a, BASE, |_| {}), a);
}

#[test]
fn secret_refs_are_those_named_and_no_more() {
    let mut world = world(BASE);
    world.routes.extend(self::world(HOOKS).routes);
    let refs = secret_refs(&world.pools, &world.routes, &clients());
    let want = [("ai", "anthropic"), ("ai", "openai"), ("ai", "router"), ("penstock", "clients")];
    assert_eq!(refs.into_iter().collect::<Vec<_>>(), want.map(|(ns, name)| secret_id(ns, name)));
}

#[test]
fn the_oldest_route_has_a_contested_name() {
    let compiled = compile(&world(include_str!("fixtures/contested.yaml")));
    let served: Vec<&String> = compiled.snapshot.routes.keys().collect();
    assert_eq!(served, ["a/last", "b/early"]);

    let late = &compiled.verdicts[&route_key("a/late")];
    let problem = late.accepted.as_ref().unwrap_err();
    assert_eq!((problem.reason, problem.path.as_str()), (reason::CONFLICTED, "spec.models[1].name"));
    assert!(problem.message.contains("b/early"), "{}", problem.message);
    assert!(late.fragment.is_nothing());
    assert_eq!(late.resolved_refs, Ok(()));

    let tied = compiled.verdicts[&route_key("c/early")].accepted.as_ref().unwrap_err();
    assert_eq!(tied.reason, reason::CONFLICTED);
}

#[test]
fn broken_references_are_left_out_and_named() {
    let compiled = compile(&world(include_str!("fixtures/broken_refs.yaml")));

    // The pool: one provider has one of two keys, two have none.
    let pool = &compiled.snapshot.pools["ai/frontier"];
    let providers: Vec<(&str, usize)> =
        pool.providers.iter().map(|p| (p.name.as_str(), p.keys.len())).collect();
    assert_eq!(providers, [("backup", 1), ("local", 0)]);
    let verdict = &compiled.verdicts[&pool_key("ai/frontier")];
    assert_eq!(verdict.accepted, Ok(()));
    let said: Vec<(&str, &str)> = verdict.problems.iter().map(|p| (p.reason, p.path.as_str())).collect();
    assert_eq!(
        said,
        [
            (reason::SECRET_NOT_FOUND, "spec.providers[0].auth.apiKeys[0].secretRef.name"),
            (reason::SECRET_KEY_NOT_FOUND, "spec.providers[0].auth.apiKeys[1].secretRef.key"),
            (reason::SECRET_KEY_NOT_FOUND, "spec.providers[1].auth.apiKeys[0].secretRef.key"),
            (reason::SECRET_KEY_NOT_FOUND, "spec.providers[2].auth.apiKeys[0].secretRef.key"),
        ]
    );
    for problem in &verdict.problems {
        assert!(problem.message.starts_with(&problem.path), "{}", problem.message);
        assert!(
            !problem.message.contains("split\n") && !problem.message.contains("sk"),
            "{}",
            problem.message
        );
    }

    // The route: what can be used is.
    assert_eq!(targets(&compiled.snapshot, "ai/mixed"), ["ai/frontier/gpt-4o backup:gpt-4o"]);
    let verdict = &compiled.verdicts[&route_key("ai/mixed")];
    let said: Vec<(&str, &str)> = verdict.problems.iter().map(|p| (p.reason, p.path.as_str())).collect();
    assert_eq!(
        said,
        [
            (reason::POOL_NOT_FOUND, "spec.rules[0].targets[1].pool"),
            (reason::MODEL_NOT_FOUND, "spec.rules[0].targets[2].model"),
            (reason::SECRET_NOT_FOUND, "spec.rules[0].targets[3].pool"),
            (reason::POOL_NOT_FOUND, "spec.rules[0].targets[4].pool"),
        ]
    );
    let messages: Vec<&str> = verdict.problems.iter().map(|p| p.message.as_str()).collect();
    assert!(messages[0].contains("close names: `frontier`"), "{}", messages[0]);
    assert!(
        messages[1].contains("openai (OpenAI)") && messages[1].contains("`llama-3.3-70b`"),
        "{}",
        messages[1]
    );
    assert!(messages[3].contains("namespace `b`"), "{}", messages[3]);
    assert!(
        verdict
            .resolved_refs
            .as_ref()
            .unwrap_err()
            .message
            .contains("also wrong: spec.rules[0].targets[2].model")
    );

    // A route without any usable target contributes nothing, and blocks nobody.
    assert!(compiled.verdicts[&route_key("ai/hopeless")].fragment.is_nothing());
    assert!(!compiled.snapshot.routes.contains_key("ai/hopeless"));
}

#[test]
fn what_no_proxy_could_run_is_invalid_and_holds_no_name() {
    let compiled = compile(&world(include_str!("fixtures/invalid.yaml")));
    let problems = &compiled.verdicts[&pool_key("ai/bad")].problems;
    let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.health.cooldown",
            "spec.providers[0].endpoint",
            "spec.providers[1].simulated.latency",
            "spec.providers[2].models[1].upstream",
            "spec.providers[2].models[2].name",
        ]
    );
    assert!(problems.iter().all(|p| p.reason == reason::INVALID));

    let bad = &compiled.verdicts[&route_key("ai/bad")];
    let paths: Vec<&str> = bad.problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["spec.failover.timeouts.firstToken", "spec.failover.timeouts.total"]);
    assert!(bad.fragment.is_nothing());

    // The younger route may serve the name, with the target whose pool is good.
    let good = &compiled.verdicts[&route_key("ai/good")];
    assert_eq!(good.accepted, Ok(()));
    assert_eq!(good.resolved_refs.as_ref().unwrap_err().reason, reason::POOL_NOT_FOUND);
    assert_eq!(targets(&compiled.snapshot, "ai/good"), ["ai/good/sim-1 sim:sim-1"]);
}

#[test]
fn a_forbidden_or_pending_secret_says_so() {
    let mut world = world(BASE);
    world.secrets.insert(secret_id("ai", "openai"), SecretState::Forbidden("grant `get`".into()));
    world.secrets.insert(secret_id("ai", "anthropic"), SecretState::Pending);
    let compiled = compile(&world);
    let problems = &compiled.verdicts[&pool_key("ai/frontier")].problems;
    let reasons: Vec<&str> = problems.iter().map(|p| p.reason).collect();
    assert_eq!(reasons, [reason::PENDING, reason::SECRET_FORBIDDEN, reason::SECRET_FORBIDDEN]);
    assert!(problems[1].message.contains("grant `get`"));
}

#[test]
fn client_keys_are_hashed_and_never_open_by_mistake() {
    let mut world = world(BASE);
    world.client_auth = clients();
    let compiled = compile(&world);
    let ClientAuth::Keys { keys } = &compiled.snapshot.auth else { panic!("open") };
    let want = [("team-a", hash_client_key("pk-a")), ("team-b", hash_client_key("pk-b"))];
    let have: Vec<(&str, String)> = keys.iter().map(|k| (k.name.as_str(), k.sha256.clone())).collect();
    assert_eq!(have, want);
    assert_eq!(compiled.auth_problem, None);

    let id = secret_id("penstock", "clients");
    for state in [
        SecretState::Missing,
        SecretState::Pending,
        SecretState::Forbidden("no".into()),
        SecretState::Present(BTreeMap::new()),
        SecretState::Present([("a".to_owned(), Secret::new(b"\n".to_vec()))].into()),
    ] {
        world.secrets.insert(id.clone(), state.clone());
        let compiled = compile(&world);
        assert_eq!(compiled.snapshot.auth, ClientAuth::Keys { keys: vec![] }, "{state:?}");
        assert!(compiled.auth_problem.unwrap().contains("clients"), "{state:?}");
    }
}

#[test]
fn one_bad_client_key_leaves_the_others() {
    let mut world = world(BASE);
    world.client_auth = clients();
    let entries =
        [("a".to_owned(), Secret::new(b"pk-a".to_vec())), ("b".to_owned(), Secret::new(vec![0xff]))];
    world.secrets.insert(secret_id("penstock", "clients"), SecretState::Present(entries.into()));
    let compiled = compile(&world);
    let ClientAuth::Keys { keys } = &compiled.snapshot.auth else { panic!("open") };
    assert_eq!(keys.len(), 1);
    assert!(compiled.auth_problem.unwrap().contains("entry `b`"));
}

#[test]
fn a_vanished_secret_keeps_its_last_key() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        world.secrets.insert(secret_id("ai", "openai"), SecretState::Missing);
    });
    assert_eq!(after.snapshot, before.snapshot);
    let problem = after.verdicts[&pool_key("ai/frontier")].resolved_refs.clone().unwrap_err();
    assert_eq!(problem.reason, reason::SECRET_NOT_FOUND);
    assert!(problem.message.contains("goes on being used"), "{}", problem.message);
    // And again, from the snapshot that kept it.
    let later = then(&after, BASE, |world| {
        world.secrets.insert(secret_id("ai", "openai"), SecretState::Missing);
    });
    assert_eq!(later.snapshot, before.snapshot);
}

#[test]
fn a_rotated_key_replaces_the_last() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        let entries = [("api-key".to_owned(), Secret::new(b"sk-ant-2".to_vec()))];
        world.secrets.insert(secret_id("ai", "anthropic"), SecretState::Present(entries.into()));
    });
    assert_eq!(after.snapshot.pools["ai/frontier"].providers[0].keys[0].value.expose(), "sk-ant-2");
    let key = pool_key("ai/frontier");
    assert_ne!(after.verdicts[&key].fragment, before.verdicts[&key].fragment);
    let key = route_key("ai/support");
    assert_eq!(after.verdicts[&key].fragment, before.verdicts[&key].fragment);
}

#[test]
fn an_invalid_pool_keeps_serving_its_last() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        world.pools[0].spec.providers[2].endpoint = Some("http://".into());
    });
    assert_eq!(after.snapshot, before.snapshot);
    assert_eq!(
        after.verdicts[&pool_key("ai/frontier")].accepted.as_ref().unwrap_err().reason,
        reason::INVALID
    );
    assert_eq!(after.verdicts[&route_key("ai/support")].resolved_refs, Ok(()));
}

#[test]
fn an_invalid_route_keeps_serving_its_last_and_its_names() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        let mut thief = world.routes[0].clone();
        thief.metadata.name = Some("thief".into());
        thief.metadata.creation_timestamp = None;
        world.routes[0].spec.failover.timeouts.total = Duration::from_secs(0);
        world.routes.push(thief);
    });
    assert_eq!(after.snapshot, before.snapshot);
    assert_eq!(
        after.verdicts[&route_key("ai/support")].accepted.as_ref().unwrap_err().reason,
        reason::INVALID
    );
    assert_eq!(
        after.verdicts[&route_key("ai/thief")].accepted.as_ref().unwrap_err().reason,
        reason::CONFLICTED
    );
}

#[test]
fn a_route_with_a_new_broken_target_keeps_its_last() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        world.routes[0].spec.rules[0].targets.truncate(1);
        world.routes[0].spec.rules[0].targets[0].model = Some("no-such-model".into());
    });
    assert_eq!(after.snapshot, before.snapshot);
    let problem = after.verdicts[&route_key("ai/support")].resolved_refs.clone().unwrap_err();
    assert_eq!(problem.reason, reason::MODEL_NOT_FOUND);
}

#[test]
fn a_deleted_pool_is_gone_from_what_routes_keep() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        world.pools.remove(0);
    });
    assert_eq!(after.snapshot.pools.keys().collect::<Vec<_>>(), ["ai/drill"]);
    assert_eq!(targets(&after.snapshot, "ai/support"), ["ai/drill/sim-1 sim:sim-1"]);
    let problem = after.verdicts[&route_key("ai/support")].resolved_refs.clone().unwrap_err();
    assert_eq!(problem.reason, reason::POOL_NOT_FOUND);
}

#[test]
fn a_deleted_route_is_gone() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| world.routes.clear());
    assert!(after.snapshot.routes.is_empty());
    assert!(!after.verdicts.contains_key(&route_key("ai/support")));
}

#[test]
fn kept_names_yield_to_the_older_route_that_took_them() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        let mut elder = world.routes[0].clone();
        elder.metadata.name = Some("elder".into());
        elder.metadata.creation_timestamp = world.pools[0].metadata.creation_timestamp.clone();
        // `support` gives its names up and is broken at once: what it kept would have them still.
        world.routes[0].spec.models[0].name = "renamed".into();
        world.routes[0].spec.models.truncate(1);
        world.routes[0].spec.rules[0].targets[0].pool = "gone".into();
        world.routes.push(elder);
    });
    assert_eq!(after.snapshot.routes["ai/elder"].models, ["support-bot", "support-*"]);
    // It contributes what its new spec still can.
    assert_eq!(after.snapshot.routes["ai/support"].models, ["renamed"]);
}

#[test]
fn unreadable_objects_keep_serving_their_last() {
    let before = compile(&world(BASE));
    let after = then(&before, BASE, |world| {
        world.routes.clear();
        world.pools.remove(0);
        for key in [route_key("ai/support"), pool_key("ai/frontier")] {
            world.unreadable.push(Unreadable { key, generation: 9, error: "unknown field `when`".into() });
        }
    });
    assert_eq!(after.snapshot, before.snapshot);
    for key in [route_key("ai/support"), pool_key("ai/frontier")] {
        let verdict = &after.verdicts[&key];
        assert_eq!(verdict.generation, 9);
        assert!(verdict.accepted.as_ref().unwrap_err().message.contains("unknown field `when`"));
        assert_eq!(verdict.resolved_refs.as_ref().unwrap_err().reason, reason::PENDING);
        assert_eq!(verdict.problems.len(), 1);
    }
}

#[test]
fn no_verdict_holds_a_secret() {
    let mut broken = world(BASE);
    for state in broken.secrets.values_mut() {
        if let SecretState::Present(entries) = state {
            entries.values_mut().for_each(|value| *value = Secret::new(b"sk-very\x00secret".to_vec()));
        }
    }
    broken.client_auth = clients();
    let text = format!("{:?}", compile(&broken));
    assert!(!text.contains("very"), "{text}");
}

const RULES: &str = r#"
apiVersion: penstock.dev/v1alpha1
kind: ProviderPool
metadata: {name: p, namespace: ai}
spec:
  providers: [{name: sim, type: Simulated, models: [{name: m}]}]
---
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: r, namespace: ai, generation: 1}
spec:
  models: [{name: r}]
  rules:
  - {name: first, when: request.has.pdf, targets: [{pool: p, model: m}]}
  - {name: default, targets: [{pool: p, model: m}]}
"#;

#[test]
fn conditions_are_checked_and_go_along() {
    let good = compile(&world(RULES));
    let rules = |compiled: &Compiled| {
        let rules = &compiled.snapshot.routes["ai/r"].rules;
        rules.iter().map(|rule| (rule.when.clone(), rule.targets.len())).collect::<Vec<_>>()
    };
    assert_eq!(rules(&good), [(Some("request.has.pdf".into()), 1), (None, 1)]);

    // A mistake is named, and what was good goes on.
    let bad = then(&good, &RULES.replace("request.has.pdf", "request.has.pfd"), |_| {});
    let verdict = &bad.verdicts[&route_key("ai/r")];
    let accepted = verdict.accepted.as_ref().unwrap_err();
    assert_eq!(accepted.reason, reason::INVALID);
    assert!(
        accepted.message.contains("spec.rules[0].when: line 1, column 13: request.has has no `pfd`"),
        "{}",
        accepted.message
    );
    assert_eq!(rules(&bad), rules(&good));
}

#[test]
fn intents_are_checked_and_go_along() {
    let intents =
        "intents: {faq: {examples: [\"Where are you?\"]}, billing: {examples: [My invoice, \"...\"]}}";
    let text = |intents: &str| {
        let text = RULES.replace("  rules:", &format!("  {intents}\n  rules:"));
        text.replace("request.has.pdf", "request.intent == 'faq'")
    };
    let bad = compile(&world(&text(intents)));
    let problems = &bad.verdicts[&route_key("ai/r")].problems;
    let said: Vec<_> = problems.iter().map(|problem| (problem.reason, problem.path.as_str())).collect();
    assert_eq!(said, [(reason::INVALID, "spec.intents.billing.examples[1]")]);
    assert!(problems[0].message.contains("there is no word in it"), "{}", problems[0].message);
    assert!(!bad.snapshot.routes.contains_key("ai/r"));

    let good = compile(&world(&text(&intents.replace(", \"...\"", ""))));
    let of = |compiled: &Compiled| compiled.snapshot.routes["ai/r"].intents.clone().unwrap();
    assert_eq!(of(&good).threshold, 60);
    assert_eq!(of(&good).examples["billing"], ["My invoice"]);
    let lower =
        compile(&world(&text(&format!("intentThreshold: 25\n  {}", intents.replace("...", "refund")))));
    assert_eq!(of(&lower).threshold, 25);

    // An intent that is gone leaves its conditions without it, and what was good goes on.
    let gone = then(&good, &text(&intents.replace("faq", "faqs").replace(", \"...\"", "")), |_| {});
    let accepted = gone.verdicts[&route_key("ai/r")].accepted.as_ref().unwrap_err();
    let want = "spec.rules[0].when: line 1, column 20: the route has no intent `faq`; did you mean `faqs`?";
    assert!(accepted.message.contains(want), "{}", accepted.message);
    assert_eq!(of(&gone), of(&good));
    // Routes without intents say nothing of them: proxies of before read them as they are.
    let json = serde_json::to_string(&compile(&world(RULES)).snapshot).unwrap();
    assert!(!json.contains("intents"), "{json}");
}

/// What a rule takes is not for the next one, which may be a model that must not see it.
#[test]
fn a_rule_without_a_usable_target_stays() {
    let text = RULES.replacen("{pool: p, model: m}", "{pool: gone, model: m}", 1);
    let compiled = compile(&world(&text));
    let rules = &compiled.snapshot.routes["ai/r"].rules;
    assert_eq!(rules.iter().map(|rule| rule.targets.len()).collect::<Vec<_>>(), [0, 1]);
    assert!(compiled.verdicts[&route_key("ai/r")].resolved_refs.is_err());
}

const HOOKS: &str = r#"
apiVersion: penstock.dev/v1alpha1
kind: ProviderPool
metadata: {name: p, namespace: ai}
spec:
  providers: [{name: sim, type: Simulated, models: [{name: m}]}]
---
apiVersion: v1
kind: Secret
metadata: {name: router, namespace: ai}
stringData: {key: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}
---
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: r, namespace: ai, generation: 1}
spec:
  models: [{name: r}]
  hooks:
  - {name: a, serviceRef: {name: router, port: 8080, path: /v1/route}, signingSecretRef: {name: router, key: key}}
  - {name: b, endpoint: "https://hooks.example.com/b", timeout: 2s, failurePolicy: Fail, send: Body, cacheSeconds: 60, shadow: true}
  rules:
  - {name: default, targets: [{pool: p, model: m}]}
"#;

fn hooks(compiled: &Compiled) -> &[penstock_config::Hook] {
    &compiled.snapshot.routes["ai/r"].hooks
}

fn signed_with(compiled: &Compiled) -> Option<&str> {
    let signing = hooks(compiled)[0].signing.as_ref().unwrap();
    assert_eq!(signing.id, "router/key");
    signing.secret.as_ref().map(|secret| secret.expose().as_str())
}

#[test]
fn hooks_compile_whole() {
    use penstock_config::{Hook, HookFailurePolicy, HookSends, HookSigning};
    let compiled = compile(&world(HOOKS));
    let verdict = &compiled.verdicts[&route_key("ai/r")];
    assert_eq!(verdict.problems, []);
    let secret = Secret::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    let want = [
        Hook {
            name: "a".into(),
            url: "http://router.ai.svc:8080/v1/route".into(),
            timeout_ms: 200,
            failure_policy: HookFailurePolicy::Ignore,
            send: HookSends::Metadata,
            cache_seconds: 0,
            signing: Some(HookSigning { id: "router/key".into(), secret: Some(secret) }),
            shadow: false,
        },
        Hook {
            name: "b".into(),
            url: "https://hooks.example.com/b".into(),
            timeout_ms: 2000,
            failure_policy: HookFailurePolicy::Fail,
            send: HookSends::Body,
            cache_seconds: 60,
            signing: None,
            shadow: true,
        },
    ];
    assert_eq!(hooks(&compiled), want);
    // A route without hooks says nothing of them: its revision is what it was before there were any.
    let without = compile(&world(RULES)).snapshot;
    assert!(!serde_json::to_string(&without).unwrap().contains("hooks"));
}

#[test]
fn hooks_that_no_proxy_could_ask_are_invalid() {
    let with = |from: &str, to: &str| {
        let compiled = compile(&world(&HOOKS.replace(from, to)));
        let problem = compiled.verdicts[&route_key("ai/r")].accepted.clone().unwrap_err();
        assert_eq!(problem.reason, reason::INVALID);
        problem.message
    };
    for (from, to, want) in [
        ("timeout: 2s", "timeout: 11s", "spec.hooks[1].timeout: 11s is longer than 10s"),
        ("timeout: 2s", "timeout: 0s", "spec.hooks[1].timeout: 0s lets no hook answer"),
        (
            "https://hooks.example.com/b",
            "http://169.254.169.254/latest/meta-data",
            "spec.hooks[1].endpoint: no hook is asked at 169.254.169.254",
        ),
        (
            "https://hooks.example.com/b",
            "http://[fe80::1]/",
            "spec.hooks[1].endpoint: no hook is asked at fe80::1",
        ),
        (
            "https://hooks.example.com/b",
            "https://:80/",
            "spec.hooks[1].endpoint: `https://:80/` is not a URL",
        ),
        (
            "endpoint: \"https://hooks.example.com/b\", ",
            "",
            "spec.hooks[1]: give exactly one of `endpoint` and `serviceRef`",
        ),
    ] {
        let message = with(from, to);
        assert!(message.starts_with(want), "{message}");
    }
}

#[test]
fn a_signing_secret_that_cannot_be_read_is_named_and_its_hook_stays() {
    let missing = |state: Option<SecretState>| {
        let mut world = world(HOOKS);
        match state {
            Some(state) => world.secrets.insert(secret_id("ai", "router"), state),
            None => world.secrets.remove(&secret_id("ai", "router")),
        };
        world
    };
    let entry = |value: &[u8]| SecretState::Present([("key".to_owned(), Secret::new(value.to_vec()))].into());
    for (state, reason, path, part) in [
        (None, reason::SECRET_NOT_FOUND, "name", "no Secret `router`"),
        (Some(SecretState::Forbidden("no".into())), reason::SECRET_FORBIDDEN, "name", "may not read"),
        (Some(SecretState::Present([].into())), reason::SECRET_KEY_NOT_FOUND, "key", "no entry `key`"),
        (Some(entry(b"whsec_%")), reason::SECRET_KEY_NOT_FOUND, "key", "is not base64"),
        (Some(entry(b"c2hvcnQ=")), reason::SECRET_KEY_NOT_FOUND, "key", "is of 5 bytes"),
    ] {
        let compiled = compile(&missing(state));
        let verdict = &compiled.verdicts[&route_key("ai/r")];
        assert_eq!(verdict.accepted, Ok(()));
        let problem = verdict.resolved_refs.clone().unwrap_err();
        assert_eq!(problem.reason, reason);
        assert_eq!(problem.path, format!("spec.hooks[0].signingSecretRef.{path}"));
        assert!(problem.message.contains(part) && !problem.message.contains("c2hv"), "{}", problem.message);
        // Without its last: a hook that fails is honest, one that is gone would let every request through.
        assert_eq!((hooks(&compiled).len(), signed_with(&compiled)), (2, None));
    }
    // With it: the key that it had, also for a spec that has changed since.
    let before = compile(&world(HOOKS));
    let mut gone = missing(None);
    gone.last_good = Some(before.snapshot.clone());
    assert_eq!(compile(&gone).snapshot, before.snapshot);
    gone.routes[0].spec.hooks[0].cache_seconds = 5;
    let after = compile(&gone);
    assert_eq!((hooks(&after)[0].cache_seconds, signed_with(&after)), (5, signed_with(&before)));
    let problem = after.verdicts[&route_key("ai/r")].resolved_refs.clone().unwrap_err();
    assert!(problem.message.contains("goes on being used"), "{}", problem.message);
}

#[test]
fn a_rotated_signing_secret_counts_at_once() {
    const NEW: &[u8] = b"whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
    let rotate = |world: &mut World| {
        let entries = [("key".to_owned(), Secret::new(NEW.to_vec()))];
        world.secrets.insert(secret_id("ai", "router"), SecretState::Present(entries.into()));
    };
    let before = compile(&world(HOOKS));
    let after = then(&before, HOOKS, rotate);
    assert_eq!(signed_with(&after).unwrap().as_bytes(), NEW);
    let key = route_key("ai/r");
    assert_ne!(after.verdicts[&key].fragment, before.verdicts[&key].fragment);
    // Also where something else is wrong, so that the route goes on as it last was.
    let invalid = then(&before, HOOKS, |world| {
        world.routes[0].spec.failover.timeouts.total = Duration::from_secs(0);
        rotate(world);
    });
    assert!(invalid.verdicts[&key].accepted.is_err());
    assert_eq!(signed_with(&invalid).unwrap().as_bytes(), NEW);
}
