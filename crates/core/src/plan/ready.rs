//! Which steps of a plan may begin. Each step and each wait is looked at once, however many there are. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{All, Step};
use crate::model::StepId;

/// The steps of a plan on their way: steps are named by their places in it.
#[derive(Debug)]
pub struct Ready<'a> {
    steps: &'a [Step],
    /// For each step, how many of those that it names are not done.
    unmet: Vec<usize>,
    /// Who names a step.
    waiters: BTreeMap<StepId, Vec<usize>>,
    /// For each [`All`], how many of its steps are not done.
    left: [usize; 2],
    /// Who waits for all of these.
    behind: [Vec<usize>; 2],
    /// What may begin.
    free: BTreeSet<usize>,
    /// Whether it has begun, or never will.
    gone: Vec<bool>,
    /// What has failed, or waits for what has.
    lost: BTreeSet<StepId>,
    /// For each [`All`], one of its steps that is lost.
    missing: [Option<StepId>; 2],
}

impl<'a> Ready<'a> {
    /// The steps of a plan of which nothing is done.
    pub fn of(steps: &'a [Step]) -> Ready<'a> {
        let mut ready = Ready {
            steps,
            unmet: steps.iter().map(|step| step.after.len()).collect(),
            waiters: BTreeMap::new(),
            left: All::BOTH.map(|all| steps.iter().filter(|step| all.has(step)).count()),
            behind: [Vec::new(), Vec::new()],
            free: BTreeSet::new(),
            gone: vec![false; steps.len()],
            lost: BTreeSet::new(),
            missing: [None, None],
        };
        for (place, step) in steps.iter().enumerate() {
            for id in &step.after {
                ready.waiters.entry(id.clone()).or_default().push(place);
            }
            if let Some(all) = step.after_all {
                ready.behind[all as usize].push(place);
            }
            ready.free_if_met(place);
        }
        ready
    }

    fn free_if_met(&mut self, place: usize) {
        let all = self.steps[place].after_all.is_none_or(|all| self.left[all as usize] == 0);
        if all && self.unmet[place] == 0 && !self.gone[place] {
            self.free.insert(place);
        }
    }

    /// The first step that may begin and has not; it has then.
    pub fn begin(&mut self) -> Option<usize> {
        let place = self.free.pop_first()?;
        self.gone[place] = true;
        Some(place)
    }

    /// The step that has begun is done.
    pub fn done(&mut self, place: usize) {
        let step = &self.steps[place];
        self.there(&step.id());
        for all in All::BOTH.into_iter().filter(|all| all.has(step)) {
            self.left[all as usize] -= 1;
            if self.left[all as usize] == 0 {
                let behind = std::mem::take(&mut self.behind[all as usize]);
                behind.into_iter().for_each(|place| self.free_if_met(place));
            }
        }
    }

    /// Nobody waits for this any more.
    pub fn there(&mut self, id: &StepId) {
        for place in self.waiters.remove(id).unwrap_or_default() {
            self.unmet[place] -= 1;
            self.free_if_met(place);
        }
    }

    /// The step that has begun has failed: the steps that will not begin for that, in the plan's order, each with the one that it waits for.
    pub fn failed(&mut self, place: usize) -> Vec<(&'a Step, StepId)> {
        let steps = self.steps;
        let mut found = BTreeSet::new();
        let mut next = vec![place];
        while let Some(place) = next.pop() {
            let id = steps[place].id();
            let mut held = self.waiters.remove(&id).unwrap_or_default();
            for all in All::BOTH.into_iter().filter(|all| all.has(&steps[place])) {
                held.append(&mut self.behind[all as usize]);
                self.missing[all as usize].get_or_insert_with(|| id.clone());
            }
            self.lost.insert(id);
            for place in held.into_iter().filter(|place| !std::mem::replace(&mut self.gone[*place], true)) {
                found.insert(place);
                next.push(place);
            }
        }
        let because = |step: &Step| {
            let named = step.after.iter().find(|one| self.lost.contains(one));
            named.or(step.after_all.and_then(|all| self.missing[all as usize].as_ref())).cloned()
        };
        found.into_iter().filter_map(|place| Some((&steps[place], because(&steps[place])?))).collect()
    }

    /// The steps that may still begin some time, in the plan's order.
    pub fn waiting(&self) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().zip(&self.gone).filter(|(_, gone)| !**gone).map(|(step, _)| step)
    }
}

#[cfg(test)]
mod tests {
    use super::super::verify::tests::any_steps;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What may begin is what [`Step::may_begin`] says, wherever steps end and fail; and what is held back is what can't.
        #[test]
        fn what_may_begin_is_what_has_all_that_it_waits_for(
            steps in any_steps(), dice in prop::collection::vec(0..8_u8, 1..40)
        ) {
            let mut ready = Ready::of(&steps);
            let (mut done, mut begun, mut held) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            let mut running: Vec<usize> = Vec::new();
            let mut dice = dice.iter().cycle();
            loop {
                while let Some(place) = ready.begin() {
                    prop_assert!(begun.insert(steps[place].id()));
                    running.push(place);
                }
                let may = steps.iter().filter(|step| step.may_begin(&steps, &done)).map(Step::id);
                prop_assert_eq!(&may.collect::<BTreeSet<_>>(), &begun);
                if running.is_empty() {
                    break;
                }
                let die = *dice.next().expect("a cycle");
                let place = running.remove(usize::from(die) % running.len());
                if die == 0 {
                    for (step, because) in ready.failed(place) {
                        prop_assert!(step.after.contains(&because) || step.after_all.is_some());
                        prop_assert!(because == steps[place].id() || held.contains(&because) || step.after_all.is_some());
                        prop_assert!(held.insert(step.id()));
                    }
                } else {
                    done.insert(steps[place].id());
                    ready.done(place);
                }
            }
            prop_assert_eq!(ready.waiting().count(), 0);
            prop_assert_eq!(begun.len() + held.len(), steps.len());
        }
    }
}
