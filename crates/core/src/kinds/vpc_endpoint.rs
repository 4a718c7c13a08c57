//! VPC endpoints: S3 through a gateway endpoint, other services through interface endpoints in the public subnets. One of them may be for a
//! PrivateLink service of somebody else's, who says whether it may be used.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::prelude::*;
use crate::endpoint_services::{by_gateway, full_name};
use crate::file::PrivateLink;

spec! {
    pub struct VpcEndpoint {
        pub vpc: Ref => Rule::replace().hidden(),
        pub service: String => Rule::replace(),
        /// `Gateway` or `Interface`.
        pub kind: String => Rule::replace(),
        pub route_tables: Vec<Ref> => Rule::in_place(),
        pub subnets: Vec<Ref> => Rule::in_place(),
        pub security_groups: Vec<Ref> => Rule::in_place(),
        /// Who may do what through it, as JSON in the form of [`policy_text`]; absent where it is left to AWS's default or to others.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub policy: Option<String> => Rule::in_place().hidden().saying("policy: it is not kstack's"),
        /// Whether the service's public name leads to the endpoint; interface endpoints only.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub private_dns: Option<bool> => Rule::in_place().hidden(),
        /// `available`; `pending` while it comes up, and [`ASKED`] until the service's owner has accepted it.
        pub state: String => Rule::by(state).hidden(),
    }
}

/// The name of the endpoint of a PrivateLink service in a stack.
pub const PRIVATELINK: &str = "privatelink";
/// The state of an endpoint that the service's owner has to accept.
pub const ASKED: &str = "pendingacceptance";

/// One that came up is waited for; one that can't be used any more is made again, unless the service's owner said no.
fn state(change: &FieldChange, _: bool) -> Effect {
    match change.before.as_str().unwrap_or_default() {
        "rejected" => Effect::Refuse {
            reason: "the service's owner has rejected the endpoint, and nothing gets through it".to_owned(),
            remedy:
                "have the owner accept it; or remove `network.privatelink`, apply, and write it again, which asks anew"
                    .to_owned(),
        },
        "failed" | "expired" => Effect::Replace,
        _ => Effect::InPlace,
    }
}

impl VpcEndpoint {
    /// The name in a stack of the endpoint of the service `service`: addresses have no dots.
    pub fn name_of(service: &str) -> String {
        service.replace('.', "-")
    }
}

/// Interface endpoints whose services take a policy (each service's own guide; DescribeVpcEndpointServices tells of others) and
/// get no call without a signature. AWS STS does: AssumeRoleWithWebIdentity.
const WITH_POLICY: [&str; 5] = ["kms", "logs", "monitoring", "secretsmanager", "ssm"];

/// The least that a stack's hosts and clients need of an endpoint, instead of AWS's default, which lets anybody with keys of any
/// account use it. A gateway endpoint takes no principal but `*`, and a condition in its place (AWS PrivateLink guide, "Principals
/// for gateway endpoints").
///
/// S3 also answers requests that nobody has signed, which have no principal: Amazon Linux's repositories, package mirrors and an
/// archive of Kafka may be in public buckets, and a host must be able to read them while it boots.
fn policy(service: &str, account: &str) -> Option<String> {
    let own = json!({
        "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": account}},
    });
    let public = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"});
    let statements = match service {
        "s3" => vec![own, public],
        service if WITH_POLICY.contains(&service) => vec![own],
        _ => return None,
    };
    Some(policy_text(&json!({"Statement": statements})))
}

/// A policy document as one text for all its forms: IAM takes one item for a list of it, and keys and lists are in any order. AWS gives
/// an endpoint's policy back without its version (AWS PrivateLink guide, "Default endpoint policy").
pub fn policy_text(document: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) if items.len() == 1 => sorted(&items[0]),
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(sorted).collect();
                items.sort_by_cached_key(Value::to_string);
                Value::Array(items)
            }
            Value::Object(map) => {
                let sorted: BTreeMap<String, Value> =
                    map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                Value::Object(sorted.into_iter().collect())
            }
            other => other.clone(),
        }
    }
    let mut document = sorted(document);
    if let Some(policy) = document.as_object_mut() {
        policy.remove("Version");
    }
    document.to_string()
}

/// Whether the stack makes the endpoint, and it has interfaces.
pub fn has_interfaces(design: &Design, name: &str) -> bool {
    !by_gateway(name) && is_missing(design, name)
}

/// Whether the stack makes the endpoint: always in its own VPC; in another where it is not there for the stack's subnets.
fn is_missing(design: &Design, name: &str) -> bool {
    design.existing.as_ref().is_none_or(|existing| !existing.has_endpoint(&design.stack.region, name))
}

/// The endpoint of the file's PrivateLink service. Who may do what through it is the service's to say.
fn to_others(design: &Design) -> Option<VpcEndpoint> {
    let (PrivateLink { service, .. }, chosen) =
        (design.stack.network.privatelink.as_ref()?, design.privatelink.as_ref()?);
    Some(VpcEndpoint {
        vpc: design.vpc(),
        service: service.to_string(),
        kind: "Interface".to_owned(),
        route_tables: Vec::new(),
        subnets: chosen.zones.iter().map(|zone| design.public_subnet(zone)).collect(),
        security_groups: vec![Ref::to("security_group", PRIVATELINK)],
        policy: None,
        private_dns: Some(false),
        state: if chosen.asked { ASKED } else { "available" }.to_owned(),
    })
}

impl Kind for VpcEndpoint {
    const NAME: &'static str = "vpc_endpoint";
    const ACCESS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let network = &design.stack.network;
        let subnets = design.zones.iter().map(|zone| design.public_subnet(zone));
        let endpoint = |name: &str| {
            let gateway = by_gateway(name);
            let service = full_name(&design.stack.region, name);
            let tables: Vec<Ref> = match &design.existing {
                Some(existing) => existing.tables_without(&service).into_iter().map(Ref::Id).collect(),
                None => {
                    design.zones.iter().map(|zone| Ref::to("route_table", &format!("private-{}", zone.key))).collect()
                }
            };
            VpcEndpoint {
                vpc: design.vpc(),
                service,
                kind: if gateway { "Gateway" } else { "Interface" }.to_owned(),
                route_tables: if gateway { tables } else { Vec::new() },
                subnets: if gateway { Vec::new() } else { subnets.clone().collect() },
                security_groups: if gateway { Vec::new() } else { vec![Ref::to("security_group", "endpoints")] },
                // In a network of others it serves whoever is there, with keys of whatever account.
                policy: policy(name, &design.account).filter(|_| design.existing.is_none()),
                private_dns: (!gateway).then_some(true),
                state: "available".to_owned(),
            }
        };
        let missing = network.endpoints.iter().filter(|name| is_missing(design, name));
        let own = missing.map(|name| (VpcEndpoint::name_of(name), endpoint(name)));
        own.chain(to_others(design).map(|endpoint| (PRIVATELINK.to_owned(), endpoint))).collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        if self.kind == "Interface" {
            costs.charge("endpoint", self.subnets.len() as f64 * HOURS_PER_MONTH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_names_the_account_and_s3_lets_public_objects_be_read() {
        for service in WITH_POLICY.into_iter().chain(["s3"]) {
            let text = policy(service, "123456789012").expect("a policy");
            let policy: Value = serde_json::from_str(&text).expect("JSON");
            let statements = match &policy["Statement"] {
                Value::Array(all) => all.clone(),
                one => vec![one.clone()],
            };
            let open: Vec<&Value> = statements.iter().filter(|one| one["Condition"].is_null()).collect();
            assert!(text.contains(r#""aws:PrincipalAccount":"123456789012""#), "{service}: {text}");
            match service {
                "s3" => assert_eq!(open[0]["Action"], "s3:GetObject", "{text}"),
                _ => assert!(open.is_empty(), "{service}: {text}"),
            }
        }
        assert_eq!(policy("sts", "1"), None, "it takes calls that nobody has signed");
    }

    #[test]
    fn a_policy_is_the_same_in_all_its_forms() {
        let one = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["a", "b"], "Principal": "*"}]});
        let other = json!({"Statement": {"Principal": ["*"], "Action": ["b", "a"], "Effect": "Allow"}});
        assert_eq!(policy_text(&one), policy_text(&other));
        let third = json!({"Statement": {"Principal": "*", "Action": "a", "Effect": "Allow"}, "Version": "2012-10-17"});
        assert_ne!(policy_text(&one), policy_text(&third));
    }
}
