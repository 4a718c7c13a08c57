//! What a rebalance would do, as data and as text.

use std::collections::BTreeMap;

use serde::Serialize;

use super::evacuate::Marks;
use super::leaders::{elections, leader_counts, leader_orders};
use super::state::{Bands, Place, Reason, State};
use super::view::View;
use crate::text::{Align, many, table};

/// A partition whose replicas change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub topic: String,
    pub partition: u32,
    pub from: Vec<u32>,
    pub to: Vec<u32>,
    /// That are copied to new brokers.
    pub bytes: u64,
    /// Of the last move.
    pub why: Reason,
}

/// A broker's share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    pub bytes: u64,
    pub replicas: u64,
    /// Partitions that it leads; afterwards: of which it is the preferred leader.
    pub leaders: usize,
}

/// A broker before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerShare {
    pub broker: u32,
    pub rack: Option<String>,
    pub before: Share,
    pub after: Share,
}

/// What a rebalance would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub partitions: usize,
    /// By size, the largest first.
    pub changes: Vec<Change>,
    /// That are copied in all.
    pub bytes: u64,
    /// The bytes that any way into the bands has to copy at least.
    pub least_bytes: u64,
    /// Replica lists that get another order, so that leaders are spread; no data moves.
    pub orders: usize,
    /// Partitions that their preferred leader would lead, before any move.
    pub elections: usize,
    /// Partitions that have more replicas in a rack than they need have.
    pub crowded_before: usize,
    pub crowded_after: usize,
    pub brokers: Vec<BrokerShare>,
    /// Bytes beyond the band that no move could bring into it.
    pub bytes_outside: u64,
    /// Topics whose throttle others have set for all replicas or none.
    pub kept_topics: Vec<String>,
    /// Why nothing may be started at present.
    pub troubles: Vec<String>,
    /// Reassignments that are under way. They count as arrived.
    pub under_way: usize,
    /// Brokers of zones that are evacuated, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub evacuated: Marks,
}

impl Proposal {
    /// What a rebalance of the cluster would do.
    pub fn of(view: &View, bands: Bands) -> Proposal {
        let before = view.state(bands);
        let away = view.leaders_away();
        let mut led = view.clone();
        for (key, replicas) in &away {
            led.partitions.entry(key.clone()).and_modify(|one| one.replicas.clone_from(replicas));
        }
        let mut state = led.state(bands);
        let least_bytes = before.floor();
        let (moves, _) = state.moves();
        let bytes_outside = state.outside();
        let reasons: BTreeMap<usize, Reason> = moves.iter().map(|one| (one.partition, one.reason)).collect();
        let moved = state.clone();
        let orders = away.len() + leader_orders(&mut state).len();
        let mut changes: Vec<Change> = reasons
            .iter()
            .map(|(number, why)| {
                let (old, new) = (before.partition(*number), moved.partition(*number));
                let added = new.brokers.iter().filter(|id| !old.brokers.contains(id)).count() as u64;
                let (topic, partition) = (old.topic.clone(), old.index);
                let bytes = old.bytes * added;
                Change { topic, partition, from: old.brokers.clone(), to: new.brokers.clone(), bytes, why: *why }
            })
            .filter(|one| one.from != one.to)
            .collect();
        changes
            .sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| (&a.topic, a.partition).cmp(&(&b.topic, b.partition))));
        let leaders = leader_counts(view);
        let preferred = preferred(&state);
        let shares = |state: &State, leaders: &BTreeMap<u32, usize>| -> BTreeMap<u32, Share> {
            let share = |(id, (bytes, replicas))| {
                (id, Share { bytes, replicas, leaders: leaders.get(&id).copied().unwrap_or_default() })
            };
            state.loads().into_iter().map(share).collect()
        };
        let (old, new) = (shares(&before, &leaders), shares(&state, &preferred));
        let share = |of: &BTreeMap<u32, Share>, id: u32| of.get(&id).cloned().unwrap_or_default();
        Proposal {
            partitions: view.partitions.len(),
            bytes: changes.iter().map(|one| one.bytes).sum(),
            least_bytes,
            orders,
            elections: elections(&led, bands.leaders).len(),
            crowded_before: before.crowded.len(),
            crowded_after: state.crowded.len(),
            brokers: before
                .nodes
                .iter()
                .map(|node| BrokerShare {
                    broker: node.id,
                    rack: node.rack.clone(),
                    before: share(&old, node.id),
                    after: share(&new, node.id),
                })
                .collect(),
            bytes_outside,
            kept_topics: view.kept_topics().into_iter().cloned().collect(),
            troubles: view.troubles(),
            under_way: view.moving.len(),
            evacuated: view.evacuated.clone(),
            changes,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.orders == 0 && self.elections == 0 && self.under_way == 0
    }

    /// For people. `rate` is what each broker may use, in bytes a second.
    pub fn text(&self, rate: u64) -> String {
        let mut text = String::new();
        for said in super::evacuate::said(&self.evacuated) {
            text.push_str(&format!("{said}\n\n"));
        }
        text + &self.body(rate)
    }

    /// The same without what is said of evacuated zones.
    pub fn body(&self, rate: u64) -> String {
        let mut text = String::new();
        if !self.troubles.is_empty() {
            text.push_str(&format!("Nothing can be moved at present: {}.\n\n", self.troubles.join("; ")));
        }
        if self.is_empty() {
            let bands = if self.evacuated.is_empty() { "inside their bands, " } else { "" };
            text.push_str(&format!("{}: {bands}nothing to do.\n", many(self.partitions, "partition")));
        }
        let targets = self.brokers.iter().filter(|one| one.after.bytes > one.before.bytes).count() as u64;
        if !self.changes.is_empty() {
            let count = self.changes.len();
            let time = super::time_text(self.bytes / rate.saturating_mul(targets.max(1)).max(1));
            text.push_str(&format!(
                "Move {count} of {}, {}: about {time} at {} a second a broker.\n",
                many(self.partitions, "partition"),
                amount(self.bytes),
                amount(rate)
            ));
        }
        if self.under_way > 0 {
            text.push_str(&format!("{} under way, and counted as arrived.\n", many(self.under_way, "reassignment")));
        }
        if self.orders > 0 {
            let what = if self.evacuated.is_empty() { "leaders are spread" } else { "others lead" };
            text.push_str(&format!(
                "Put {} into another order, so that {what}; no data moves.\n",
                many(self.orders, "replica list")
            ));
        }
        if self.elections > 0 {
            text.push_str(&format!(
                "Let preferred leaders lead: {}; no data moves.\n",
                many(self.elections, "partition")
            ));
        }
        text.push_str(&self.brokers_text());
        if self.crowded_before > 0 {
            text.push_str(&format!(
                "Racks: {} with more replicas in a rack than needed; {} afterwards.\n",
                many(self.crowded_before, "partition"),
                self.crowded_after
            ));
        }
        if self.bytes_outside > 0 && !self.changes.is_empty() {
            text.push_str(&format!(
                "No move brings the last {} into the band: partitions are too large, or racks have too few brokers.\n",
                amount(self.bytes_outside)
            ));
        }
        if !self.kept_topics.is_empty() {
            text.push_str(&format!(
                "Partitions of {} stay where they are: others have set its throttle for all replicas, or none.\n",
                self.kept_topics.join(", ")
            ));
        }
        text + &self.changes_text()
    }

    fn brokers_text(&self) -> String {
        let header = ["broker", "rack", "bytes", "then", "replicas", "then", "leaders", "then"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.brokers.iter().map(|one| {
            let (old, new) = (&one.before, &one.after);
            vec![
                one.broker.to_string(),
                one.rack.clone().unwrap_or_else(|| "-".to_owned()),
                amount(old.bytes),
                amount(new.bytes),
                old.replicas.to_string(),
                new.replicas.to_string(),
                old.leaders.to_string(),
                new.leaders.to_string(),
            ]
        }));
        let right = [
            Align::Right,
            Align::Left,
            Align::Right,
            Align::Right,
            Align::Right,
            Align::Right,
            Align::Right,
            Align::Right,
        ];
        format!("\n{}\n", table(&rows, &right))
    }

    fn changes_text(&self) -> String {
        const SHOWN: usize = 20;
        let ids = |all: &[u32]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let rows = self.changes.iter().take(SHOWN).map(|one| {
            let why = match one.why {
                Reason::Leaves if !self.evacuated.is_empty() => "its zone is evacuated",
                Reason::Leaves => "its broker leaves",
                Reason::Racks => "racks",
                Reason::Bytes => "bytes",
                Reason::Counts => "counts",
            };
            vec![
                format!("{}-{}", one.topic, one.partition),
                amount(one.bytes),
                ids(&one.from),
                "->".to_owned(),
                ids(&one.to),
                why.to_owned(),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        if rows.is_empty() {
            return String::new();
        }
        let more = match self.changes.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("and {more} smaller ones; --json has them all\n"),
        };
        format!("{}{more}", table(&rows, &[Align::Left, Align::Right]))
    }
}

/// How many partitions have each broker first in their list, by id.
fn preferred(state: &State) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    let fit = state.nodes.iter().filter(|node| node.place == Place::Fit).map(|node| node.id);
    fit.for_each(|id| *counts.entry(id).or_default() += 0);
    for first in state.partitions().iter().filter_map(|one| one.brokers.first()) {
        *counts.entry(*first).or_default() += 1;
    }
    counts
}

/// Bytes in the unit that makes them short: `412 GiB`, `3.5 MiB`, `0 B`.
pub fn amount(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 100.0);
    let text = format!("{value:.decimals$}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}
