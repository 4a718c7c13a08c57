//! Where permissions for a stack's names in DNS hold.

use serde_json::{Value, json};

use super::Subject;

impl Subject<'_> {
    /// Where the stack's names may be: a zone of its own has no name before it is made.
    pub(super) fn name_zones(&self) -> Option<Vec<String>> {
        let dns = self.stack.network.dns.as_ref()?;
        let id = dns.existing.as_ref().map_or("*", |id| &id.0);
        Some(vec![format!("arn:{}:route53:::hostedzone/{id}", self.partition())])
    }

    /// The condition that a record's name is one of the stack's.
    pub(super) fn below_domain(&self) -> Option<Value> {
        let below = format!("*.{}", self.stack.network.dns.as_ref()?.domain(&self.stack.name));
        let names = json!({"route53:ChangeResourceRecordSetsNormalizedRecordNames": [below]});
        Some(json!({"ForAllValues:StringLike": names}))
    }
}
