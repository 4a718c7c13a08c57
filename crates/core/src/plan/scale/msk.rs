//! More standard brokers of MSK and fewer: which they are, and what MSK makes of the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::{Member, Scale};
use crate::design::{Design, Provisioned, node_id};
use crate::kinds::{Broker, Kind as _, MskCluster, Topic};
use crate::model::{Address, StepId};
use crate::moves::{View, members};
use crate::observed::Observed;
use crate::plan::{Action, Note, Plan, Step};
use crate::refusal::Refusal;

/// What becomes of a broker that leaves.
pub(super) const LEAVES: &str =
    "it is no longer in the stack file: it is looked at until nothing is on it, and then MSK takes it away";

/// The live cluster, and what it is to be.
pub(super) struct Clusters<'a> {
    pub live: &'a MskCluster,
    pub wanted: &'a Provisioned,
    pub now: &'a Provisioned,
}

impl<'a> Clusters<'a> {
    /// Those of a cluster that has brokers of its own, before and after.
    pub fn of(design: &'a Design, observed: &'a Observed) -> Option<Clusters<'a>> {
        let (_, live) = observed.of::<MskCluster>().remove("main")?;
        let wanted = design.msk.as_ref()?.provisioned.as_ref()?;
        Some(Clusters { live, wanted, now: live.provisioned.as_ref()? })
    }
}

/// Its standard brokers as they are to be, those that leave, or why it is not known which ones leave.
pub(super) struct Brokers {
    pub members: Vec<Member>,
    pub leaving: BTreeSet<u32>,
    pub unclear: Option<String>,
}

impl Brokers {
    /// Those that stay, by what the brokers have told, and those that are new: MSK gives these the next ids, and each zone as many.
    pub fn of(design: &Design, observed: &Observed, clusters: &Clusters<'_>, view: Option<&View>) -> Brokers {
        let (has, wanted) = (clusters.now.brokers, clusters.wanted.brokers);
        let registered: BTreeSet<u32> = observed.of::<Broker>().into_values().map(|(_, broker)| broker.id).collect();
        let stay = match view {
            Some(view) => members(view, has, wanted),
            None => Ok(registered.iter().copied().take(wanted as usize).collect()),
        };
        let (stay, unclear) = match stay {
            Ok(stay) => (stay, None),
            Err(why) => (registered.clone(), Some(why)),
        };
        let volume = clusters.wanted.volume_gib.map(|gib| gib << 30);
        let next = registered.last().copied().unwrap_or_default() + 1;
        let zones = || design.zones.iter().map(|zone| zone.id.clone()).cycle();
        let new = (next..).zip(zones()).take(wanted.saturating_sub(has) as usize);
        let new = new.map(|(id, zone)| Member { id, rack: Some(zone), volume, made: true });
        let live = stay.iter().map(|id| Member { id: *id, rack: None, volume, made: false });
        let leaving = registered.difference(&stay).copied().collect();
        Brokers { members: live.chain(new).collect(), leaving, unclear }
    }
}

impl Scale<'_> {
    /// Lets MSK take brokers away once the cluster says that they are empty, or refuses that; and says what becomes of partitions that kstack does
    /// not move.
    pub(super) fn of_msk(&self, design: &Design, observed: &Observed, plan: &mut Plan) {
        let Some(clusters) = Clusters::of(design, observed) else { return };
        let address = Address::new(MskCluster::NAME, "main");
        let (has, wanted) = (clusters.now.brokers, clusters.wanted.brokers);
        let rebalances = clusters.wanted.rebalancing.or(clusters.now.rebalancing) != Some(false);
        let note = |text: &str| Note::of(&address, text.to_owned());
        if wanted > has {
            match (clusters.live.standard(), self.live) {
                (Some(_), Some(_)) => {}
                (Some(_), None) => plan.notes.push(note(
                    "brokers that are added have no partitions until some are moved to them, and the brokers can't be asked now: \
                     `kstack rebalance` does that after the apply",
                )),
                (None, _) if rebalances => plan
                    .notes
                    .push(note("MSK itself moves partitions to Express brokers that are added: kstack moves none")),
                (None, _) => plan.notes.push(note(
                    "its rebalancing is off, so brokers that are added get no partitions: `rebalancing: true` lets MSK move some",
                )),
            }
        }
        let Some(removal) = plan.steps.iter().position(Step::removes_brokers) else { return };
        let change = plan.steps[removal].changes().first().cloned();
        let refusal =
            |reason: String, remedy: &str| Refusal { change, ..Refusal::at(&address, reason, remedy.to_owned()) };
        if clusters.live.standard().is_none() {
            match rebalances {
                true => plan.notes.push(note("MSK itself moves what is on Express brokers that leave: kstack moves none")),
                false => plan.refusals.push(refusal(
                    "MSK takes away no brokers with partitions, and moves those of Express brokers only while its rebalancing is on"
                        .to_owned(),
                    "write `rebalancing: true` below `cluster.msk`, in the same apply",
                )),
            }
        } else if self.live.is_none() {
            let why = observed.unknown_inside().unwrap_or("the brokers have not told what is on them");
            let fewer = has - wanted;
            match plan.data_loss_allowed {
                true => plan.notes.push(Note {
                    warning: true,
                    ..note("it is not known what is on the brokers that leave, and nothing moves: MSK refuses where they have partitions")
                }),
                false => plan.refusals.push(refusal(
                    format!("{fewer} of {has} brokers would leave, and it is not known what is on them: {why}"),
                    "run it where the brokers can be reached, or name a way with --via or --proxy: what they have moves to the others then; or \
                     keep them in the stack file. With --allow-data-loss nothing moves, and MSK refuses where they have partitions",
                )),
            }
        } else {
            // What is made in the same apply may come to be on a broker that leaves.
            let topics = plan.steps.iter().filter(|step| step.address.kind == Topic::NAME).map(Step::id);
            let topics: Vec<StepId> = topics.collect();
            let mut leaving: BTreeMap<u32, StepId> = BTreeMap::new();
            for step in &mut plan.steps {
                if step.address.kind == Broker::NAME && step.action() == Action::Delete {
                    step.after.extend(topics.iter().cloned());
                    leaving.extend(node_id(&step.address.name).map(|id| (id, step.id())));
                }
            }
            plan.steps[removal].after.extend(leaving.into_values());
        }
    }
}
