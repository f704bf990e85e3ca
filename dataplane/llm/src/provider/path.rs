//! Names of models in the paths of URLs.
//!
//! A name must not change what a path says: it comes from a resource, and one with a `?`, a `#` or a `..` in it would
//! call something else than it names, or make a URL that nobody can read.

/// One segment of a path. All but RFC 3986's unreserved characters are percent-encoded. `None` for a name that no
/// encoding keeps a segment: readers of URLs take `%2E%2E` for `..`, too.
pub(super) fn segment(name: &str) -> Option<String> {
    escaped(name, b"")
}

/// A name of Google's: a path of segments, in which a version stands behind an `@`.
pub(super) fn resource(name: &str) -> Option<String> {
    let segments: Option<Vec<String>> = name.split('/').map(|name| escaped(name, b"@")).collect();
    Some(segments?.join("/"))
}

fn escaped(name: &str, kept: &[u8]) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;
    use crate::provider::{Call, REGISTRY, Site};

    #[test]
    fn names_stay_names() {
        for (name, want) in [
            ("gpt-4.1", Some("gpt-4.1")),
            ("a b/c?d#e", Some("a%20b%2Fc%3Fd%23e")),
            ("é@1", Some("%C3%A9%401")),
            ("%2e%2e", Some("%252e%252e")),
            ("...", Some("...")),
            ("", None),
            (".", None),
            ("..", None),
        ] {
            assert_eq!(segment(name).as_deref(), want, "{name}");
        }
        for (name, want) in [
            ("claude@1", Some("claude@1")),
            ("tunedModels/a:b", Some("tunedModels/a%3Ab")),
            ("a/../b", None),
            ("a//b", None),
            ("/a", None),
        ] {
            assert_eq!(resource(name).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn no_providers_path_says_more_than_with_a_plain_name() {
        let site = |api_version| Site {
            endpoint: "https://host.example",
            region: Some("r"),
            project: Some("p"),
            api_version,
        };
        let calls = [
            Call::Generate { stream: false },
            Call::Generate { stream: true },
            Call::Embed,
            Call::CountTokens,
        ];
        // What a provider knows models by, before what is wrong with them.
        let begins = [
            "",
            "gemini-",
            "models/",
            "tunedModels/",
            "google/",
            "endpoints/",
            "projects/p/",
            "claude-",
            "anthropic/",
            "publishers/anthropic/models/",
            "deployment/",
            "anthropic.",
            "amazon.titan-embed-",
        ];
        let ends = ["..", "x/..", "../x", "x?y", "x#y", "x y", "x\"<>\\^`{|}", "é", "x:y", "x/", ".", "/x"];
        let slashes = |url: &str| url.split('?').next().unwrap_or_default().matches('/').count();
        for provider in REGISTRY {
            for (begin, end) in begins.iter().flat_map(|begin| ends.map(|end| (begin, end))) {
                let model = format!("{begin}{end}");
                let plain = format!("{begin}{}", "x/".repeat(end.matches('/').count()) + "x");
                for (version, call) in [None, Some("2024-10-21")]
                    .into_iter()
                    .flat_map(|version| calls.map(|call| (version, call)))
                {
                    for format in Format::ALL {
                        let Some(url) = provider.url(&site(version), &model, format, call) else { continue };
                        let is_fine =
                            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:/?=@&".contains(&byte);
                        assert!(url.bytes().all(is_fine), "{url}");
                        let path = url.split('?').next().unwrap_or_default();
                        let is_sound = |part: &str| !matches!(part, "" | "." | "..");
                        assert!(path.split('/').skip(3).all(is_sound), "{url}");
                        let Some(like) = provider.url(&site(version), &plain, format, call) else { continue };
                        assert_eq!(slashes(&url), slashes(&like), "{url} {like}");
                        let query = |url: &str| url.split_once('?').map(|(_, query)| query.to_owned());
                        assert_eq!(query(&url), query(&like), "{url}");
                    }
                }
            }
        }
    }
}
