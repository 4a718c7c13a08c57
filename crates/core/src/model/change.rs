//! Differences between what is wanted and what is live, and what they do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field that differs, by dotted path; `tags.KEY` for a tag. `Null` stands for absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: String,
    pub before: Value,
    pub after: Value,
}

impl FieldChange {
    /// The tag that differs, where it is one.
    pub fn tag(&self) -> Option<&str> {
        self.field.strip_prefix("tags.")
    }
}

/// What a change of a field does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The live resource is changed; nothing stops.
    InPlace,
    /// The instance is terminated and another started on the same volume and interface.
    Roll,
    /// The resource is deleted and made again.
    Replace,
    /// Nothing is done, and the plan says why.
    Keep(String),
    /// Nothing is done for it: once the instance is rolled for another reason, the new one starts with the new value.
    UntilRoll,
    /// The live resource is changed, and data is lost that way: only with `--allow-data-loss`.
    Lossy { reason: String, remedy: String },
    /// It can't be done.
    Refuse { reason: String, remedy: String },
}

/// What deleting a resource would lose, when the stack file no longer has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    Free,
    /// It holds data: only with `--allow-data-loss`, or by `destroy`. Says what is held.
    Data(String),
    /// Not while the stack lives.
    Refuse {
        reason: String,
        remedy: String,
    },
}

/// Why a resource that is wanted is not live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// It was never made.
    New,
    /// It was there, and making it again loses nothing. Says so, as the reason of the step.
    Gone(&'static str),
    /// It was there, and its data is lost.
    Lost {
        /// The reason of the step that makes an empty one.
        reason: String,
        /// Why that is refused unless data may be lost.
        refusal: String,
        remedy: &'static str,
    },
}

/// The ordinary reason of a change.
pub const DIFFERS: &str = "it differs from the stack file";

/// A part of the changes of a resource that AWS makes one at a time: a step of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name, the same for every resource of the kind: `broker-type`.
    pub name: &'static str,
    /// What it does to the resource and about how long it takes, as a clause.
    pub reason: String,
    pub changes: Vec<FieldChange>,
}

impl Operation {
    /// The name of the operation that adds access: rules, routes.
    pub const OPEN: &'static str = "open";
    /// The name of the operation that takes access away.
    pub const CLOSE: &'static str = "close";
    /// The name of the operation that takes brokers away, which have nothing left by then.
    pub const REMOVE: &'static str = "broker-removal";
}
