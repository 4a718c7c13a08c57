//! Rules of a stack's time: how long it lives, and whether it is protected.

use crate::file::Checker;
use crate::units::TimeSpan;

/// The longest time to live: what lives longer is no stack for a test.
pub const LONGEST: TimeSpan = TimeSpan(90 * 86_400);
/// The shortest: a stack takes minutes to make.
pub const SHORTEST: TimeSpan = TimeSpan(60);

pub fn check(checker: &mut Checker<'_>) {
    let Some(Some(ttl)) = checker.part::<Option<TimeSpan>>("ttl") else { return };
    if let Err(wrong) = lasts(ttl) {
        checker.error("ttl", wrong, "write a time such as `4h`; leave `ttl` out for a stack that stays");
    }
    if checker.part("protected") == Some(true) {
        checker.error(
            "protected",
            "a protected stack does not go by itself, and this one has a `ttl`",
            "leave out `ttl`, or `protected`",
        );
    }
}

/// Whether a stack can live so long.
///
/// # Errors
/// Why it can't, as a clause.
pub fn lasts(ttl: TimeSpan) -> Result<(), String> {
    if (SHORTEST..=LONGEST).contains(&ttl) {
        Ok(())
    } else {
        Err(format!("a stack can't live for {ttl}: from {SHORTEST} to {LONGEST} is possible"))
    }
}
