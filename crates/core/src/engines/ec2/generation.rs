//! Generations of brokers: one set beside another, each with node ids and addresses of its own. Pure arithmetic.

use std::ops::RangeInclusive;

use super::keys::{Brokers, Ec2};
use crate::file::Checker;

/// Node ids from one generation to the next. A generation's brokers have the first half of them at most; dedicated controllers have some of
/// the second half of the first ones, so that no two hosts ever have one.
const IDS: u32 = 2000;
/// The last generation: nobody gets there, and names and ids stay short.
pub(super) const LAST: u32 = 1000;

const KEY: &str = "cluster.ec2.brokers.generation";

impl Brokers {
    /// The node ids of the brokers: from 1 on, and from 2001 on of the first generation after that.
    pub fn ids(&self) -> RangeInclusive<u32> {
        ids(self.generation, self.count)
    }
}

/// The node ids of `count` brokers of a generation.
pub(super) fn ids(generation: u32, count: u32) -> RangeInclusive<u32> {
    let before = generation.saturating_mul(IDS);
    before.saturating_add(1)..=before.saturating_add(count)
}

/// The generation of the broker with this id.
pub fn of_id(id: u32) -> u32 {
    id.saturating_sub(1) / IDS
}

/// The number of the broker with this id in its generation, from 1 on.
pub fn number(id: u32) -> u32 {
    id.saturating_sub(1) % IDS + 1
}

impl Ec2 {
    /// Whether the file has a broker with this id.
    pub fn has_broker(&self, id: u32) -> bool {
        self.brokers.ids().contains(&id)
    }
}

pub(super) fn check(checker: &mut Checker<'_>) {
    let Some(generation) = checker.part::<Option<u32>>(KEY).flatten() else { return };
    if generation > LAST {
        checker.error(
            KEY,
            format!("there is no generation {generation}"),
            format!("use 0 to {LAST}, the one after the live one"),
        );
    } else if generation > 0 && checker.part::<Option<bool>>("cluster.ec2.combined").flatten() == Some(true) {
        checker.error(
            KEY,
            "with `combined: true` the brokers vote in the controllers' quorum, which stays as it was made: another set would not",
            "remove `generation`; a stack with dedicated `controllers` can have another set of brokers",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_generations_share_an_id_nor_one_with_a_controller() {
        assert_eq!((ids(0, 3), ids(1, 3), ids(2, 1000)), (1..=3, 2001..=2003, 4001..=5000));
        for (id, of) in [(1, (0, 1)), (1000, (0, 1000)), (2001, (1, 1)), (3000, (1, 1000)), (4001, (2, 1))] {
            assert_eq!((of_id(id), number(id)), of, "{id}");
        }
        let controllers = crate::design::CONTROLLER_IDS + 1..=crate::design::CONTROLLER_IDS + 5;
        for generation in 0..=LAST {
            let ids = ids(generation, super::super::check::MOST_BROKERS);
            assert!(controllers.clone().all(|id| !ids.contains(&id)), "{generation}");
            assert_eq!((of_id(*ids.start()), of_id(*ids.end())), (generation, generation));
        }
    }
}
