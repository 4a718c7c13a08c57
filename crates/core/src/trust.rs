//! Which of a stack's authorities its hosts trust, and by which their certificates are, while one authority takes the place of another.
//!
//! An authority has a number. A host takes what it is told when it starts, so a change comes to all of them one roll after another, and in
//! between some have it and some do not: each must know each other one all the time. The only state is what is live.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The authorities of one host, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The hosts' authority that signed its certificate.
    pub signer: u32,
    /// Those of the hosts that it trusts.
    pub hosts: BTreeSet<u32>,
    /// Those of the clients.
    pub clients: BTreeSet<u32>,
}

impl Default for Trust {
    /// With the first authorities alone.
    fn default() -> Trust {
        Trust { signer: 1, hosts: [1].into(), clients: [1].into() }
    }
}

impl Trust {
    /// Whether it is the default one.
    pub fn is_first(&self) -> bool {
        *self == Trust::default()
    }

    /// The same of a host with this name: controllers have no listener for clients.
    #[must_use]
    pub fn of_host(mut self, name: &str) -> Trust {
        if name.starts_with("controller-") {
            self.clients.clear();
        }
        self
    }

    /// The text of [`fmt::Display`], read again; `None` for another one.
    pub fn parse(text: &str) -> Option<Trust> {
        let numbers = |text: &str| text.split('+').map(|one| one.parse().ok()).collect::<Option<BTreeSet<u32>>>();
        let (signer, rest) = text.strip_prefix("by ")?.split_once(", trusts ")?;
        let (hosts, clients) = match rest.split_once(", clients ") {
            Some((hosts, clients)) => (hosts, numbers(clients)?),
            None => (rest, BTreeSet::new()),
        };
        Some(Trust { signer: signer.parse().ok()?, hosts: numbers(hosts)?, clients })
    }
}

/// `by 1, trusts 1+2, clients 1`.
impl fmt::Display for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: &BTreeSet<u32>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
        write!(out, "by {}, trusts {}", self.signer, list(&self.hosts))?;
        if self.clients.is_empty() { Ok(()) } else { write!(out, ", clients {}", list(&self.clients)) }
    }
}

impl Serialize for Trust {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trust {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Trust, D::Error> {
        let text = String::deserialize(deserializer)?;
        Trust::parse(&text).ok_or_else(|| serde::de::Error::custom("no authorities"))
    }
}

/// What is known of all hosts that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    signers: BTreeSet<u32>,
    /// The authorities that every host trusts.
    common: BTreeSet<u32>,
}

impl Running {
    /// Of hosts of which each has this; `None` where none runs. Of one with `None` nothing is known: it counts for one that knows no more
    /// than all others do; where nothing is known of any, than that the newest of the `live` authorities is.
    pub fn of(all: &[Option<Trust>], live: &BTreeSet<u32>) -> Option<Running> {
        let known: Vec<&Trust> = all.iter().flatten().collect();
        let signers: BTreeSet<u32> = known.iter().map(|one| one.signer).collect();
        let mut common = known.iter().map(|one| one.hosts.clone());
        let first = common.next().or_else(|| (!all.is_empty()).then(|| live.clone()))?;
        let common = common.fold(first, |common, one| &common & &one);
        let mut running = Running { signers, common };
        if known.len() < all.len() {
            let signer = running.signer();
            running.signers.insert(signer);
            running.common.retain(|one| *one == signer);
        }
        Some(running)
    }

    /// An authority whose certificates every host takes, and that has signed some: kstack's own are by it.
    pub fn signer(&self) -> u32 {
        let both = &self.signers & &self.common;
        both.last().or(self.common.last()).or(self.signers.last()).copied().unwrap_or(1)
    }
}

/// What hosts are to have next, and what comes after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    pub trust: Trust,
    /// The rolls of all hosts that follow once all have it.
    pub then: Vec<Roll>,
}

impl Next {
    /// Whether it does not begin with telling hosts of an authority that is to stand alone.
    pub fn goes_on_from(&self, running: &Running) -> bool {
        !self.then.iter().any(|roll| matches!(roll, Roll::Signed(_))) || running.signers.is_empty()
    }
}

/// A roll of all hosts that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roll {
    /// Their certificates are by the authority with this number.
    Signed(u32),
    /// They trust no other any more than those that are asked for.
    Alone(u32),
}

/// The next thing for hosts that are to trust the `hosts` authorities, and in the end no other, and those of the `clients`. The order
/// is: all trust the one that is to sign; it signs for all; nobody trusts another one. A host comes to one of these only once all have
/// had the one before, whatever each of them has and whatever was asked for before.
pub fn next(hosts: &BTreeSet<u32>, clients: &BTreeSet<u32>, running: Option<&Running>) -> Next {
    let alone = |signer| Trust { signer, hosts: hosts.clone(), clients: clients.clone() };
    let first = hosts.first().copied().unwrap_or(1);
    let Some(Running { signers, common }) = running else { return Next { trust: alone(first), then: Vec::new() } };
    // While two are asked for, the one that signs stays.
    let signer = (signers & hosts).last().copied().unwrap_or(first);
    let last = (!signers.is_subset(hosts)).then_some(Roll::Alone(signer));
    let both = |signer| Trust { hosts: signers | &(hosts | &[signer].into()), ..alone(signer) };
    if !common.contains(&signer) {
        let then = [Roll::Signed(signer)].into_iter().chain(last).collect();
        return Next { trust: both(running.map_or(signer, Running::signer)), then };
    }
    if signers.iter().any(|one| *one != signer) {
        return Next { trust: both(signer), then: last.into_iter().collect() };
    }
    Next { trust: alone(signer), then: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::{Index, subsequence};

    fn trust(text: &str) -> Trust {
        Trust::parse(text).unwrap_or_else(|| panic!("{text} does not read"))
    }

    fn set(numbers: &[u32]) -> BTreeSet<u32> {
        numbers.iter().copied().collect()
    }

    #[test]
    fn a_text_is_read_again() {
        for text in ["by 1, trusts 1, clients 1", "by 2, trusts 1+2, clients 3", "by 2, trusts 2"] {
            assert_eq!(trust(text).to_string(), text);
        }
        for text in ["", "unknown", "by 1", "by x, trusts 1", "by 1, trusts ", "by 1, trusts 1, clients x"] {
            assert_eq!(Trust::parse(text), None, "{text}");
        }
        assert_eq!(trust("by 1, trusts 1+2, clients 1").of_host("controller-1").to_string(), "by 1, trusts 1+2");
    }

    /// What all hosts have, what is asked for, what comes next, and what after that.
    #[test]
    fn each_thing_comes_once_all_have_the_one_before() {
        use Roll::{Alone, Signed};
        type Case<'a> = (&'a [&'a str], &'a [u32], &'a str, &'a [Roll]);
        let cases: [Case<'_>; 14] = [
            (&[], &[1], "by 1, trusts 1", &[]),
            (&[], &[2, 3], "by 2, trusts 2+3", &[]),
            (&["by 1, trusts 1"; 3], &[1], "by 1, trusts 1", &[]),
            // Both are asked for: the one that signs stays.
            (&["by 1, trusts 1"; 3], &[1, 2], "by 1, trusts 1+2", &[]),
            (&["by 1, trusts 1+2", "by 1, trusts 1"], &[1, 2], "by 1, trusts 1+2", &[]),
            (&["by 2, trusts 1+2"; 3], &[1, 2], "by 2, trusts 1+2", &[]),
            // The second alone: its certificates first, and then nobody trusts the first.
            (&["by 1, trusts 1+2"; 3], &[2], "by 2, trusts 1+2", &[Alone(2)]),
            (&["by 2, trusts 1+2", "by 1, trusts 1+2"], &[2], "by 2, trusts 1+2", &[Alone(2)]),
            (&["by 2, trusts 1+2"; 3], &[2], "by 2, trusts 2", &[]),
            (&["by 2, trusts 2", "by 2, trusts 1+2"], &[2], "by 2, trusts 2", &[]),
            // Not all trust it yet.
            (&["by 1, trusts 1+2", "by 1, trusts 1"], &[2], "by 1, trusts 1+2", &[Signed(2), Alone(2)]),
            // Given up half-way, in each direction.
            (&["by 1, trusts 1+2", "by 1, trusts 1"], &[1], "by 1, trusts 1", &[]),
            (&["by 2, trusts 1+2", "by 1, trusts 1+2"], &[1], "by 1, trusts 1+2", &[Alone(1)]),
            (&["by 2, trusts 2", "by 2, trusts 1+2"], &[1], "by 2, trusts 1+2", &[Signed(1), Alone(1)]),
        ];
        for (running, asked, expected, then) in cases {
            let running: Vec<Option<Trust>> = running.iter().map(|text| Some(trust(text))).collect();
            let next = next(&set(asked), &set(&[]), Running::of(&running, &set(&[])).as_ref());
            assert_eq!((next.trust.to_string().as_str(), &next.then[..]), (expected, then), "{running:?} {asked:?}");
        }
    }

    #[test]
    fn a_host_of_which_nothing_is_known_holds_the_others_back() {
        let half = Some(trust("by 1, trusts 1+2"));
        let running = Running::of(&[half.clone(), None, half], &set(&[])).expect("some run");
        let next = next(&set(&[2]), &set(&[1]), Some(&running));
        assert_eq!((next.trust.to_string().as_str(), next.then.len()), ("by 1, trusts 1+2, clients 1", 2));
        assert_eq!(Running::of(&[None, None], &set(&[2, 3])).map(|running| running.signer()), Some(3));
        assert_eq!(Running::of(&[None, None], &set(&[])).map(|running| running.signer()), Some(1));
        assert_eq!(Running::of(&[], &set(&[1])), None);
    }

    fn asked() -> impl Strategy<Value = BTreeSet<u32>> {
        subsequence(vec![1_u32, 2, 3, 4], 1..=2).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        /// Whoever asks for what, and wherever each run ends: each host knows each other one and kstack all the time, and in the end all
        /// have what was asked for last.
        #[test]
        fn hosts_know_each_other_all_the_time(
            count in 1..6_usize,
            wishes in prop::collection::vec((asked(), prop::collection::vec(any::<Index>(), 0..8)), 1..6),
        ) {
            let mut hosts = vec![Some(Trust { signer: 1, hosts: set(&[1]), clients: set(&[]) }); count];
            let know_each_other = |hosts: &[Option<Trust>], own: u32| {
                let all = || hosts.iter().flatten();
                all().all(|one| one.hosts.contains(&own) && all().all(|other| one.hosts.contains(&other.signer)))
            };
            let mut last = set(&[1]);
            for (wanted, rolled) in wishes {
                let running = Running::of(&hosts, &set(&[])).expect("some run");
                let next = next(&wanted, &set(&[]), Some(&running));
                for index in rolled {
                    hosts[index.index(count)] = Some(next.trust.clone());
                    prop_assert!(know_each_other(&hosts, running.signer()), "{hosts:?}");
                }
                last = wanted;
            }
            let mut left = None;
            for _ in 0..4 {
                let running = Running::of(&hosts, &set(&[])).expect("some run");
                let next = next(&last, &set(&[]), Some(&running));
                prop_assert!(left.is_none_or(|left: usize| next.then.len() == left.saturating_sub(1)), "one less is left each time");
                left = Some(next.then.len());
                for host in 0..count {
                    hosts[host] = Some(next.trust.clone());
                    prop_assert!(know_each_other(&hosts, running.signer()), "{hosts:?}");
                }
            }
            prop_assert!(hosts.iter().flatten().all(|host| host.hosts == last && last.contains(&host.signer)), "{hosts:?}");
        }
    }
}
