//! The MSK cluster, and the operations that its changes take: MSK makes one at a time.

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
        pub security_groups: Vec<Ref> => Rule::fixed(
            "the list of an MSK cluster's security groups",
            "change the rules of the group instead; another group needs a second stack",
        ).hidden(),
        #[serde(flatten)]
        pub provisioned: Option<Provisioned> => Rule::nested(Provisioned::FIELDS),
    }
}

/// The operations, in an order that always works:
/// what needs the least of the others first, what a later one needs before it, and brokers that roll before brokers that are added.
///
/// * Public access goes before anything that it forbids (open access, plaintext) is turned on, and comes after what it needs:
///   authentication, TLS, and `allow.everyone.if.no.acl.found=false` in the configuration.
/// * Storage that grows, or throughput that falls, comes early: full volumes stop brokers, and a smaller type allows less
///   throughput. Throughput that rises waits for the larger type. Size and throughput are one call, since the next may
///   only come 6 hours later.
/// * The version comes before the type, which may need it, and takes a new configuration with it. A type that is too small
///   for its partitions refuses configurations, so the type comes before a configuration alone.
/// * Tiered storage needs the version and the type.
/// * Brokers are added after what restarts brokers: they need no restart.
const ORDER: [&str; 12] = [
    "creation",
    "public-access-off",
    "storage",
    "kafka-version",
    "broker-type",
    "throughput",
    "tiered-storage",
    "configuration",
    "security",
    "rebalancing",
    "broker-count",
    "monitoring",
];
/// The last of all.
const PUBLIC: &str = "public-access";

/// The operation that makes `change`, one of `all`.
fn operation(change: &FieldChange, all: &[FieldChange]) -> &'static str {
    let changes = |field: &str| all.iter().find(|change| change.field == field);
    let rises = |change: &FieldChange| change.after.as_u64() > change.before.as_u64();
    match change.field.as_str() {
        "state" => "creation",
        "public_access" if change.after == false => "public-access-off",
        "public_access" => PUBLIC,
        "volume_gib" | "throughput_mibs" if changes("throughput_mibs").is_some_and(rises) => "throughput",
        "volume_gib" | "throughput_mibs" => "storage",
        "kafka" => "kafka-version",
        "configuration" | "server_properties" if changes("kafka").is_some() => "kafka-version",
        "configuration" | "server_properties" => "configuration",
        "instance_type" => "broker-type",
        "tiered" => "tiered-storage",
        "brokers" => "broker-count",
        "rebalancing" => "rebalancing",
        "iam" | "scram" | "certificate_authorities" | "unauthenticated" | "in_transit" => "security",
        _ => "monitoring",
    }
}

/// What an operation does to a cluster with so many brokers. The 15 minutes are AWS's upper figure for a change of type;
/// the other rolls are taken to be no slower.
fn meaning(operation: &str, brokers: u32) -> String {
    let minutes = brokers * 15;
    match operation {
        "creation" => "AWS is still creating the cluster: kstack waits for it, usually 15 to 35 minutes".to_owned(),
        "kafka-version" | "broker-type" | "configuration" | "security" => {
            format!("the {brokers} brokers restart one after another, up to {minutes} minutes in all")
        }
        "storage" | "throughput" => {
            "nothing restarts; AWS optimises the volumes for 6 hours or more, and they can't change again until then"
                .to_owned()
        }
        "broker-count" => "nothing restarts; partitions stay on their brokers until they are reassigned".to_owned(),
        "public-access" | "public-access-off" => {
            "brokers get or lose public addresses, which may take an hour".to_owned()
        }
        _ => "nothing restarts".to_owned(),
    }
}

impl Kind for MskCluster {
    const NAME: &'static str = "msk_cluster";
    const ENGINE: Option<Engine> = Some(Engine::Msk);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let Some(cluster) = design.msk.as_ref() else { return Vec::new() };
        let reach = if cluster.in_public_subnets { "public" } else { "private" };
        let subnets = design.zones.iter().map(|zone| Ref::to("subnet", &format!("{reach}-{}", zone.key))).collect();
        let cluster = MskCluster {
            state: ACTIVE.to_owned(),
            form: if cluster.provisioned.is_some() { "provisioned" } else { "serverless" }.to_owned(),
            subnets,
            security_groups: vec![Ref::to("security_group", "brokers")],
            provisioned: cluster.provisioned.clone(),
        };
        vec![("main".to_owned(), cluster)]
    }

    /// Public access needs the route to the internet.
    fn after(&self, _: &str) -> Vec<Address> {
        let public = self.provisioned.as_ref().is_some_and(|one| one.public_access);
        public.then(|| Address::new(super::RouteTable::NAME, "public")).into_iter().collect()
    }

    fn operations(&self, live: &Self, changes: &[FieldChange]) -> Vec<Operation> {
        let brokers = live.provisioned.as_ref().map_or(0, |live| live.brokers);
        let mut operations = Vec::new();
        for name in ORDER.into_iter().chain([PUBLIC]) {
            let mine: Vec<FieldChange> =
                changes.iter().filter(|change| operation(change, changes) == name).cloned().collect();
            if !mine.is_empty() {
                operations.push(Operation { name, reason: meaning(name, brokers), changes: mine });
            }
        }
        operations
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
