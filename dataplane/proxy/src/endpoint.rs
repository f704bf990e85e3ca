//! Which of the gateway's endpoints a path is. Pure.

use http::Method;
use penstock_llm::Format;

use crate::job::Ask;

/// What a path and its method ask for.
#[derive(Debug, PartialEq)]
pub enum Endpoint<'a> {
    Ask(Ask),
    /// Google's, with what its URL says.
    Gemini {
        model: &'a str,
        stream: bool,
    },
    /// The list of models, in this format; `None`: in that of the SDK that asks.
    Models(Option<Format>),
    Model(Option<Format>, &'a str),
    Health,
    Readiness,
}

/// No endpoint is there.
#[derive(Debug, PartialEq)]
pub enum Missing {
    /// The path takes another method.
    Method {
        allowed: &'static str,
        format: Format,
    },
    Path,
}

/// For a message.
pub const ENDPOINTS: &str = "POST /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, \
    /v1/messages, /v1/messages/count_tokens, /v1beta/models/{model}:generateContent and :streamGenerateContent, \
    GET /v1/models";

const POST: &[(&str, Ask)] = &[
    ("/v1/chat/completions", Ask::Generate(Format::Chat)),
    ("/v1/messages", Ask::Generate(Format::Messages)),
    ("/v1/responses", Ask::Generate(Format::Responses)),
    ("/v1/completions", Ask::Generate(Format::Completions)),
    ("/v1/embeddings", Ask::Embed),
    ("/v1/messages/count_tokens", Ask::CountTokens),
];

/// The endpoint of a request.
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Endpoint<'a>, Missing> {
    if let Some((_, ask)) = POST.iter().find(|(known, _)| *known == path) {
        return only(method, Method::POST, "POST", Endpoint::Ask(*ask), ask.format());
    }
    let get = |endpoint, format| only(method, Method::GET, "GET", endpoint, format);
    match path {
        "/v1/models" => return get(Endpoint::Models(None), Format::Chat),
        "/v1beta/models" => return get(Endpoint::Models(Some(Format::Gemini)), Format::Gemini),
        "/healthz" => return get(Endpoint::Health, Format::Chat),
        "/readyz" => return get(Endpoint::Readiness, Format::Chat),
        _ => {}
    }
    let of_google = path.strip_prefix("/v1beta/models/");
    let Some(rest) = of_google.or_else(|| path.strip_prefix("/v1/models/")) else {
        return Err(Missing::Path);
    };
    let format = of_google.map(|_| Format::Gemini);
    match rest.rsplit_once(':') {
        Some((model, "generateContent")) => {
            only(method, Method::POST, "POST", Endpoint::Gemini { model, stream: false }, Format::Gemini)
        }
        Some((model, "streamGenerateContent")) => {
            only(method, Method::POST, "POST", Endpoint::Gemini { model, stream: true }, Format::Gemini)
        }
        _ => get(Endpoint::Model(format, rest), format.unwrap_or(Format::Chat)),
    }
}

fn only<'a>(
    method: &Method,
    wanted: Method,
    allowed: &'static str,
    endpoint: Endpoint<'a>,
    format: Format,
) -> Result<Endpoint<'a>, Missing> {
    if *method == wanted { Ok(endpoint) } else { Err(Missing::Method { allowed, format }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_endpoint() {
        let page = include_str!("../../../docs/http.md");
        let get = ["/v1/models", "/v1beta/models", "/healthz", "/readyz"];
        for path in POST.iter().map(|(path, _)| *path).chain(get) {
            assert!(page.contains(&format!("{path}`")), "{path} is not in docs/http.md");
        }
    }

    #[test]
    fn paths() {
        let gemini = |model, stream| Ok(Endpoint::Gemini { model, stream });
        for (method, path, want) in [
            (Method::POST, "/v1/responses", Ok(Endpoint::Ask(Ask::Generate(Format::Responses)))),
            (Method::POST, "/v1/embeddings", Ok(Endpoint::Ask(Ask::Embed))),
            (Method::POST, "/v1/messages/count_tokens", Ok(Endpoint::Ask(Ask::CountTokens))),
            (Method::POST, "/v1beta/models/gemini-2.5-pro:generateContent", gemini("gemini-2.5-pro", false)),
            (Method::POST, "/v1beta/models/a:b:streamGenerateContent", gemini("a:b", true)),
            (Method::GET, "/v1/models", Ok(Endpoint::Models(None))),
            (Method::GET, "/v1beta/models", Ok(Endpoint::Models(Some(Format::Gemini)))),
            (Method::GET, "/v1/models/meta/llama:free", Ok(Endpoint::Model(None, "meta/llama:free"))),
            (Method::GET, "/v1/messages", Err(Missing::Method { allowed: "POST", format: Format::Messages })),
            (Method::POST, "/v1/models", Err(Missing::Method { allowed: "GET", format: Format::Chat })),
            (Method::POST, "/v2/chat", Err(Missing::Path)),
        ] {
            assert_eq!(find(&method, path), want, "{method} {path}");
        }
    }
}
