//! What happens while a plan runs, and how a run ended.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::StepError;
use crate::roll::Checks;
use kstack_core::model::StepId;
use kstack_core::plan::Action;

/// What happens while a plan runs.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    Started {
        address: StepId,
        action: Action,
    },
    /// What a long step waits for: a roll before it stops a host, or what AWS is doing with a cluster.
    Waiting {
        address: StepId,
        reason: String,
    },
    /// A rolled host is healthy again, as Kafka or EC2's checks of its instance report.
    Checked {
        address: StepId,
        by: Checks,
    },
    Done {
        address: StepId,
        action: Action,
        id: String,
        seconds: f64,
    },
    Failed {
        address: StepId,
        action: Action,
        error: String,
        hint: Option<String>,
    },
    Skipped {
        address: StepId,
        action: Action,
        because: StepId,
    },
    /// A signal came: no more steps are started.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: BTreeSet<StepId>,
    pub failed: Vec<(StepId, StepError)>,
    /// Steps that a failed one held back.
    pub skipped: BTreeSet<StepId>,
    /// Steps that were not begun or not finished when a signal came, or when AWS took no more calls.
    pub left: Vec<(StepId, Action)>,
    /// The step whose error every other step would end in too, such as that of expired credentials.
    pub ended_by: Option<StepId>,
    /// Steps that can't begin, each with what it waits for, though nothing failed and no signal came. A verified plan has none.
    pub stuck: Vec<(StepId, StepId)>,
}

impl Outcome {
    /// Whether every step is done.
    pub fn complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.left.is_empty() && self.stuck.is_empty()
    }
}
