//! RFC 3339 timestamps, without a clock; written in UTC.
//!
//! The days-to-date rules are Howard Hinnant's `civil_from_days` and `days_from_civil`: eras of 400 years that begin in
//! March.

/// `2026-01-01T00:00:00Z` for Unix seconds.
pub fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Unix seconds of a timestamp; fractions of a second are cut off. `None` for anything else, and for a moment before 1970.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = (time.get(..at)?, time.get(at..)?);
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock.split('.').next()?, ':')?;
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * 146_097 + of_era).checked_sub(719_468)?;
    let local = days * 86_400 + hour * 3600 + minute * 60 + second;
    match zone.split_at_checked(1)? {
        ("+", east) => local.checked_sub(offset(east)?),
        ("-", west) => local.checked_add(offset(west)?),
        (_, "") => Some(local),
        _ => None,
    }
}

/// `02:00` as seconds.
fn offset(text: &str) -> Option<u64> {
    let [hours, minutes] = numbers(text, ':')?;
    (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[u64; N]> {
    let is_number = |text: &&str| (1..=4).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    let numbers: Vec<u64> =
        text.split(between).map(|it| Some(it).filter(is_number)?.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(parse_rfc3339(text), Some(seconds));
        }
        assert_eq!(parse_rfc3339("2025-12-31T23:59:59.123+00:00"), Some(1_767_225_599));
        // As Go writes it where the clock is not set to UTC.
        assert_eq!(parse_rfc3339("2026-01-01T01:59:59.123456789+02:00"), Some(1_767_225_599));
        assert_eq!(parse_rfc3339("2025-12-31T16:59:59-07:00"), Some(1_767_225_599));
        for bad in [
            "",
            "2025-12-31",
            "2025-12-31T23:59:59",
            "2025-13-01T00:00:00Z",
            "2025-12-31T24:00:00Z",
            "2025-12-31T23:59:59Zé",
            "2025-12-31T23:59:59+99:00",
            "1970-01-01T00:00:00+01:00",
            "1969-12-31T00:00:00Z",
            "x-y-zT1:2:3Z",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0u64..253_402_300_800) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(seconds)), Some(seconds));
        }

        #[test]
        fn nothing_panics(text in "[0-9TZ:.+-]{0,30}|\\PC{0,20}") {
            parse_rfc3339(&text);
        }
    }
}
