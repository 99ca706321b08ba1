//! Durations and sizes as written in the configuration: `"6h"`, `"64KiB"`.

use std::time::Duration;

use super::Invalid;

/// A duration with its unit: `ms`, `s`, `m`, `h` or `d`; `"0s"` is allowed where the key says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Span(Duration);

/// A number of bytes with its unit: `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Size(u64);

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl TryFrom<String> for Span {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse(&text, &SPANS)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or("expected a duration with its unit (ms, s, m, h, d), such as \"90s\" or \"6h\"")
    }
}

impl TryFrom<String> for Size {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse(&text, &SIZES)
            .map(Self)
            .ok_or("expected a size with its unit (B, KiB, MiB, GiB), such as \"64KiB\"")
    }
}

impl Span {
    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The duration, if it is not shorter than `least`.
    pub fn at_least(self, key: &'static str, least: Duration) -> Result<Duration, Invalid> {
        if self.0 < least {
            return Err(Invalid::new(
                key,
                show_duration(self.0),
                format!("at least {}", show_duration(least)),
            ));
        }
        Ok(self.0)
    }
}

impl Size {
    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes, if it is not less than `least`.
    pub fn at_least(self, key: &'static str, least: u64) -> Result<u64, Invalid> {
        if self.0 < least {
            return Err(Invalid::new(key, show_size(self.0), format!("at least {}", show_size(least))));
        }
        Ok(self.0)
    }
}

/// The shortest exact notation of a duration: `"1h"`, `"90s"`.
pub fn show_duration(span: Duration) -> String {
    show(
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        &[SPANS[4], SPANS[3], SPANS[2], SPANS[1], SPANS[0]],
        "0s",
    )
}

/// The shortest exact notation of a size: `"64KiB"`.
pub fn show_size(bytes: u64) -> String {
    show(bytes, &[SIZES[2], SIZES[1], SIZES[0], SIZES[3]], "0B")
}

fn show(number: u64, units: &[(&str, u64)], zero: &str) -> String {
    units
        .iter()
        .find(|(_, factor)| number > 0 && number.is_multiple_of(*factor))
        .map_or_else(|| zero.to_owned(), |(unit, factor)| format!("{}{unit}", number / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_and_shown_with_its_unit() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("6h", 21_600_000), ("7d", 604_800_000)]
        {
            let span = Span::try_from(text.to_owned()).unwrap().get();
            assert_eq!(span, Duration::from_millis(millis));
            assert_eq!(show_duration(span), text);
        }
    }

    #[test]
    fn a_number_without_a_unit_or_with_a_wrong_one_is_refused() {
        for text in
            ["", "6", "h", "6 hours", "-1s", "1.5h", "6H", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(Span::try_from(text.to_owned()).is_err(), "{text}");
        }
        for text in ["64", "64KB", "64kib", "64K", "17179869185GiB"] {
            assert!(Size::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_its_largest_exact_unit() {
        for (text, bytes) in [("1B", 1), ("64KiB", 65_536), ("8MiB", 8 << 20), ("4GiB", 4 << 30)] {
            assert_eq!(Size::try_from(text.to_owned()).unwrap().get(), bytes);
            assert_eq!(show_size(bytes), text);
        }
    }
}
