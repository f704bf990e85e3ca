//! A provider type that speaks OpenAI's formats, as data: most vendors are one value of [`Vendor`] in a file of their
//! own.
//!
//! Owns what such vendors have in common: URLs below a base URL, the API of Anthropic's format that some have beside
//! it, and errors that mean something at one vendor alone. Refuses to know any of them.

use serde_json::{Map, Value};

use super::{Auth, Call, Provider, Quirks, Site, fill, join};
use crate::dialect::Upstream;
use crate::embed::{EmbedFormat, EmbedQuirks};
use crate::message::Issuer;
use crate::{ErrorKind, Format, UpstreamError};

/// Where a vendor's API is.
#[derive(Clone, Copy, Debug)]
pub enum Base {
    /// Its public base URL; `{region}` and `{project}` are the pool's.
    Public(&'static str),
    /// Every customer has another host: the pool must say. One without a path gets this one.
    Given { path: &'static str },
}

/// An error of one vendor that the shared table does not know.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    Status(u16, ErrorKind),
    /// Its code or type is exactly this.
    Code(&'static str, ErrorKind),
    /// Its code or message says this; lower case.
    Says(&'static str, ErrorKind),
}

/// A vendor's API, see [`Provider`] for the meaning of what has its name there.
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    pub name: &'static str,
    pub otel_name: &'static str,
    pub docs: &'static str,
    pub base: Base,
    pub formats: fn(model: &str) -> &'static [Format],
    /// Path of Anthropic's format, from the root of the host and not from the base URL; empty where there is none.
    pub messages: &'static str,
    /// Has `count_tokens` below [`Self::messages`].
    pub counts_tokens: bool,
    pub embeddings: bool,
    pub embed_quirks: &'static EmbedQuirks,
    pub auth: Auth,
    pub passed_headers: &'static [&'static str],
    /// Beginnings of the names of its own models.
    pub own_models: &'static [&'static str],
    pub quirks: fn(model: &str) -> &'static Quirks,
    pub issuer: fn(model: &str) -> Option<Issuer>,
    /// The first that fits decides.
    pub errors: &'static [Rule],
    /// Changes every chat request.
    pub amend_chat: Option<fn(&mut Map<String, Value>)>,
}

impl Vendor {
    /// Chat completions with a bearer key, and nothing known beyond it. `name`, `otel_name`, `docs` and `base` are
    /// for each vendor to say.
    pub const CHAT: Self = Self {
        name: "",
        otel_name: "",
        docs: "",
        base: Base::Given { path: "/v1" },
        formats: |_| &[Format::Chat],
        messages: "",
        counts_tokens: false,
        embeddings: false,
        embed_quirks: &EmbedQuirks::COMPATIBLE,
        auth: Auth::BEARER,
        passed_headers: &[],
        own_models: &[],
        quirks: |_| &Quirks::COMPATIBLE,
        issuer: |_| None,
        errors: &[],
        amend_chat: None,
    };

    /// The path of the vendor's own base URL.
    fn path(&self) -> &'static str {
        match self.base {
            Base::Public(url) => split(url).1,
            Base::Given { path } => path,
        }
    }

    /// The site's base URL; one without a path gets the vendor's own.
    fn base_url(&self, site: &Site<'_>) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let (_, path) = split(base);
        if path.is_empty() {
            Some(format!("{base}{}", self.filled_path(site)?))
        } else {
            Some(base.to_owned())
        }
    }

    fn filled_path(&self, site: &Site<'_>) -> Option<String> {
        fill(self.path(), site.region, site.project)
    }

    /// What stands before the vendor's own path, so that a proxy's prefix stays; of a base URL with another path, the
    /// host.
    fn root(&self, site: &Site<'_>) -> Option<String> {
        let base = site.endpoint.trim_end_matches('/');
        let own = self.filled_path(site)?;
        Some(base.strip_suffix(&own).unwrap_or(split(base).0).to_owned())
    }
}

/// A URL cut behind its host; the path has no slash at its end.
fn split(url: &str) -> (&str, &str) {
    let url = url.trim_end_matches('/');
    let authority = url.find("://").map_or(0, |at| at + 3);
    let at = url.get(authority..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| authority + at);
    url.split_at_checked(at).unwrap_or((url, ""))
}

impl Provider for Vendor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn otel_name(&self) -> &'static str {
        self.otel_name
    }

    fn docs(&self) -> &'static str {
        self.docs
    }

    fn formats(&self, model: &str) -> &'static [Format] {
        (self.formats)(model)
    }

    fn embed_format(&self, _model: &str) -> Option<EmbedFormat> {
        self.embeddings.then_some(EmbedFormat::OpenAI)
    }

    fn embed_quirks(&self, _model: &str) -> &'static EmbedQuirks {
        self.embed_quirks
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        match self.base {
            Base::Public(url) => Some(url),
            Base::Given { .. } => None,
        }
    }

    fn url(&self, site: &Site<'_>, model: &str, format: Format, call: Call) -> Option<String> {
        let has = |format| self.formats(model).contains(&format);
        let path = match (call, format) {
            (Call::Embed, _) if self.embeddings => "/embeddings",
            (Call::Generate { .. }, Format::Chat) if has(format) => "/chat/completions",
            (Call::Generate { .. }, Format::Responses) if has(format) => "/responses",
            (Call::Generate { .. }, Format::Completions) if has(format) => "/completions",
            (Call::Generate { .. }, Format::Messages) if has(format) => {
                return Some(join(&self.root(site)?, self.messages));
            }
            (Call::CountTokens, Format::Messages) if self.counts_tokens => {
                return Some(format!("{}/count_tokens", join(&self.root(site)?, self.messages)));
            }
            _ => return None,
        };
        Some(join(&self.base_url(site)?, path))
    }

    fn auth(&self) -> Auth {
        self.auth
    }

    /// Anthropic's API wants its version, and so do most that copy it; elsewhere it is ignored.
    fn fixed_headers(&self) -> &'static [(&'static str, &'static str)] {
        if self.messages.is_empty() { &[] } else { &[("anthropic-version", "2023-06-01")] }
    }

    fn passed_headers(&self) -> &'static [&'static str] {
        self.passed_headers
    }

    fn serves(&self, model: &str) -> bool {
        self.own_models.iter().any(|own| model.starts_with(own))
            || crate::catalogue::serves(&self.key(), model)
    }

    fn classify(&self, format: Format, status: u16, body: &[u8]) -> UpstreamError {
        let mut error = format.dialect().decode_error(status, body);
        let code = error.code.as_deref().unwrap_or_default();
        let text = format!("{code}\n{}", error.message).to_lowercase();
        let kind = self.errors.iter().find_map(|rule| match *rule {
            Rule::Status(known, kind) => (known == status).then_some(kind),
            Rule::Code(known, kind) => (known == code).then_some(kind),
            Rule::Says(known, kind) => text.contains(known).then_some(kind),
        });
        error.kind = kind.unwrap_or(error.kind);
        error
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        (self.quirks)(model)
    }

    fn issuer(&self, model: &str) -> Option<Issuer> {
        (self.issuer)(model)
    }

    fn amends(&self, format: Format) -> bool {
        format == Format::Chat && self.amend_chat.is_some()
    }

    fn amend(&self, format: Format, body: &mut Map<String, Value>, _upstream: &Upstream<'_>) {
        if let (Format::Chat, Some(amend)) = (format, self.amend_chat) {
            amend(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_cut_behind_the_host() {
        for (url, host, path) in [
            ("https://a.example/v1", "https://a.example", "/v1"),
            ("https://a.example/v1/", "https://a.example", "/v1"),
            ("https://a.example/", "https://a.example", ""),
            ("http://[::1]:80/a/b", "http://[::1]:80", "/a/b"),
            ("a.example/b", "a.example", "/b"),
            ("", "", ""),
        ] {
            assert_eq!(split(url), (host, path), "{url}");
        }
    }

    const VENDOR: Vendor = Vendor {
        base: Base::Public("https://{region}.a.example/api/{project}/v1"),
        formats: |_| &[Format::Chat, Format::Messages],
        messages: "/anthropic/v1/messages",
        errors: &[
            Rule::Status(498, ErrorKind::Overloaded),
            Rule::Code("1301", ErrorKind::ContentFiltered),
            Rule::Says("too many words", ErrorKind::ContextLength),
        ],
        ..Vendor::CHAT
    };

    #[test]
    fn paths_stand_below_the_base_or_beside_it() {
        for (endpoint, chat, messages) in [
            (
                "https://eu.a.example/api/p/v1",
                "https://eu.a.example/api/p/v1/chat/completions",
                "https://eu.a.example/anthropic/v1/messages",
            ),
            (
                "http://proxy:80",
                "http://proxy:80/api/p/v1/chat/completions",
                "http://proxy:80/anthropic/v1/messages",
            ),
            (
                "http://proxy/vendor/api/p/v1/",
                "http://proxy/vendor/api/p/v1/chat/completions",
                "http://proxy/vendor/anthropic/v1/messages",
            ),
            ("http://proxy/else", "http://proxy/else/chat/completions", "http://proxy/anthropic/v1/messages"),
        ] {
            let site = Site { endpoint, project: Some("p"), ..Site::default() };
            let url = |format| VENDOR.url(&site, "m", format, Call::Generate { stream: true });
            assert_eq!(url(Format::Chat).as_deref(), Some(chat));
            assert_eq!(url(Format::Messages).as_deref(), Some(messages));
            assert_eq!(url(Format::Gemini), None);
            assert_eq!(VENDOR.url(&site, "m", Format::Chat, Call::Embed), None);
            assert_eq!(VENDOR.url(&site, "m", Format::Messages, Call::CountTokens), None);
        }
        let site = Site { endpoint: "http://proxy", ..Site::default() };
        assert_eq!(VENDOR.url(&site, "m", Format::Chat, Call::Generate { stream: true }), None, "no project");
    }

    #[test]
    fn errors_of_one_vendor() {
        for (status, body, kind) in [
            (498, "{}", ErrorKind::Overloaded),
            (400, r#"{"error":{"code":"1301","message":"x"}}"#, ErrorKind::ContentFiltered),
            (400, r#"{"error":{"code":1301,"message":"x"}}"#, ErrorKind::ContentFiltered),
            (400, r#"{"error":{"code":"x","message":"Too many words: 1301"}}"#, ErrorKind::ContextLength),
            (400, r#"{"error":{"code":"x","message":"1301"}}"#, ErrorKind::InvalidRequest),
            (429, "", ErrorKind::RateLimited),
        ] {
            assert_eq!(VENDOR.classify(Format::Chat, status, body.as_bytes()).kind, kind, "{status} {body}");
        }
    }
}
