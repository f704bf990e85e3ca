//! Errors as the SDKs raise them: the class that their users catch, and a message that they can read.

use crate::gateway::{Gateway, World};
use crate::sdk::run;
use crate::wire::{Chat, Messages, WIRES, Wire};
use penstock_e2e::{Behaviour, Replay, Script};
use serde_json::json;

/// Status of the provider, then what the client's SDK raises and with which status.
const ROWS: &[(u16, &str, &str, u16)] = &[
    (400, "BadRequestError", "BadRequestError", 400),
    (401, "InternalServerError", "InternalServerError", 502),
    (403, "InternalServerError", "InternalServerError", 502),
    (404, "InternalServerError", "InternalServerError", 502),
    (413, "APIStatusError", "ContentTooLargeError", 413),
    (422, "UnprocessableEntityError", "UnprocessableEntityError", 422),
    (429, "RateLimitError", "RateLimitError", 429),
    (500, "InternalServerError", "InternalServerError", 500),
    (503, "InternalServerError", "ServiceUnavailableError", 503),
    (529, "InternalServerError", "OverloadedError", 529),
];

#[test]
fn each_sdk_raises_what_its_users_catch() {
    let replays = WIRES.map(|wire| {
        Replay::start(Script::by(move |request, _| -> Behaviour {
            let status = crate::wire::first_text(request).parse().expect("a status");
            wire.error(status, "some_error", &format!("the provider says {status}"))
        }))
    });
    let mut world = World::new();
    // A pool for each request: keys rest.
    let models = |client: Wire| {
        WIRES.into_iter().flat_map(move |provider| {
            ROWS.iter().flat_map(move |row| {
                [false, true].map(|stream| {
                    (
                        format!("m{}-{}-{}-{stream}", row.0, client.short(), provider.short()),
                        provider,
                        row,
                        stream,
                    )
                })
            })
        })
    };
    for (name, provider, ..) in WIRES.into_iter().flat_map(models) {
        world.pool(&name, provider, &replays[provider as usize].url());
        world.route(&name, &[&name], json!({}));
    }
    let gateway = Gateway::start(&world);
    for client in WIRES {
        let models: Vec<_> = models(client).collect();
        let calls = models.iter().map(|(name, _, row, stream)| {
            let mut request = client.request(name, *stream);
            request["messages"][0]["content"] = json!(row.0.to_string());
            request
        });
        let job = json!({"calls": calls.collect::<Vec<_>>(), "async": client == Messages, "concurrency": 4});
        let results = run("sdk.py", &gateway.url, client, job);
        for ((name, _, row, _), result) in models.iter().zip(&results) {
            let class = if client == Chat { row.1 } else { row.2 };
            assert_eq!(
                (&result["error"], &result["status"]),
                (&json!(class), &json!(row.3)),
                "{name}: {result}"
            );
            let body = &result["body"];
            // OpenAI's SDK hands out the inside of `error`, Anthropic's the whole body.
            let error = if client == Chat { body } else { &body["error"] };
            let message = error["message"].as_str().unwrap_or_else(|| panic!("{name}: {result}"));
            let hides = row.0 == 401 || row.0 == 403;
            assert!(hides || message.contains(&format!("the provider says {}", row.0)), "{name}: {message}");
            assert!(result["headers"]["x-request-id"].is_string(), "{name}: {result}");
        }
    }
}

#[test]
fn errors_of_the_gateway_itself() {
    let replay = Replay::start(Chat.answer("an answer"));
    let mut world = World::new();
    world.secret("callers", &[("team-a", "pk-right")]);
    world.pool("p", Chat, &replay.url());
    world.route("bot", &["p"], json!({}));
    let gateway = Gateway::start_with(&world, &["--client-keys-secret", "default/callers"]);
    for client in WIRES {
        let ask = |model: &str, stream, key: &str| {
            let mut request = client.request(model, stream);
            // Both SDKs send their key like this.
            request["extra_headers"] = json!({"Authorization": format!("Bearer {key}")});
            request
        };
        let calls: Vec<_> = [("bot", "pk-right"), ("bott", "pk-right"), ("bot", "pk-wrong")]
            .into_iter()
            .flat_map(|(model, key)| [false, true].map(|stream| ask(model, stream, key)))
            .collect();
        let results = run("sdk.py", &gateway.url, client, json!({"calls": calls}));
        for result in &results[..2] {
            assert_eq!((&result["ok"], &result["text"]), (&json!(true), &json!("an answer")), "{result}");
        }
        for result in &results[2..4] {
            assert_eq!(
                (&result["error"], &result["status"]),
                (&json!("NotFoundError"), &json!(404)),
                "{result}"
            );
            assert!(
                result["message"].as_str().is_some_and(|text| text.contains("did you mean bot?")),
                "{result}"
            );
        }
        for result in &results[4..] {
            assert_eq!(
                (&result["error"], &result["status"]),
                (&json!("AuthenticationError"), &json!(401)),
                "{result}"
            );
        }
    }
}
