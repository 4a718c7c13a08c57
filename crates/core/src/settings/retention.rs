//! How long records are kept, as exactly as Kafka counts it.

use std::fmt;

use crate::units::TimeSpan;

/// The text of [`Retention::Forever`].
const FOREVER: &str = "forever";

/// How long records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Milliseconds, at least one.
    Millis(u64),
    Forever,
}

impl Retention {
    pub const fn of(span: TimeSpan) -> Retention {
        Retention::Millis(span.millis())
    }

    /// The value of `log.retention.ms`.
    pub fn kafka_ms(self) -> i64 {
        match self {
            Retention::Millis(millis) => i64::try_from(millis).unwrap_or(i64::MAX),
            Retention::Forever => -1,
        }
    }

    /// In seconds; infinite for ever.
    pub fn seconds(self) -> f64 {
        match self {
            Retention::Millis(millis) => millis as f64 / 1000.0,
            Retention::Forever => f64::INFINITY,
        }
    }

    /// Reads what [`fmt::Display`] shows, as tags have it.
    pub fn parse(text: &str) -> Option<Retention> {
        match (text, text.strip_suffix("ms")) {
            (FOREVER, _) => Some(Retention::Forever),
            (_, Some(millis)) => millis.parse().ok().map(Retention::Millis),
            (_, None) => TimeSpan::parse(text).ok().map(Retention::of),
        }
    }
}

impl fmt::Display for Retention {
    /// `7d`; `1500ms` where it is not whole seconds.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Retention::Millis(millis) if millis.is_multiple_of(1000) => TimeSpan(millis / 1000).fmt(out),
            Retention::Millis(millis) => write!(out, "{millis}ms"),
            Retention::Forever => out.write_str(FOREVER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_and_read_again() {
        for (retention, text, millis) in [
            (Retention::of(TimeSpan(7 * 86_400)), "7d", 604_800_000),
            (Retention::Millis(1500), "1500ms", 1500),
            (Retention::Forever, "forever", -1),
        ] {
            assert_eq!((retention.to_string().as_str(), retention.kafka_ms()), (text, millis));
            assert_eq!(Retention::parse(text), Some(retention));
        }
        assert_eq!(Retention::parse("2"), None);
    }
}
