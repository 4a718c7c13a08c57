//! What deleting a resource would lose, which keeps a plan from being run.

use super::Plan;
use crate::kinds::broker::leaves;
use crate::kinds::{self, Resource};
use crate::model::{Address, Deletion, is_of_kafka};
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;
use crate::stack::Stack;

/// Refuses to delete the live resource at `address` where that would lose data, unless it may, or where it can't be done at all.
pub(super) fn refuse(address: &Address, live: &Live, (stack, observed): (&Stack, &Observed), plan: &mut Plan) {
    let name = &address.name;
    let host = kinds::owner(address);
    let (reason, remedy) = match (live.spec.deletion(), &live.spec) {
        (Deletion::Free, _) => return,
        (Deletion::Refuse { reason, remedy }, _) => (reason, remedy),
        (Deletion::Data(_), _) if plan.data_loss_allowed => return,
        (Deletion::Data(held), _) if is_of_kafka(&address.kind) => (
            format!("the stack file says that {name} is absent, and it has {held}"),
            "run again with --allow-data-loss to delete it with its records; or remove `absent: true`".to_owned(),
        ),
        (Deletion::Data(held), Resource::LogGroup(_)) => (
            format!("it is no longer in the stack file, and has {held}"),
            "run again with --allow-data-loss to delete it with its logs; or keep it in the stack file".to_owned(),
        ),
        (Deletion::Data(held), other) if leaves(stack, host) => (
            format!("{host} is no longer in the stack file, and its {} {} has {held}", other.kind(), live.id),
            format!(
                "run it where the brokers can be reached, or name a way with --via or --proxy: its data moves to the others then ({}); or \
                 run again with --allow-data-loss, or keep it in the stack file",
                observed.unknown_inside().unwrap_or("the brokers have not told what is on it")
            ),
        ),
        (Deletion::Data(held), other) => (
            format!("{name} is no longer in the stack file, and its {} {} has {held}", other.kind(), live.id),
            "move its partitions away with kafka-reassign-partitions.sh, then run again with --allow-data-loss; or keep it in the \
             stack file"
                .to_owned(),
        ),
    };
    plan.refusals.push(Refusal::at(address, reason, remedy));
}
