//! What a request needs of a model, and whether a model has it: the contract behind every failover.
//!
//! Owns: which features count, what an unknown fact means, when one model can stand in for another. Refuses to know:
//! routes, pools, the order of targets.

use std::fmt;

use crate::catalogue::{Facts, Modalities, PriceList};
use crate::count;
use crate::message::{Media, Part, PartBody, Reasoning, Request, ResponseFormat, ToolChoice};

/// What a request uses. The default needs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub image: bool,
    pub pdf: bool,
    pub audio: bool,
    pub video: bool,
    pub tools: bool,
    /// A tool choice that forces a call.
    pub forced_tools: bool,
    pub json_schema: bool,
    pub reasoning: bool,
    /// An estimate, tokens.
    pub prompt_tokens: u64,
    /// The longest answer that the client asked for, tokens.
    pub answer_tokens: Option<u64>,
}

/// What a model lacks for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    Image,
    Pdf,
    Audio,
    Video,
    Tools,
    ForcedTools,
    JsonSchema,
    Reasoning,
    /// Prompt and context window, tokens.
    Context {
        prompt: u64,
        window: u64,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("the model reads no images"),
            Self::Pdf => f.write_str("the model reads no PDFs"),
            Self::Audio => f.write_str("the model hears no audio"),
            Self::Video => f.write_str("the model watches no video"),
            Self::Tools => f.write_str("the model calls no tools"),
            Self::ForcedTools => f.write_str("the model cannot be forced to call a tool"),
            Self::JsonSchema => f.write_str("the model cannot be held to a JSON schema"),
            Self::Reasoning => f.write_str("the model does not reason"),
            Self::Context { prompt, window } => {
                write!(f, "about {prompt} tokens do not fit its window of {window}")
            }
        }
    }
}

impl Needs {
    /// Every ability that there is, in a prompt that fits everywhere.
    pub const EVERYTHING: Self = Self {
        image: true,
        pdf: true,
        audio: true,
        video: true,
        tools: true,
        forced_tools: true,
        json_schema: true,
        reasoning: true,
        prompt_tokens: 0,
        answer_tokens: None,
    };

    pub fn of(request: &Request) -> Self {
        let mut needs = Self {
            tools: !request.tools.is_empty(),
            forced_tools: matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))),
            json_schema: matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. })),
            reasoning: !matches!(request.reasoning, None | Some(Reasoning::Off)),
            prompt_tokens: count::estimate(request),
            answer_tokens: request.max_tokens,
            ..Self::default()
        };
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        request.system.iter().chain(parts).for_each(|part| needs.note(part));
        needs
    }

    /// What is used beyond text.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let Self {
            image,
            pdf,
            audio,
            video,
            tools,
            forced_tools,
            json_schema,
            reasoning,
            prompt_tokens: _,
            answer_tokens: _,
        } = *self;
        let all = [
            (image, "image"),
            (pdf, "pdf"),
            (audio, "audio"),
            (video, "video"),
            (tools, "tools"),
            (forced_tools, "forcedTools"),
            (json_schema, "jsonSchema"),
            (reasoning, "reasoning"),
        ];
        all.into_iter().filter_map(|(used, name)| used.then_some(name))
    }

    fn note(&mut self, part: &Part) {
        match &part.body {
            PartBody::Image(_) => self.image = true,
            PartBody::Audio(_) => self.audio = true,
            PartBody::Video(_) => self.video = true,
            PartBody::Document { media, .. } => self.pdf |= is_pdf(media),
            PartBody::ToolResult { parts, .. } => parts.iter().for_each(|part| self.note(part)),
            _ => {}
        }
    }

    /// The first thing that a model with these facts lacks. What is not known is not lacking: nobody is passed over for
    /// what the catalogue does not say.
    pub fn unmet_by(&self, facts: &Facts) -> Option<Lack> {
        let reads = |has: fn(&Modalities) -> bool| facts.input.as_ref().is_none_or(has);
        let no_tools = facts.tools == Some(false);
        let checks = [
            (self.image && !reads(|input| input.image), Lack::Image),
            (self.pdf && !reads(|input| input.pdf), Lack::Pdf),
            (self.audio && !reads(|input| input.audio), Lack::Audio),
            (self.video && !reads(|input| input.video), Lack::Video),
            (self.tools && no_tools, Lack::Tools),
            (self.forced_tools && facts.forced_tools == Some(false), Lack::ForcedTools),
            // With tools the schema is reached by a forced call.
            (self.json_schema && facts.json_schema == Some(false) && no_tools, Lack::JsonSchema),
            (self.reasoning && facts.thinks() == Some(false), Lack::Reasoning),
        ];
        let lack = checks.into_iter().find_map(|(lacks, lack)| lacks.then_some(lack));
        lack.or_else(|| self.room(facts))
    }

    fn room(&self, facts: &Facts) -> Option<Lack> {
        let window = facts.context_window.into_iter().chain(facts.max_input).min()?;
        (self.prompt_tokens > window).then_some(Lack::Context { prompt: self.prompt_tokens, window })
    }
}

/// What is behind an address is taken for what documents mostly are; plain text needs nothing of a model.
fn is_pdf(media: &Media) -> bool {
    match media {
        Media::Url { .. } => true,
        Media::Base64 { media_type, .. } => media_type.starts_with("application/pdf"),
        Media::PlainText(_) => false,
    }
}

/// Words of which at least one stands in the body of any request, in any format, that needs the feature. A look for them
/// tells without decoding that a request is plain.
pub const MARKS: &[&str] = &[
    "image", "pdf", "document", "file", "audio", "video", "inline", "tool", "function", "schema", "Schema",
    "reason", "think",
];

/// Certainly needs nothing but text: no mark stands in this body. It may say no too often.
pub fn is_plain(body: &[u8]) -> bool {
    MARKS.iter().all(|mark| memchr::memmem::find(body, mark.as_bytes()).is_none())
}

/// What one model can do that another, which should stand in for it, cannot. Something unknown of the first is nothing
/// that it can do.
pub fn shortfalls(primary: &Facts, other: &Facts) -> Vec<Lack> {
    let input = primary.input.unwrap_or_default();
    let none = Needs::default();
    [
        Needs { image: input.image, ..none },
        Needs { pdf: input.pdf, ..none },
        Needs { audio: input.audio, ..none },
        Needs { video: input.video, ..none },
        Needs { tools: primary.tools == Some(true), ..none },
        Needs { forced_tools: primary.forced_tools == Some(true), ..none },
        Needs { json_schema: primary.json_schema == Some(true), ..none },
        Needs { reasoning: primary.thinks() == Some(true), ..none },
        Needs { prompt_tokens: primary.context_window.unwrap_or(0), ..none },
    ]
    .iter()
    .filter_map(|need| need.unmet_by(other))
    .collect()
}

/// Prices of one class differ by no more than this factor.
const BAND: f64 = 3.0;

/// Is the other model of the same class: does it have every known ability of the first, at least its context window, and
/// a price in its band? Something unknown of the other is something that it lacks. The number says how far the prices
/// are apart: 0 is the same price.
pub fn same_class(primary: &Facts, other: &Facts) -> Option<f64> {
    let knows = |of_first: bool, of_other: bool| !of_first || of_other;
    let input = (primary.input.unwrap_or_default(), other.input.unwrap_or_default());
    let window = |facts: &Facts| facts.context_window.unwrap_or(0);
    let fits = knows(input.0.image, input.1.image)
        && knows(input.0.pdf, input.1.pdf)
        && knows(input.0.audio, input.1.audio)
        && knows(input.0.video, input.1.video)
        && knows(primary.tools == Some(true), other.tools == Some(true))
        && knows(primary.json_schema == Some(true), other.json_schema == Some(true))
        && primary.mode == other.mode
        && primary.thinks().unwrap_or(false) == other.thinks().unwrap_or(false)
        && primary.context_window.is_some()
        && window(other) >= window(primary)
        && other.max_output.is_none_or(|most| most >= primary.max_output.map_or(0, |own| own / 2));
    let apart = match (blended(primary.price.as_ref()), blended(other.price.as_ref())) {
        (Some(a), Some(b)) => (a.max(1.0) / b.max(1.0)).ln().abs(),
        (None, None) => 0.0,
        _ => return None,
    };
    (fits && apart <= BAND.ln()).then_some(apart)
}

/// Of three tokens read and one written, the usual mix.
fn blended(list: Option<&PriceList>) -> Option<f64> {
    let base = list?.base;
    Some((3.0 * base.input?.0 as f64 + base.output?.0 as f64) / 4.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Format;
    use crate::catalogue;

    fn needs(body: serde_json::Value) -> Needs {
        Needs::of(&Format::Chat.dialect().decode_request(body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn what_is_used_is_needed_and_what_is_unknown_is_not_lacking() {
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
        let asked = needs(json!({
            "model": "m", "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required",
            "messages": [{"role": "user", "content": [image]}],
        }));
        assert!(asked.image && asked.tools && asked.forced_tools && !asked.pdf && !asked.reasoning);
        assert_eq!(asked.unmet_by(&Facts::UNKNOWN), None);
        let text_only =
            Facts { input: Some(Modalities { text: true, ..Modalities::default() }), ..Facts::UNKNOWN };
        assert_eq!(asked.unmet_by(&text_only), Some(Lack::Image));
        assert_eq!(asked.unmet_by(&Facts { tools: Some(false), ..Facts::UNKNOWN }), Some(Lack::Tools));
    }

    #[test]
    fn a_prompt_that_does_not_fit() {
        let asked =
            needs(json!({"model": "m", "messages": [{"role": "user", "content": "word ".repeat(3000)}]}));
        let small = Facts { context_window: Some(2048), ..Facts::UNKNOWN };
        assert!(matches!(asked.unmet_by(&small), Some(Lack::Context { window: 2048, .. })));
        assert_eq!(asked.unmet_by(&Facts { context_window: Some(8192), ..Facts::UNKNOWN }), None);
    }

    #[test]
    fn every_need_leaves_a_mark_in_every_format() {
        let with = |body: serde_json::Value| {
            let chat = body.to_string();
            let request = Format::Chat.dialect().decode_request(chat.as_bytes()).unwrap();
            let provider = crate::provider::by_name("Simulated").unwrap();
            for format in [Format::Chat, Format::Messages, Format::Responses, Format::Gemini] {
                let upstream = crate::Upstream {
                    model: "m",
                    provider,
                    facts: &Facts::UNKNOWN,
                    site: crate::provider::Site::default(),
                };
                let mut ledger = crate::Ledger::new(Format::Chat);
                let Ok(written) = format.dialect().encode_request(&request, &upstream, &mut ledger) else {
                    continue;
                };
                let text = String::from_utf8(written).unwrap().to_ascii_lowercase();
                assert!(MARKS.iter().any(|mark| text.contains(mark)), "{format:?} {text}");
            }
        };
        let user = |part| json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        with(user(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})));
        with(user(
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQK"}}),
        ));
        with(user(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})));
        let hi = json!([{"role": "user", "content": "hi"}]);
        with(
            json!({"model": "m", "messages": hi, "tools": [{"type": "function", "function": {"name": "f"}}]}),
        );
        for asks in ["thinking_mode", "reasoning_effort", "thinking", "reasoning", "thinkingConfig", "think"]
        {
            assert!(MARKS.iter().any(|mark| asks.to_ascii_lowercase().contains(mark)), "{asks}");
        }
    }

    #[test]
    fn shortfalls_name_what_a_fallback_can_never_do() {
        let primary = catalogue::find("openai", "gpt-4o").unwrap();
        assert_eq!(shortfalls(&primary, &primary), []);
        let plain = Facts { tools: Some(false), context_window: Some(8192), ..Facts::UNKNOWN };
        let lacks = shortfalls(&primary, &plain);
        assert!(lacks.contains(&Lack::Tools), "{lacks:?}");
        assert!(lacks.iter().any(|lack| matches!(lack, Lack::Context { window: 8192, .. })), "{lacks:?}");
    }

    #[test]
    fn classes() {
        let of = |provider: &str, model: &str| catalogue::find(provider, model).unwrap();
        let sonnet = of("anthropic", "claude-sonnet-4-5");
        assert!(same_class(&sonnet, &sonnet).is_some_and(|apart| apart == 0.0));
        assert_eq!(same_class(&sonnet, &of("openai", "gpt-3.5-turbo")), None, "no PDFs, a small window");
        assert_eq!(same_class(&sonnet, &Facts::UNKNOWN), None);
    }
}
