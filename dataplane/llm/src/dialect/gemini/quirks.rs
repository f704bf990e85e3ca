//! Where Google's two APIs for the same format differ, as data.
//!
//! Sources: the discovery document of the Gemini Developer API; Vertex AI's REST reference; the converters of the
//! official `google-genai` SDK, which refuse what one of the two does not take.

use crate::catalogue::ReasoningStyle;

/// What one of the APIs makes of the format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeminiQuirks {
    /// Takes `id` in calls and results. Vertex answers 400 (`Unknown name "id"`) for most models.
    pub call_ids: bool,
    /// Takes `labels`, which bills are split by.
    pub labels: bool,
    /// Takes `serviceTier`; Vertex has headers for it.
    pub service_tier: bool,
    /// Takes `displayName` beside inline bytes.
    pub media_names: bool,
    /// Wants the media type of files behind a URL, which the other API finds out itself.
    pub needs_media_type: bool,
    /// How the model is asked to think, where the catalogue does not say.
    pub thinking: Option<ReasoningStyle>,
}

impl GeminiQuirks {
    /// The Gemini Developer API.
    pub const AI_STUDIO: Self = Self {
        call_ids: true,
        labels: false,
        service_tier: true,
        media_names: false,
        needs_media_type: false,
        thinking: None,
    };

    /// Vertex AI.
    pub const VERTEX: Self = Self {
        call_ids: false,
        labels: true,
        service_tier: false,
        media_names: true,
        needs_media_type: true,
        thinking: None,
    };
}
