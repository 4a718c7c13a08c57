//! Whether the caller's credentials last as long as a plan takes.

use jiff::{SignedDuration, Timestamp};

use crate::clock;
use crate::session::Session;
use kstack_core::expiry::{age, shown};
use kstack_core::plan::Plan;

/// That the session's credentials end before `plan` does, as far as both are known.
pub async fn warning(session: &Session, plan: &Plan) -> Option<String> {
    let minutes = plan.minutes();
    let end = if minutes == 0 { None } else { session.aws.clients.credentials_end().await };
    text(end?, clock::now(), SignedDuration::from_mins(i64::try_from(minutes).ok()?))
}

fn text(end: Timestamp, now: Timestamp, takes: SignedDuration) -> Option<String> {
    (end < now.saturating_add(takes).ok()?).then(|| {
        format!(
            "The AWS credentials end at {}, and this plan takes about {}. Unless they renew themselves, the run stops then; \
             run again with new ones, it continues where it stopped.",
            shown(end, now),
            age(takes.as_secs())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_end_first_are_told_with_both_times() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let told = |minutes: i64, takes: i64| {
            text(now + SignedDuration::from_mins(minutes), now, SignedDuration::from_mins(takes))
        };
        assert_eq!(told(60, 60), None);
        assert_eq!(told(720, 95), None);
        let warning = told(60, 95).expect("a warning");
        assert!(
            warning.contains("end at 2026-01-31 13:00:00 UTC (in 1h), and this plan takes about 1h 35m."),
            "{warning}"
        );
        let over = told(-5, 5).expect("a warning");
        assert!(over.contains("(5m ago)"), "{over}");
    }
}
