//! Steps: one thing to do each, with everything that doing it needs.

use std::collections::BTreeSet;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::kinds::Resource;
use crate::model::{Address, FieldChange, Operation, StepId, Tags, is_of_kafka};

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
    /// And all of these, which are not named one by one: each of a thousand topics waits for each of a thousand resources.
    pub after_all: Option<All>,
}

/// All steps of a plan that do something, for steps that wait for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// What makes or changes what Kafka runs on.
    Cluster,
    /// What makes or changes anything, and does not only take access away.
    Changes,
}

impl All {
    /// Both.
    pub const BOTH: [All; 2] = [All::Cluster, All::Changes];

    /// Whether the step is one of them.
    pub fn has(self, step: &Step) -> bool {
        let changes = step.action() != Action::Delete && !step.closes();
        changes && (self == All::Changes || !is_of_kafka(&step.address.kind))
    }
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
    /// A step that waits for nothing yet.
    pub fn new(address: &Address, reason: impl Into<String>, work: Work) -> Step {
        Step {
            address: address.clone(),
            operation: None,
            reason: reason.into(),
            work,
            after: Vec::new(),
            after_all: None,
        }
    }

    /// What names the step in its plan.
    pub fn id(&self) -> StepId {
        StepId { address: self.address.clone(), operation: self.operation }
    }

    /// Whether it may begin among the `steps` of its plan, once these are `done`.
    pub fn may_begin(&self, steps: &[Step], done: &BTreeSet<StepId>) -> bool {
        let mut all = steps.iter().filter(|step| self.after_all.is_some_and(|all| all.has(step)));
        self.after.iter().all(|one| done.contains(one)) && all.all(|step| done.contains(&step.id()))
    }

    /// Whether the step does nothing but take something away from a resource that stays: access, or brokers that are empty. It waits for all
    /// that is made or changed, also in Kafka, and none of that for it.
    pub fn closes(&self) -> bool {
        self.operation == Some(Operation::CLOSE) || self.removes_brokers()
    }

    /// Whether the step takes brokers away from a cluster that stays.
    pub fn removes_brokers(&self) -> bool {
        self.operation == Some(Operation::REMOVE)
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
        if let Some(all) = self.after_all {
            map.serialize_entry("after_all", &all)?;
        }
        map.end()
    }
}
