//! A stack's metadata: its leases, its record, and its claim on an address block.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engines::Engine;
use crate::stack::Logs;

/// The metadata of one stack in Parameter Store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackMetadata {
    /// Leases by number; the highest counts.
    pub leases: BTreeMap<u64, Holder>,
    /// Its record; absent before its first apply.
    pub record: Option<Record>,
    /// Its claims on address blocks: one, or more after a lost answer. Read only with the metadata of every stack.
    pub claims: Vec<Claim>,
}

/// How long a lease lasts unless it is renewed, in seconds: kstack's own choice. It is renewed after a third of that.
pub const LEASE_SECONDS: i64 = 120;

impl StackMetadata {
    /// Takes lease `number` with its `value` in, which was written at `modified` by Parameter Store's clock. The number counts
    /// whatever the value is: a lease that can't be read, such as a later kstack's, is held for as long as one that was written
    /// then can be.
    pub fn insert_lease(&mut self, number: u64, value: &str, modified: Timestamp) {
        let latest = modified.saturating_add(SignedDuration::from_secs(LEASE_SECONDS)).unwrap_or(Timestamp::MAX);
        let unreadable = Holder {
            who: "an unknown caller, whose lease can't be read,".to_owned(),
            host: "an unknown machine".to_owned(),
            pid: 0,
            since: modified,
            expires: latest,
            released: false,
            settled: None,
        };
        let holder: Holder = serde_json::from_str(value).unwrap_or(unreadable);
        // Whatever the clock of the machine that wrote it said.
        let expires = holder.expires.min(latest);
        self.leases.insert(number, Holder { expires, ..holder });
    }

    /// The number of the next lease. At the largest number there is no next: it is the largest again, which can't be made twice.
    pub fn next_lease(&self) -> u64 {
        self.leases.last_key_value().map_or(1, |(number, _)| number.saturating_add(1))
    }

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
    /// The process id.
    pub pid: u32,
    /// When it took the lease.
    pub since: Timestamp,
    /// When the lease ends unless it is renewed.
    pub expires: Timestamp,
    /// Whether it was released.
    #[serde(default)]
    pub released: bool,
    /// When AWS lists everything that earlier holders created which crashed or were ended by `unlock`; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Timestamp>,
}

impl Holder {
    /// Whether the lease is held at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.released && now < self.expires
    }

    /// Whether it is the same holder: the same process, since the same moment.
    pub fn is_same(&self, other: &Holder) -> bool {
        let who = |one: &Holder| (one.who.clone(), one.host.clone(), one.pid, one.since);
        who(self) == who(other)
    }

    /// When AWS lists everything that this holder and earlier ones created; `None` if it does by `now`. Lists lag by at most
    /// `lag`, and a holder stops writing `margin` before its lease expires.
    pub fn visible_at(&self, now: Timestamp, lag: SignedDuration, margin: SignedDuration) -> Option<Timestamp> {
        // A holder that did not release its lease has crashed, at worst with a call under way at the end of its write window.
        let own = self.expires.saturating_add(lag - margin).ok().filter(|_| !self.released);
        // No longer than if it had ended just now, whatever another machine's clock said.
        let latest = now + lag;
        own.max(self.settled).map(|at| at.min(latest)).filter(|at| *at > now)
    }
}

/// Facts of a stack that no resource has. It is no state: it can be rebuilt from the tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Kafka's cluster id.
    pub cluster_id: String,
    /// When the stack was created.
    pub made_at: Timestamp,
    /// The ARN of the caller that created the stack.
    pub made_by: String,
    /// When the stack expires; never, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The key of the engine whose resources there may be: that of the first apply, and of each that was complete. Absent in
    /// records of before kstack wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Whether there may be a role and an instance profile of the stack's own: from before the first is made until an apply without
    /// them is complete. Absent in records of before kstack wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_role: Option<bool>,
    /// Whether there may be a client host, or an instance of one: from before it is made until an apply without it is complete. Absent
    /// where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<bool>,
    /// Whether there may be what only IPv6 needs: as with `own_role`. Absent in records of before kstack wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// Where the stack's names in DNS may be: [`OWN_ZONE`], or the id of a hosted zone of others. Absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether there may be a hosted zone of the stack's for the names of a PrivateLink service: as with `papers`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privatelink: bool,
    /// Whether there may be keys and certificates of the stack's: from before the first is made until an apply without them is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub papers: bool,
    /// Whether brokers may have been given settings while they ran: from before the first. Their hosts' own files don't tell then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settings: bool,
    /// Whether hosts may run another Kafka than the one whose features are finalized: from before the first of them is rolled until
    /// `kstack finalize`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinalized: bool,
    /// Whether there may be alarms of the stack's: as with `papers`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alarms: bool,
    /// What there may be of log groups of the stack's: as with `papers`.
    #[serde(default, skip_serializing_if = "Logs::is_none")]
    pub logs: Logs,
    /// How many resources the last apply left; absent from before an apply until it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
    /// How many applies were complete.
    #[serde(default)]
    pub applies: u64,
}

/// In a record: the hosted zone that kstack makes for the stack.
pub const OWN_ZONE: &str = "own";

impl Record {
    /// Whether there may be resources of another engine than `engine`: what an interrupted destroy has left of a stack that had it.
    /// Where the record does not tell, `unknown` is the answer.
    pub fn has_others(&self, engine: Engine, unknown: bool) -> bool {
        self.engine.as_ref().map_or(unknown, |one| one != engine.key())
    }

    /// Whether there may be a client host.
    pub fn may_have_client(&self) -> bool {
        self.client == Some(true)
    }

    /// Whether there may be what only IPv6 needs.
    pub fn may_have_ipv6(&self) -> bool {
        self.ipv6 != Some(false)
    }

    /// Whether there may be a role and an instance profile of the stack's own.
    pub fn may_have_role(&self) -> bool {
        self.own_role != Some(false)
    }

    /// The part that client tokens of this stack share until an apply is complete: until then AWS must recognise a repeated
    /// call; afterwards it must not, because AWS remembers a token longer than its resource may exist.
    pub fn incarnation(&self) -> String {
        format!("{}/{}", self.made_at, self.applies)
    }
}

/// A stack's claim on an address block: the parameter `/kstack/_cidr/BLOCK`, made without overwriting, so that of many
/// stacks made at once from one file no two have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The stack's name.
    pub stack: String,
    /// The address block.
    pub block: Ipv4Net,
    /// When the claim expires: with its stack, or if that is never created.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: SignedDuration = SignedDuration::from_secs(30);
    const MARGIN: SignedDuration = SignedDuration::from_secs(15);

    fn holder(expires: Timestamp) -> Holder {
        let since = at(0);
        Holder { who: "ann".to_owned(), host: String::new(), pid: 1, since, expires, released: false, settled: None }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).expect("a time")
    }

    #[test]
    fn the_number_of_a_lease_counts_whatever_its_value_is() {
        let readable = serde_json::to_string(&holder(at(60))).expect("JSON");
        let hostile = [
            "",
            "null",
            "{}",
            "[]",
            "4",
            "{\"who\": 1}",
            "not JSON",
            "{\"who\":\"ann\",\"host\":\"x\",\"pid\":-1,\"since\":\"now\",\"expires\":\"never\"}",
            &readable[..readable.len() - 1],
            &"[".repeat(100_000),
        ];
        for value in hostile {
            for number in [1, 7, u64::MAX - 1, u64::MAX] {
                let mut metadata = StackMetadata::default();
                metadata.insert_lease(number, value, at(0));
                let case = format!("{number}: {value:.40}");
                assert_eq!(metadata.next_lease(), number.saturating_add(1), "{case}");
                assert!(metadata.holder(at(119)).is_some(), "its writer may still be at work: {case}");
                assert!(metadata.holder(at(120)).is_none(), "and not for longer than a lease: {case}");
            }
        }
        assert_eq!(StackMetadata::default().next_lease(), 1);
    }

    #[test]
    fn a_lease_ends_by_parameter_stores_clock_whatever_its_writers_was() {
        for (says, holds) in [(60, 60), (120, 120), (720, 120), (86_400 * 365, 120), (-600, -600)] {
            let mut metadata = StackMetadata::default();
            metadata.insert_lease(3, &serde_json::to_string(&holder(at(says))).expect("JSON"), at(0));
            assert_eq!(metadata.leases[&3].expires, at(holds), "{says}");
        }
        let mut metadata = StackMetadata::default();
        metadata.insert_lease(3, &serde_json::to_string(&holder(Timestamp::MAX)).expect("JSON"), Timestamp::MAX);
        assert_eq!(metadata.leases[&3].expires, Timestamp::MAX);
    }

    #[test]
    fn another_engine_is_asked_for_only_where_the_record_tells_of_it_or_does_not_tell() {
        let record = |text: &str| serde_json::from_str::<Record>(text).expect("a record");
        let with = |engine: &str| {
            record(&format!(r#"{{"cluster_id": "", "made_at": "2026-01-31T12:00:00Z", "made_by": ""{engine}}}"#))
        };
        for (engine, unknown, others) in [
            (r#", "engine": "ec2""#, true, false),
            (r#", "engine": "msk""#, false, true),
            // Written by a later kstack, with an engine that this one has not.
            (r#", "engine": "new""#, false, true),
            ("", true, true),
            ("", false, false),
        ] {
            assert_eq!(with(engine).has_others(Engine::Ec2, unknown), others, "{engine}, {unknown}");
        }
    }

    #[test]
    fn the_holder_after_a_crash_waits_until_all_is_listed_and_never_longer() {
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
            ("released", holder(120, true, None), 60, None),
            ("crashed, and its lease has just expired", holder(120, false, None), 120, Some(135)),
            ("crashed long ago", holder(120, false, None), 135, None),
            ("ended by unlock at 50", holder(120, true, Some(80)), 60, Some(80)),
            ("ended by unlock long ago", holder(120, true, Some(80)), 80, None),
            ("crashed while it waited for another", holder(120, false, Some(80)), 120, Some(135)),
            ("another's clock is an hour ahead", holder(3720, true, Some(3630)), 60, Some(90)),
        ];
        for (case, holder, now, expected) in cases {
            assert_eq!(holder.visible_at(at(now), LAG, MARGIN), expected.map(at), "{case}");
        }
        let endless = Holder { expires: Timestamp::MAX, ..holder(120, false, None) };
        assert_eq!(endless.visible_at(at(0), LAG, MARGIN), Some(at(30)));
    }
}
