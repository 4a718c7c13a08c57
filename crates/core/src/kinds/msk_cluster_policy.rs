//! The resource policy of an MSK cluster, as far as the stack has put it. One of others stays, such as AWS's own for connections
//! from other VPCs: which one is the stack's is kept in a tag of the cluster, before it is put and until it is gone.

use std::collections::BTreeMap;

use serde_json::Value;

use super::prelude::*;
use crate::digest::fingerprint;

spec! {
    pub struct MskClusterPolicy {
        pub cluster: Ref => Rule::in_place(),
        /// The document as JSON without spaces, its keys sorted; empty where there is none.
        pub policy: String => Rule::in_place(),
        /// What the tag keeps of it. Without it, a policy that somebody put in the place of the stack's, or after it was deleted,
        /// would be taken for the stack's.
        pub marks: Vec<String> => Rule::in_place().saying("marks: the cluster's tag says which policy is the stack's"),
    }
}

/// A policy's document as a spec has it. The order of keys means nothing, and whoever keeps it may change it.
pub fn canonical(document: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let all: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
                all.into_iter().map(|(key, value)| (key.clone(), value)).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    sorted(document).to_string()
}

/// What stands for a policy in the tag.
pub fn mark(policy: &str) -> String {
    fingerprint(policy, 8)
}

/// The marks in a cluster's tags.
pub fn marks(tags: &Tags) -> Vec<String> {
    let marks = tags.get(tag::CLUSTER_POLICY).map(String::as_str).unwrap_or_default();
    marks.split(' ').filter(|mark| !mark.is_empty()).map(str::to_owned).collect()
}

impl Kind for MskClusterPolicy {
    const NAME: &'static str = "msk_cluster_policy";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let policy = design.stack.cluster.msk.as_ref().and_then(|msk| msk.policy.as_ref());
        let cluster = Ref::to(super::MskCluster::NAME, "main");
        let policy = policy.map(|policy| canonical(&policy.0));
        let spec = policy.map(|policy| MskClusterPolicy { cluster, marks: vec![mark(&policy)], policy });
        spec.map(|spec| ("main".to_owned(), spec)).into_iter().collect()
    }

    fn others(&self) -> Vec<String> {
        self.of_others().then(|| "the cluster's resource policy".to_owned()).into_iter().collect()
    }

    fn of_others(&self) -> bool {
        !self.policy.is_empty() && !self.marks.contains(&mark(&self.policy))
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
