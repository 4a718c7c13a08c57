//! The MSK cluster as it is to be: volumes that may have grown by themselves, settings, and versions that AWS has.

mod version;

use super::{PlanningInput, logs, open};
use crate::design::{Design, MskDesign, Provisioned};
use crate::digest;
use crate::engines::msk::keys::MskVersion;
use crate::engines::msk::{self, configuration};
use crate::kinds::MskCluster;
use crate::model::Ref;
use crate::refusal::Refusal;
use crate::stack::{
    BROKERS, ConfigurationChoice, InTransit, MonitoringLevel, Msk, MskBrokers, MskVpcConnectivity, Stack,
};

/// GiB by which a volume grows at least. Source: MSK, "Scale up broker storage", 2026.
const LEAST_GROWTH_GIB: u64 = 10;

/// The design of `msk`, as far as AWS has what it asks for.
pub fn choose(design: &Design, msk: &Msk, input: &PlanningInput, refusals: &mut Vec<Refusal>) -> MskDesign {
    let live = input.observed.of::<MskCluster>().remove("main").map(|(_, cluster)| cluster.clone());
    // A cluster stays in its subnets: public access goes off, and on again, where they are public.
    let public = |subnet: &Ref| subnet.address().is_some_and(|one| one.name.starts_with("public-"));
    let was_public = live.as_ref().is_some_and(|live| live.subnets.iter().any(public));
    let live = live.and_then(|cluster| cluster.provisioned);
    let provisioned = match (&msk.brokers, &msk.kafka) {
        (Some(brokers), Some(kafka)) if !msk.serverless => {
            let settings = configuration::server_properties(msk, design.stack.common().settings).unwrap_or_default();
            let properties = settings.iter().filter(|_| msk.configuration.is_none());
            let mut properties: Vec<String> = properties.map(|(key, value)| format!("{key}={value}")).collect();
            let held = open::held_back(msk, live.as_ref(), &design.stack, &input.observed, &properties);
            let waits = held.is_some();
            properties = held.unwrap_or(properties);
            let log_group = logs::group(&design.stack, msk.logs.cloudwatch.as_ref(), BROKERS, &input.facts.account);
            let wanted =
                Provisioned { log_group, ..provisioned(design, msk, brokers, kafka, &properties, live.as_ref()) };
            version::check(&wanted, live.as_ref(), design.zones.len(), input, refusals);
            check_removal(&wanted, live.as_ref(), design.zones.len(), refusals);
            if waits {
                open::check(&wanted, live.as_ref(), refusals);
            }
            Some((wanted, (properties, waits)))
        }
        _ => None,
    };
    let max = msk.brokers.as_ref().and_then(|brokers| brokers.storage.max).filter(|_| provisioned.is_some());
    let of_cluster = msk.auth.scram.as_ref().map(|scram| scram.secrets.clone()).unwrap_or_default();
    let of_users = design.stack.named_secrets().map(|(_, arn)| arn.to_owned());
    let secrets = of_cluster.into_iter().chain(of_users).collect();
    let (provisioned, properties) = provisioned.unzip();
    let (properties, open_until_rights) = properties.unwrap_or_default();
    MskDesign {
        provisioned,
        in_public_subnets: msk.public_access || was_public,
        properties,
        open_until_rights,
        max_gib: max.map(|max| max.gib_ceil()),
        secrets,
    }
}

fn provisioned(
    design: &Design,
    msk: &Msk,
    brokers: &MskBrokers,
    kafka: &str,
    properties: &[String],
    live: Option<&Provisioned>,
) -> Provisioned {
    let access = msk.access();
    let express = msk.express();
    let authorities = msk.auth.tls.as_ref().map(|tls| tls.certificate_authorities.clone()).unwrap_or_default();
    let bucket = msk.logs.s3.as_ref().map(|target| match target.prefix.as_deref().unwrap_or_default() {
        "" => target.bucket.clone(),
        prefix => format!("{}/{prefix}", target.bucket),
    });
    let word = match msk.encryption.in_transit {
        InTransit::Tls => "tls",
        InTransit::TlsOrPlaintext => "tls-or-plaintext",
        InTransit::Plaintext => "plaintext",
    };
    let level = match msk.monitoring.level {
        MonitoringLevel::Default => "default",
        MonitoringLevel::PerBroker => "per-broker",
        MonitoringLevel::PerTopicPerBroker => "per-topic-per-broker",
        MonitoringLevel::PerTopicPerPartition => "per-topic-per-partition",
    };
    let from_vpcs = from_vpcs(msk, live);
    let mibs = brokers.storage.throughput.map_or(0, |rate| u32::try_from(rate.mibs_ceil()).unwrap_or(u32::MAX));
    Provisioned {
        kafka: kafka.to_owned(),
        instance_type: brokers.instance_type.clone(),
        brokers: brokers.count,
        volume_gib: (!express).then(|| volume(&design.stack, brokers, live.and_then(|live| live.volume_gib))),
        throughput_mibs: (!express).then_some(mibs),
        tiered: (!express).then_some(brokers.storage.tiered),
        configuration: match &msk.configuration {
            None => Ref::to("msk_configuration", "main"),
            Some(ConfigurationChoice::Default(_)) => Ref::None,
            Some(ConfigurationChoice::Others(others)) => Ref::Id(others.arn.clone()),
        },
        configuration_revision: match &msk.configuration {
            Some(ConfigurationChoice::Others(others)) => Some(others.revision),
            _ => None,
        },
        server_properties: msk.configuration.is_none().then(|| configuration_fingerprint(properties)),
        iam: access.iam,
        scram: access.scram,
        certificate_authorities: if access.tls { authorities } else { Vec::new() },
        unauthenticated: access.unauthenticated,
        in_transit: word.to_owned(),
        in_cluster: msk.encryption.in_cluster,
        kms_key: msk.encryption.kms_key.clone(),
        monitoring: level.to_owned(),
        jmx_exporter: msk.monitoring.prometheus.0.jmx,
        node_exporter: msk.monitoring.prometheus.0.node,
        log_group: Ref::None,
        log_bucket: bucket.unwrap_or_default(),
        log_stream: msk.logs.firehose.clone().unwrap_or_default(),
        public_access: msk.public_access,
        vpc_iam: from_vpcs.iam,
        vpc_scram: from_vpcs.scram,
        vpc_tls: from_vpcs.tls,
        rebalancing: msk.rebalancing.filter(|_| express),
        upgrades: None,
    }
}

/// The ways in from other VPCs: the file's; or those that are live, as far as the rest of the file allows them.
fn from_vpcs(msk: &Msk, live: Option<&Provisioned>) -> MskVpcConnectivity {
    let kept = || {
        let possible = msk.possible_from_vpcs();
        let on = |now: fn(&Provisioned) -> bool, possible: bool| possible && live.is_some_and(now);
        MskVpcConnectivity {
            iam: on(|live| live.vpc_iam, possible.iam),
            scram: on(|live| live.vpc_scram, possible.scram),
            tls: on(|live| live.vpc_tls, possible.tls),
        }
    };
    msk.vpc_connectivity.clone().unwrap_or_else(kept)
}

/// The size of each broker's volume. A volume that may grow by itself is a floor: what is live is at least what is asked
/// for, and that is no difference.
fn volume(stack: &Stack, brokers: &MskBrokers, live: Option<u64>) -> u64 {
    let wanted = brokers
        .storage
        .size
        .map(|size| size.gib_ceil())
        .or_else(|| msk::first_volume_gib(stack.cluster.msk.as_ref()?, stack.common()))
        .unwrap_or(LEAST_GROWTH_GIB);
    match live {
        Some(live) if live >= wanted && brokers.storage.max.is_some() => live,
        Some(live) if live < wanted => wanted.max(live + LEAST_GROWTH_GIB),
        _ => wanted,
    }
}

/// Families of types of which MSK removes brokers. Source: MSK developer guide, "Remove a broker from an Amazon MSK cluster", 2026.
const REMOVABLE: [&str; 3] = ["kafka.m5.", "kafka.m7g.", "express.m7g."];
/// The first Kafka of which it does. Source: the same.
const REMOVABLE_FROM: (u32, u32, u32) = (2, 8, 1);

/// Refuses the removal of more brokers than MSK removes at once, or of a type or a Kafka of which it removes none.
fn check_removal(wanted: &Provisioned, live: Option<&Provisioned>, zones: usize, refusals: &mut Vec<Refusal>) {
    let Some(live) = live.filter(|live| wanted.brokers < live.brokers) else { return };
    let zones = u32::try_from(zones).unwrap_or(u32::MAX);
    if live.brokers - wanted.brokers > zones {
        refusals.push(Refusal::general(
            format!("MSK removes one broker of each zone at a time, {zones} of the {} brokers", live.brokers),
            format!("write `count: {}`, apply, and remove the next ones afterwards", live.brokers - zones),
        ));
    }
    if !REMOVABLE.iter().any(|family| wanted.instance_type.starts_with(family)) {
        refusals.push(Refusal::general(
            format!("MSK removes no brokers of the type {}, only those of M5 and M7g", wanted.instance_type),
            format!("keep `count: {}`, or choose another type first, such as kafka.m7g.large", live.brokers),
        ));
    }
    if MskVersion(wanted.kafka.clone()).numbers() < REMOVABLE_FROM {
        refusals.push(Refusal::general(
            format!("MSK removes no brokers with Kafka {}, only from 2.8.1 on", wanted.kafka),
            format!("keep `count: {}`, or write a newer version", live.brokers),
        ));
    }
}

/// Stands for the whole of some server properties in a cluster's spec.
pub fn configuration_fingerprint(properties: &[String]) -> String {
    digest::fingerprint(properties.join("\n"), 12)
}
