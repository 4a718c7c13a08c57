//! What the stack file says is its own by how names begin, and does not have: topics and users of others under such a beginning go. What goes
//! so may be somebody's, so nothing of it goes unasked.

use std::collections::BTreeSet;

use super::inside::USERS;
use super::{Action, Plan};
use crate::kinds::{Kind as _, Topic};
use crate::model::{Address, shown_in_kafka};
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Stack;
use crate::text::{first_of, many};

/// Why the live resource goes, as a clause; `None` where that is not by how its name begins.
pub fn why(address: &Address, stack: &Stack, observed: &Observed) -> Option<String> {
    let name = address.name.as_str();
    let under = match address.kind.as_str() {
        Topic::NAME => stack.prunes_topic(name),
        kind if USERS.contains(&kind) && !observed.made_users().contains(name) => stack.prunes_user(name),
        _ => None,
    };
    under.map(|beginning| format!("its name is under `{beginning}` of `prune`, and the stack file does not have it"))
}

/// Refuses to delete what others may need, unless it was asked for: all of it in two refusals, however much it is.
pub fn refuse(stack: &Stack, observed: &Observed, plan: &mut Plan) {
    if plan.data_loss_allowed {
        return;
    }
    let gone = plan.steps.iter().filter(|step| step.action() == Action::Delete).map(|step| &step.address);
    let pruned: Vec<&Address> = gone.filter(|address| why(address, stack, observed).is_some()).collect();
    let names = |topics: bool| {
        let of = pruned.iter().filter(|address| (address.kind == Topic::NAME) == topics);
        of.map(|address| shown_in_kafka(&address.name)).collect::<BTreeSet<String>>()
    };
    let (topics, users) = (names(true), names(false));
    let under = |count: usize| if count == 1 { "is under `prune`, and is" } else { "are under `prune`, and are" };
    if !topics.is_empty() {
        let (count, of) = (many(topics.len(), "topic"), if topics.len() == 1 { "its" } else { "their" });
        plan.refusals.push(Refusal::general(
            format!("{count} {} not in the stack file: {}; {of} records would be lost", under(topics.len()), first_of(&topics)),
            "run again with --allow-data-loss to delete them with their records; or add them to `topics`, or name less below `prune`",
        ));
    }
    if !users.is_empty() {
        let count = many(users.len(), "user");
        plan.refusals.push(Refusal::general(
            format!("{count} {} not in the stack file: {}; whoever comes so would be shut out", under(users.len()), first_of(&users)),
            "run again with --allow-data-loss to take their rights, quotas and passwords away; or add them to `access.users`, or name less below `prune`",
        ));
    }
}
