//! The sources' floats, as exact prices.
//!
//! A float's shortest decimal is the number that a person typed into the source: its digits are shifted, nothing is
//! multiplied. Noise such as 2.0000000000000002e-07 is rounded away at a millionth of a dollar per million tokens.

use penstock_llm::catalogue::Price;

/// US dollars per token, as LiteLLM has them.
pub fn per_token(dollars: f64) -> Option<Price> {
    exact(dollars, 12)
}

/// US dollars per million tokens, as models.dev has them.
pub fn per_million(dollars: f64) -> Option<Price> {
    exact(dollars, 6)
}

/// `value` × 10^`shift`, rounded half up; `None` for what is no price.
fn exact(value: f64, shift: i32) -> Option<Price> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(part.len()).ok()? + shift;
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    let exact = if exponent >= 0 { digits.checked_mul(power)? } else { (digits + power / 2) / power };
    u64::try_from(exact).ok().map(Price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_shifted() {
        for (value, text) in [
            (3e-06, "3.00"),
            (1.25e-06, "1.25"),
            (7.5e-08, "0.075"),
            (2.8e-09, "0.0028"),
            (0.00018, "180.00"),
            (2.999_99e-06, "2.99999"),
            // Noise of someone's arithmetic.
            (2.000_000_000_000_000_2e-07, "0.20"),
            (9.499_999_999_999_999e-07, "0.95"),
            (1e-13, "0.00"),
            (0.0, "0.00"),
        ] {
            assert_eq!(per_token(value).unwrap().to_string(), text, "{value}");
        }
        for (value, text) in
            [(3.0, "3.00"), (0.049_999_999_999_999_996, "0.05"), (0.0028, "0.0028"), (150.0, "150.00")]
        {
            assert_eq!(per_million(value).unwrap().to_string(), text, "{value}");
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        for value in [-1.0, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(per_token(value), None, "{value}");
        }
    }
}
