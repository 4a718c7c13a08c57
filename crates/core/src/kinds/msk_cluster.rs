//! The MSK cluster. Its changes are operations, of which MSK makes one at a time.

use super::msk_operation::MskOperation;
use super::prelude::*;
use crate::design::Provisioned;

/// The state of a cluster that is there: what AWS does with it meanwhile is no difference.
pub const ACTIVE: &str = "active";

spec! {
    pub struct MskCluster {
        pub state: String => Rule::by(state).hidden(),
        /// `provisioned` or `serverless`.
        pub form: String => Rule::fixed("whether a cluster is provisioned or serverless", NEW_STACK).hidden(),
        pub subnets: Vec<Ref> => Rule::fixed("the subnets of an MSK cluster, and with them its zones and whether it can be public,", NEW_STACK).hidden(),
        /// No update of MSK takes groups. Source: MSK's API reference, UpdateConnectivity and UpdateSecurity, 2026.
        pub security_groups: Vec<Ref> => Rule::fixed(
            "the list of an MSK cluster's security groups",
            "keep `network.security_groups` as it was, and change the rules of the groups instead; other groups need a second stack",
        ).hidden(),
        /// Whether its network type is dual stack: brokers have IPv6 addresses too.
        #[serde(default)]
        pub ipv6: bool => Rule::by(to_dual_stack),
        #[serde(flatten)]
        pub provisioned: Option<Provisioned> => Rule::nested(Provisioned::FIELDS),
    }
}

/// The value of the tag `kstack:adopted`.
const ADOPTED: &str = "true";
/// The same while the adoption is only planned: no tag in AWS has it.
const TO_BE_ADOPTED: &str = "planned";

/// The tags that a cluster gets which the stack `stack` adopts; for a plan, with `planned`, as if it had them. It is in the `subnets`,
/// and its volumes are encrypted with `key`.
pub fn adoption_tags(stack: &str, subnets: &[String], key: Option<&str>, planned: bool) -> Tags {
    let address = Address::new(MskCluster::NAME, "main").to_string();
    let adopted = if planned { TO_BE_ADOPTED } else { ADOPTED };
    let pairs = [(tag::STACK, stack), (tag::ADDRESS, &address), (tag::ADOPTED, adopted)];
    let mut tags: Tags = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    tags.insert(tag::NETWORK.to_owned(), subnets.join(" "));
    tags.extend(key.map(|key| (tag::KMS_KEY.to_owned(), key.to_owned())));
    tags
}

/// Whether a cluster with these tags is only planned to be adopted.
pub fn is_to_be_adopted(tags: &Tags) -> bool {
    tags.get(tag::ADOPTED).is_some_and(|value| value == TO_BE_ADOPTED)
}

impl MskCluster {
    /// Its brokers, where they are standard ones: their partitions stay where they are until somebody moves them.
    pub fn standard(&self) -> Option<&Provisioned> {
        self.provisioned.as_ref().filter(|one| !one.is_express())
    }

    /// Whether MSK itself moves partitions when Express brokers come and go. Source: MSK developer guide, "Scaling Amazon MSK clusters up and down
    /// with a single operation", 2026.
    pub fn rebalances(&self) -> bool {
        self.provisioned.as_ref().is_some_and(|one| one.is_express() && one.rebalancing != Some(false))
    }
}

impl Kind for MskCluster {
    const NAME: &'static str = "msk_cluster";
    const ENGINE: Option<Engine> = Some(Engine::Msk);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let Some(cluster) = design.msk.as_ref() else { return Vec::new() };
        let public = cluster.in_public_subnets;
        let subnet = |zone| if public { design.public_subnet(zone) } else { design.private_subnet(zone) };
        let cluster = MskCluster {
            state: ACTIVE.to_owned(),
            form: if cluster.provisioned.is_some() { "provisioned" } else { "serverless" }.to_owned(),
            subnets: design.zones.iter().map(subnet).collect(),
            security_groups: super::security_group::attached(design, "brokers"),
            ipv6: design.stack.network.ipv6,
            provisioned: cluster.provisioned.clone(),
        };
        vec![("main".to_owned(), cluster)]
    }

    /// The rules for the ports on which it listens; and public access needs the route to the internet, which subnets of others have.
    fn after(&self, _: &str) -> Vec<Address> {
        let own = self.subnets.iter().any(|subnet| subnet.address().is_some());
        let public = own && self.provisioned.as_ref().is_some_and(|one| one.public_access);
        let table = public.then(|| Address::new(super::RouteTable::NAME, "public"));
        let rules = ["brokers", "clients"].map(|group| Address::new(super::SecurityGroupRules::NAME, group));
        rules.into_iter().chain(table).collect()
    }

    fn operations(&self, live: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        let brokers = live.provisioned.as_ref().map_or(0, |live| live.brokers);
        let of = |operation: MskOperation| {
            let own = changes.iter().filter(|change| MskOperation::of(change, changes) == Some(operation));
            let changes: Vec<FieldChange> = own.cloned().collect();
            let reason = operation.meaning(brokers, &changes);
            (!changes.is_empty()).then(|| Operation { name: operation.name(), reason, changes })
        };
        MskOperation::ALL.into_iter().filter_map(of).collect()
    }

    fn tags(&self) -> Tags {
        let key = self.provisioned.as_ref().and_then(|one| one.kms_key.clone());
        key.map(|key| (tag::KMS_KEY.to_owned(), key)).into_iter().collect()
    }

    fn deletion(&self) -> Deletion {
        Deletion::Data(match &self.provisioned {
            Some(one) => format!("the data of {} brokers", one.brokers),
            None => "its data".to_owned(),
        })
    }

    fn home(&self) -> Vec<&str> {
        self.subnets.iter().filter_map(Ref::id).collect()
    }

    fn minutes(&self, operation: Option<&str>) -> u64 {
        let brokers = self.provisioned.as_ref().map_or(0, |one| one.brokers);
        let named = |one: &MskOperation| operation.is_none_or(|name| one.name() == name);
        MskOperation::ALL.into_iter().find(named).map_or(0, |operation| operation.minutes(brokers))
    }

    fn price(&self, costs: &mut Costs<'_>) {
        let Some(one) = &self.provisioned else {
            return costs.charge("serverless cluster", HOURS_PER_MONTH);
        };
        let brokers = f64::from(one.brokers);
        costs.charge(&format!("msk {}", one.instance_type), brokers * HOURS_PER_MONTH);
        costs.charge("msk storage", brokers * one.volume_gib.unwrap_or_default() as f64);
        costs.charge("msk storage throughput", brokers * f64::from(one.throughput_mibs.unwrap_or_default()));
        if one.public_access {
            costs.charge("public address", brokers * HOURS_PER_MONTH);
        }
        if one.ways_from_vpcs() > 0 {
            costs.charge("msk private connectivity", f64::from(one.ways_from_vpcs()) * HOURS_PER_MONTH);
        }
    }
}

/// Source: MSK developer guide, "Configure dual-stack network type", 2026: there is no way back to IPv4 alone.
fn to_dual_stack(change: &FieldChange, _: bool) -> Effect {
    match change.after == true {
        true => Effect::InPlace,
        false => Effect::Refuse {
            reason: "an MSK cluster with IPv6 keeps it: MSK has no way back to IPv4 alone".to_owned(),
            remedy: format!("write `ipv6: true` below `network`; or {NEW_STACK}"),
        },
    }
}

fn state(change: &FieldChange, _: bool) -> Effect {
    match change.before.as_str().unwrap_or_default() {
        "deleting" => Effect::Replace,
        before => match before.strip_prefix("failed: ") {
            None => Effect::InPlace,
            Some(why) => Effect::Refuse {
                reason: format!("AWS could not create the cluster and can't repair it: {why}"),
                remedy: "correct the cause, delete the cluster with `kstack destroy`, and apply again".to_owned(),
            },
        },
    }
}
