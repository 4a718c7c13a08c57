//! When a stack expires: by its tags and metadata, and by a plan. Pure: the time is passed in.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::kinds;
use crate::model::{Claim, Record, Tags, tag};
use crate::observed::Observed;
use crate::stack::{Stack, TimeSpan};

/// A stack's lifetime, by its live resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// A resource is tagged as protected: it is not destroyed until the tag is removed.
    Protected,
    /// It does not expire; also if only some of its resources have an expiry.
    Lasting,
    /// It may be reaped from then on. If resources differ, the latest counts.
    Until(Timestamp),
    /// Nothing of the stack exists.
    Nothing,
}

impl Lifetime {
    /// The lifetime, from the live resources, the stack's record and its claim on an address block.
    pub fn of(observed: &Observed, record: Option<&Record>, claim: Option<&Claim>) -> Lifetime {
        let all = || observed.live.iter();
        if all().any(|(_, live)| protected(&live.tags)) {
            return Lifetime::Protected;
        }
        // A list of roles has no tags, and rules have none at all: neither tells the expiry.
        let silent = |kind: &str| kinds::is_named(kind) || !kinds::is_tagged(kind);
        let lasts = all().any(|(address, live)| !silent(&address.kind) && expires(&live.tags).is_none());
        if lasts || record.is_some_and(|record| record.expires_at.is_none()) {
            return Lifetime::Lasting;
        }
        let tags = all().filter_map(|(_, live)| expires(&live.tags));
        let metadata = [record.and_then(|record| record.expires_at), claim.map(|claim| claim.expires_at)];
        match tags.chain(metadata.into_iter().flatten()).max() {
            Some(at) => Lifetime::Until(at),
            None if observed.live.is_empty() && observed.unplaced.is_empty() => Lifetime::Nothing,
            None => Lifetime::Lasting,
        }
    }

    /// The expiry, where there is one.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Lifetime::Until(at) => Some(at),
            _ => None,
        }
    }
}

fn protected(tags: &Tags) -> bool {
    tags.get(tag::PROTECTED).is_some_and(|value| value == PROTECTED)
}

/// The value of the tag `kstack:protected`.
pub const PROTECTED: &str = "true";

/// The expiry in the tags. An unreadable one counts as none, so the stack is kept.
fn expires(tags: &Tags) -> Option<Timestamp> {
    tags.get(tag::EXPIRES)?.parse().ok()
}

/// What the command line asks of a stack's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryRequest {
    /// The present time.
    pub now: Timestamp,
    /// `--ttl`, which overrides the file's.
    pub ttl: Option<TimeSpan>,
}

impl ExpiryRequest {
    /// `ttl` from now, to the second.
    pub fn end(&self, ttl: TimeSpan) -> Timestamp {
        let seconds = i64::try_from(ttl.0).unwrap_or(i64::MAX);
        let end = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        Timestamp::from_second(end.as_second()).unwrap_or(end)
    }

    /// The expiry that a plan gives `stack`. An expiry once set stays, because otherwise every plan would show a change. One that
    /// has passed is set anew if there is a ttl, because whoever applies the stack wants it.
    pub fn choose(&self, stack: &Stack, term: Lifetime) -> Option<Timestamp> {
        if stack.protected {
            return None;
        }
        match (self.ttl, term) {
            (Some(ttl), _) => Some(self.end(ttl)),
            (None, Lifetime::Until(at)) if at > self.now => Some(at),
            (None, Lifetime::Until(at)) => Some(stack.ttl.map_or(at, |ttl| self.end(ttl))),
            (None, _) => stack.ttl.map(|ttl| self.end(ttl)),
        }
    }
}

/// A time for people, and how far it is from `now`: `2026-01-31 12:00:00 UTC (in 2h)`.
pub fn shown(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let far = if seconds >= 0 { format!("in {}", left(seconds)) } else { format!("{} ago", age(-seconds)) };
    format!("{} ({far})", at.strftime("%F %T UTC"))
}

/// The remaining seconds in units; above ten minutes rounded up to the minute, so that two hours stay `2h` for a moment.
pub fn left(seconds: i64) -> String {
    age(if seconds >= 600 { (seconds + 59) / 60 * 60 } else { seconds })
}

/// Seconds in the largest two units, `2d 3h`, `4h`, `12m`, `30s`.
pub fn age(seconds: i64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (name, size) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{}{name}", rest / size));
        } else if !parts.is_empty() {
            break;
        }
        rest %= size;
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::ElasticIp;
    use crate::model::Address;
    use crate::observed::Live;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// What is live, each with the tags that are given.
    fn live(all: &[(&str, &[(&str, &str)])]) -> Observed {
        let one = |(address, tags): &(&str, &[(&str, &str)])| {
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            (
                Address::parse(address).expect("an address"),
                Live { id: "id".to_owned(), spec: ElasticIp::default().into(), tags },
            )
        };
        Observed { live: all.iter().map(one).collect(), ..Observed::default() }
    }

    fn record(expires_at: Option<Timestamp>) -> Record {
        let (cluster_id, made_by) = (String::new(), String::new());
        Record {
            cluster_id,
            made_at: Timestamp::UNIX_EPOCH,
            made_by,
            expires_at,
            engine: None,
            own_role: None,
            client: None,
            ipv6: None,
            settings: false,
            unfinalized: false,
            zone: None,
            privatelink: false,
            papers: false,
            alarms: false,
            logs: crate::stack::Logs::None,
            resources: None,
            applies: 0,
        }
    }

    const EARLY: (&str, &str) = (tag::EXPIRES, "2026-01-31T12:00:00Z");
    const LATE: (&str, &str) = (tag::EXPIRES, "2026-01-31T14:00:00Z");

    #[test]
    fn the_latest_counts_and_none_is_the_latest_of_all() {
        let (early, late) = (at(EARLY.1), at(LATE.1));
        let of = |all: &[(&str, &[(&str, &str)])]| Lifetime::of(&live(all), None, None);
        assert_eq!(of(&[]), Lifetime::Nothing);
        assert_eq!(of(&[("vpc/main", &[EARLY]), ("volume/broker-1", &[LATE])]), Lifetime::Until(late));
        assert_eq!(of(&[("vpc/main", &[EARLY]), ("volume/broker-1", &[])]), Lifetime::Lasting);
        assert_eq!(of(&[("vpc/main", &[(tag::EXPIRES, "tomorrow")])]), Lifetime::Lasting);
        assert_eq!(of(&[("vpc/main", &[EARLY]), ("security_group_rules/brokers", &[])]), Lifetime::Until(early));
        assert_eq!(of(&[("vpc/main", &[EARLY]), ("role/hosts", &[])]), Lifetime::Until(early));
        assert_eq!(of(&[("role/hosts", &[])]), Lifetime::Lasting);
        let protected = (tag::PROTECTED, PROTECTED);
        assert_eq!(of(&[("vpc/main", &[EARLY, protected]), ("volume/broker-1", &[EARLY])]), Lifetime::Protected);
    }

    #[test]
    fn the_record_and_the_claim_count_too() {
        let (early, late) = (at(EARLY.1), at(LATE.1));
        let vpc = live(&[("vpc/main", &[EARLY])]);
        let claim = Claim { stack: "x".to_owned(), block: "10.7.0.0/16".parse().expect("a block"), expires_at: late };
        assert_eq!(Lifetime::of(&vpc, Some(&record(Some(late))), None), Lifetime::Until(late));
        assert_eq!(Lifetime::of(&vpc, Some(&record(None)), None), Lifetime::Lasting, "its expiry was removed since");
        assert_eq!(Lifetime::of(&live(&[]), Some(&record(Some(early))), None), Lifetime::Until(early));
        assert_eq!(Lifetime::of(&live(&[]), Some(&record(None)), None), Lifetime::Lasting);
        assert_eq!(Lifetime::of(&live(&[]), None, Some(&claim)), Lifetime::Until(late));
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m 1s"), (7200, "2h"), (90_000, "1d 1h"), (86_460, "1d")]
        {
            assert_eq!(age(seconds), text);
        }
        assert_eq!((left(7199).as_str(), left(30).as_str()), ("2h", "30s"));
        assert_eq!(shown(at(LATE.1), at(EARLY.1)), "2026-01-31 14:00:00 UTC (in 2h)");
        assert_eq!(shown(at(EARLY.1), at(LATE.1)), "2026-01-31 12:00:00 UTC (2h ago)");
    }
}
