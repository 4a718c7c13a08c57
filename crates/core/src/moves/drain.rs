//! Off the brokers that leave: the largest replica first, to the emptiest broker that crowds no rack.

use super::state::{Move, Place, Reason, State, Stuck};

impl State {
    pub(super) fn next_forced(&mut self) -> Option<Result<Move, Stuck>> {
        let (size, partition, from) = self.leaving.first().copied()?;
        // The racks come first: where the only brokers that keep them have no room, the replica waits.
        let free = |at: &usize| !self.lists[partition].contains(at);
        let least = self
            .fit
            .iter()
            .filter(|at| free(at))
            .map(|at| self.crowd(partition, Some(from), Some(self.rack[*at])))
            .min();
        let keeps = |at: &&usize| Some(self.crowd(partition, Some(from), Some(self.rack[**at]))) == least;
        let open = self.fit.iter().filter(|at| self.takes(**at, partition)).filter(keeps);
        match open.min_by_key(|at| (self.bytes[**at], self.counts[**at], **at)).copied() {
            Some(to) => self.shift(partition, from, to, Reason::Leaves).map(Ok),
            None => {
                self.leaving.remove(&(size, partition, from));
                Some(Err(Stuck { partition, from: self.nodes[from].id }))
            }
        }
    }

    /// Whether no replica is on a broker that leaves.
    pub fn is_drained(&self) -> bool {
        (0..self.nodes.len()).all(|at| self.nodes[at].place != Place::Leaving || self.counts[at] == 0)
    }
}
