//! A live cluster as a spec, with AWS's own defaults in the words of the stack file; and the same words as AWS has them.

use aws_sdk_kafka::types::{
    BrokerLogs, ClientAuthentication, ClientBroker, Cluster, ClusterState, ConnectivityInfo, EncryptionInTransit,
    EncryptionInfo, Iam, LoggingInfo, NetworkType, OpenMonitoringInfo, Provisioned as Sdk, RebalancingStatus, Sasl,
    Scram, StorageMode, Tls, Unauthenticated, VpcConnectivity, VpcConnectivityClientAuthentication, VpcConnectivityIam,
    VpcConnectivitySasl, VpcConnectivityScram, VpcConnectivityTls,
};

use super::{reason, tags};
use kstack_core::design::Provisioned;
use kstack_core::kinds::MskCluster;
use kstack_core::kinds::log_group::{beside, name_of};
use kstack_core::kinds::msk_cluster::ACTIVE;
use kstack_core::model::{Ref, tag};

/// The live `cluster` as a spec. `server_properties` stands for the revision of its configuration that it uses, and
/// `upgrades` are the Kafka versions that it can be brought to.
pub fn spec(cluster: &Cluster, server_properties: String, upgrades: Option<Vec<String>>) -> MskCluster {
    let state = match cluster.state() {
        Some(ClusterState::Creating) => "creating".to_owned(),
        Some(ClusterState::Deleting) => "deleting".to_owned(),
        Some(ClusterState::Failed) => format!("failed: {}", reason(cluster)),
        // Updating, healing, maintenance and reboots end by themselves: they are no difference.
        _ => ACTIVE.to_owned(),
    };
    let refs = |ids: &[String]| -> Vec<Ref> { ids.iter().map(|id| Ref::live(Some(id))).collect() };
    if let Some(info) = cluster.provisioned() {
        let nodes = info.broker_node_group_info();
        let kms_key = tags(cluster).get(tag::KMS_KEY).cloned();
        let log_group = log_group(cluster.cluster_arn().unwrap_or_default(), info);
        MskCluster {
            state,
            form: "provisioned".to_owned(),
            subnets: refs(nodes.map(|nodes| nodes.client_subnets()).unwrap_or_default()),
            security_groups: refs(nodes.map(|nodes| nodes.security_groups()).unwrap_or_default()),
            ipv6: is_dual(nodes.and_then(|nodes| nodes.connectivity_info()).and_then(|info| info.network_type())),
            provisioned: Some(Provisioned { kms_key, upgrades, log_group, ..provisioned(info, server_properties) }),
        }
    } else {
        let network = cluster.serverless().and_then(|info| info.vpc_configs().first());
        MskCluster {
            state,
            form: "serverless".to_owned(),
            subnets: refs(network.map(|network| network.subnet_ids()).unwrap_or_default()),
            security_groups: refs(network.map(|network| network.security_group_ids()).unwrap_or_default()),
            ipv6: is_dual(
                cluster.serverless().and_then(|info| info.connectivity_info()).and_then(|info| info.network_type()),
            ),
            provisioned: None,
        }
    }
}

/// Whether a network type, which is IPv4's where none is said, has IPv6.
fn is_dual(network: Option<&NetworkType>) -> bool {
    network == Some(&NetworkType::Dual)
}

fn provisioned(info: &Sdk, server_properties: String) -> Provisioned {
    let nodes = info.broker_node_group_info();
    let software = info.current_broker_software_info();
    let instance_type = nodes.and_then(|nodes| nodes.instance_type()).unwrap_or_default().to_owned();
    let standard = !instance_type.starts_with("express.");
    let ebs = nodes.and_then(|nodes| nodes.storage_info()).and_then(|info| info.ebs_storage_info());
    let throughput = ebs.and_then(|ebs| ebs.provisioned_throughput()).filter(|one| one.enabled() == Some(true));
    let size = ebs.and_then(|ebs| ebs.volume_size()).and_then(|size| u64::try_from(size).ok());
    let auth = info.client_authentication();
    let sasl = auth.and_then(|auth| auth.sasl());
    let iam = sasl.and_then(|sasl| sasl.iam()).and_then(|iam| iam.enabled()) == Some(true);
    let scram = sasl.and_then(|sasl| sasl.scram()).and_then(|scram| scram.enabled()) == Some(true);
    let authorities = auth.and_then(|auth| auth.tls()).filter(|tls| tls.enabled() != Some(false));
    let authorities = authorities.map(|tls| tls.certificate_authority_arn_list().to_vec()).unwrap_or_default();
    let open = auth.and_then(|auth| auth.unauthenticated()).and_then(|open| open.enabled());
    let revision = software.and_then(|info| info.configuration_revision());
    let encryption = info.encryption_info();
    let transit = encryption.and_then(|info| info.encryption_in_transit());
    let (jmx_exporter, node_exporter) = exporters_of(info.open_monitoring());
    let logs = info.logging_info().and_then(|logs| logs.broker_logs());
    let number = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let access = nodes.and_then(|nodes| nodes.connectivity_info()).and_then(|info| info.public_access());
    let [vpc_iam, vpc_scram, vpc_tls] = ways_from_vpcs(info);
    Provisioned {
        kafka: software.and_then(|info| info.kafka_version()).unwrap_or_default().to_owned(),
        brokers: number(info.number_of_broker_nodes()),
        volume_gib: size.filter(|_| standard),
        throughput_mibs: standard.then(|| throughput.map_or(0, |one| number(one.volume_throughput()))),
        tiered: standard.then(|| info.storage_mode() == Some(&StorageMode::Tiered)),
        configuration: Ref::live(software.and_then(|info| info.configuration_arn())),
        configuration_revision: revision.and_then(|one| u32::try_from(one).ok()),
        server_properties: Some(server_properties),
        iam,
        scram,
        // Without any authentication AWS says nothing, and lets everyone in.
        unauthenticated: open.unwrap_or(!iam && !scram && authorities.is_empty()),
        certificate_authorities: authorities,
        in_transit: transit_word(transit.and_then(|transit| transit.client_broker())).to_owned(),
        in_cluster: transit.and_then(|transit| transit.in_cluster()).unwrap_or(true),
        kms_key: None,
        monitoring: info
            .enhanced_monitoring()
            .map_or("DEFAULT", |level| level.as_str())
            .to_lowercase()
            .replace('_', "-"),
        jmx_exporter,
        node_exporter,
        log_group: Ref::None,
        log_bucket: log_bucket(logs),
        log_stream: log_stream(logs),
        public_access: access.and_then(|access| access.r#type()).is_some_and(|kind| kind != "DISABLED"),
        vpc_iam,
        vpc_scram,
        vpc_tls,
        rebalancing: (!standard).then(|| {
            let status = info.rebalancing().and_then(|rebalancing| rebalancing.status());
            status == Some(&RebalancingStatus::Active)
        }),
        instance_type,
        upgrades: None,
    }
}

/// Whether clients of other VPCs come in with IAM, with SCRAM, and with certificates.
fn ways_from_vpcs(info: &Sdk) -> [bool; 3] {
    let connectivity = info.broker_node_group_info().and_then(|nodes| nodes.connectivity_info());
    let auth = connectivity.and_then(|info| info.vpc_connectivity()).and_then(|vpc| vpc.client_authentication());
    let sasl = auth.and_then(|auth| auth.sasl());
    let iam = sasl.and_then(|sasl| sasl.iam()).and_then(|iam| iam.enabled());
    let scram = sasl.and_then(|sasl| sasl.scram()).and_then(|scram| scram.enabled());
    let tls = auth.and_then(|auth| auth.tls()).and_then(|tls| tls.enabled());
    [iam, scram, tls].map(|on| on == Some(true))
}

/// The ways in from other VPCs for AWS, every switch said outright: as `wanted` where `changes` says so, and as they are in `cluster`.
pub fn from_vpcs(wanted: &Provisioned, cluster: &Cluster, changes: &dyn Fn(&str) -> bool) -> ConnectivityInfo {
    let [iam, scram, tls] = cluster.provisioned().map(ways_from_vpcs).unwrap_or_default();
    let on = |field: &str, wanted: bool, live: bool| if changes(field) { wanted } else { live };
    let iam = VpcConnectivityIam::builder().enabled(on("vpc_iam", wanted.vpc_iam, iam)).build();
    let scram = VpcConnectivityScram::builder().enabled(on("vpc_scram", wanted.vpc_scram, scram)).build();
    let tls = VpcConnectivityTls::builder().enabled(on("vpc_tls", wanted.vpc_tls, tls)).build();
    let sasl = VpcConnectivitySasl::builder().iam(iam).scram(scram).build();
    let auth = VpcConnectivityClientAuthentication::builder().sasl(sasl).tls(tls).build();
    let vpc = VpcConnectivity::builder().client_authentication(auth).build();
    ConnectivityInfo::builder().vpc_connectivity(vpc).build()
}

fn exporters_of(info: Option<&OpenMonitoringInfo>) -> (bool, bool) {
    let prometheus = info.and_then(|info| info.prometheus());
    let jmx = prometheus.and_then(|one| one.jmx_exporter()).and_then(|one| one.enabled_in_broker());
    let node = prometheus.and_then(|one| one.node_exporter()).and_then(|one| one.enabled_in_broker());
    (jmx == Some(true), node == Some(true))
}

/// The log group of the cluster with this ARN, which MSK knows by its name.
fn log_group(arn: &str, info: &Sdk) -> Ref {
    let logs = info.logging_info().and_then(|logs| logs.broker_logs()).and_then(|logs| logs.cloud_watch_logs());
    let target = logs.filter(|one| one.enabled() == Some(true));
    beside(arn, arn.split(':').nth(3).unwrap_or_default(), target.and_then(|one| one.log_group()))
}

fn log_stream(logs: Option<&BrokerLogs>) -> String {
    let target = logs.and_then(|logs| logs.firehose()).filter(|one| one.enabled() == Some(true));
    target.and_then(|one| one.delivery_stream()).unwrap_or_default().to_owned()
}

fn log_bucket(logs: Option<&BrokerLogs>) -> String {
    let target = logs.and_then(|logs| logs.s3()).filter(|one| one.enabled() == Some(true));
    let Some(bucket) = target.and_then(|one| one.bucket()) else { return String::new() };
    match target.and_then(|one| one.prefix()).filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => format!("{bucket}/{prefix}"),
        None => bucket.to_owned(),
    }
}

/// The stack file's word for encryption between clients and brokers; TLS is AWS's own default.
fn transit_word(value: Option<&ClientBroker>) -> &'static str {
    match value {
        Some(ClientBroker::Plaintext) => "plaintext",
        Some(ClientBroker::TlsPlaintext) => "tls-or-plaintext",
        _ => "tls",
    }
}

/// Authentication for AWS, every switch said outright.
pub fn authentication(cluster: &Provisioned) -> ClientAuthentication {
    let tls = !cluster.certificate_authorities.is_empty();
    let authorities = tls.then(|| cluster.certificate_authorities.clone());
    let sasl = Sasl::builder()
        .iam(Iam::builder().enabled(cluster.iam).build())
        .scram(Scram::builder().enabled(cluster.scram).build());
    ClientAuthentication::builder()
        .sasl(sasl.build())
        .tls(Tls::builder().enabled(tls).set_certificate_authority_arn_list(authorities).build())
        .unauthenticated(Unauthenticated::builder().enabled(cluster.unauthenticated).build())
        .build()
}

/// Encryption on the wire for AWS; what can't change later only where the cluster is made.
pub fn encryption(cluster: &Provisioned, new: bool) -> EncryptionInfo {
    let client_broker = match cluster.in_transit.as_str() {
        "plaintext" => ClientBroker::Plaintext,
        "tls-or-plaintext" => ClientBroker::TlsPlaintext,
        _ => ClientBroker::Tls,
    };
    let transit = EncryptionInTransit::builder().client_broker(client_broker);
    let transit = transit.set_in_cluster(new.then_some(cluster.in_cluster)).build();
    let key = cluster.kms_key.as_ref().filter(|_| new);
    let rest = key.map(|key| aws_sdk_kafka::types::EncryptionAtRest::builder().data_volume_kms_key_id(key).build());
    EncryptionInfo::builder().encryption_in_transit(transit).set_encryption_at_rest(rest).build()
}

/// Where the brokers' logs go, for AWS, every target said outright; `log_group` is the ARN of one, or empty.
pub fn logging(cluster: &Provisioned, log_group: &str) -> LoggingInfo {
    use aws_sdk_kafka::types::{CloudWatchLogs, Firehose, S3};
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (bucket, prefix) = cluster.log_bucket.split_once('/').unwrap_or((&cluster.log_bucket, ""));
    let name = name_of(log_group).unwrap_or_default();
    let group = CloudWatchLogs::builder().enabled(!name.is_empty()).set_log_group(some(name));
    let stream =
        Firehose::builder().enabled(!cluster.log_stream.is_empty()).set_delivery_stream(some(&cluster.log_stream));
    let bucket = S3::builder().enabled(!bucket.is_empty()).set_bucket(some(bucket)).set_prefix(some(prefix));
    let logs = BrokerLogs::builder().cloud_watch_logs(group.build()).firehose(stream.build()).s3(bucket.build());
    LoggingInfo::builder().broker_logs(logs.build()).build()
}

/// Prometheus's exporters for AWS.
pub fn exporters(cluster: &Provisioned) -> OpenMonitoringInfo {
    use aws_sdk_kafka::types::{JmxExporterInfo, NodeExporterInfo, PrometheusInfo};
    let jmx = JmxExporterInfo::builder().enabled_in_broker(cluster.jmx_exporter).build();
    let node = NodeExporterInfo::builder().enabled_in_broker(cluster.node_exporter).build();
    let prometheus = PrometheusInfo::builder().jmx_exporter(jmx).node_exporter(node).build();
    OpenMonitoringInfo::builder().prometheus(prometheus).build()
}
