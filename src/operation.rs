//! Operations: where AWS makes a resource's changes one at a time, each is a step of its own. Pure.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::resource::{Address, FieldChange};

/// A step's identity: its resource, and the operation where the resource's changes are a step each. Shown as
/// `msk_cluster/main:broker-type`, and as the address alone where there is one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    pub address: Address,
    pub operation: Option<&'static str>,
}

impl From<Address> for StepId {
    fn from(address: Address) -> Self {
        StepId { address, operation: None }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.address)?;
        self.operation.map_or(Ok(()), |operation| write!(out, ":{operation}"))
    }
}

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A part of the changes of a resource that AWS makes one at a time: a step of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name, the same for every resource of the kind: `broker-type`.
    pub name: &'static str,
    /// What it does to the resource and about how long it takes, as a clause.
    pub why: String,
    pub changes: Vec<FieldChange>,
}
