//! Zones that are emptied on purpose: which they are, by a tag on the network interfaces of their brokers' hosts, and what emptying one means.
//!
//! A zone is evacuated as soon as one of its brokers bears the tag, and until none does. What has left it is in Kafka alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::design::node_id;
use crate::kinds::{self, Kind as _, NetworkInterface, OfKind as _, Subnet, Volume};
use crate::model::{Address, tag};
pub use crate::moves::said_of_evacuated as said;
use crate::moves::{Left, Mark, Marks, Proposal, View, amount, brokers_text, evacuated_zones as zones};
use crate::observed::Observed;
use crate::text::{all_of, first_of, many};

/// The brokers whose hosts bear the tag.
pub fn marks(observed: &Observed) -> Marks {
    let one = |(name, (live, _)): (&str, (&crate::observed::Live, &NetworkInterface))| {
        let mark = Mark::parse(live.tags.get(tag::EVACUATED)?)?;
        Some((node_id(name)?, mark))
    };
    observed.of::<NetworkInterface>().into_iter().filter_map(one).collect()
}

/// The zone that a live host is in, by its volume or its subnet; `None` where neither tells.
pub fn zone_of<'a>(observed: &'a Observed, host: &str) -> Option<&'a str> {
    let spec = |kind: &str, name: &str| observed.live.get(&Address::new(kind, name)).map(|live| &live.spec);
    let of_volume = || Volume::of(spec(Volume::NAME, host)?).map(|volume| volume.zone.as_str());
    let of_subnet = || {
        let subnet = &NetworkInterface::of(spec(NetworkInterface::NAME, host)?)?.subnet;
        Subnet::of(spec(Subnet::NAME, &subnet.address()?.name)?).map(|subnet| subnet.zone.as_str())
    };
    of_volume().or_else(of_subnet)
}

/// What zone a user means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub name: String,
    /// Its brokers.
    pub brokers: BTreeSet<u32>,
    /// Those that vote in the controllers' quorum, by host.
    pub voters: Vec<String>,
}

impl Zone {
    /// The zone with this name, or with this id, which is the rack of its brokers.
    ///
    /// # Errors
    /// The zones that there are.
    pub fn find(view: &View, observed: &Observed, asked: &str) -> Result<Zone, Vec<String>> {
        let names = observed.of::<NetworkInterface>().into_keys();
        let hosts: BTreeMap<&str, &str> = names.filter_map(|host| Some((host, zone_of(observed, host)?))).collect();
        let of = |id: u32| hosts.get(format!("broker-{id}").as_str()).copied();
        let racks: BTreeMap<&str, &str> =
            view.brokers.iter().filter_map(|one| Some((one.rack.as_deref()?, of(one.id)?))).collect();
        let name = match racks.get(asked) {
            Some(name) => *name,
            None => asked,
        };
        let in_zone = |one: &&crate::moves::Broker| {
            let rack = one.rack.as_deref().unwrap_or_default();
            of(one.id) == Some(name) || racks.get(rack).copied().unwrap_or(rack) == name
        };
        let brokers: BTreeSet<u32> = view.brokers.iter().filter(in_zone).map(|one| one.id).collect();
        let voters = |host: &&str| node_id(host).is_some_and(|id| view.voters.contains_key(&id));
        let voters = hosts.iter().filter(|(_, zone)| **zone == name).map(|(host, _)| *host).filter(voters);
        let voters = voters.map(str::to_owned).collect();
        match brokers.is_empty() {
            true => Err(hosts.values().copied().collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()),
            false => Ok(Zone { name: name.to_owned(), brokers, voters }),
        }
    }

    /// The marks of its brokers where `left` leaves it, or has left it; and those of others.
    pub fn marked(&self, marks: &Marks, left: Left) -> Marks {
        let left = zones(marks).get(self.name.as_str()).map_or(left, |(before, _)| left.max(*before));
        let mark = Mark { left, zone: self.name.clone() };
        let own = self.brokers.iter().map(|id| (*id, mark.clone()));
        marks.iter().map(|(id, mark)| (*id, mark.clone())).chain(own).collect()
    }

    /// `broker 1`, `brokers 1 and 4`.
    pub fn brokers_text(&self) -> String {
        brokers_text(&self.brokers)
    }
}

/// Why the zone can't be evacuated, each a sentence. `view` is as it is where it is.
pub fn refusals(view: &View, zone: &Zone) -> Vec<String> {
    if view.quorum.is_none() {
        return vec!["The controllers don't answer: nothing is changed without their word.".to_owned()];
    }
    if let Some((other, _)) = zones(&view.evacuated).into_iter().find(|(name, _)| *name != zone.name) {
        return vec![format!(
            "{other} is evacuated already, and one zone may be at a time: end that first, with `kstack evacuate --zone {other} --undo`."
        )];
    }
    let fit: BTreeSet<u32> = view.brokers.iter().filter(|one| one.is_fit()).map(|one| one.id).collect();
    let others: BTreeSet<u32> = fit.difference(&zone.brokers).copied().collect();
    if others.is_empty() {
        return vec!["No broker of another zone serves: there is nowhere to go.".to_owned()];
    }
    let mut all = Vec::new();
    let all_go = view.evacuated.values().any(|mark| mark.left == Left::Replicas);
    if !all_go {
        return all;
    }
    let there = view.partitions.iter().filter(|(_, one)| one.replicas.iter().any(|id| zone.brokers.contains(id)));
    let wide = there.filter(|(_, one)| one.replicas.len() > others.len());
    let wide: BTreeMap<&String, usize> = wide.map(|(key, one)| (&key.0, one.replicas.len())).collect();
    if let Some(most) = wide.values().max() {
        all.push(format!(
            "{} would be left, and the topics {} have up to {most} replicas, each of which needs a broker of its own: add brokers in the other \
             zones first, or let leaders alone leave, without --replicas.",
            many(others.len(), "broker"),
            first_of(wide.keys().copied())
        ));
    }
    let kept = view.kept_topics();
    let stay = |topic: &&&String| {
        let mut of = view.partitions.iter().filter(|(key, _)| key.0 == ***topic);
        of.any(|(_, one)| one.replicas.iter().any(|id| zone.brokers.contains(id)))
    };
    let kept: Vec<&String> = kept.iter().filter(stay).copied().collect();
    if !kept.is_empty() {
        all.push(format!(
            "Partitions of {} can't move: others have set its throttle for all replicas, or none. Take that away first.",
            first_of(kept)
        ));
    }
    let mut state = view.state(crate::moves::Bands::OPEN);
    let (_, stuck) = state.moves();
    let stuck = stuck.iter().filter(|one| zone.brokers.contains(&one.from)).map(|one| state.partition(one.partition));
    let (count, bytes) = stuck
        .filter(|one| !wide.contains_key(&one.topic))
        .fold((0, 0_u64), |(count, bytes), one| (count + 1, bytes.saturating_add(one.bytes)));
    if count > 0 {
        all.push(format!(
            "The brokers of the other zones have no room for {}, {}: a volume is filled to 80% at most. Make their volumes larger first, or add \
             brokers there.",
            many(count, "replica"),
            amount(bytes)
        ));
    }
    all
}

/// Why the evacuation can't be undone, each a sentence.
pub fn refusals_of_undo(view: &View, zone: &Zone) -> Vec<String> {
    if view.quorum.is_none() {
        return vec!["The controllers don't answer: nothing is changed without their word.".to_owned()];
    }
    let out = |one: &&crate::moves::Broker| zone.brokers.contains(&one.id) && !one.is_fit();
    let out: BTreeSet<u32> = view.brokers.iter().filter(out).map(|one| one.id).collect();
    match out.is_empty() {
        true => Vec::new(),
        false => vec![format!(
            "Not all of {} serve: {}. `kstack apply` starts hosts that are stopped, and makes those anew that are gone; then undo it.",
            zone.name,
            brokers_text(&out)
        )],
    }
}

/// What is to be known of it, each a sentence: who votes there, what stays led there, and which copies share a zone.
pub fn remarks(view: &View, zone: &Zone, proposal: &Proposal) -> Vec<String> {
    let mut all = Vec::new();
    if !zone.voters.is_empty() {
        let fresh = view
            .voters
            .iter()
            .filter(|(id, fresh)| **fresh && !zone.voters.iter().any(|host| node_id(host) == Some(**id)));
        let (verb, them) = if zone.voters.len() == 1 { ("votes", "it") } else { ("vote", "them") };
        all.push(format!(
            "{} {verb} in the controllers' quorum, and {} to: without {them} {} of {} controllers are left.",
            all_of(zone.voters.iter().cloned()),
            if zone.voters.len() == 1 { "goes on" } else { "go on" },
            fresh.count(),
            view.voters.len()
        ));
    }
    let alone = view.led_by_nobody_else();
    if !alone.is_empty() {
        let topics: BTreeSet<&String> = alone.iter().map(|key| &key.0).collect();
        let until = match view.evacuated.values().any(|mark| mark.left == Left::Replicas) {
            true => "until they have moved",
            false => "still",
        };
        all.push(format!(
            "{} of {} can be led by no broker outside of it, since none is in sync: led there {until}.",
            many(alone.len(), "partition"),
            first_of(topics)
        ));
    }
    let rack = |id: &u32| view.brokers.iter().find(|one| one.id == *id).and_then(|one| one.rack.as_ref());
    let crowd = |to: &[u32]| {
        let racks: BTreeSet<_> = to.iter().map(rack).collect();
        racks.len() < to.len()
    };
    let crowded = proposal.changes.iter().filter(|one| crowd(&one.to)).count();
    if crowded > 0 {
        let verb = if crowded == 1 { "has" } else { "have" };
        all.push(format!(
            "{} {verb} two copies in one zone then, until it is undone: the loss of that zone would leave one.",
            many(crowded, "partition")
        ));
    }
    all
}

/// What is proposed, for people. `rate` is what each broker may use, in bytes a second.
pub fn text(view: &View, zone: &Zone, proposal: &Proposal, rate: u64) -> String {
    let replicas = view.evacuated.values().any(|mark| mark.left == Left::Replicas);
    let (what, then) = match replicas {
        true => (
            "Leaders and then replicas leave",
            "Nothing comes back until that is undone. Once it has no replica, its brokers may be stopped.",
        ),
        false => {
            ("Leaders leave", "Its replicas stay and follow. It leads nothing and gets nothing until that is undone.")
        }
    };
    let mut text = format!("{what} {} ({}). {then}\n\n", zone.name, zone.brokers_text());
    text.push_str(&proposal.body(rate));
    for remark in remarks(view, zone, proposal) {
        text.push_str(&format!("{remark}\n"));
    }
    text
}

/// The hosts of these brokers.
pub fn hosts(observed: &Observed, brokers: &BTreeSet<u32>) -> Vec<String> {
    let all = observed.live.keys().filter(|address| address.kind == NetworkInterface::NAME).map(kinds::owner);
    all.filter(|host| node_id(host).is_some_and(|id| brokers.contains(&id))).map(str::to_owned).collect()
}
