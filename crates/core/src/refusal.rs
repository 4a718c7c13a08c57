//! Refusals: why a plan can't be run, and what to do about it.

use serde::{Deserialize, Serialize};

use crate::model::{Address, FieldChange};

/// Why a plan can't be run, and the remedy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The resource that it is about; absent when it is about none alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    pub reason: String,
    /// The change that is refused, where it is one of a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<FieldChange>,
    pub remedy: String,
}

impl Refusal {
    /// A refusal that is not about one resource.
    pub fn general(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refusal { address: None, reason: reason.into(), change: None, remedy: remedy.into() }
    }

    /// A refusal about the resource at `address`.
    pub fn at(address: &Address, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refusal { address: Some(address.clone()), ..Refusal::general(reason, remedy) }
    }
}
