//! Rules of a stack's lifetime and protection.

use crate::file::Checker;
use crate::units::TimeSpan;

/// The longest lifetime: a stack that lives longer is not ephemeral.
pub const LONGEST: TimeSpan = TimeSpan(90 * 86_400);
/// The shortest: creating a stack takes minutes.
pub const SHORTEST: TimeSpan = TimeSpan(60);

/// Checks the keys `ttl` and `protected`.
pub fn check(checker: &mut Checker<'_>) {
    let Some(Some(ttl)) = checker.part::<Option<TimeSpan>>("ttl") else { return };
    if let Err(wrong) = lasts(ttl) {
        checker.error("ttl", wrong, "write a duration such as `4h`, or remove `ttl` for a stack that does not expire");
    }
    if checker.part("protected") == Some(true) {
        checker.error(
            "protected",
            "a protected stack does not expire, and this one has a `ttl`",
            "remove `ttl` or `protected`",
        );
    }
}

/// Whether a stack can have this lifetime.
///
/// # Errors
/// Why it can't, as a clause.
pub fn lasts(ttl: TimeSpan) -> Result<(), String> {
    if (SHORTEST..=LONGEST).contains(&ttl) {
        Ok(())
    } else {
        Err(format!("a stack can't have a lifetime of {ttl}: use {SHORTEST} to {LONGEST}"))
    }
}
