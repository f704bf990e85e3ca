//! What vectors are for: each vendor's word for the same few purposes.

use crate::field::Field;
use crate::ledger::{Fate, Ledger};

/// A purpose that more than one vendor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A question that looks for documents.
    Query,
    /// Something to be found.
    Document,
    Classification,
    Clustering,
    Similarity,
    QuestionAnswering,
    FactVerification,
    CodeQuery,
}

/// Words of Cohere, Google, Voyage, NVIDIA, Azure and Jina, in lower case.
const WORDS: &[(&str, Purpose)] = &[
    ("query", Purpose::Query),
    ("search_query", Purpose::Query),
    ("retrieval_query", Purpose::Query),
    ("retrieval.query", Purpose::Query),
    ("document", Purpose::Document),
    ("passage", Purpose::Document),
    ("search_document", Purpose::Document),
    ("retrieval_document", Purpose::Document),
    ("retrieval.passage", Purpose::Document),
    ("text", Purpose::Document),
    ("classification", Purpose::Classification),
    ("clustering", Purpose::Clustering),
    ("semantic_similarity", Purpose::Similarity),
    ("text-matching", Purpose::Similarity),
    ("question_answering", Purpose::QuestionAnswering),
    ("fact_verification", Purpose::FactVerification),
    ("code_retrieval_query", Purpose::CodeQuery),
];

impl Purpose {
    /// The purpose that this word stands for, whatever its case.
    pub fn read(word: &str) -> Option<Self> {
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, purpose)| *purpose)
    }

    /// The purpose for a vendor that wants one and has the plain four. Where nobody says it, texts are documents: what
    /// an index is built of.
    pub(super) fn mandatory(input_type: Option<&str>, ledger: &mut Ledger) -> Self {
        let Some(word) = input_type else {
            ledger.note(Field::InputType, Fate::Clamped);
            return Self::Document;
        };
        let purpose = Self::read(word);
        match purpose.and_then(Self::plain) {
            None => ledger.note(Field::InputType, Fate::Dropped),
            plain if plain != purpose => ledger.note(Field::InputType, Fate::Emulated),
            Some(_) => {}
        }
        purpose.and_then(Self::plain).unwrap_or(Self::Document)
    }

    /// The nearest of the four that every vendor with purposes has; all but these are questions that look for
    /// something, except [`Self::Similarity`], which has no neighbour.
    pub(super) fn plain(self) -> Option<Self> {
        match self {
            Self::Query | Self::Document | Self::Classification | Self::Clustering => Some(self),
            Self::QuestionAnswering | Self::FactVerification | Self::CodeQuery => Some(Self::Query),
            Self::Similarity => None,
        }
    }

    /// Google's `taskType`.
    pub(super) fn google(self) -> &'static str {
        match self {
            Self::Query => "RETRIEVAL_QUERY",
            Self::Document => "RETRIEVAL_DOCUMENT",
            Self::Classification => "CLASSIFICATION",
            Self::Clustering => "CLUSTERING",
            Self::Similarity => "SEMANTIC_SIMILARITY",
            Self::QuestionAnswering => "QUESTION_ANSWERING",
            Self::FactVerification => "FACT_VERIFICATION",
            Self::CodeQuery => "CODE_RETRIEVAL_QUERY",
        }
    }
}
