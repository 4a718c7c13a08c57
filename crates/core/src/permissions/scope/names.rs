//! Where permissions for a stack's names in DNS hold.

use serde_json::{Value, json};

use super::Subject;

impl Subject<'_> {
    /// Where the stack's names may be: a zone of its own has no name before it is made.
    pub(super) fn name_zones(&self) -> Option<Vec<String>> {
        let network = &self.stack.network;
        let of_brokers = network.dns.as_ref().map(|dns| dns.existing.as_ref().map_or("*", |id| &id.0));
        let of_service = network.privatelink.as_ref().and_then(|link| link.domain.as_ref()).map(|_| "*");
        let id = of_service.or(of_brokers)?;
        Some(vec![format!("arn:{}:route53:::hostedzone/{id}", self.partition())])
    }

    /// The condition that a record's name is one of the stack's.
    pub(super) fn below_domain(&self) -> Option<Value> {
        let network = &self.stack.network;
        let of_brokers = network.dns.as_ref().map(|dns| dns.domain(&self.stack.name));
        let of_service = network.privatelink.as_ref().and_then(|link| link.domain.as_ref()).map(ToString::to_string);
        let below: Vec<String> = of_brokers.into_iter().chain(of_service).map(|domain| format!("*.{domain}")).collect();
        let names = json!({"route53:ChangeResourceRecordSetsNormalizedRecordNames": below});
        (!below.is_empty()).then(|| json!({"ForAllValues:StringLike": names}))
    }
}
