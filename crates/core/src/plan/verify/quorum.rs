//! What a plan must be for the controllers' quorum, whatever made it.

use std::collections::BTreeSet;

use super::Order;
use crate::kinds::{self, Instance, Kind as _, NetworkInterface, OfKind as _, Volume, Voter};
use crate::model::Address;
use crate::observed::Observed;
use crate::plan::{Action, Step};

impl Order<'_> {
    /// The steps on voters: which of them take one away, or its directory.
    fn voters(&self) -> impl Iterator<Item = (usize, &Step)> {
        self.steps.iter().enumerate().filter(|(_, step)| step.address.kind == Voter::NAME)
    }

    /// Voters change one after another; the host of one goes after it; and at each removal every host that stays asks a controller that goes on
    /// to vote, as it runs by then. One that asks removed ones alone is cut off from the cluster, and does not know.
    pub(super) fn everyone_reaches_a_voter(&self, observed: &Observed, faults: &mut Vec<String>) {
        let all: Vec<(usize, &Step)> = self.voters().collect();
        for pair in all.windows(2).filter(|pair| !self.waits(pair[1].0, pair[0].0)) {
            faults.push(format!("{} and {} could change the quorum at once", pair[0].1.id(), pair[1].1.id()));
        }
        for (before, voter) in all.iter().filter(|(_, step)| step.action() == Action::Delete) {
            for (place, step) in self.steps.iter().enumerate().filter(|(_, step)| step.action() == Action::Delete) {
                let of_host =
                    [Instance::NAME, NetworkInterface::NAME, Volume::NAME].contains(&step.address.kind.as_str());
                if of_host && kinds::owner(&step.address) == voter.address.name && !self.waits(place, *before) {
                    faults.push(format!("{} is deleted before {} has left the quorum", step.address, voter.address));
                }
            }
        }
        let removes = |step: &Step| step.live().is_some();
        let gone: BTreeSet<&Address> =
            all.iter().filter(|(_, step)| removes(step)).map(|(_, step)| &step.address).collect();
        let live = observed.of::<Voter>();
        let ids = live.iter().map(|(name, (_, voter))| (Address::new(Voter::NAME, name), voter.id));
        let stay: BTreeSet<u32> = ids.filter(|(address, _)| !gone.contains(address)).map(|(_, id)| id).collect();
        let first = observed.of::<Volume>().values().find_map(|(_, volume)| volume.first_voters());
        let first = first.unwrap_or_else(|| live.values().map(|(_, voter)| voter.id).collect());
        for (place, removal) in all.iter().filter(|(_, step)| removes(step)) {
            for (name, (_, instance)) in observed.of::<Instance>() {
                let address = Address::new(Instance::NAME, name);
                let own = self.steps.iter().enumerate().find(|(_, step)| step.address == address);
                let asks = match own {
                    Some((_, step)) if step.action() == Action::Delete => continue,
                    Some((at, step)) if self.waits(*place, at) => {
                        step.wanted().and_then(Instance::of).map(|wanted| wanted.asks(&first))
                    }
                    _ => Some(instance.asks(&first)),
                };
                if asks.is_some_and(|asks| asks.is_disjoint(&stay)) {
                    faults.push(format!("{} leaves {address} without a controller that it asks", removal.id()));
                }
            }
        }
    }

    /// Whether the step at `place` deletes something of a controller's host that does not vote by then, by the word of Kafka.
    pub(super) fn voter_is_gone(&self, place: usize, observed: &Observed) -> bool {
        let step = &self.steps[place];
        let voter = Address::new(Voter::NAME, kinds::owner(&step.address));
        let told = observed.unknown_inside().is_none() && !observed.of::<Voter>().is_empty();
        let left = |(at, other): (usize, &Step)| {
            other.address == voter && other.action() == Action::Delete && self.waits(place, at)
        };
        told && voter.name.starts_with("controller-")
            && (!observed.live.contains_key(&voter) || self.voters().any(left))
    }
}
