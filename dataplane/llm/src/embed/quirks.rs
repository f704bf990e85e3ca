//! How servers that speak OpenAI's embeddings depart from OpenAI, as data: one value a provider type, in the
//! provider's own file.

use super::Purpose;

/// What one server makes of OpenAI's `POST /v1/embeddings`.
#[derive(Clone, Copy, Debug)]
pub struct EmbedQuirks {
    /// What it calls the size of the vectors.
    pub dimensions: &'static str,
    pub input_type: InputTypes,
    /// Takes `user`.
    pub user: bool,
    /// Reads tokens of OpenAI's tokenizers.
    pub tokens: bool,
}

/// What a server makes of `input_type`, which OpenAI itself does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputTypes {
    /// It refuses or ignores it.
    None,
    /// It gets the client's own word.
    AsItIs,
    /// It takes these words alone.
    Words(&'static [(Purpose, &'static str)]),
}

impl EmbedQuirks {
    /// OpenAI's own API, which answers 400 to members that it does not know.
    pub const OPENAI: Self =
        Self { dimensions: "dimensions", input_type: InputTypes::None, user: true, tokens: true };

    /// A server of which nothing is known but that it speaks the format: nothing is taken from the request.
    pub const COMPATIBLE: Self = Self { input_type: InputTypes::AsItIs, ..Self::OPENAI };

    /// Mistral: <https://docs.mistral.ai/api/endpoint/embeddings>; it answers 422 to members that it does not know.
    pub const MISTRAL: Self =
        Self { dimensions: "output_dimension", user: false, tokens: false, ..Self::OPENAI };

    /// NVIDIA NIM: <https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html>.
    pub const NVIDIA: Self = Self {
        input_type: InputTypes::Words(&[(Purpose::Query, "query"), (Purpose::Document, "passage")]),
        ..Self::OPENAI
    };
}
