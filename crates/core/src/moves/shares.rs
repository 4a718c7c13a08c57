//! Which brokers leave, and which have no share yet: what the brokers that a stack is to have mean for a live cluster.

use std::collections::BTreeSet;

use super::state::Bands;
use super::throttle::{is_of_copies, is_of_fetch, is_ours, own_partition};
use super::view::View;

impl View {
    /// Whether a partition, or a reassignment under way, names the broker.
    pub fn names(&self, id: u32) -> bool {
        let moving = |one: &super::view::Moving| [&one.replicas, &one.adding].iter().any(|ids| ids.contains(&id));
        self.partitions.values().any(|one| one.replicas.contains(&id)) || self.moving.values().any(moving)
    }

    /// Whether the broker is registered.
    pub fn is_registered(&self, id: u32) -> bool {
        self.brokers.iter().any(|broker| broker.id == id)
    }

    /// The same where all brokers leave that are not among those that `stay`: also one that is not registered any more, and has replicas
    /// still.
    #[must_use]
    pub fn staying(self, stay: &BTreeSet<u32>) -> View {
        let registered = self.brokers.iter().map(|broker| broker.id);
        let moving = self.moving.values().flat_map(|one| one.replicas.iter().chain(&one.adding));
        let named = self.partitions.values().flat_map(|one| &one.replicas).chain(moving).copied();
        let leaving = registered.chain(named).filter(|id| !stay.contains(id)).collect();
        View { leaving, ..self }
    }

    /// The brokers of `stay` that have no replica, and would get one, new ones as a rule; and in which bands the brokers are brought. In a
    /// cluster that is in its bands without them there are none of the first. Where some leave and none is new, only what is on those moves;
    /// so it is, too, while a zone is evacuated, and where nothing is to move for balance, as `balance` says.
    pub fn share(&self, stay: &BTreeSet<u32>, balance: bool) -> (BTreeSet<u32>, Bands) {
        if !balance || !self.evacuated.is_empty() {
            return (BTreeSet::new(), Bands::OPEN);
        }
        let empty: BTreeSet<u32> = stay.iter().copied().filter(|id| !self.names(*id)).collect();
        let moves = if empty.is_empty() { Vec::new() } else { self.state(Bands::default()).moves().0 };
        let lacking: BTreeSet<u32> = moves.into_iter().map(|one| one.to).filter(|id| empty.contains(id)).collect();
        let bands = if self.leaving.is_empty() || !lacking.is_empty() { Bands::default() } else { Bands::OPEN };
        (lacking, bands)
    }

    /// Whether moves that kstack has begun, other than those of a change of the number of replicas and what a healed broker fetches, have
    /// not come to their end: their throttle is there.
    pub fn is_cut_off(&self) -> bool {
        let entries = || self.lists.values().flat_map(super::throttle::Lists::all);
        let others = |entry: &&String| is_of_copies(entry) || is_of_fetch(entry);
        let own = entries().any(|entry| own_partition(entry).is_some() && !others(&entry));
        let others = entries().any(|entry| others(&entry));
        let rates = self.rates.values().flat_map(|rates| [rates.leader, rates.follower]);
        own || !others && rates.flatten().any(is_ours)
    }
}
