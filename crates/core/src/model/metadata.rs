//! What is kept of a stack beside its resources: who works on it, its record, and its claim on an address block.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What Parameter Store has of one stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackMetadata {
    /// Leases by number; the highest counts.
    pub leases: BTreeMap<u64, Holder>,
    pub record: Option<Record>,
    /// Its address block, where it was chosen for it: one, or more after an answer that was lost. Seen only with the papers of every
    /// stack.
    pub claims: Vec<Claim>,
}

impl StackMetadata {
    /// Who holds the lease at `now`.
    pub fn holder(&self, now: Timestamp) -> Option<&Holder> {
        self.leases.values().next_back().filter(|holder| holder.holds(now))
    }
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The caller's ARN.
    pub who: String,
    /// The machine and process.
    pub host: String,
    pub pid: u32,
    pub since: Timestamp,
    pub expires: Timestamp,
    #[serde(default)]
    pub released: bool,
    /// When everything is listed that a holder before has made, who died or was ended by `unlock`; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Timestamp>,
}

impl Holder {
    /// Whether the lease is held at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.released && now < self.expires
    }

    /// When everything is listed that this holder and those before have made; `None` when it is by `now`. Lists lag behind by
    /// `lag` at most, and a holder stops writing `margin` before its lease expires.
    pub fn visible_at(&self, now: Timestamp, lag: SignedDuration, margin: SignedDuration) -> Option<Timestamp> {
        // One that did not release its lease has died, with a call under way at worst when it last was allowed to write.
        let own = self.expires.saturating_add(lag - margin).ok().filter(|_| !self.released);
        // No longer than if it had ended just now, whatever another machine's clock said.
        let latest = now + lag;
        own.max(self.settled).filter(|at| *at > now).map(|at| at.min(latest))
    }
}

/// What no resource of the stack says by itself. It is not state: it can be made again from the tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Kafka's cluster id.
    pub cluster_id: String,
    pub made_at: Timestamp,
    /// The ARN of the caller that made the stack.
    pub made_by: String,
    /// When the stack goes by itself; never, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How many resources the last apply left; absent from before an apply until it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
    /// How many applies were complete.
    #[serde(default)]
    pub applies: u64,
}

impl Record {
    /// What client tokens of this stack have in common until an apply is complete: until then a call that is repeated must
    /// be known as the same; afterwards not, since AWS remembers a token longer than what was made with it may live.
    pub fn incarnation(&self) -> String {
        format!("{}/{}", self.made_at, self.applies)
    }
}

/// A stack's claim on an address block: the parameter `/kstack/_cidr/BLOCK`, made without overwriting, so that of many
/// stacks made at once from one file no two have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub stack: String,
    pub block: Ipv4Net,
    /// With its stack, should that never be made.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: SignedDuration = SignedDuration::from_secs(30);
    const MARGIN: SignedDuration = SignedDuration::from_secs(15);

    #[test]
    fn who_comes_after_one_that_died_waits_until_all_is_listed_and_never_longer() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("a time");
        let holder = |expires: i64, released: bool, settled: Option<i64>| Holder {
            who: String::new(),
            host: String::new(),
            pid: 1,
            since: at(0),
            expires: at(expires),
            released,
            settled: settled.map(at),
        };
        // It could write until 15 s before its lease expired at 120; what it made then is listed 30 s later.
        let cases = [
            ("released in peace", holder(120, true, None), 60, None),
            ("died, and its lease has just expired", holder(120, false, None), 120, Some(135)),
            ("died long ago", holder(120, false, None), 135, None),
            ("ended by unlock at 50", holder(120, true, Some(80)), 60, Some(80)),
            ("ended by unlock long ago", holder(120, true, Some(80)), 80, None),
            ("died while it waited for another", holder(120, false, Some(80)), 120, Some(135)),
            ("another's clock is an hour ahead", holder(3720, true, Some(3630)), 60, Some(90)),
        ];
        for (case, holder, now, expected) in cases {
            assert_eq!(holder.visible_at(at(now), LAG, MARGIN), expected.map(at), "{case}");
        }
        let endless = Holder { expires: Timestamp::MAX, ..holder(120, false, None) };
        assert_eq!(endless.visible_at(at(0), LAG, MARGIN), Some(at(30)));
    }
}
