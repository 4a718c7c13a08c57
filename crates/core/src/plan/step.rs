//! Steps: one thing to do each, with everything that doing it needs.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::kinds::Resource;
use crate::model::{Address, FieldChange, Operation, StepId, Tags};

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Update,
    /// The instance is terminated and another started on the same volume and interface.
    Roll,
    /// Deleted and made again.
    Replace,
    Delete,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub address: Address,
    /// Which of the operations on the resource it is, where there are several.
    pub operation: Option<&'static str>,
    /// As a clause.
    pub reason: String,
    pub work: Work,
    /// Steps that must be done before.
    pub after: Vec<StepId>,
}

/// The work of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    Create(Creation),
    /// `tags` are all that the resource is to have.
    Update {
        live: LiveTarget,
        wanted: Resource,
        tags: Tags,
        changes: Vec<FieldChange>,
    },
    Roll {
        live: LiveTarget,
        changes: Vec<FieldChange>,
        new: Creation,
    },
    Replace {
        live: LiveTarget,
        changes: Vec<FieldChange>,
        new: Creation,
    },
    Delete {
        live: LiveTarget,
    },
}

/// A resource that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    pub spec: Resource,
    /// Every tag that it is to have.
    pub tags: Tags,
    /// What tells this making of the resource from earlier ones: a part of its idempotency token.
    pub generation: String,
}

/// A live resource that is changed or deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveTarget {
    pub id: String,
    pub spec: Resource,
    /// Every tag that it has.
    pub tags: Tags,
}

impl Step {
    /// What names the step in its plan.
    pub fn id(&self) -> StepId {
        StepId { address: self.address.clone(), operation: self.operation }
    }

    /// Whether the step does nothing but take access away from a resource that stays.
    pub fn closes(&self) -> bool {
        self.operation == Some(Operation::CLOSE)
    }

    /// What the step does, in a word.
    pub fn action(&self) -> Action {
        match &self.work {
            Work::Create(_) => Action::Create,
            Work::Update { .. } => Action::Update,
            Work::Roll { .. } => Action::Roll,
            Work::Replace { .. } => Action::Replace,
            Work::Delete { .. } => Action::Delete,
        }
    }

    /// The fields that differ; none where the resource is made or deleted.
    pub fn changes(&self) -> &[FieldChange] {
        match &self.work {
            Work::Update { changes, .. } | Work::Roll { changes, .. } | Work::Replace { changes, .. } => changes,
            Work::Create(_) | Work::Delete { .. } => &[],
        }
    }

    /// The live resource, if there is one.
    pub fn live(&self) -> Option<&LiveTarget> {
        match &self.work {
            Work::Create(_) => None,
            Work::Update { live, .. }
            | Work::Roll { live, .. }
            | Work::Replace { live, .. }
            | Work::Delete { live } => Some(live),
        }
    }

    /// The spec that the resource is to have, unless it is deleted.
    pub fn wanted(&self) -> Option<&Resource> {
        match &self.work {
            Work::Create(new) | Work::Roll { new, .. } | Work::Replace { new, .. } => Some(&new.spec),
            Work::Update { wanted, .. } => Some(wanted),
            Work::Delete { .. } => None,
        }
    }
}

/// As scripts read it, and as saved plans are compared.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("address", &self.address)?;
        if let Some(operation) = self.operation {
            map.serialize_entry("operation", operation)?;
        }
        map.serialize_entry("action", &self.action())?;
        map.serialize_entry("reason", &self.reason)?;
        map.serialize_entry("changes", self.changes())?;
        if let Some(live) = self.live() {
            map.serialize_entry("id", &live.id)?;
        }
        if let Some(wanted) = self.wanted() {
            map.serialize_entry("spec", wanted)?;
        }
        map.serialize_entry("after", &self.after)?;
        map.end()
    }
}
