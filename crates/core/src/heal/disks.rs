//! Disks that are full, and what helps: larger volumes, moves to other brokers, or less that is kept.

use std::collections::BTreeMap;

use super::{Host, Wrong};
use crate::moves::{Bands, Proposal, View, amount};
use crate::text::many;

/// A disk with less than this part of it left is full.
const LEFT_PERCENT: u64 = 10;
/// To what a volume is filled that is made larger for it; so far moves fill one, too.
const FILLED_PERCENT: u64 = 80;
/// Topics that are named.
const TOPICS: usize = 3;

/// How long a topic keeps records, where it deletes by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Milliseconds.
    pub retention_ms: u64,
}

/// The brokers whose disks are full, and what helps, for the stack file `file`. `volumes` says how many volumes each broker has, and `kept` how long
/// topics keep records.
pub fn full(
    view: &View,
    hosts: &BTreeMap<String, Host>,
    volumes: u64,
    kept: &BTreeMap<String, Kept>,
    file: &str,
) -> Vec<Wrong> {
    if view.quorum.is_none() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (name, host) in hosts.iter().filter(|(_, host)| host.broker) {
        let disk = view.brokers.iter().find(|one| one.id == host.node && one.is_fit()).and_then(|one| one.disk);
        let Some(disk) = disk.filter(|disk| disk.usable < disk.total / 100 * LEFT_PERCENT) else { continue };
        let what = format!("The disk of {name} is full: {} of {} are left.", amount(disk.usable), amount(disk.total));
        let mut then = vec![grow(disk.total - disk.usable, volumes, host, file)];
        then.extend(moved(view, host, file));
        then.extend(freed(view, host, kept));
        all.push(Wrong { what, then: then.join(" ") });
    }
    all
}

/// What is said of a broker whose host runs and that does not serve. What its partitions have elsewhere tells whether its disk may be full.
pub(super) fn out(view: &View, name: &str, host: &Host) -> (String, String) {
    let mine = view.partitions.values().filter(|one| one.replicas.contains(&host.node));
    let bytes: u64 = mine.map(crate::moves::Partition::bytes).sum();
    let what = format!("{name} runs, and Kafka on it does not serve.");
    if host.broker && host.volume_bytes > 0 && bytes > host.volume_bytes / 100 * (100 - LEFT_PERCENT) {
        let then = format!(
            "Its disk may be full: its partitions have {} on the other brokers, and its volumes hold {}. Write a larger `storage.size` below `brokers` into \
             the stack file and apply, which makes the volumes larger while they are in use; then reboot the host, and run `kstack rebalance`.",
            amount(bytes),
            amount(host.volume_bytes)
        );
        return (what, then);
    }
    let then =
        "It may have started a moment ago. If it stays, `journalctl --unit kafka` on the host says what it does.";
    (what, then.to_owned())
}

/// A larger volume: in whole GiB each.
fn grow(used: u64, volumes: u64, host: &Host, file: &str) -> String {
    let each = (used / FILLED_PERCENT * 100).div_ceil(volumes.max(1)).div_ceil(1 << 30);
    match host.own_disks {
        true => "Its disks are those of the instance, and don't grow.".to_owned(),
        false => format!(
            "Write `storage: {{size: {each} GiB}}` below `brokers` into {file} and run `kstack apply`: EBS makes volumes larger while they are in use, \
             at most 4 times within 24 hours. It costs more from then on, so it is not done here."
        ),
    }
}

/// What a rebalance would take from the broker.
fn moved(view: &View, host: &Host, file: &str) -> Option<String> {
    let proposal = Proposal::of(view, Bands::default());
    let share = proposal.brokers.iter().find(|one| one.broker == host.node)?;
    let bytes = share.before.bytes.checked_sub(share.after.bytes).filter(|bytes| *bytes > 0)?;
    Some(format!("Or run `kstack rebalance {file}`: it moves {} to brokers that have less.", amount(bytes)))
}

/// Which topics' retention would free how much.
fn freed(view: &View, host: &Host, kept: &BTreeMap<String, Kept>) -> Option<String> {
    let mut on: BTreeMap<&String, u64> = BTreeMap::new();
    for ((topic, _), one) in &view.partitions {
        *on.entry(topic).or_default() += one.held.get(&host.node).copied().unwrap_or_default();
    }
    let mut on: Vec<(u64, &String, Kept)> =
        on.into_iter().filter_map(|(topic, bytes)| Some((bytes, topic, *kept.get(topic)?))).collect();
    on.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let named = on.iter().take(TOPICS).filter(|one| one.0 > 0).map(|(bytes, topic, kept)| {
        format!("{topic} ({} on it, kept for {}) up to {}", amount(*bytes), span(kept.retention_ms), amount(bytes / 2))
    });
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| format!("Or keep less: half of its retention frees of {}.", named.join(", of ")))
}

/// A time in its largest unit that is whole or has two digits.
fn span(millis: u64) -> String {
    match millis / 1000 {
        seconds if seconds >= 2 * 86_400 => many(seconds / 86_400, "day"),
        seconds if seconds >= 2 * 3_600 => many(seconds / 3_600, "hour"),
        seconds if seconds >= 120 => many(seconds / 60, "minute"),
        seconds => many(seconds, "second"),
    }
}
