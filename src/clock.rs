//! The one clock by which stacks and leases are dated. Tests set it forward with `KSTACK_NOW`; nothing else should.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};

static SHIFT: OnceLock<SignedDuration> = OnceLock::new();

/// The time now: the system's, or that of `KSTACK_NOW` and what has passed since this process began.
pub fn now() -> Timestamp {
    let shift = SHIFT.get().copied().unwrap_or_default();
    Timestamp::now().checked_add(shift).unwrap_or(Timestamp::MAX)
}

/// Reads `KSTACK_NOW`, once, when the process begins.
///
/// # Errors
/// That it is no time, as a sentence.
pub fn start() -> Result<(), String> {
    let Some(text) = std::env::var("KSTACK_NOW").ok().filter(|text| !text.is_empty()) else { return Ok(()) };
    let at: Timestamp = text.parse().map_err(|_| {
        format!("KSTACK_NOW is `{text}`, and a time is written like 2026-01-31T12:00:00Z; it is for tests only")
    })?;
    let _ = SHIFT.set(at.duration_since(Timestamp::now()));
    Ok(())
}
