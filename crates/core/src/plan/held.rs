//! What deleting a resource would lose, which keeps a plan from being run.

use super::Plan;
use crate::design::node_id;
use crate::engines::ec2::generation::of_id;
use crate::kinds::broker::leaves;
use crate::kinds::{self, Resource};
use crate::model::{Address, Deletion, is_of_kafka};
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;
use crate::stack::Stack;

/// Whether the broker `host` is of another generation than the file's brokers.
fn of_another_set(stack: &Stack, host: &str) -> bool {
    let generation = stack.cluster.ec2.as_ref().map(|ec2| ec2.brokers.generation);
    node_id(host).map(of_id) != generation
}

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
        (Deletion::Data(held), other) if leaves(stack, host) && of_another_set(stack, host) => (
            format!(
                "{host} is of another generation than the stack file has, and its {} {} has {held}",
                other.kind(),
                live.id
            ),
            format!(
                "run it where the brokers can be reached, or name a way with --via or --proxy: its data moves to the other set then ({}); or \
                 write the live `generation`. With --allow-data-loss nothing moves, and all that topics have is lost",
                observed.unknown_inside().unwrap_or("the brokers have not told what is on it")
            ),
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
