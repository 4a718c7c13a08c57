//! The MSK cluster of a design.

use serde_json::Value;

use crate::model::{Effect, FieldChange, NEW_STACK, Ref, Rule, fixed, spec};

/// An MSK cluster and what hangs on it.
#[derive(Debug, Clone, PartialEq)]
pub struct MskDesign {
    /// Absent for a serverless cluster.
    pub provisioned: Option<Provisioned>,
    /// Whether it is in the public subnets: it has public access, or was made to have it.
    pub in_public_subnets: bool,
    /// `key=value` of the configuration.
    pub properties: Vec<String>,
    /// Whether they let everyone use what no ACL is for, against the file, until its users have their rights.
    pub open_until_rights: bool,
    /// How far volumes may grow by themselves, in GiB.
    pub max_gib: Option<u64>,
    /// ARNs of SCRAM secrets.
    pub secrets: Vec<String>,
}

spec! {
    /// What a serverless cluster does not have.
    pub struct Provisioned {
        pub kafka: String => Rule::in_place(),
        pub instance_type: String => Rule::by(change_type),
        pub brokers: u32 => Rule::in_place(),
        /// Of each standard broker.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub volume_gib: Option<u64> => Rule::by(resize),
        /// Provisioned throughput of each standard broker's volume; 0 for none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub throughput_mibs: Option<u32> => Rule::in_place().hidden(),
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tiered: Option<bool> => Rule::by(tier),
        /// None where the cluster has AWS's own settings.
        pub configuration: Ref => Rule::by(change_configuration),
        /// The revision of a configuration that is not the stack's.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub configuration_revision: Option<u32> => Rule::in_place(),
        /// Stands for the properties in the configuration's revision that the cluster uses; of no concern where the configuration is
        /// not the stack's.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub server_properties: Option<String> => Rule::in_place()
            .hidden()
            .saying("server_properties: the cluster uses the newest revision of its configuration"),
        pub iam: bool => Rule::in_place(),
        pub scram: bool => Rule::in_place(),
        /// ARNs of the authorities for client certificates; none where there is no mutual TLS.
        pub certificate_authorities: Vec<String> => Rule::in_place(),
        pub unauthenticated: bool => Rule::in_place(),
        pub in_transit: String => Rule::in_place().hidden(),
        pub in_cluster: bool => Rule::fixed("encryption between brokers", NEW_STACK),
        /// The KMS key as the file names it, known by a tag since AWS answers with an ARN; absent for AWS's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kms_key: Option<String> => Rule::fixed("the key that the volumes are encrypted with", NEW_STACK),
        pub monitoring: String => Rule::in_place().hidden(),
        pub jmx_exporter: bool => Rule::in_place(),
        pub node_exporter: bool => Rule::in_place(),
        pub log_group: Ref => Rule::in_place().hidden(),
        /// The bucket, and after a slash the prefix.
        pub log_bucket: String => Rule::in_place().hidden(),
        pub log_stream: String => Rule::in_place().hidden(),
        pub public_access: bool => Rule::in_place(),
        /// Whether clients of other VPCs come in by PrivateLink, with each way to authenticate.
        pub vpc_iam: bool => Rule::in_place(),
        pub vpc_scram: bool => Rule::in_place(),
        pub vpc_tls: bool => Rule::in_place(),
        /// Of Express brokers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub rebalancing: Option<bool> => Rule::in_place(),
        /// Of a live cluster: the versions that it can be brought to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub upgrades: Option<Vec<String>> => Rule::in_place(),
    }
}

impl Provisioned {
    /// Whether its brokers are Express ones.
    pub fn is_express(&self) -> bool {
        self.instance_type.starts_with("express.")
    }

    /// How many ways in from other VPCs are on.
    pub fn ways_from_vpcs(&self) -> u32 {
        [self.vpc_iam, self.vpc_scram, self.vpc_tls].map(u32::from).iter().sum()
    }
}

fn change_type(change: &FieldChange, _: bool) -> Effect {
    let express = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("express."));
    if express(&change.before) == express(&change.after) {
        return Effect::InPlace;
    }
    fixed("whether brokers are standard or Express", NEW_STACK)
}

fn change_configuration(change: &FieldChange, _: bool) -> Effect {
    if change.after != "" {
        return Effect::InPlace;
    }
    Effect::Refuse {
        reason: "a cluster that has a configuration does not get AWS's own settings back".to_owned(),
        remedy: "write the configuration that it has, `configuration: {arn: ..., revision: ...}`, or remove `configuration` for one of \
                 the stack's own"
            .to_owned(),
    }
}

fn resize(change: &FieldChange, _: bool) -> Effect {
    if change.after.as_u64() >= change.before.as_u64() {
        return Effect::InPlace;
    }
    Effect::Keep(format!(
        "volumes never shrink: they keep {} GiB, and the file asks for {} GiB",
        change.before, change.after
    ))
}

fn tier(change: &FieldChange, _: bool) -> Effect {
    if change.after != false {
        return Effect::InPlace;
    }
    fixed(
        "tiered storage, once it is on,",
        "write `tiered: true`; topics can have `remote.storage.enable=false` one by one",
    )
}
