//! docs/hooks.openapi.yaml is what the types of `wire.rs` say.
//!
//! `UPDATE_GENERATED=1 cargo test -p penstock-proxy openapi` writes it anew. That requests which a proxy really sends fit
//! it, and verdicts which it takes, is shown end to end (`tests/tests/dataplane/hooks.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use http::HeaderMap;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::wire::{Features, HookRequest, HookVerdict, Offer, OfferedTarget, Version, headers};

fn example(check: impl FnOnce(&HookRequest<'_>)) {
    let metadata = BTreeMap::from([("shop".to_owned(), "berlin".to_owned())]);
    let labels = BTreeMap::new();
    let tools = ["lookup_order".to_owned()];
    let all = HeaderMap::from_iter([
        (http::header::USER_AGENT, "OpenAI/Python 2.1.0".parse().unwrap()),
        (http::HeaderName::from_static("x-tier"), "gold".parse().unwrap()),
        (http::header::AUTHORIZATION, "Bearer sk-1".parse().unwrap()),
    ]);
    let target = |pool, model| OfferedTarget { pool, model };
    let rules = [
        Offer { name: "cheap", targets: vec![target("economy", "qwen2.5-72b-instruct")] },
        Offer {
            name: "default",
            targets: vec![target("frontier", "gpt-4o"), target("frontier", "claude-sonnet-4-5")],
        },
    ];
    check(&HookRequest {
        version: Version::V1,
        request_id: "req_5f0c1d2e3a4b5c6d7e8f90a1b2c3d4e5",
        hook: "router",
        route: "default/support",
        model: "support-bot",
        endpoint: "/v1/chat/completions",
        stream: true,
        prompt_tokens: 412,
        user: "customer-17",
        metadata: &metadata,
        has: Features { tools: true, ..Features::default() },
        tools: &tools,
        headers: headers(&all),
        labels: &labels,
        rules: &rules,
        body: None,
    });
}

fn verdicts() -> [(&'static str, &'static str, Value); 5] {
    [
        ("rule", "This rule takes the request", json!({"rule": "cheap"})),
        (
            "targets",
            "These targets answer, in this order",
            json!({"targets": [{"pool": "frontier", "model": "claude-sonnet-4-5"}, {"pool": "frontier", "model": "gpt-4o"}]}),
        ),
        ("labels", "Conditions see `request.labels[\"topic\"]`", json!({"labels": {"topic": "refund"}})),
        (
            "refuse",
            "The request ends here",
            json!({"refuse": {"status": 451, "code": "not_here", "message": "This model is not available in your country."}}),
        ),
        ("nothing", "As 204", json!({})),
    ]
}

fn document() -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut of_requests = settings().for_serialize().into_generator();
    let request = of_requests.subschema_for::<HookRequest<'_>>();
    let mut of_verdicts = settings().for_deserialize().into_generator();
    let verdict = of_verdicts.subschema_for::<HookVerdict>();
    let mut schemas: Map<String, Value> = of_requests.take_definitions(true);
    schemas.extend(of_verdicts.take_definitions(true));
    schemas.sort_keys();

    let mut sent = Value::Null;
    example(|request| sent = serde_json::to_value(request).unwrap());
    let examples: Map<String, Value> = verdicts()
        .into_iter()
        .map(|(name, summary, value)| (name.to_owned(), json!({"summary": summary, "value": value})))
        .collect();
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": false, "description": description, "schema": {"type": "string"}});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock routing hooks",
            "version": "v1",
            "description": "What a hook of a ModelRoute is sent by Penstock's proxies, and what it may answer. docs/hooks.md tells what becomes of an answer.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "webhooks": {
            "route": {
                "post": {
                    "operationId": "route",
                    "summary": "Where does this request go?",
                    "description": "Sent to the hook's `endpoint` or `serviceRef`. Any other status than 200 and 204, a redirect, an answer of more than 64 KiB and one that comes too late are failures, and `failurePolicy` says what becomes of the request.",
                    "parameters": [
                        header("webhook-id", "Of this message; the same when it is sent again. This and the next two come with hooks that have a `signingSecretRef`: https://www.standardwebhooks.com."),
                        header("webhook-timestamp", "When it was sent, in seconds since 1970. Older than a few minutes is a replay."),
                        header("webhook-signature", "`v1,` and the base64 of HMAC-SHA256 over `webhook-id`, `.`, `webhook-timestamp`, `.` and the body's bytes."),
                    ],
                    "requestBody": {
                        "required": true,
                        "content": {"application/json": {"schema": request, "example": sent}},
                    },
                    "responses": {
                        "200": {
                            "description": "A verdict.",
                            "content": {"application/json": {"schema": verdict, "examples": examples}},
                        },
                        "204": {"description": "Nothing to say."},
                    },
                },
            },
        },
        "components": {"schemas": schemas},
    })
}

#[test]
fn openapi_is_what_the_types_say() {
    let generated = format!(
        "# Generated from the types in dataplane/proxy/src/hooks/wire.rs; `UPDATE_GENERATED=1 cargo test -p penstock-proxy openapi` writes it anew.\n{}",
        serde_saphyr::to_string(&document()).unwrap()
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/hooks.openapi.yaml");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/hooks.openapi.yaml has drifted: run UPDATE_GENERATED=1 cargo test -p penstock-proxy openapi"
    );
}

#[test]
fn openapi_examples_are_verdicts() {
    example(|request| {
        for (name, _, verdict) in verdicts() {
            HookVerdict::read(verdict.to_string().as_bytes(), request.rules)
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let sent = serde_json::to_string(request).unwrap();
        assert!(!sent.contains("sk-1") && sent.contains("gold"), "{sent}");
    });
}
