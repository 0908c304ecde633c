//! Values with a unit, as they are written in the configuration: `"4 GiB"`, `"15s"`, `"#ffffff"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes: a plain number, or one with `KiB`, `MiB`, `GiB` or `TiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

/// A time: a plain number of seconds, or one with `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(Duration);

/// An sRGB colour, written `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

const BYTE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const MILLISECOND_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

impl Bytes {
    /// `n` bytes.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// `n` × 2³⁰ bytes.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// `n` × 2²⁰ bytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Seconds {
    /// `n` seconds.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// `n` milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: u64) -> Self {
        Self::new(n * 60)
    }

    /// `n` days.
    #[must_use]
    pub const fn days(n: u64) -> Self {
        Self::new(n * 24 * 60 * 60)
    }

    /// The time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// Multiplies the number of a text such as `"2.5 GiB"` by the factor of its unit, or by `plain` if it has none.
fn parse(text: &str, units: &[(&str, u64)], plain: u64) -> Option<u64> {
    let text = text.trim();
    let unit = units.iter().find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, plain));
    let number: f64 = number.trim().parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "factors are at most 2^40")]
    let value = number * factor as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    (0.0..9e18).contains(&value).then_some(value as u64)
}

/// Writes `value` in the largest unit that divides it.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let mut fitting: Vec<_> =
        units.iter().filter(|(_, factor)| value.is_multiple_of(*factor)).collect();
    fitting.sort_by_key(|(_, factor)| *factor);
    match fitting.last().filter(|_| value > 0) {
        Some((name, factor)) => write!(f, "{} {name}", value / factor),
        None => write!(f, "{value}"),
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a number of bytes such as \"4 GiB\" or 1048576";
        parse(text, &BYTE_UNITS, 1).map(Self).ok_or_else(|| format!("{text:?}: {expected}"))
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a time such as \"5s\", \"500ms\" or 15";
        let millis = parse(text, &MILLISECOND_UNITS, 1000);
        millis
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| format!("{text:?}: {expected}"))
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number =
            number.ok_or_else(|| format!("{text:?}: expected a colour such as \"#ffffff\""))?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &BYTE_UNITS)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &MILLISECOND_UNITS)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A value from a TOML file or a variable; figment reads a variable that looks like a number as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Whole(u64),
    Fraction(f64),
    Text(String),
}

fn deserialize<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    let text = match Raw::deserialize(from)? {
        Raw::Whole(number) => number.to_string(),
        Raw::Fraction(number) => number.to_string(),
        Raw::Text(text) => text,
    };
    text.parse().map_err(serde::de::Error::custom)
}

macro_rules! as_text {
    ($($unit:ty),*) => {$(
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                deserialize(from)
            }
        }

        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )*};
}

as_text!(Bytes, Seconds, Colour);

#[cfg(test)]
mod tests {
    use super::{Bytes, Colour, Seconds};

    #[test]
    fn units_are_read_and_written() {
        for (text, bytes) in [("4 GiB", 4 << 30), ("1.5KiB", 1536), ("7", 7), ("0", 0)] {
            assert_eq!(text.parse::<Bytes>().map(Bytes::get), Ok(bytes));
        }
        for text in ["4 GiB", "1536 B", "0"] {
            assert_eq!(text.parse::<Bytes>().map(|bytes| bytes.to_string()), Ok(text.into()));
        }
        for (text, millis) in
            [("5s", 5000), ("250 ms", 250), ("1.5 m", 90_000), ("7d", 604_800_000)]
        {
            assert_eq!(text.parse::<Seconds>().map(|s| s.duration().as_millis()), Ok(millis));
        }
        assert_eq!("#ff8000".parse(), Ok(Colour([255, 128, 0])));
    }

    #[test]
    fn values_without_sense_are_refused_with_an_example() {
        assert!("-1".parse::<Bytes>().is_err_and(|error| error.contains("4 GiB")));
        assert!("5 years".parse::<Seconds>().is_err_and(|error| error.contains("500ms")));
        assert!("red".parse::<Colour>().is_err_and(|error| error.contains("#ffffff")));
    }
}
