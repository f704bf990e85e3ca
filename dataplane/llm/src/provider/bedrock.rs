//! Amazon Bedrock's runtime API.

use super::{Auth, Call, Provider, Site, join, path};
use crate::Format;
use crate::embed::EmbedFormat;
use crate::message::Issuer;

#[derive(Debug)]
pub struct Bedrock;

impl Provider for Bedrock {
    fn name(&self) -> &'static str {
        "Bedrock"
    }

    fn otel_name(&self) -> &'static str {
        "aws.bedrock"
    }

    fn docs(&self) -> &'static str {
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"
    }

    fn formats(&self, _model: &str) -> &'static [Format] {
        &[Format::Converse]
    }

    fn embed_format(&self, model: &str) -> Option<EmbedFormat> {
        match vendor(model)? {
            Vendor::Amazon if model.contains("titan-embed") => Some(EmbedFormat::Titan),
            Vendor::Amazon if model.contains("nova") && model.contains("embeddings") => {
                Some(EmbedFormat::Nova)
            }
            Vendor::Cohere if model.contains("cohere.embed") => Some(EmbedFormat::BedrockCohere),
            _ => None,
        }
    }

    fn default_endpoint(&self) -> Option<&'static str> {
        Some("https://bedrock-runtime.{region}.amazonaws.com")
    }

    fn url(&self, site: &Site<'_>, model: &str, _format: Format, call: Call) -> Option<String> {
        let (model, operation) = match call {
            Call::Generate { stream: false } => (model, "converse"),
            Call::Generate { stream: true } => (model, "converse-stream"),
            // Only Claude's are counted, and only under the model's own id.
            // <https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html>
            Call::CountTokens if vendor(model) == Some(Vendor::Anthropic) => (bare(model)?, "count-tokens"),
            Call::CountTokens => return None,
            Call::Embed => {
                self.embed_format(model)?;
                (model, "invoke")
            }
        };
        Some(join(site.endpoint, &format!("/model/{}/{operation}", path::segment(model)?)))
    }

    fn auth(&self) -> Auth {
        Auth::Aws { service: "bedrock" }
    }

    fn serves(&self, model: &str) -> bool {
        is_arn(model) || vendor(model).is_some()
    }

    fn issuer(&self, model: &str) -> Option<Issuer> {
        Some(if vendor(model) == Some(Vendor::Anthropic) { Issuer::Anthropic } else { Issuer::Bedrock })
    }
}

/// Who made a model that Bedrock runs, as far as requests differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Amazon,
    Anthropic,
    Cohere,
    OpenAI,
    Qwen,
    Other,
}

/// What ids begin with that name one place or any place to run the model, an inference profile's.
const PLACES: &[&str] =
    &["us", "eu", "global", "apac", "us-gov", "au", "jp", "in", "ca", "sa", "me", "af", "uk", "kr"];

const VENDORS: &[(&str, Vendor)] = &[
    ("amazon", Vendor::Amazon),
    ("anthropic", Vendor::Anthropic),
    ("cohere", Vendor::Cohere),
    ("openai", Vendor::OpenAI),
    ("qwen", Vendor::Qwen),
    ("ai21", Vendor::Other),
    ("deepseek", Vendor::Other),
    ("google", Vendor::Other),
    ("luma", Vendor::Other),
    ("meta", Vendor::Other),
    ("minimax", Vendor::Other),
    ("mistral", Vendor::Other),
    ("moonshot", Vendor::Other),
    ("moonshotai", Vendor::Other),
    ("nvidia", Vendor::Other),
    ("stability", Vendor::Other),
    ("twelvelabs", Vendor::Other),
    ("writer", Vendor::Other),
    ("xai", Vendor::Other),
    ("zai", Vendor::Other),
];

/// Reads `vendor.model`, `place.vendor.model`, and either at the end of an ARN. `None` where the id does not tell: a
/// profile or a model of the account's own.
pub(crate) fn vendor(model: &str) -> Option<Vendor> {
    let word = bare(model)?.split_once('.')?.0;
    VENDORS.iter().find(|(known, _)| *known == word).map(|(_, vendor)| *vendor)
}

/// The model's own id: without an ARN around it, and without a place in front.
fn bare(model: &str) -> Option<&str> {
    let id = if is_arn(model) { model.split_once('/')?.1 } else { model };
    match id.split_once('.')? {
        (place, rest) if PLACES.contains(&place) => Some(rest),
        _ => Some(id),
    }
}

fn is_arn(model: &str) -> bool {
    model.strip_prefix("arn:aws").is_some_and(|rest| rest.contains(":bedrock:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_their_vendor() {
        for (model, want) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", Some(Vendor::Anthropic)),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Some(Vendor::Anthropic)),
            ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", Some(Vendor::Anthropic)),
            ("global.anthropic.claude-opus-4-8", Some(Vendor::Anthropic)),
            ("apac.amazon.nova-2-lite-v1:0", Some(Vendor::Amazon)),
            ("openai.gpt-oss-120b-1:0", Some(Vendor::OpenAI)),
            ("us.deepseek.r1-v1:0", Some(Vendor::Other)),
            ("deepseek.v3.2", Some(Vendor::Other)),
            ("minimax.minimax-m2.1", Some(Vendor::Other)),
            ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2", Some(Vendor::Anthropic)),
            (
                "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.anthropic.claude-v2",
                Some(Vendor::Anthropic),
            ),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", None),
            ("arn:aws:bedrock:us-east-1:123456789012", None),
            ("gpt-4.1", None),
            ("qwen2.5-72b-instruct", None),
            ("us.", None),
            ("", None),
        ] {
            assert_eq!(vendor(model), want, "{model}");
        }
    }

    #[test]
    fn ids_are_escaped_in_urls() {
        let site = Site { endpoint: "https://bedrock-runtime.eu-west-1.amazonaws.com/", ..Site::default() };
        let url = |model, call| Bedrock.url(&site, model, Format::Converse, call).unwrap();
        let base = "https://bedrock-runtime.eu-west-1.amazonaws.com/model";
        for (model, call, want) in [
            ("amazon.nova-lite-v1:0", Call::Generate { stream: false }, "amazon.nova-lite-v1%3A0/converse"),
            ("x", Call::Generate { stream: true }, "x/converse-stream"),
            (
                "anthropic.claude-sonnet-4-v1:0",
                Call::CountTokens,
                "anthropic.claude-sonnet-4-v1%3A0/count-tokens",
            ),
            ("eu.anthropic.claude-haiku-4-5", Call::CountTokens, "anthropic.claude-haiku-4-5/count-tokens"),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5",
                Call::CountTokens,
                "anthropic.claude-haiku-4-5/count-tokens",
            ),
            ("amazon.titan-embed-text-v2:0", Call::Embed, "amazon.titan-embed-text-v2%3A0/invoke"),
            ("amazon.titan-embed-image-v1", Call::Embed, "amazon.titan-embed-image-v1/invoke"),
            (
                "amazon.nova-2-multimodal-embeddings-v1:0",
                Call::Embed,
                "amazon.nova-2-multimodal-embeddings-v1%3A0/invoke",
            ),
            ("us.cohere.embed-v4:0", Call::Embed, "us.cohere.embed-v4%3A0/invoke"),
            (
                "arn:aws:bedrock:eu-west-1:1:inference-profile/é",
                Call::Generate { stream: false },
                "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2F%C3%A9/converse",
            ),
        ] {
            assert_eq!(url(model, call), format!("{base}/{want}"));
        }
        for (model, call) in [
            ("amazon.nova-lite-v1:0", Call::Embed),
            ("amazon.nova-lite-v1:0", Call::CountTokens),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", Call::CountTokens),
        ] {
            assert_eq!(Bedrock.url(&site, model, Format::Converse, call), None, "{model}");
        }
    }
}
