//! Units: sizes, rates and durations as they are written in a stack file (`500 GiB`, `40 MiB/s`, `7d`), and conversions
//! between what AWS and Kafka count in.

use std::fmt;

use serde::{Serialize, Serializer};

/// Bytes of a KiB.
pub const KIB: u64 = 1 << 10;
/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;
/// Bytes of a GiB.
pub const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Units of size, largest first within each family: binary ones are also used to show a size.
const SIZES: [(&str, u64); 9] = [
    ("TiB", TIB),
    ("GiB", GIB),
    ("MiB", MIB),
    ("KiB", KIB),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Units of duration in seconds, largest first.
const TIME_UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// MiB/s (2^20 bytes) of a rate in MB/s (10^6 bytes).
pub fn mibs_of_mbs(mbs: f64) -> f64 {
    mbs * 1e6 / MIB as f64
}

/// MB/s (10^6 bytes) of a rate in MiB/s (2^20 bytes).
pub fn mbs_of_mibs(mibs: f64) -> f64 {
    mibs * (MIB as f64 / 1e6)
}

/// MiB/s of a rate in Gbit/s (10^9 bits).
pub fn mibs_of_gbps(gbps: f64) -> f64 {
    gbps * 1e9 / 8.0 / MIB as f64
}

/// GiB that flow in `seconds` at `mibs` MiB/s.
pub fn gib_of(mibs: f64, seconds: f64) -> f64 {
    mibs * seconds / 1024.0
}

/// The least and the most that something may have, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds<T> {
    pub least: T,
    pub most: T,
}

impl<T: PartialOrd> Bounds<T> {
    /// Whether `value` is within them.
    pub fn contains(&self, value: T) -> bool {
        self.least <= value && value <= self.most
    }
}

/// An amount of data, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A data rate, in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// A length of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub u64);

/// A part of a whole, from 0 to 1; written `20%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

impl Size {
    /// This size in GiB, rounded up: the unit of EBS.
    pub fn gib_ceil(self) -> u64 {
        self.0.div_ceil(GIB)
    }
    /// A size of `gib` GiB.
    pub const fn gib(gib: u64) -> Self {
        Size(gib * GIB)
    }
    /// Parses `500 GiB`.
    ///
    /// # Errors
    /// A sentence that names the units.
    pub fn parse(text: &str) -> Result<Self, String> {
        quantity(text, &SIZES).map(Size).ok_or_else(|| {
            format!("`{text}` is not a size: write a number and a unit, such as `500 GiB` (KiB, MiB, GiB, TiB, KB, MB, GB, TB)")
        })
    }
}

impl Rate {
    /// This rate in MiB/s.
    pub fn mibs(self) -> f64 {
        self.0 as f64 / MIB as f64
    }
    /// This rate in whole MiB/s, rounded up.
    pub fn mibs_ceil(self) -> u64 {
        self.0.div_ceil(MIB)
    }
    /// A rate of `mibs` MiB/s, to a whole byte.
    pub fn from_mibs(mibs: f64) -> Self {
        Rate((mibs * MIB as f64).round() as u64)
    }
    /// Parses `40 MiB/s`.
    ///
    /// # Errors
    /// A sentence that names the units.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.trim().strip_suffix("/s").and_then(|amount| quantity(amount, &SIZES)).map(Rate).ok_or_else(|| {
            format!("`{text}` is not a rate: write a number and a unit per second, such as `40 MiB/s` (KiB/s, MiB/s, GiB/s, KB/s, MB/s, GB/s)")
        })
    }
}

impl TimeSpan {
    /// This time in milliseconds; the most that there is where it is longer.
    pub const fn millis(self) -> u64 {
        self.0.saturating_mul(1000)
    }
    /// Parses `7d`, `36h`.
    ///
    /// # Errors
    /// A sentence that names the units.
    pub fn parse(text: &str) -> Result<Self, String> {
        quantity(text, &TIME_UNITS).map(TimeSpan).ok_or_else(|| {
            format!("`{text}` is not a duration: write a number and a unit, such as `7d` (s, m, h, d, w)")
        })
    }
}

impl Percent {
    /// Parses `20%`.
    ///
    /// # Errors
    /// A sentence that shows the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.trim()
            .strip_suffix('%')
            .and_then(|number| number.trim().parse::<f64>().ok())
            .filter(|number| (0.0..=100.0).contains(number))
            .map(|number| Percent(number / 100.0))
            .ok_or_else(|| {
                format!("`{text}` is not a percentage: write a number from 0 to 100 and a percent sign, such as `20%`")
            })
    }
}

/// `text` as a number and one of `units`, in the unit of value 1, rounded; `None` when it is anything else or too large.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = (&text[..split], text[split..].trim());
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    let value = number.parse::<f64>().ok()? * factor as f64;
    (value.is_finite() && value < 1e18).then(|| value.round() as u64)
}

/// `value` in the largest of `units` that shows it without more than two decimals.
fn show(value: u64, units: &[(&str, u64)], gap: &str) -> String {
    let (name, factor) = units.iter().find(|(_, factor)| value >= *factor).unwrap_or(&units[units.len() - 1]);
    let number = value as f64 / *factor as f64;
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{gap}{name}")
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&show(self.0, &SIZES[..4], " "))
    }
}
impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/s", show(self.0, &SIZES[..4], " "))
    }
}
impl fmt::Display for TimeSpan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest unit that divides it: 36h stays 36h, and 7d is not 1w to an operator.
        let (name, factor) =
            TIME_UNITS[1..].iter().find(|(_, factor)| self.0.is_multiple_of(*factor)).unwrap_or(&("s", 1));
        write!(out, "{}{name}", self.0 / factor)
    }
}
impl fmt::Display for Percent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", (self.0 * 10_000.0).round() / 100.0)
    }
}

macro_rules! serialized_as_shown {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
serialized_as_shown!(Size, Rate, TimeSpan, Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_shown() {
        assert_eq!(Size::parse("500 GiB").unwrap(), Size::gib(500));
        assert_eq!(Size::parse("1.5TiB").unwrap().gib_ceil(), 1536);
        assert_eq!(Rate::parse("40 MiB/s").unwrap().mibs(), 40.0);
        assert_eq!(TimeSpan::parse("7d").unwrap(), TimeSpan(604_800));
        assert_eq!(Percent::parse("12.5 %").unwrap(), Percent(0.125));
        for (shown, text) in [("500 GiB", "500GiB"), ("1.5 TiB", "1536 GiB"), ("976.56 KiB", "1 MB")] {
            assert_eq!(Size::parse(text).unwrap().to_string(), shown);
        }
        assert_eq!(TimeSpan::parse("14d").unwrap().to_string(), "14d");
        assert_eq!(TimeSpan::parse("36h").unwrap().to_string(), "36h");
        assert_eq!(TimeSpan::parse("0d").unwrap().to_string(), "0d");
        assert_eq!(TimeSpan::parse("1000000000000d").unwrap().millis(), u64::MAX);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "500", "GiB", "-1 GiB", "5 gib", "1e9 GiB", "99999999999999999 TiB", "5 GiB/s"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
        assert!(Rate::parse("40 MiB").is_err());
        assert!(TimeSpan::parse("7 years").is_err());
        assert!(Percent::parse("101%").is_err());
    }
}
