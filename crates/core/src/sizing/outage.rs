//! What is left of a cluster while one broker, or one zone, is gone.
//!
//! Leadership of the partitions that lost their leader moves at once to replicas that are in sync. Replicas do not move: Kafka makes
//! new ones only when it is told to, and a broker comes back with its volume, on EC2 and on MSK. So a broker that is left writes what it
//! wrote before, and the terms of Equation 1 by volumes and by EBS bandwidth stay as they were. But it sends to consumers what the
//! others sent, too. Replicas take more room on the brokers that are left only once somebody has them rebuilt there.
//!
//! Sources: Kafka's documentation, "Replication" and "Balancing Replicas Across Racks"; Amazon MSK, "Best practices for Standard
//! brokers", on what brokers must carry while another one is away, as it is with every failure, patch and update.

use std::fmt::Display;

use serde::Serialize;

use super::{BrokerDemand, Capacity, GIB, MIBS, Misfit, SizingStep, Subject, any_way, ceil, gib, mibs};
use crate::text::{Align, many, number, table};

/// What is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// One broker: it failed, or it is being replaced.
    Broker,
    /// One zone, with all hosts in it.
    Zone,
}

impl Outage {
    /// Each, the smaller one first.
    pub const ALL: [Outage; 2] = [Outage::Broker, Outage::Zone];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Outage::Broker => "one broker",
            Outage::Zone => "one zone",
        }
    }

    /// How many of `all` hosts may be gone, of which `zones` have each as many as the others, or one more.
    pub fn of_hosts(self, all: u32, zones: u32) -> u32 {
        match self {
            Outage::Broker => all.min(1),
            Outage::Zone => all.div_ceil(zones.max(1)),
        }
    }
}

/// The controllers that elect the leaders of partitions, spread over the zones as brokers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    pub voters: u32,
    /// Whether they are brokers too.
    pub on_brokers: bool,
}

impl Quorum {
    /// Whether a majority is left for certain in `outage` of a cluster in this many zones.
    pub fn is_left(self, outage: Outage, zones: u32) -> bool {
        let gone = if outage == Outage::Broker && !self.on_brokers { 0 } else { outage.of_hosts(self.voters, zones) };
        2 * (self.voters - gone) > self.voters
    }
}

/// The brokers that there are, and those of them that are left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remaining {
    pub all: f64,
    pub left: f64,
}

impl Remaining {
    /// The part that is left.
    pub fn part(self) -> f64 {
        self.left / self.all
    }
}

/// What is left in an outage. `B` names what stops the cluster from taking more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Left<B> {
    pub without: Outage,
    /// Brokers that are left.
    pub brokers: u32,
    /// The most that producers with `acks=all` can send evenly to all partitions, in MiB/s: zero where some partitions take no
    /// writes, or where no leaders are elected.
    pub limit_mibs: f64,
    pub bottleneck: B,
    /// Replicas that each partition has left at least, all in sync.
    pub in_sync_replicas: u32,
    /// In-sync replicas that a write with `acks=all` needs.
    pub min_insync_replicas: u32,
    /// Whether the controllers that are left are a majority of the quorum.
    pub quorum: bool,
    /// What each broker has to hold once all replicas are rebuilt on those that are left, in GiB, without headroom: it is for this.
    /// `None` where there are fewer brokers than copies, and where brokers have no volumes of their own.
    pub rebuilt_gib: Option<f64>,
}

/// What an engine knows for outages.
pub struct OutageModel<'a, B> {
    pub demand: &'a BrokerDemand<'a>,
    /// The most that producers can send by the limits of the brokers that are left, and what stops them from sending more.
    pub limit: &'a dyn Fn(Remaining) -> (f64, B),
    /// `None` where AWS has the controllers.
    pub quorum: Option<Quorum>,
    /// The size of each broker's volume in GiB, where it has one.
    pub volume_gib: Option<f64>,
    /// The most brokers that there can be.
    pub most_brokers: u32,
    /// The most zones that there can be.
    pub most_zones: u32,
}

impl<B: Copy + Display> OutageModel<'_, B> {
    fn zones(&self) -> u32 {
        self.demand.cluster.zones
    }

    fn remaining(&self, outage: Outage, all: u32) -> Remaining {
        Remaining { all: all.into(), left: (all - outage.of_hosts(all, self.zones())).into() }
    }

    fn brokers(&self) -> u32 {
        self.demand.brokers as u32
    }

    /// What is left in each outage.
    pub fn left(&self) -> Vec<Left<B>> {
        Outage::ALL.into_iter().map(|outage| self.left_in(outage)).collect()
    }

    fn left_in(&self, outage: Outage) -> Left<B> {
        let (demand, copies) = (self.demand, self.demand.cluster.copies);
        let remaining = self.remaining(outage, self.brokers());
        let (limit_mibs, bottleneck) = (self.limit)(remaining);
        // Replicas are spread over zones as hosts are, each on a broker of its own.
        let in_sync_replicas = copies - outage.of_hosts(copies, self.zones()).min(copies);
        let min_insync_replicas = demand.settings.min_insync;
        let quorum = self.quorum.is_none_or(|quorum| quorum.is_left(outage, self.zones()));
        let room = self.volume_gib.filter(|_| remaining.left >= f64::from(copies));
        let left = Left {
            without: outage,
            brokers: remaining.left as u32,
            limit_mibs,
            bottleneck,
            in_sync_replicas,
            min_insync_replicas,
            quorum,
            rebuilt_gib: room.map(|_| self.rebuilt_gib(remaining)),
        };
        match left.stop() {
            None => left,
            Some(_) => Left { limit_mibs: 0.0, ..left },
        }
    }

    fn rebuilt_gib(&self, Remaining { left, .. }: Remaining) -> f64 {
        let demand = self.demand;
        demand.cluster.stored_gib() / left + demand.cluster.replicas_per_broker(left) * demand.segment_gib()
    }

    /// The figures that are calculated, as steps. `limit` is the formula of the limit for the brokers that are left.
    pub fn steps(&self, left: &[Left<B>], limit: impl Fn(Remaining) -> String) -> Vec<SizingStep> {
        let demand = self.demand;
        let mut steps = Vec::new();
        for one in left {
            let remaining = self.remaining(one.without, self.brokers());
            let formula = one.stop().unwrap_or_else(|| limit(remaining));
            let name = one.without.name();
            steps.push(SizingStep::new(&format!("limit without {name}"), formula, one.limit_mibs, MIBS));
            if let Some(gib_each) = one.rebuilt_gib {
                let formula = format!(
                    "{} ÷ {} + {} × {} of log.segment.bytes, once all replicas are rebuilt there",
                    gib(demand.cluster.stored_gib()),
                    many(number(remaining.left), "broker"),
                    number(demand.cluster.replicas_per_broker(remaining.left)),
                    gib(demand.segment_gib())
                );
                steps.push(SizingStep::new(&format!("rebuilt without {name}"), formula, gib_each, GIB));
            }
        }
        steps
    }

    /// What does not fit in an outage of a cluster that is large enough without one. `larger` is what helps beside more brokers.
    ///
    /// The headroom is for outages, so the peak may take all that is left. A cluster in one zone, with one controller, or with one
    /// replica of each partition is not meant to go on.
    pub fn misfits(&self, left: &[Left<B>], capacity: &Capacity, larger: &str) -> Vec<Misfit> {
        let copies = self.demand.cluster.copies;
        let mut all: Vec<Misfit> = Vec::new();
        let to_go_on = |one: &&Left<B>| {
            copies > 1
                && (one.quorum || self.quorum.is_none_or(|quorum| quorum.voters > 1))
                && (one.without == Outage::Broker || self.zones() > 1)
        };
        for one in left.iter().filter(to_go_on) {
            let gone = |what: &str| format!("While {what} is gone");
            if let Some(stop) = one.stop() {
                // The checks have said it of a broker: a setting or a count alone makes it so.
                if one.without == Outage::Zone {
                    all.push(Misfit::tight(
                        Subject::Copies,
                        format!("{}, {stop}", gone(one.without.name())),
                        self.way_for_zone(one),
                    ));
                }
                continue;
            }
            if capacity.is_exceeded() || capacity.demand_mibs <= one.limit_mibs * (1.0 + 1e-9) {
                continue;
            }
            // With one broker in each zone, both are the same.
            let mut same = left.iter().filter(|other| other.brokers == one.brokers);
            let what = match (one.without, same.nth(1)) {
                (Outage::Zone, Some(_)) => continue,
                (Outage::Broker, Some(_)) if self.zones() > 1 => gone("one broker or one zone"),
                _ => gone(one.without.name()),
            };
            let what = format!(
                "{what}, the {} left can take {}, {} less than the peak of {}, as their {} allows no more",
                many(one.brokers, "broker"),
                mibs(one.limit_mibs),
                mibs(capacity.demand_mibs - one.limit_mibs),
                mibs(capacity.demand_mibs),
                one.bottleneck
            );
            let ways: Vec<String> =
                [larger.to_owned()].into_iter().chain(self.enough(one.without, capacity.demand_mibs)).collect();
            all.push(Misfit::tight(Subject::Outage, what, any_way(&ways)));
        }
        all
    }

    fn way_for_zone(&self, one: &Left<B>) -> String {
        let copies = self.demand.cluster.copies;
        let enough = |zones: &u32| {
            Outage::Zone.of_hosts(copies, *zones) + one.min_insync_replicas <= copies
                && self.quorum.is_none_or(|quorum| quorum.is_left(Outage::Zone, *zones))
        };
        match (self.zones() + 1..=self.most_zones).find(enough) {
            Some(zones) => format!("use {zones} zones"),
            None => "raise the replication factor, or lower `min_insync_replicas`".to_owned(),
        }
    }

    /// As many brokers as take `peak_mibs` in the outage.
    fn enough(&self, outage: Outage, peak_mibs: f64) -> Option<String> {
        let zones = self.zones();
        let counts =
            (self.brokers() / zones + 1..).map(|times| times * zones).take_while(|all| *all <= self.most_brokers);
        let fits = |all: &u32| (self.limit)(self.remaining(outage, *all)).0 * (1.0 + 1e-9) >= peak_mibs;
        counts.into_iter().find(fits).map(|all| format!("use {all} brokers"))
    }
}

impl<B> Left<B> {
    /// Why producers can't write to all partitions, as a clause; `None` when they can.
    fn stop(&self) -> Option<String> {
        let (left, least) = (self.in_sync_replicas, self.min_insync_replicas);
        if self.brokers == 0 {
            Some("no broker is left".to_owned())
        } else if left == 0 {
            Some("some partitions have no replica".to_owned())
        } else if left < least {
            let has = many(left, "replica");
            Some(format!(
                "some partitions have {has} left, and `min.insync.replicas: {least}` lets no producer with acks=all write"
            ))
        } else if !self.quorum {
            Some("the controllers that are left may be no majority, and then no leaders are elected".to_owned())
        } else {
            None
        }
    }
}

/// What is left as text: a line for each outage, in aligned columns. `volume_gib` is the size of each broker's volume, where it
/// has one. Ends with a newline.
pub fn outages_text<B: Display>(left: &[Left<B>], volume_gib: Option<f64>) -> String {
    let row = |one: &Left<B>| {
        let limit = match one.stop() {
            None => format!("{} by {}", mibs(one.limit_mibs), one.bottleneck),
            Some(_) => mibs(0.0),
        };
        let room = match (one.rebuilt_gib, volume_gib) {
            (Some(needed), Some(volume)) => {
                let fits = if needed > volume { ", too much" } else { "" };
                format!("rebuilt on the rest {} of {}{fits}", gib(ceil(needed)), gib(volume))
            }
            (None, Some(_)) => "too few brokers to rebuild on".to_owned(),
            (_, None) => String::new(),
        };
        let replicas = format!("{} in sync, {} needed", many(one.in_sync_replicas, "replica"), one.min_insync_replicas);
        vec![format!("without {}", one.without.name()), limit, replicas, room]
    };
    table(&left.iter().map(row).collect::<Vec<_>>(), &[Align::Left; 4])
}
