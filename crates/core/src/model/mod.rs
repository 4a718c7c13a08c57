//! The words that kinds, planner, executor and drivers share: addresses, references, tags, changes and what they do.

mod address;
mod change;
mod field;
mod metadata;
mod reference;
pub mod tag;

use std::collections::BTreeMap;

pub use address::{Address, KAFKA_KINDS, StepId, is_of_kafka, shown_in_kafka};
pub use change::{DIFFERS, Deletion, Effect, FieldChange, Missing, Operation};
pub(crate) use field::spec;
pub use field::{Field, Fields, Rule, fixed};
pub use metadata::{Claim, Holder, LEASE_SECONDS, OWN_ZONE, Record, StackMetadata};
pub(crate) use reference::references;
pub use reference::{Ref, References};

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// The name of what a stack has once in its region, where names are unique in the whole account, as IAM's are.
pub fn account_name(stack: &str, region: &str, suffix: &str) -> String {
    format!("kstack-{stack}-{region}-{suffix}")
}

/// The remedy where only a new stack can have what is wanted.
pub const NEW_STACK: &str =
    "create a second stack with another name, move the data with MirrorMaker, and destroy this one";
