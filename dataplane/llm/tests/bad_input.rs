//! What clients and providers send when they are wrong: an error that names the field, never a panic.

use penstock_llm::provider;
use penstock_llm::simulated::{self, Behaviour, Failure};
use penstock_llm::{Broken, Event, Format, Frame, Ledger, Reply, Upstream, collect};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn requests_name_the_field() {
    let message = |message: Value| json!({"model": "m", "messages": [message]}).to_string();
    let item = |item: Value| json!({"model": "m", "input": [item]}).to_string();
    let contents = |content: Value| json!({"model": "m", "contents": [content]}).to_string();
    for (format, body, param) in [
        (Format::Chat, "[]".to_owned(), ""),
        (Format::Chat, "{".to_owned(), ""),
        (Format::Chat, json!({"messages": []}).to_string(), "model"),
        (Format::Chat, json!({"model": "m"}).to_string(), "messages"),
        (Format::Chat, json!({"model": "m", "messages": {}}).to_string(), "messages"),
        (Format::Chat, json!({"model": "m", "messages": [], "enable_thinking": "yes"}).to_string(), "enable_thinking"),
        (Format::Chat, json!({"model": "m", "messages": [], "thinking_budget": "9"}).to_string(), "thinking_budget"),
        (Format::Chat, json!({"model": "m", "messages": [], "thinking": true}).to_string(), "thinking"),
        (Format::Chat, json!({"model": "m", "messages": [], "thinking": {"type": 1}}).to_string(), "thinking.type"),
        (Format::Chat, json!({"model": "m", "messages": [], "thinking": {"type": "sometimes"}}).to_string(), "thinking.type"),
        (Format::Chat, json!({"model": "m", "messages": [], "thinking": {"type": "enabled", "budget_tokens": -1}}).to_string(), "thinking.budget_tokens"),
        (Format::Chat, json!({"model": "m", "messages": [], "reasoning": {"effort": 3}}).to_string(), "reasoning.effort"),
        (Format::Chat, json!({"model": "m", "messages": [], "reasoning": {"enabled": "x"}}).to_string(), "reasoning.enabled"),
        (
            Format::Chat,
            json!({"model": "m", "messages": [], "temperature": "hot"}).to_string(),
            "temperature",
        ),
        (Format::Chat, json!({"model": "m", "messages": [], "seed": 0.5}).to_string(), "seed"),
        (Format::Chat, json!({"model": "m", "messages": [], "n": -1}).to_string(), "n"),
        (Format::Chat, json!({"model": "m", "messages": [], "logit_bias": []}).to_string(), "logit_bias"),
        (Format::Chat, json!({"model": "m", "messages": [], "metadata": "x"}).to_string(), "metadata"),
        (Format::Chat, json!({"model": "m", "messages": [], "logprobs": 3}).to_string(), "logprobs"),
        (
            Format::Chat,
            json!({"model": "m", "messages": [], "provider_options": {"openai": 1}}).to_string(),
            "provider_options.openai",
        ),
        (
            Format::Chat,
            message(
                json!({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}),
            ),
            "messages[0].content[0].input_audio.format",
        ),
        (
            Format::Chat,
            message(json!({"role": "assistant", "reasoning_content": 1})),
            "messages[0].reasoning_content",
        ),
        (Format::Chat, json!({"model": "m", "messages": [], "max_tokens": -1}).to_string(), "max_tokens"),
        (Format::Chat, json!({"model": "m", "messages": [], "stop": [1]}).to_string(), "stop[0]"),
        (Format::Chat, json!({"model": "m", "messages": [], "tools": [{}]}).to_string(), "tools[0].type"),
        (Format::Chat, message(json!("hi")), "messages[0]"),
        (Format::Chat, message(json!({"role": "robot"})), "messages[0].role"),
        (Format::Chat, message(json!({"role": "user", "content": [{}]})), "messages[0].content[0].type"),
        (Format::Chat, message(json!({"role": "user", "content": 1})), "messages[0].content"),
        (Format::Chat, message(json!({"role": "tool", "content": "x"})), "messages[0].tool_call_id"),
        (
            Format::Chat,
            message(json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]})),
            "messages[0].tool_calls[0].function.name",
        ),
        (Format::Messages, json!({"model": "m"}).to_string(), "messages"),
        (Format::Messages, message(json!({"role": "user"})), "messages[0].content"),
        (
            Format::Messages,
            message(json!({"role": "user", "content": [{"type": "text"}]})),
            "messages[0].content[0].text",
        ),
        (
            Format::Messages,
            message(
                json!({"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "x"}}]}),
            ),
            "messages[0].content[0].source.media_type",
        ),
        (
            Format::Messages,
            json!({"model": "m", "messages": [], "thinking": {"type": "on"}}).to_string(),
            "thinking.type",
        ),
        (Format::Responses, json!({"model": "m"}).to_string(), "input"),
        (Format::Responses, json!({"model": "m", "input": 1}).to_string(), "input"),
        (Format::Responses, item(json!("hi")), "input[0]"),
        (Format::Responses, item(json!({})), "input[0].type"),
        (Format::Responses, item(json!({"role": "robot", "content": "x"})), "input[0].role"),
        (Format::Responses, item(json!({"role": "user", "content": 1})), "input[0].content"),
        (Format::Responses, item(json!({"role": "user", "content": [{}]})), "input[0].content[0].type"),
        (
            Format::Responses,
            item(json!({"role": "user", "content": [{"type": "input_file", "filename": "a.pdf"}]})),
            "input[0].content[0].file_data",
        ),
        (
            Format::Responses,
            item(json!({"type": "function_call", "call_id": "c", "arguments": "{}"})),
            "input[0].name",
        ),
        (Format::Responses, item(json!({"type": "function_call_output", "call_id": "c"})), "input[0].output"),
        (
            Format::Responses,
            json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}).to_string(),
            "tools[0].name",
        ),
        (
            Format::Responses,
            json!({"model": "m", "input": "x", "tool_choice": "any"}).to_string(),
            "tool_choice",
        ),
        (
            Format::Responses,
            json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema", "name": "a"}}})
                .to_string(),
            "text.format.schema",
        ),
        (Format::Responses, json!({"model": "m", "input": "x", "include": "all"}).to_string(), "include"),
        (Format::Completions, json!({"model": "m"}).to_string(), "prompt"),
        (Format::Completions, json!({"model": "m", "prompt": []}).to_string(), "prompt"),
        (Format::Completions, json!({"model": "m", "prompt": ["a", 1]}).to_string(), "prompt"),
        (Format::Completions, json!({"model": "m", "prompt": "a", "logprobs": true}).to_string(), "logprobs"),
        (Format::Converse, json!({}).to_string(), "messages"),
        (Format::Converse, message(json!({"role": "user"})), "messages[0].content"),
        (Format::Converse, message(json!({"role": "user", "content": "hi"})), "messages[0].content"),
        (Format::Converse, message(json!({"role": "user", "content": [{}]})), "messages[0].content[0]"),
        (
            Format::Converse,
            message(json!({"role": "user", "content": [{"text": 1}]})),
            "messages[0].content[0].text",
        ),
        (
            Format::Converse,
            message(json!({"role": "user", "content": [{"image": {"format": "png"}}]})),
            "messages[0].content[0].image.source",
        ),
        (
            Format::Converse,
            message(json!({"role": "user", "content": [{"toolResult": {"toolUseId": "a"}}]})),
            "messages[0].content[0].toolResult.content",
        ),
        (
            Format::Converse,
            json!({"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}).to_string(),
            "toolConfig.tools[0].toolSpec.inputSchema",
        ),
        (
            Format::Converse,
            json!({"messages": [], "toolConfig": {"tools": [], "toolChoice": {"none": {}}}}).to_string(),
            "toolConfig.toolChoice",
        ),
        (
            Format::Converse,
            json!({"messages": [], "inferenceConfig": {"topP": "x"}}).to_string(),
            "inferenceConfig.topP",
        ),
        (Format::Gemini, json!({"contents": []}).to_string(), "model"),
        (Format::Gemini, json!({"model": "m"}).to_string(), "contents"),
        (Format::Gemini, contents(json!("hi")), "contents[0]"),
        (Format::Gemini, contents(json!({"role": "robot"})), "contents[0].role"),
        (Format::Gemini, contents(json!({"parts": "hi"})), "contents[0].parts"),
        (Format::Gemini, contents(json!({"parts": [{"text": 1}]})), "contents[0].parts[0].text"),
        (
            Format::Gemini,
            contents(json!({"parts": {"function_call": {"args": {}}}})),
            "contents[0].parts[0].functionCall.name",
        ),
        (
            Format::Gemini,
            contents(json!({"parts": [{"inline_data": {"data": "x"}}]})),
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (
            Format::Gemini,
            json!({"model": "m", "contents": [], "generation_config": {"topK": "x"}}).to_string(),
            "generationConfig.topK",
        ),
        (
            Format::Gemini,
            json!({"model": "m", "contents": [], "generationConfig": {"thinkingConfig": {"thinkingBudget": -5}}})
                .to_string(),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (Format::Cohere, json!({"model": "m"}).to_string(), "messages"),
        (Format::Cohere, message(json!({"role": "chatbot"})), "messages[0].role"),
        (
            Format::Cohere,
            message(json!({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})),
            "messages[0].content[0].image_url.url",
        ),
        (Format::Cohere, message(json!({"role": "tool", "content": "x"})), "messages[0].tool_call_id"),
        (
            Format::Cohere,
            message(json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]})),
            "messages[0].tool_calls[0].function.name",
        ),
        (
            Format::Cohere,
            json!({"model": "m", "messages": [], "tool_choice": "AUTO"}).to_string(),
            "tool_choice",
        ),
        (
            Format::Cohere,
            json!({"model": "m", "messages": [], "response_format": {"type": "xml"}}).to_string(),
            "response_format.type",
        ),
        (
            Format::Cohere,
            json!({"model": "m", "messages": [], "thinking": {"type": "on"}}).to_string(),
            "thinking.type",
        ),
        (Format::Cohere, json!({"model": "m", "messages": [], "p": "high"}).to_string(), "p"),
        (Format::Cohere, json!({"model": "m", "messages": [], "seed": -1}).to_string(), "seed"),
        (Format::Ollama, json!({"model": "m"}).to_string(), "messages"),
        (Format::Ollama, message(json!({"role": "user", "content": []})), "messages[0].content"),
        (Format::Ollama, message(json!({"role": "user", "images": [1]})), "messages[0].images[0]"),
        (
            Format::Ollama,
            message(
                json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": []}}]}),
            ),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            Format::Ollama,
            json!({"model": "m", "messages": [], "options": {"temperature": "hot"}}).to_string(),
            "options.temperature",
        ),
        (
            Format::Ollama,
            json!({"model": "m", "messages": [], "options": {"stop": [1]}}).to_string(),
            "options.stop[0]",
        ),
        (Format::Ollama, json!({"model": "m", "messages": [], "format": "xml"}).to_string(), "format"),
        (Format::Ollama, json!({"model": "m", "messages": [], "think": 1}).to_string(), "think"),
    ] {
        let error = format.dialect().decode_request(body.as_bytes()).unwrap_err();
        assert_eq!(error.param, param, "{body}: {error}");
        assert!(error.message.contains(param), "{error}");
    }
}

#[test]
fn answers_that_are_none() {
    let empty =
        json!({"choices": [{"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]});
    for (format, body, want) in [
        (Format::Chat, empty, Broken::Empty),
        (Format::Chat, json!({"choices": []}), Broken::Empty),
        (Format::Messages, json!({"content": [], "stop_reason": "end_turn"}), Broken::Empty),
        (Format::Responses, json!({"output": [], "status": "completed"}), Broken::Empty),
        (
            Format::Responses,
            json!({"output": [{"type": "message", "content": [{"type": "output_text", "text": ""}]}], "status": "completed"}),
            Broken::Empty,
        ),
        (Format::Completions, json!({"choices": []}), Broken::Empty),
        (Format::Completions, json!({"choices": [{"text": "", "finish_reason": "stop"}]}), Broken::Empty),
        (
            Format::Converse,
            json!({"output": {"message": {"content": [{"text": ""}]}}, "stopReason": "end_turn"}),
            Broken::Empty,
        ),
        (Format::Gemini, json!({"candidates": []}), Broken::Empty),
        (
            Format::Gemini,
            json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}),
            Broken::Empty,
        ),
        (Format::Cohere, json!({"message": {"content": []}, "finish_reason": "COMPLETE"}), Broken::Empty),
        (
            Format::Ollama,
            json!({"message": {"content": ""}, "done": true, "done_reason": "stop"}),
            Broken::Empty,
        ),
    ] {
        assert_eq!(
            format.dialect().decode_response(body.to_string().as_bytes(), &upstream_of(format)),
            Err(want)
        );
    }
    for format in Format::ALL {
        let decode = |body: &str| format.dialect().decode_response(body.as_bytes(), &upstream_of(format));
        assert!(matches!(decode("<html>"), Err(Broken::Malformed(_))));
        assert!(matches!(decode("{}"), Err(Broken::Malformed(_))));
        assert!(matches!(decode(r#"{"error":{"type":"overloaded_error","message":"x"}}"#), Ok(Err(_))));
    }
    // A reason explains an answer without text.
    let cut = json!({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]});
    assert!(matches!(
        Format::Chat.dialect().decode_response(cut.to_string().as_bytes(), &upstream_of(Format::Chat)),
        Ok(Ok(_))
    ));
}

/// A provider that speaks it.
fn upstream_of(format: Format) -> Upstream<'static> {
    let name = match format {
        Format::Messages => "Anthropic",
        Format::Converse => "Bedrock",
        Format::Gemini => "Gemini",
        Format::Cohere => "Cohere",
        Format::Ollama => "Ollama",
        _ => "OpenAICompatible",
    };
    Upstream::new("model", provider::by_name(name).unwrap())
}

/// JSON made of the words that the decoders look for.
fn json_like() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "index",
        "choices",
        "delta",
        "message",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "error",
        "tools",
        "input_schema",
        "content_block",
        "source",
        "image_url",
        "url",
        "thinking",
        "signature",
        "partial_json",
        "stop_reason",
        "tool_use_id",
        "reasoning_details",
        "input",
        "system",
        "response_format",
        "json_schema",
        "schema",
        "properties",
        "required",
        "logprobs",
        "annotations",
        "url_citation",
        "citations",
        "citation",
        "search_results",
        "images",
        "extra_content",
        "google",
        "thought_signature",
        "penstock",
        "issuer",
        "service_tier",
        "input_audio",
        "video_url",
        "file",
        "file_data",
        "reasoning",
        "enable_thinking",
        "seed",
        "n",
        "metadata",
        "cache_control",
        "cache_creation",
        "tool_call_id",
        "provider_options",
        "thinking_mode",
        // Converse
        "output",
        "stopReason",
        "image",
        "document",
        "format",
        "bytes",
        "s3Location",
        "uri",
        "toolUse",
        "toolUseId",
        "toolResult",
        "status",
        "reasoningContent",
        "reasoningText",
        "redactedContent",
        "citationsContent",
        "citations",
        "citation",
        "location",
        "web",
        "sourceContent",
        "cachePoint",
        "ttl",
        "contentBlockIndex",
        "start",
        "metadata",
        "inputTokens",
        "cacheDetails",
        "toolConfig",
        "toolChoice",
        "inferenceConfig",
        "additionalModelRequestFields",
        "outputConfig",
        "textFormat",
        // Cohere
        "message-start",
        "tool_plan",
        "citations",
        "sources",
        "document",
        "data",
        "start",
        "end",
        "content_index",
        "logprobs",
        "tokens",
        "input_tokens",
        "cached_tokens",
        "strict_tools",
        "token_budget",
        // Ollama
        "options",
        "images",
        "think",
        "format",
        "tool_name",
        "created_at",
        "done",
        "done_reason",
        "token",
        "logprob",
        "response",
        "item",
        "output_index",
        "summary",
        "encrypted_content",
        "call_id",
        "prompt",
        // Google
        "contents",
        "parts",
        "candidates",
        "functionCall",
        "functionResponse",
        "args",
        "response",
        "inlineData",
        "fileData",
        "fileUri",
        "mimeType",
        "thought",
        "thoughtSignature",
        "generationConfig",
        "thinkingConfig",
        "thinkingBudget",
        "responseSchema",
        "responseMimeType",
        "toolConfig",
        "functionCallingConfig",
        "functionDeclarations",
        "systemInstruction",
        "finishReason",
        "usageMetadata",
        "promptTokenCount",
        "totalTokenCount",
        "groundingMetadata",
        "groundingChunks",
        "groundingSupports",
        "groundingChunkIndices",
        "segment",
        "endIndex",
        "partialArgs",
        "jsonPath",
        "stringValue",
        "willContinue",
        "promptFeedback",
        "details",
        "retryDelay",
        "$ref",
        "$defs",
    ];
    const WORDS: &[&str] = &[
        "",
        "user",
        "assistant",
        "tool",
        "system",
        "text",
        "tool_use",
        "tool_result",
        "image",
        "image_url",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
        "input_json_delta",
        "text_delta",
        "thinking",
        "function",
        "json_schema",
        "object",
        "stop",
        "message",
        "output_text",
        "input_text",
        "input_file",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "web_search_call",
        "completed",
        "incomplete",
        "failed",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.function_call_arguments.delta",
        "response.reasoning_summary_text.delta",
        "response.completed",
        "response.failed",
        "penstock:azure:{\"id\":1}",
        "penstock:redacted:",
        "model",
        "STOP",
        "image/png",
        "$.a[0].b",
        "#/$defs/a",
        "#",
        "3.5s",
        "cGVuc3RvY2s6",
        "{\"a\":1}",
        "é",
        "input_audio",
        "file",
        "data:application/pdf;base64,JVBERi0=",
        "https://example.com/a",
        "call_1__ps1_eyJjIjpbImdlbWluaSIsInMiXX0",
        "call_1__ps1_eyJiIjpbeyJyIjpbImFudGhyb3BpYyIsIngiXX1dfQ",
        "penstock:gemini:s",
        "url_citation",
        "reasoning.text",
        "enabled",
        "citations_delta",
        "gemini",
        "default",
        "server_tool_use",
        "default",
        "1h",
        "s3://bucket/a.png",
        "iVBORw==",
        "malformed_tool_use",
        "message-start",
        "content-start",
        "content-delta",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "message-end",
        "TOOL_CALL",
        "ERROR",
        "document",
        "2026-01-02T03:04:05.6Z",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0u64..5).prop_map(Value::from),
        Just(json!(-1.5)),
        Just(json!(u64::MAX)),
        prop::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(KEYS), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

/// What frames of an event stream are called.
const EVENTS: &[&str] = &[
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "exception:throttlingException",
];
/// An event whose kind is the chunk's own, or any.
fn cohere_event(chunk: &Value) -> Value {
    const KINDS: &[&str] = &[
        "content-start",
        "content-delta",
        "tool-call-start",
        "tool-call-delta",
        "citation-start",
        "message-end",
    ];
    let kind = KINDS[chunk.to_string().len() % KINDS.len()];
    let message = json!({"content": chunk, "tool_calls": chunk, "citations": chunk});
    json!({"type": kind, "index": chunk["index"], "delta": {"message": message, "usage": chunk, "finish_reason": "TOOL_CALL"}})
}

fn behaviour() -> Behaviour {
    Behaviour {
        latency: std::time::Duration::ZERO,
        tokens_per_second: 0,
        error_rate: 0,
        error: Failure::ServerError,
        reply: None,
    }
}

fn reply() -> Reply {
    Reply { request_id: "r".into(), model: "m".into(), created: u64::MAX, include_usage: true }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_request_panics(mut body in json_like(), content in json_like(), schema in json_like()) {
        if !body.is_object() {
            body = json!({});
        }
        body["model"] = "claude-sonnet-4-5".into();
        body["messages"] = json!([{"role": "user", "content": content}, {"role": "assistant", "content": "x"}]);
        body["contents"] = json!([{"role": "user", "parts": content}, {"role": "model", "parts": [content]}]);
        body["input"] = content.clone();
        body["prompt"] = content.clone();
        body["tools"] = json!([{"type": "function", "name": "x", "input_schema": schema, "function": {"name": "x", "parameters": schema}, "functionDeclarations": [{"name": "x", "parametersJsonSchema": schema}]}]);
        body["tool_choice"] = json!({"type": "any", "function": {"name": "x"}});
        for format in Format::ALL {
            let Ok(request) = format.dialect().decode_request(body.to_string().as_bytes()) else { continue };
            for provider in provider::REGISTRY {
                let upstream = Upstream::new(&request.model, *provider);
                for target in provider.formats(&request.model) {
                    let _ = target.dialect().encode_request(&request, &upstream, &mut Ledger::new(format));
                }
            }
            simulated::plan(&request, &behaviour(), u64::MAX);
        }
    }

    #[test]
    fn no_answer_panics(body in json_like(), status in 0u16..1000) {
        for format in Format::ALL {
            let bytes = body.to_string();
            format.dialect().decode_error(status, bytes.as_bytes());
            if let Ok(Ok(response)) = format.dialect().decode_response(bytes.as_bytes(), &upstream_of(format)) {
                for client in Format::ALL {
                    client.dialect().encode_response(&response, &reply(), &mut Ledger::new(client));
                }
            }
        }
    }

    #[test]
    fn no_stream_panics(
        chunks in prop::collection::vec((json_like(), any::<bool>(), any::<bool>()), 0..12),
        name in prop::option::of("[a-z_]{0,12}"),
    ) {
        for format in Format::ALL {
            let mut decoder = format.dialect().stream_decoder(&upstream_of(format));
            let mut events: Vec<Event> = Vec::new();
            for (i, (chunk, wrap, is_start)) in chunks.iter().enumerate() {
                let event = match format {
                    Format::Converse => Some(EVENTS[(i + chunk.to_string().len()) % EVENTS.len()].to_owned()),
                    _ => name.clone(),
                };
                let chunk = match (wrap, is_start) {
                    (true, _) if format == Format::Cohere => cohere_event(chunk),
                    (true, _) if format == Format::Ollama => json!({"message": chunk, "done": is_start}),
                    (false, _) => chunk.clone(),
                    (true, _) if format == Format::Converse => json!({"contentBlockIndex": 1, "start": chunk, "delta": chunk, "stopReason": chunk, "usage": chunk}),
                    (true, true) if chunk.get("output_index").is_some() => json!({"type": "response.output_item.done", "output_index": 1, "item": chunk}),
                    (true, true) => json!({"type": "content_block_start", "index": 1, "content_block": chunk, "choices": [{"delta": chunk}], "candidates": [chunk]}),
                    (true, false) => json!({"type": "content_block_delta", "index": 1, "delta": chunk, "choices": [{"delta": {"tool_calls": [chunk]}}], "candidates": [{"content": {"parts": [chunk]}}]}),
                };
                let frame = Frame { event, data: chunk.to_string(), raw: Default::default() };
                let _ = decoder.push(&frame, &mut events);
            }
            let _ = decoder.finish(&mut events);
            for client in Format::ALL {
                let mut encoder = client.dialect().stream_encoder(reply());
                let mut out = Vec::new();
                for event in &events {
                    encoder.push(event, &mut out);
                }
                encoder.finish(&mut out);
            }
            collect(events);
        }
    }
}
