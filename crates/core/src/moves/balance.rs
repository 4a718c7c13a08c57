//! Racks, then bytes, then counts.

use super::state::{Move, Place, Reason, Sized, State};

impl State {
    /// For the first partition that crowds a rack and can do better: the replica and the broker by which it does best.
    pub(super) fn next_spread(&mut self) -> Option<Move> {
        let best = self.crowded.iter().find_map(|partition| {
            let now = self.crowd(*partition, None, None);
            let mut best = None;
            for from in self.lists[*partition].iter().filter(|at| self.nodes[**at].place == Place::Fit) {
                for to in self.fit.iter().filter(|at| self.takes(**at, *partition)) {
                    let after = self.crowd(*partition, Some(*from), Some(self.rack[*to]));
                    let key = (after, self.bytes[*to], u64::MAX - self.bytes[*from], *to, *from);
                    if after < now && best.is_none_or(|best| key < best) {
                        best = Some(key);
                    }
                }
            }
            best.map(|(_, _, _, to, from)| (*partition, from, to))
        });
        let (partition, from, to) = best?;
        self.shift(partition, from, to, Reason::Racks)
    }

    /// From the fullest broker above the mean to the emptiest one below it, where one of them is outside of the band.
    pub(super) fn next_bytes(&mut self) -> Option<Move> {
        let (low, mean, high) = self.bytes_band;
        let order = self.fullest(&self.bytes);
        for &from in order.iter().filter(|at| self.bytes[**at] > mean) {
            for &to in order.iter().rev().take_while(|at| self.bytes[**at] < mean) {
                if self.bytes[from] <= high && self.bytes[to] >= low {
                    break; // Those after it are fuller.
                }
                if let Some(partition) = self.to_give(from, to) {
                    return self.shift(partition, from, to, Reason::Bytes);
                }
            }
        }
        None
    }

    /// The replica that `from` best gives to `to`: the smallest that brings both into the band, without either crossing the mean; else
    /// one as large as the difference of their bytes is for each replica of the difference of their counts, or larger, so that counts
    /// come along; else the largest that is not as large; else the smallest that is too large, and still helps.
    fn to_give(&self, from: usize, to: usize) -> Option<usize> {
        let (low, mean, high) = self.bytes_band;
        let want = (self.bytes[from] - mean).min(mean - self.bytes[to]);
        let need = self.bytes[from].saturating_sub(high).max(low.saturating_sub(self.bytes[to])).max(1);
        let more = self.counts[from].saturating_sub(self.counts[to]);
        let alike = (self.bytes[from] - self.bytes[to]).checked_div(more).unwrap_or(want).max(1);
        let all = &self.givable[from][self.rack[to]];
        let takes = |one: &&Sized| self.takes(to, one.2);
        let from_to = |least: u64| {
            if least <= want { all.range((least, 0, 0)..=(want, u32::MAX, usize::MAX)).find(takes) } else { None }
        };
        let smaller = || all.range((1, 0, 0)..=(want, u32::MAX, usize::MAX)).rev().find(takes);
        let larger = || {
            let helps = |one: &&Sized| self.change(from, to, one.0).is_le();
            all.range((want + 1, 0, 0)..).take_while(helps).find(takes)
        };
        let found = from_to(need).or_else(|| from_to(alike)).or_else(smaller).or_else(larger);
        found.filter(|one| self.change(from, to, one.0).is_lt()).map(|one| one.2)
    }

    /// The smallest replica, from the broker with the most to the one with the fewest, that leaves the bytes as well as they are.
    pub(super) fn next_count(&mut self) -> Option<Move> {
        let (low, high) = self.counts_band;
        let order = self.fullest(&self.counts);
        for &from in &order {
            for &to in order.iter().rev() {
                let (more, less) = (self.counts[from], self.counts[to]);
                if more < less + 2 || more <= high && less >= low {
                    break; // Those after it have more.
                }
                let mut all = self.givable[from][self.rack[to]].iter();
                let keeps = |one: &&Sized| self.change(from, to, one.0).is_le();
                if let Some((_, _, partition)) = all.by_ref().take_while(keeps).find(|one| self.takes(to, one.2)) {
                    let partition = *partition;
                    return self.shift(partition, from, to, Reason::Counts);
                }
            }
        }
        None
    }
}
