//! Vectors without a model: a deterministic function of the text.

use super::answer::estimate;
use super::read::usage;
use super::{EmbedInput, EmbedRequest, EmbedResponse};

/// Values a vector where the client names no size.
const USUAL: u64 = 256;
/// No model that is known makes longer ones; a client must not make us write more.
const MOST: u64 = 4096;

/// Unit vectors, equal for equal texts, of the size that was asked for, up to [`MOST`].
pub(super) fn answer(request: &EmbedRequest) -> EmbedResponse {
    let size = request.dimensions.unwrap_or(USUAL).clamp(1, MOST);
    EmbedResponse {
        model: None,
        vectors: request.inputs.iter().map(|input| vector(seed(input), size)).collect(),
        usage: usage(Some(estimate(request))),
    }
}

/// FNV-1a of the input's bytes.
fn seed(input: &EmbedInput) -> u64 {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325;
    match input {
        EmbedInput::Text(text) => text.bytes().fold(start, add),
        EmbedInput::Tokens(tokens) => tokens.iter().flat_map(|token| token.to_le_bytes()).fold(start, add),
    }
}

fn vector(seed: u64, size: u64) -> Vec<f32> {
    let values: Vec<f64> = (1..=size).map(|i| centred(mix(seed, i))).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.into_iter().map(|value| (value / length) as f32).collect()
}

/// SplitMix64's `i`th number.
fn mix(seed: u64, i: u64) -> u64 {
    let mut x = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Between -1 and 1, and never 0, so that a vector has a length.
fn centred(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(texts: &[&str], dimensions: Option<u64>) -> Vec<Vec<f32>> {
        let inputs = texts.iter().map(|text| EmbedInput::Text((*text).to_owned())).collect();
        answer(&EmbedRequest { inputs, dimensions, ..EmbedRequest::default() }).vectors
    }

    fn product(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn equal_texts_have_equal_unit_vectors() {
        let [a, b, c] = vectors(&["cat", "dog", "cat"], None).try_into().unwrap();
        assert_eq!(a, c);
        assert_eq!(a.len(), 256);
        assert!((product(&a, &a) - 1.0).abs() < 1e-5);
        assert!(product(&a, &b).abs() < 0.3, "{}", product(&a, &b));
        assert_eq!(a, vectors(&["cat"], None).remove(0), "from one request to the next");
    }

    #[test]
    fn the_size_is_the_client_s_up_to_a_bound() {
        for (asked, size) in [(Some(1), 1), (Some(8), 8), (Some(1536), 1536), (Some(u64::MAX), 4096)] {
            assert_eq!(vectors(&[""], asked)[0].len(), size);
        }
    }
}
