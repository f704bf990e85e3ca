//! What conditions can ask of a request.

/// A request, as conditions see it. Everything is asked for only when a condition needs it.
pub trait Subject {
    /// As the client wrote it.
    fn model(&self) -> &str;
    /// The path: `/v1/chat/completions`.
    fn endpoint(&self) -> &str;
    fn stream(&self) -> bool;
    /// By its lower-case name; the first, where there are several.
    fn header(&self, name: &str) -> Option<&str>;
    /// The client's end user; empty where it names none.
    fn user(&self) -> &str;
    fn metadata(&self, key: &str) -> Option<&str>;
    /// What a hook said of the request under this name.
    fn label(&self, key: &str) -> Option<&str>;
    /// An estimate.
    fn prompt_tokens(&self) -> i64;
    /// System and developer instructions are the first, with the role `system`.
    fn messages(&self) -> &[Turn];
    /// Names of the tools that are offered.
    fn tools(&self) -> &[String];
    fn has(&self, feature: Feature) -> bool;
    /// The most likely of the route's intents; empty where none is likely enough, and for a route without intents.
    fn intent(&self) -> &str;
    /// How likely the most likely intent is, from 0 to 1, likely enough or not.
    fn intent_score(&self) -> f64;
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: &'static str,
    /// Its texts, joined by line breaks; images and the like leave nothing.
    pub text: String,
}

/// Something that a request uses, and that not every model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    Image,
    Pdf,
    Audio,
    Video,
    Tools,
    JsonSchema,
    Reasoning,
}

impl Feature {
    pub const ALL: [(&'static str, Self); 7] = [
        ("image", Self::Image),
        ("pdf", Self::Pdf),
        ("audio", Self::Audio),
        ("video", Self::Video),
        ("tools", Self::Tools),
        ("jsonSchema", Self::JsonSchema),
        ("reasoning", Self::Reasoning),
    ];
}
