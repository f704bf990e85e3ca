//! A vector of `f32`: a list of numbers, or base64 of their little-endian bytes.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A list reserves no more than this many values before it has seen them.
const RESERVE: usize = 4096;

/// Read in either form.
#[derive(Debug)]
pub(super) struct Vector(pub Vec<f32>);

/// Written in the form that the client asked for.
pub(super) enum Written<'a> {
    /// Each number as the shortest text that reads back as the same `f32`.
    Numbers(&'a [f32]),
    Base64(&'a [f32]),
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of numbers or base64 text")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vector, A::Error> {
        let mut values = Vec::with_capacity(list.size_hint().unwrap_or(0).min(RESERVE));
        while let Some(value) = list.next_element::<f64>()? {
            // Rounds to the nearest; what a provider printed of an `f32` comes back as that `f32`.
            values.push(finite(value as f32)?);
        }
        Ok(Vector(values))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vector, E> {
        let bytes = BASE64.decode(text).map_err(|error| E::custom(format!("a vector's base64: {error}")))?;
        let (values, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom(format!("a vector of {} bytes, which is no number of `f32`", bytes.len())));
        }
        Ok(Vector(values.iter().map(|bytes| finite(f32::from_le_bytes(*bytes))).collect::<Result<_, E>>()?))
    }
}

/// JSON has no word for the others, and no index takes them.
fn finite<E: Error>(value: f32) -> Result<f32, E> {
    if value.is_finite() { Ok(value) } else { Err(E::custom("a value of a vector is not finite")) }
}

pub(super) fn to_base64(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    BASE64.encode(bytes)
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Numbers(values) => values.serialize(serializer),
            Self::Base64(values) => serializer.serialize_str(&to_base64(values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<Vec<f32>, serde_json::Error> {
        serde_json::from_str::<Vector>(json).map(|vector| vector.0)
    }

    #[test]
    fn both_forms_read_the_same() {
        assert_eq!(read("[1,-2.5,0.1]").unwrap(), [1.0, -2.5, 0.1]);
        // 1.0, -2.5, 0.1 in little-endian bytes, by another program.
        assert_eq!(read("\"AACAPwAAIMDNzMw9\"").unwrap(), [1.0, -2.5, 0.1]);
        // Without padding, as some servers write it.
        assert_eq!(read("\"AACAPwAAIMA\"").unwrap(), read("\"AACAPwAAIMA=\"").unwrap());
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for bad in ["[1,null]", "[\"1\"]", "[1e39]", "\"AACAfw==\"", "\"AAAA\"", "\"!\"", "{}", "null"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_float_comes_back(bits in prop::collection::vec(any::<u32>(), 0..20)) {
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|value| value.is_finite()).collect();
            for written in [Written::Numbers(&values), Written::Base64(&values)] {
                let json = serde_json::to_string(&written).unwrap();
                let back: Vec<u32> = read(&json).unwrap().into_iter().map(f32::to_bits).collect();
                prop_assert_eq!(&back, &values.iter().copied().map(f32::to_bits).collect::<Vec<_>>());
            }
        }
    }
}
