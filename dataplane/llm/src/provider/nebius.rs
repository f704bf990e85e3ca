//! Nebius Token Factory.

use super::Quirks;
use super::vendor::{Base, Vendor};
use crate::Format;

pub static NEBIUS: Vendor = Vendor {
    name: "Nebius",
    otel_name: "nebius",
    docs: "https://docs.tokenfactory.nebius.com/api-reference/introduction",
    base: Base::Public("https://api.tokenfactory.nebius.com/v1"),
    formats: |_| &[Format::Chat, Format::Completions],
    embeddings: true,
    quirks: |_| &QUIRKS,
    ..Vendor::CHAT
};

static QUIRKS: Quirks = Quirks { takes_files: false, ..Quirks::COMPATIBLE };
