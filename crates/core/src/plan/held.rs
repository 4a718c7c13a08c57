//! What deleting a resource would lose, which keeps a plan from being run.

use super::Plan;
use crate::kinds::Resource;
use crate::model::{Address, Deletion, is_of_kafka};
use crate::observed::Live;
use crate::refusal::Refusal;

/// Refuses to delete the live resource at `address` where that would lose data, unless it may, or where it can't be done at all.
pub(super) fn refuse(address: &Address, live: &Live, plan: &mut Plan) {
    let name = &address.name;
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
        (Deletion::Data(held), other) => (
            format!("{name} is no longer in the stack file, and its {} {} has {held}", other.kind(), live.id),
            "move its partitions away with kafka-reassign-partitions.sh, then run again with --allow-data-loss; or keep it in the \
             stack file"
                .to_owned(),
        ),
    };
    plan.refusals.push(Refusal::at(address, reason, remedy));
}
