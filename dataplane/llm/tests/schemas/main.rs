//! What is sent to providers, held against the vendors' own schemas.
//!
//! Schemas and recordings stay outside the repository: `PENSTOCK_SPECS` and `PENSTOCK_CONFORMANCE` name their folders,
//! `shared/specs` and `shared/conformance` beside the checkout are the defaults. Where a folder is absent the test says
//! so; without schemas it passes, without recordings it checks the fixtures alone.
//!
//! What OpenAI's document and the types of the other vendors' Python packages say is checked in Python: with
//! `PENSTOCK_SENT_OUT`, [`sent`] writes the bodies for it.

mod bedrock;
mod embeddings;
mod gemini;
mod requests;
mod sent;
