//! Signature Version 4 on a request's headers.
//!
//! Signed are the method, the path, the query, `host`, `x-amz-date`, `x-amz-security-token` and the body's SHA-256;
//! nothing that a proxy on the way may change.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri};
use http_body_util::Full;

use super::Scope;
use crate::credentials::CredentialError;

/// Signs requests with one set of keys.
pub struct Signer {
    keys: Credentials,
    scope: Scope,
}

impl Signer {
    pub fn new(keys: Credentials, scope: Scope) -> Result<Self, CredentialError> {
        let texts = [Some(keys.access_key_id()), keys.session_token()];
        if texts.into_iter().flatten().any(|text| HeaderValue::from_str(text).is_err()) {
            return Err(CredentialError::unusable(
                "the access key id or the session token holds characters that no header may have",
            ));
        }
        Ok(Self { keys, scope })
    }

    pub fn session_token(&self) -> Option<&str> {
        self.keys.session_token()
    }

    pub fn secret_key(&self) -> &str {
        self.keys.secret_access_key()
    }

    /// Puts a signature on a request that is otherwise complete. Its path takes the form that AWS signs.
    pub fn sign(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), CredentialError> {
        let unsignable = || CredentialError::unusable("the request's URL is none that can be signed");
        let uri = wire_uri(request.uri()).ok_or_else(unsignable)?;
        let host = host(&uri).ok_or_else(unsignable)?;
        let identity = self.keys.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.scope.region)
            .name(&self.scope.service)
            .time(now)
            // The defaults are right for every service but S3: the path is encoded once more for the signature.
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| unsignable())?;
        let headers = [(HOST.as_str(), host.as_str())].into_iter();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri.to_string(),
            headers,
            SignableBody::Bytes(body),
        )
        .map_err(|_| unsignable())?;
        let params = SigningParams::from(params);
        let (instructions, _) = sign(signable, &params).map_err(|_| unsignable())?.into_parts();
        let (signed, _) = instructions.into_parts();
        for header in signed {
            let mut value = HeaderValue::from_str(header.value()).map_err(|_| unsignable())?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(header.name()), value);
        }
        *request.uri_mut() = uri;
        Ok(())
    }
}

/// `host` as the HTTP client will send it: with the port unless that is the scheme's own.
fn host(uri: &Uri) -> Option<String> {
    let host = uri.host()?;
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some(match uri.port_u16().filter(|port| *port != default) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// The URL with its path as AWS's SDKs send it: everything but letters, digits, `-._~`, `/` and what is encoded
/// already is percent-encoded. A Bedrock model id such as `anthropic.claude-v2:1` holds a colon, which other clients
/// leave alone; Bedrock then computes another signature.
fn wire_uri(uri: &Uri) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let path = wire_path(uri.path());
    let path_and_query: PathAndQuery = match uri.query() {
        Some(query) => format!("{path}?{query}").parse().ok()?,
        None => path.parse().ok()?,
    };
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).ok()
}

fn wire_path(path: &str) -> String {
    use std::fmt::Write;
    path.bytes().fold(String::with_capacity(path.len() + 8), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::Method;

    use super::*;
    use crate::credentials::aws::keys::keys;

    /// The key and the time of AWS's published test suite: 2015-08-30T12:36:00Z.
    const ID: &str = "AKIDEXAMPLE";
    const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const TIME: u64 = 1_440_938_160;

    fn signed(
        method: Method,
        url: &str,
        body: &[u8],
        scope: [&str; 2],
        session: Option<&str>,
    ) -> (Request<Full<Bytes>>, String) {
        let [service, region] = scope;
        let scope = Scope { service: service.into(), region: region.into() };
        let keys = keys(ID, KEY, session.map(str::to_owned)).unwrap();
        let Ok(signer) = Signer::new(keys, scope) else { panic!("a signer") };
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().unwrap();
        signer.sign(&mut request, body, UNIX_EPOCH + Duration::from_secs(TIME)).unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        (request, authorization)
    }

    const SUITE: [&str; 2] = ["service", "us-east-1"];

    /// `get-vanilla`, `post-vanilla` and `get-vanilla-with-session-token` of AWS's SigV4 test suite.
    #[test]
    fn signs_as_the_published_test_suite() {
        let url = "https://example.amazonaws.com/";
        for (method, session, headers, signature) in [
            (
                Method::GET,
                None,
                "host;x-amz-date",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                Method::POST,
                None,
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Method::GET,
                Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
                "host;x-amz-date;x-amz-security-token",
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
        ] {
            let (request, authorization) = signed(method, url, b"", SUITE, session);
            assert_eq!(
                authorization,
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders={headers}, Signature={signature}"
                )
            );
            assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
            let token = request.headers().get("x-amz-security-token");
            assert_eq!(token.map(|value| value.to_str().unwrap()), session);
            assert!(request.headers().values().all(HeaderValue::is_sensitive));
        }
    }

    /// What botocore, AWS's own signer, computes for these requests.
    #[test]
    fn signs_bedrock_paths_as_aws_does() {
        let body = br#"{"messages":[]}"#;
        let scope = ["bedrock", "us-west-2"];
        let host = "https://bedrock-runtime.us-west-2.amazonaws.com";
        let encoded = "/model/anthropic.claude-3-sonnet-20240229-v1%3A0/converse";
        // A colon on the wire and an encoded one are the same request.
        for path in [encoded, "/model/anthropic.claude-3-sonnet-20240229-v1:0/converse"] {
            let url = format!("{host}{path}");
            let (request, authorization) = signed(Method::POST, &url, body, scope, Some("SESSION/TOKEN+=="));
            assert!(
                authorization
                    .ends_with("Signature=13dba69a128b79b61c9a888eb60833899d7f71c6806a7e10e2c92c929fdb2195"),
                "{authorization}"
            );
            assert_eq!(request.uri().path(), encoded);
        }
        let profile = "arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Ainference-profile%2Fus.x";
        let url = format!("{host}/model/{profile}/converse-stream");
        let (request, authorization) = signed(Method::POST, &url, body, scope, None);
        assert!(
            authorization
                .ends_with("Signature=b96acccc65fdd8ea08f7292f87b8145f7c737fd324c7233f19b94f5faf034b6b"),
            "{authorization}"
        );
        assert_eq!(request.uri().to_string(), url);
    }

    #[test]
    fn the_host_is_signed_as_it_is_sent() {
        for (url, sent) in [
            ("https://a.example/x", "a.example"),
            ("https://a.example:443/x", "a.example"),
            ("http://a.example:80/x", "a.example"),
            ("http://a.example:443/x", "a.example:443"),
            ("https://user:word@a.example:8443/x", "a.example:8443"),
            ("http://[::1]:8080/x", "[::1]:8080"),
        ] {
            assert_eq!(host(&url.parse().unwrap()).as_deref(), Some(sent), "{url}");
        }
        assert_eq!(host(&"/x".parse().unwrap()), None);
    }

    #[test]
    fn a_url_without_a_host_is_an_error() {
        let Ok(signer) =
            Signer::new(keys(ID, KEY, None).unwrap(), Scope { service: "s".into(), region: "r".into() })
        else {
            panic!("a signer")
        };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = "/relative".parse().unwrap();
        assert!(signer.sign(&mut request, b"", UNIX_EPOCH).is_err());
        assert!(request.headers().is_empty());
    }
}
