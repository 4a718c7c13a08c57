//! The operations of an MSK cluster: MSK makes one at a time.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::model::{FieldChange, Operation};

/// An operation, in an order that always works:
/// what needs the least of the others first, what a later one needs before it, and brokers that roll before brokers that are added.
///
/// * Public access goes before anything that it forbids (open access, plaintext) is turned on, and comes after what it needs:
///   authentication, TLS, and `allow.everyone.if.no.acl.found=false` in the configuration. So do ways in from other VPCs, by PrivateLink;
///   MSK takes one of the two a call.
/// * Storage that grows, or throughput that falls, comes early: full volumes stop brokers, and a smaller type allows less
///   throughput. Throughput that rises waits for the larger type. Size and throughput are one call, since the next may
///   only come 6 hours later.
/// * The version comes before the type, which may need it, and takes a new configuration with it. A type that is too small
///   for its partitions refuses configurations, so the type comes before a configuration alone.
/// * Tiered storage needs the version and the type.
/// * IPv6 needs the version, and is a call of its own like the other ways in.
/// * Brokers are added after what restarts brokers: they need no restart. They are taken away last of all, when Kafka has moved what they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MskOperation {
    Creation,
    PublicAccessOff,
    VpcConnectivityOff,
    Storage,
    KafkaVersion,
    BrokerType,
    Throughput,
    TieredStorage,
    Configuration,
    Security,
    Rebalancing,
    BrokerCount,
    Monitoring,
    PublicAccess,
    VpcConnectivity,
    DualStack,
    BrokerRemoval,
}

impl MskOperation {
    /// All of them, in their order.
    pub const ALL: [MskOperation; 17] = [
        MskOperation::Creation,
        MskOperation::PublicAccessOff,
        MskOperation::VpcConnectivityOff,
        MskOperation::Storage,
        MskOperation::KafkaVersion,
        MskOperation::BrokerType,
        MskOperation::Throughput,
        MskOperation::TieredStorage,
        MskOperation::Configuration,
        MskOperation::Security,
        MskOperation::Rebalancing,
        MskOperation::BrokerCount,
        MskOperation::Monitoring,
        MskOperation::PublicAccess,
        MskOperation::VpcConnectivity,
        MskOperation::DualStack,
        MskOperation::BrokerRemoval,
    ];

    /// The operation's name in a plan: `broker-type`.
    pub const fn name(self) -> &'static str {
        match self {
            MskOperation::Creation => "creation",
            MskOperation::PublicAccessOff => "public-access-off",
            MskOperation::VpcConnectivityOff => "vpc-connectivity-off",
            MskOperation::Storage => "storage",
            MskOperation::KafkaVersion => "kafka-version",
            MskOperation::BrokerType => "broker-type",
            MskOperation::Throughput => "throughput",
            MskOperation::TieredStorage => "tiered-storage",
            MskOperation::Configuration => "configuration",
            MskOperation::Security => "security",
            MskOperation::Rebalancing => "rebalancing",
            MskOperation::BrokerCount => "broker-count",
            MskOperation::Monitoring => "monitoring",
            MskOperation::PublicAccess => "public-access",
            MskOperation::VpcConnectivity => "vpc-connectivity",
            MskOperation::DualStack => "dual-stack",
            MskOperation::BrokerRemoval => Operation::REMOVE,
        }
    }

    /// The operation that changes `field`, looked at by itself; `None` for a field that no operation changes. A test holds this
    /// against the fields of the cluster's spec.
    pub fn of_field(field: &str) -> Option<MskOperation> {
        Some(match field {
            "state" => MskOperation::Creation,
            "public_access" => MskOperation::PublicAccess,
            "vpc_iam" | "vpc_scram" | "vpc_tls" => MskOperation::VpcConnectivity,
            "ipv6" => MskOperation::DualStack,
            "volume_gib" | "throughput_mibs" => MskOperation::Storage,
            "kafka" => MskOperation::KafkaVersion,
            "configuration" | "configuration_revision" | "server_properties" => MskOperation::Configuration,
            "instance_type" => MskOperation::BrokerType,
            "tiered" => MskOperation::TieredStorage,
            "brokers" => MskOperation::BrokerCount,
            "rebalancing" => MskOperation::Rebalancing,
            "iam" | "scram" | "certificate_authorities" | "unauthenticated" | "in_transit" => MskOperation::Security,
            "monitoring" | "jmx_exporter" | "node_exporter" | "log_group" | "log_bucket" | "log_stream" => {
                MskOperation::Monitoring
            }
            _ => return None,
        })
    }

    /// The operation that makes `change`, one of `all` of a plan.
    pub fn of(change: &FieldChange, all: &[FieldChange]) -> Option<MskOperation> {
        let changes = |field: &str| all.iter().find(|change| change.field == field);
        let rises = |change: &FieldChange| change.after.as_u64() > change.before.as_u64();
        Some(match MskOperation::of_field(&change.field)? {
            MskOperation::PublicAccess if change.after == false => MskOperation::PublicAccessOff,
            MskOperation::VpcConnectivity if change.after == false => MskOperation::VpcConnectivityOff,
            MskOperation::Storage if changes("throughput_mibs").is_some_and(rises) => MskOperation::Throughput,
            MskOperation::BrokerCount if !rises(change) => MskOperation::BrokerRemoval,
            MskOperation::Configuration if changes("kafka").is_some() => MskOperation::KafkaVersion,
            operation => operation,
        })
    }

    /// How many minutes the operation takes at most with so many brokers, as far as AWS says. The 15 minutes a broker are AWS's
    /// upper figure for a change of type; the other rolls are taken to be no slower, and what restarts nothing to be as fast.
    pub fn minutes(self, brokers: u32) -> u64 {
        match self {
            MskOperation::Creation => 35,
            MskOperation::KafkaVersion
            | MskOperation::BrokerType
            | MskOperation::Configuration
            | MskOperation::Security => u64::from(brokers) * 15,
            MskOperation::PublicAccess
            | MskOperation::PublicAccessOff
            | MskOperation::VpcConnectivity
            | MskOperation::VpcConnectivityOff
            | MskOperation::DualStack => 60,
            MskOperation::Storage
            | MskOperation::Throughput
            | MskOperation::TieredStorage
            | MskOperation::Rebalancing
            | MskOperation::BrokerCount
            | MskOperation::BrokerRemoval
            | MskOperation::Monitoring => 15,
        }
    }

    /// What the operation does to a cluster with so many brokers, as a clause. `changes` are the operation's own.
    pub fn meaning(self, brokers: u32, changes: &[FieldChange]) -> String {
        let minutes = self.minutes(brokers);
        match self {
            MskOperation::KafkaVersion if changes.iter().any(to_kraft) => format!(
                "the metadata move from ZooKeeper to KRaft, for good, while the {brokers} brokers restart one after another, up to \
                 {minutes} minutes in all; AWS asks first that clients have no access to ZooKeeper, which kstack turns off, so \
                 that tools with `--zookeeper` stop working, and that no broker has `advertised.listeners` set dynamically"
            ),
            MskOperation::Creation => {
                format!("AWS is still creating the cluster: kstack waits for it, usually 15 to {minutes} minutes")
            }
            // Source: MSK, custom configurations: it does rolling restarts when necessary; and broker configuration operations:
            // static settings need a restart, and dynamic ones do not.
            MskOperation::Configuration => format!(
                "where a setting needs a restart, the {brokers} brokers restart one after another, up to {minutes} minutes in all"
            ),
            MskOperation::KafkaVersion | MskOperation::BrokerType | MskOperation::Security => {
                format!("the {brokers} brokers restart one after another, up to {minutes} minutes in all")
            }
            MskOperation::Storage | MskOperation::Throughput => {
                "nothing restarts; AWS optimises the volumes for 6 hours or more, and they can't change again until then"
                    .to_owned()
            }
            MskOperation::BrokerCount => {
                "nothing restarts; brokers that are added are empty at first".to_owned()
            }
            MskOperation::BrokerRemoval => {
                "nothing restarts; MSK takes away brokers without partitions, as many of each zone, and their storage".to_owned()
            }
            MskOperation::PublicAccess | MskOperation::PublicAccessOff => {
                "brokers get or lose public addresses, which may take an hour".to_owned()
            }
            MskOperation::VpcConnectivity => {
                "clients of other VPCs get a way in by PrivateLink, which may take an hour or more".to_owned()
            }
            MskOperation::VpcConnectivityOff => {
                "connections of other VPCs by that way end, and are no longer usable; their owners make new ones".to_owned()
            }
            MskOperation::DualStack => "brokers get IPv6 addresses, for good, which may take an hour".to_owned(),
            MskOperation::TieredStorage | MskOperation::Rebalancing | MskOperation::Monitoring => {
                "nothing restarts".to_owned()
            }
        }
    }
}

/// How long MSK's volumes can't change after a change, at least. Source: MSK developer guide, "Scale up Amazon MSK broker
/// storage", 2026: six hours or more, while AWS optimises them.
const STORAGE_COOLS_OFF: SignedDuration = SignedDuration::from_hours(6);

/// When MSK may take another change of a cluster's storage, whose last one ended at `ended`: the first time at which it can, and
/// a clause with what to do then.
pub fn storage_again(ended: Timestamp) -> (Timestamp, String) {
    let at = ended + STORAGE_COOLS_OFF;
    let time = |at: Timestamp| at.strftime("%F %H:%M UTC").to_string();
    let hours = STORAGE_COOLS_OFF.as_hours();
    let text = format!(
        "MSK lets volumes change again {hours} hours or more after their last change, which ended at {}: if that is the reason, run the \
         command again after {}, and it continues where it stopped",
        time(ended),
        time(at)
    );
    (at, text)
}

/// Whether a change of the version takes a cluster from ZooKeeper to KRaft. Source of what AWS asks for: MSK developer guide,
/// "Migrate from ZooKeeper to KRaft mode", prerequisites, 2026.
pub fn to_kraft(change: &FieldChange) -> bool {
    let kraft = |version: &Value| version.as_str().is_some_and(|version| version.ends_with(".kraft"));
    change.field == "kafka" && !kraft(&change.before) && kraft(&change.after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::{self, MskCluster};
    use crate::model::{Effect, Fields as _};

    #[test]
    fn storage_can_change_again_six_hours_after_its_last_change() {
        let (at, text) = storage_again("2026-01-31T20:30:00Z".parse().expect("a time"));
        assert_eq!(at.to_string(), "2026-02-01T02:30:00Z");
        assert!(text.contains("which ended at 2026-01-31 20:30 UTC: if that is the reason"), "{text}");
        assert!(text.contains("run the command again after 2026-02-01 02:30 UTC"), "{text}");
    }

    #[test]
    fn the_way_to_kraft_says_what_aws_asks_for_first() {
        let change = |before: &str, after: &str| FieldChange {
            field: "kafka".to_owned(),
            before: before.into(),
            after: after.into(),
        };
        let meaning = |before, after| MskOperation::KafkaVersion.meaning(3, &[change(before, after)]);
        assert!(
            meaning("3.9.x", "3.9.x.kraft").contains("clients have no access to ZooKeeper, which kstack turns off")
        );
        for (before, after) in [("3.8.x", "3.9.x"), ("3.9.x.kraft", "4.0.x.kraft")] {
            assert_eq!(meaning(before, after), "the 3 brokers restart one after another, up to 45 minutes in all");
        }
    }

    /// A field that can be changed in place and has no operation would never be changed.
    #[test]
    fn every_field_that_changes_in_place_has_an_operation() {
        let fields = MskCluster::serialized_fields();
        assert!(fields.len() > 20, "{fields:?}");
        for field in fields {
            // Known of a live cluster only, and never wanted.
            if field == "upgrades" {
                continue;
            }
            let values = [json!(1), json!(2), json!(true), json!("kafka.m5.large"), json!("kafka.m7g.large")];
            let in_place = values.windows(2).any(|pair| {
                let change = FieldChange { field: field.to_owned(), before: pair[0].clone(), after: pair[1].clone() };
                matches!(kinds::effect("msk_cluster", &change, false), Some(Effect::InPlace | Effect::Lossy { .. }))
            });
            assert_eq!(MskOperation::of_field(field).is_some(), in_place, "{field}");
        }
    }

    #[test]
    fn all_are_in_their_order() {
        assert!(MskOperation::ALL.is_sorted());
    }
}
