//! Brokers that MSK takes away: empty by then, or Express, which MSK empties itself.

use super::Order;
use crate::kinds::{MskCluster, OfKind as _};
use crate::plan::{Action, Step};

impl Order<'_> {
    /// Where the step is that takes brokers away, if there is one, and how many.
    fn removal(&self) -> Option<(usize, u64)> {
        let place = self.steps.iter().position(Step::removes_brokers)?;
        let change = self.steps[place].changes().iter().find(|change| change.field == "brokers")?;
        Some((place, change.before.as_u64()?.saturating_sub(change.after.as_u64()?)))
    }

    /// MSK takes brokers away after the cluster's word that they are empty: after the steps at these places.
    pub(super) fn removed_by_msk(&self, leaving: &[usize], faults: &mut Vec<String>) {
        let Some((place, _)) = self.removal() else { return };
        for early in leaving.iter().filter(|other| !self.waits(place, **other)) {
            faults.push(format!("{} comes before {}", self.steps[place].id(), self.steps[*early].id()));
        }
    }

    /// As many brokers as MSK takes away are looked at before, where the cluster has `told` of them. Express brokers are emptied by MSK.
    pub(super) fn msk_removes_what_is_empty(&self, told: bool, faults: &mut Vec<String>) {
        let Some((place, count)) = self.removal() else { return };
        let looked = |step: &&Step| step.address.kind == "broker" && step.action() == Action::Delete;
        let looked = self.steps.iter().filter(looked).count() as u64;
        let express = self.steps[place].wanted().and_then(MskCluster::of).is_some_and(MskCluster::rebalances);
        if !(express || told && looked == count) {
            let step = self.steps[place].id();
            faults.push(format!("{step} would take {count} brokers away, of which {looked} are known to be empty"));
        }
    }
}
