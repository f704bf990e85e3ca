use super::*;
use ErrorKind::*;

/// Status, body, kind, code. Bodies as vendors document or recordings show them.
const TABLE: &[(u16, &str, ErrorKind, Option<&str>)] = &[
    (
        400,
        r#"{"error":{"message":"Your input exceeds...","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        ContextLength,
        Some("context_length_exceeded"),
    ),
    (
        400,
        r#"{"error":{"message":"This model's maximum context length is 1048565 tokens. However, you requested 1250025","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
        ContextLength,
        Some("invalid_request_error"),
    ),
    (
        400,
        r#"{"object":"error","message":"The decoder prompt (length 9000) is longer than the maximum model length of 8192.","type":"BadRequestError","param":null,"code":400}"#,
        ContextLength,
        Some("400"),
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_ctx":4096}}"#,
        ContextLength,
        Some("400"),
    ),
    (
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3333404 tokens > 200000 maximum"},"request_id":"r"}"#,
        ContextLength,
        Some("invalid_request_error"),
    ),
    (
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2"}}"#,
        ContextLength,
        Some("invalid_request_error"),
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"Provider returned error","metadata":{"raw":"{\"message\":\"prompt is too long\"}"}}}"#,
        ContextLength,
        Some("400"),
    ),
    (
        400,
        r#"{"error":{"code":"content_filter","message":"The response was filtered"}}"#,
        ContentFiltered,
        Some("content_filter"),
    ),
    (
        400,
        r#"{"error":{"code":"content_policy_violation","message":"x"}}"#,
        ContentFiltered,
        Some("content_policy_violation"),
    ),
    (
        403,
        r#"{"code":"The caller does not have permission","error":"Content violates usage guidelines."}"#,
        ContentFiltered,
        Some("The caller does not have permission"),
    ),
    (
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        Credentials,
        Some("invalid_request_error"),
    ),
    (
        401,
        r#"{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        Credentials,
        Some("invalid_api_key"),
    ),
    (401, r#"{"message":"No API key found in request","request_id":"x"}"#, Credentials, None),
    (
        403,
        r#"{"type":"error","error":{"type":"permission_error","message":"x"}}"#,
        Credentials,
        Some("permission_error"),
    ),
    (402, "", Credentials, None),
    (
        404,
        r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
        NotFound,
        Some("not_found_error"),
    ),
    (400, r#"{"error":{"code":"model_not_found","message":"x"}}"#, NotFound, Some("model_not_found")),
    (
        429,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        RateLimited,
        Some("insufficient_quota"),
    ),
    (429, "slow down", RateLimited, None),
    (
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        Overloaded,
        Some("overloaded_error"),
    ),
    (529, "", Overloaded, None),
    (
        503,
        r#"{"error":{"message":"That model is currently overloaded with other requests","type":"server_error"}}"#,
        Overloaded,
        Some("server_error"),
    ),
    (503, "<html>Service Unavailable</html>", ServerError, None),
    (500, r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#, ServerError, Some("api_error")),
    (
        400,
        r#"{"id":"x","message":"too many tokens: size limit exceeded by 12 tokens. Try using shorter or fewer inputs"}"#,
        ContextLength,
        None,
    ),
    (
        400,
        r#"{"id":"x","message":"too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192."}"#,
        InvalidRequest,
        None,
    ),
    (429, r#"{"message":"Too many tokens, please wait before trying again."}"#, RateLimited, None),
    (
        404,
        r#"{"id":"x","message":"model 'x' not found, make sure the correct model ID was used"}"#,
        NotFound,
        None,
    ),
    (401, r#"{"id":"x","message":"invalid api token"}"#, Credentials, None),
    (400, r#"{"error":"prompt too long; exceeded max context length by 12 tokens"}"#, ContextLength, None),
    (404, r#"{"error":"model \"x\" not found, try pulling it first"}"#, NotFound, None),
    (400, r#"{"error":"registry.ollama.ai/library/x:latest does not support tools"}"#, InvalidRequest, None),
    (
        503,
        r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
        Overloaded,
        None,
    ),
    (502, "", ServerError, None),
    (408, "", Timeout, None),
    (409, "", ServerError, None),
    (425, "", ServerError, None),
    (
        413,
        r#"{"type":"error","error":{"type":"request_too_large","message":"x"}}"#,
        InvalidRequest,
        Some("request_too_large"),
    ),
    (422, r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, InvalidRequest, None),
    (
        404,
        r#"{"errors":[{"code":"model_not_supported","message":"Model 'x' is not supported"}],"trace":"t","status_code":404}"#,
        NotFound,
        Some("model_not_supported"),
    ),
    (400, r#"{"errors":[],"message":"x"}"#, InvalidRequest, None),
    (418, "{}", InvalidRequest, None),
    (
        400,
        r#"{"error":{"code":"tool_use_failed","message":"Tool choice is required, but model did not call a tool","type":"invalid_request_error","failed_generation":"maybe"}}"#,
        ServerError,
        Some("tool_use_failed"),
    ),
    (
        400,
        r#"{"error":{"code":"model_decommissioned","message":"The model has been decommissioned","type":"invalid_request_error"}}"#,
        NotFound,
        Some("model_decommissioned"),
    ),
    (
        400,
        r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}"#,
        NotFound,
        Some("1500"),
    ),
    (
        400,
        r#"{"object":"error","message":"The input (9000 tokens) is longer than the model's context length (8192 tokens).","type":"BadRequestError","code":400}"#,
        ContextLength,
        Some("400"),
    ),
    (400, r#"{"message":"Input is too long for requested model."}"#, ContextLength, None),
    (
        400,
        r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error","code":"invalid_request_error"}}"#,
        ContentFiltered,
        Some("invalid_request_error"),
    ),
    (
        400,
        r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
        Credentials,
        Some("400"),
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}"}}}"#,
        ContextLength,
        Some("400"),
    ),
    (
        503,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        Overloaded,
        Some("503"),
    ),
    (503, r#"{"error":"Model x is currently loading","estimated_time":20.0}"#, Overloaded, None),
    (503, r#"{"message":"Model is getting throttled. Try your request again."}"#, Overloaded, None),
    (
        404,
        r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No serving endpoint"}"#,
        NotFound,
        Some("RESOURCE_DOES_NOT_EXIST"),
    ),
    (504, "", Timeout, None),
    (524, "<html>a timeout occurred</html>", Timeout, None),
];

#[test]
fn the_wait_is_told_where_waiting_helps() {
    for (status, body, wait) in [
        (
            429,
            r#"{"error":{"message":"Rate limit reached for model. Please try again in 6.78s.","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Some(6780),
        ),
        (
            429,
            r#"{"error":{"code":"429","message":"Rate limit is exceeded. Try again in 50 seconds."}}"#,
            Some(50_000),
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"36s"}]}}]"#,
            Some(36_000),
        ),
        (503, r#"{"error":"Model x is currently loading","estimated_time":20.0}"#, Some(20_000)),
        (400, r#"{"error":{"message":"Fix it and try again in 5 minutes"}}"#, None),
        (429, "slow down", None),
    ] {
        let wait: Option<u64> = wait;
        assert_eq!(read_body(status, body.as_bytes()).retry_after, wait.map(Duration::from_millis), "{body}");
    }
}

#[test]
fn kinds() {
    for (status, body, kind, code) in TABLE {
        let error = read_body(*status, body.as_bytes());
        assert_eq!(error.kind, *kind, "{status} {body}");
        assert_eq!(error.code.as_deref(), *code, "{status} {body}");
        assert_eq!(error.status, *status);
        assert!(!error.message.is_empty());
    }
}

#[test]
fn errors_inside_an_answer_get_the_status_they_stand_for() {
    for (body, kind, status) in [
        (r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#, Overloaded, 529),
        (r#"{"error":{"code":502,"message":"Provider disconnected"}}"#, ServerError, 502),
        (r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#, RateLimited, 429),
        (r#"{"error":{"type":"invalid_request_error","message":"x"}}"#, InvalidRequest, 400),
        (r#"{"error":{"message":"x"}}"#, ServerError, 500),
        (r#"{"error":"prompt too long; exceeded max context length by 12 tokens"}"#, ContextLength, 400),
    ] {
        let error = Report::read(&serde_json::from_str(body).unwrap()).unwrap().in_band();
        assert_eq!((error.kind, error.status), (kind, status), "{body}");
    }
}

#[test]
fn unreadable_bodies_are_quoted_and_bounded() {
    assert_eq!(read_body(502, b" bad gateway\n").message, "bad gateway");
    assert_eq!(read_body(502, "é".repeat(1000).as_bytes()).message.chars().count(), QUOTE + 3);
    assert_eq!(read_body(500, b"\xff").message, "\u{fffd}");
    assert!(read_body(500, b"{").message.contains('{'));
}
