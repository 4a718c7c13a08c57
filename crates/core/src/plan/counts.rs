//! How many steps a plan has.

use serde::Serialize;

/// How many steps of each action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub create: usize,
    pub change: usize,
    pub roll: usize,
    pub replace: usize,
    pub delete: usize,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(all: I) -> Counts {
        all.fold(Counts::default(), |sum, one| Counts {
            create: sum.create + one.create,
            change: sum.change + one.change,
            roll: sum.roll + one.roll,
            replace: sum.replace + one.replace,
            delete: sum.delete + one.delete,
        })
    }
}
