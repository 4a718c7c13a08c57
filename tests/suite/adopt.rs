//! Clusters that others made, taken under kstack: nothing of them changes but their tags, wherever it dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalableDimension, ServiceNamespace,
    TargetTrackingScalingPolicyConfiguration,
};
use aws_sdk_kafka::primitives::Blob;
use aws_sdk_kafka::types::{
    BrokerLogs, BrokerNodeGroupInfo, ClientAuthentication, ClientBroker, CloudWatchLogs, Cluster, ConfigurationInfo,
    ConnectivityInfo, EbsStorageInfo, EncryptionAtRest, EncryptionInTransit, EncryptionInfo, EnhancedMonitoring,
    Firehose, Iam, JmxExporterInfo, LoggingInfo, NodeExporterInfo, OpenMonitoringInfo, PrometheusInfo,
    ProvisionedRequest, ProvisionedThroughput, S3, Sasl, Scram, ServerlessClientAuthentication, ServerlessRequest,
    ServerlessSasl, StorageInfo, StorageMode, Tls, VpcConfig, VpcConnectivity, VpcConnectivityClientAuthentication,
    VpcConnectivityIam, VpcConnectivitySasl, VpcConnectivityScram, VpcConnectivityTls,
};

use crate::company::Company;
use crate::support::Account;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;

pub const FILE: &str = "orders.yaml";

/// Waits until the cluster is active again, and gives it.
fn settled(account: &Account, arn: &str) -> Cluster {
    account.settled(DEV);
    wait(account.kafka(DEV).describe_cluster_v2().cluster_arn(arn).send()).cluster_info.expect("a cluster")
}

/// A cluster with everything that MSK has, as others make one, one setting after the other.
fn with_everything(account: &Account, company: &Company) -> String {
    let kafka = account.kafka(DEV);
    let properties = "allow.everyone.if.no.acl.found=false\nauto.create.topics.enable=true\n";
    let made = kafka.create_configuration().name("theirs").server_properties(Blob::new(properties));
    let configuration = wait(made.send()).arn.expect("an ARN");
    let revised = kafka.update_configuration().arn(&configuration);
    wait(revised.server_properties(Blob::new(format!("{properties}num.partitions=6\n"))).send());
    let authority =
        format!("arn:aws:acm-pca:{DEV}:{}:certificate-authority/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69", account.id);
    let key = format!("arn:aws:kms:{DEV}:{}:key/1234abcd-12ab-34cd-56ef-1234567890ab", account.id);
    let throughput = ProvisionedThroughput::builder().enabled(true).volume_throughput(300).build();
    let ebs = EbsStorageInfo::builder().volume_size(333).provisioned_throughput(throughput).build();
    let nodes = BrokerNodeGroupInfo::builder()
        .instance_type("kafka.m7g.4xlarge")
        .set_client_subnets(Some(company.private.clone()))
        .security_groups(&company.group)
        .storage_info(StorageInfo::builder().ebs_storage_info(ebs).build())
        .build();
    let sasl = Sasl::builder().iam(Iam::builder().enabled(true).build()).scram(Scram::builder().enabled(true).build());
    let tls = Tls::builder().enabled(true).certificate_authority_arn_list(authority).build();
    let transit = EncryptionInTransit::builder().client_broker(ClientBroker::Tls).in_cluster(true).build();
    let rest = EncryptionAtRest::builder().data_volume_kms_key_id(key).build();
    let jmx = JmxExporterInfo::builder().enabled_in_broker(true).build();
    let node = NodeExporterInfo::builder().enabled_in_broker(false).build();
    let prometheus = PrometheusInfo::builder().jmx_exporter(jmx).node_exporter(node).build();
    let logs = BrokerLogs::builder()
        .cloud_watch_logs(CloudWatchLogs::builder().enabled(true).log_group("/aws/msk/orders").build())
        .s3(S3::builder().enabled(true).bucket("theirs-logs").prefix("kafka/orders").build())
        .firehose(Firehose::builder().enabled(true).delivery_stream("theirs").build())
        .build();
    let request = ProvisionedRequest::builder()
        .broker_node_group_info(nodes)
        .kafka_version("3.8.x")
        .number_of_broker_nodes(6)
        .configuration_info(ConfigurationInfo::builder().arn(configuration).revision(1).build())
        .client_authentication(ClientAuthentication::builder().sasl(sasl.build()).tls(tls).build())
        .encryption_info(EncryptionInfo::builder().encryption_in_transit(transit).encryption_at_rest(rest).build())
        .enhanced_monitoring(EnhancedMonitoring::PerTopicPerPartition)
        .open_monitoring(OpenMonitoringInfo::builder().prometheus(prometheus).build())
        .logging_info(LoggingInfo::builder().broker_logs(logs).build())
        .storage_mode(StorageMode::Tiered);
    let call = kafka.create_cluster_v2().cluster_name("orders").provisioned(request.build());
    let arn = wait(call.tags("Name", "theirs").tags("team", "payments").send()).cluster_arn.expect("an ARN");
    settled(account, &arn);
    let secret = account.secret(DEV, "AmazonMSK_theirs", r#"{"username": "orders", "password": "not-secret"}"#);
    wait(kafka.batch_associate_scram_secret().cluster_arn(&arn).secret_arn_list(secret).send());
    let sasl = VpcConnectivitySasl::builder()
        .iam(VpcConnectivityIam::builder().enabled(true).build())
        .scram(VpcConnectivityScram::builder().enabled(true).build());
    let tls = VpcConnectivityTls::builder().enabled(true).build();
    let auth = VpcConnectivityClientAuthentication::builder().sasl(sasl.build()).tls(tls).build();
    let ways = VpcConnectivity::builder().client_authentication(auth).build();
    let version = settled(account, &arn).current_version.expect("a version");
    let call = kafka.update_connectivity().cluster_arn(&arn).current_version(version);
    wait(call.connectivity_info(ConnectivityInfo::builder().vpc_connectivity(ways).build()).send());
    settled(account, &arn);
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::{}:root"}},
            "Action": ["kafka:CreateVpcConnection"], "Resource": "*"}}]}}"#,
        account.id
    );
    wait(kafka.put_cluster_policy().cluster_arn(&arn).policy(policy).send());
    let (scaling, dimension) = (account.scaling(DEV), ScalableDimension::KafkaBrokerStorageVolumeSize);
    let target = scaling.register_scalable_target().service_namespace(ServiceNamespace::Kafka).resource_id(&arn);
    wait(target.scalable_dimension(dimension.clone()).min_capacity(1).max_capacity(4000).send());
    let metric = PredefinedMetricSpecification::builder();
    let metric = metric.predefined_metric_type(MetricType::KafkaBrokerStorageUtilization).build().expect("a metric");
    let tracking = TargetTrackingScalingPolicyConfiguration::builder().target_value(70.0);
    let tracking = tracking.predefined_metric_specification(metric).build().expect("a policy");
    let call = scaling.put_scaling_policy().policy_name("theirs").service_namespace(ServiceNamespace::Kafka);
    let call = call.resource_id(&arn).scalable_dimension(dimension).policy_type(PolicyType::TargetTrackingScaling);
    wait(call.target_tracking_scaling_policy_configuration(tracking).send());
    arn
}

/// All that MSK and Application Auto Scaling say of the cluster, without its tags.
fn without_tags(account: &Account, arn: &str) -> String {
    let kafka = account.kafka(DEV);
    let mut cluster = settled(account, arn);
    cluster.tags = None;
    let secrets = wait(kafka.list_scram_secrets().cluster_arn(arn).send()).secret_arn_list;
    let policy = wait(kafka.get_cluster_policy().cluster_arn(arn).send()).policy;
    let scaling = account.scaling(DEV);
    let targets = wait(scaling.describe_scalable_targets().service_namespace(ServiceNamespace::Kafka).send());
    let policies = wait(scaling.describe_scaling_policies().service_namespace(ServiceNamespace::Kafka).send());
    let configurations = wait(kafka.list_configurations().send()).configurations;
    let scaled = (targets.scalable_targets, policies.scaling_policies);
    format!("{cluster:#?}\n{secrets:?}\n{policy:?}\n{scaled:?}\n{configurations:?}")
}

/// Writes what `describe` prints.
pub fn describe(account: &Account, arn: &str) -> String {
    let run = account.run(&["describe", arn]).expect(0);
    std::fs::write(account.path(FILE), &run.out).expect("a file");
    run.out
}

#[test]
fn a_cluster_with_everything_is_adopted_and_stays_as_it_is() {
    let mut account = crate::msk::account();
    let company = Company::make(&account, DEV, 70);
    let arn = with_everything(&account, &company);
    let (network, before) = (account.look(DEV).others(), without_tags(&account, &arn));
    let file = describe(&account, &arn);
    for words in [
        "protected: true",
        "team: \"payments\"",
        "revision: 1",
        "size: 333 GiB",
        "as others want it",
        "resource policy",
    ] {
        assert!(file.contains(words), "{words} in:\n{file}");
    }
    account.run(&["check", FILE]).expect(0);
    let policy = account.run(&["policy", FILE, "--adopt"]).expect(0);
    assert!(policy.out.contains("kafka:TagResource") && !policy.out.contains("kafka:Update"), "{policy}");
    assert!(account.run(&["plan", FILE]).code != 0, "it is others' as yet");

    // A file that differs is refused, each field by name, and nothing is written; without approval too.
    std::fs::write(
        account.path("other.yaml"),
        file.replace("count: 6", "count: 9").replace("node: false", "node: true"),
    )
    .expect("a file");
    let proxy = Proxy::counting();
    let run = through(&mut account, &proxy, &["adopt", "other.yaml", "--yes"]).expect(1);
    assert!(run.out.contains("brokers: 6 -> 9") && run.out.contains("node_exporter: false -> true"), "{run}");
    let run = through(&mut account, &proxy, &["adopt", FILE]).expect(1);
    assert!(run.out.contains("msk_cluster/main:tags") && run.out.contains("1 to change"), "{run}");
    let writes: Vec<Call> = proxy.take().into_iter().filter(Call::writes).collect();
    assert!(writes.is_empty(), "{writes:?}");

    let proxy = Proxy::counting();
    let run = through(&mut account, &proxy, &["adopt", FILE, "--yes"]).expect(0);
    assert!(run.out.contains("The cluster orders is kstack's"), "{run}");
    let calls = proxy.take();
    let of_msk: Vec<&str> = calls
        .iter()
        .filter(|call| call.writes() && !call.operation.contains("Parameter"))
        .map(|call| call.operation.as_str())
        .collect();
    assert!(matches!(of_msk[..], [one] if one.starts_with("Post /v1/tags/")), "{of_msk:?}");
    account.run(&["plan", FILE, "--detailed-exitcode"]).expect(0);
    assert_eq!(without_tags(&account, &arn), before);
    let tags = settled(&account, &arn).tags.expect("tags");
    assert_eq!((tags["Name"].as_str(), tags["team"].as_str()), ("theirs", "payments"));
    assert_eq!((tags["kstack:stack"].as_str(), tags["kstack:adopted"].as_str()), ("orders", "true"));
    assert!(account.run(&["status", FILE]).expect(0).out.contains("MSK cluster"));
    assert!(account.run(&["list", "--region", DEV]).expect(0).out.contains("orders"));
    let again = account.run(&["adopt", FILE, "--yes"]).expect(0);
    assert!(again.out.contains("Nothing to do"), "{again}");
    assert!(account.run(&["describe", &arn]).code == 1, "its file describes it");

    // Its life as a stack: a change, the stack's own configuration, and its end.
    let run = account.run(&["destroy", FILE, "--yes"]);
    assert!(run.code == 1 && run.err.contains("protected"), "{run}");
    let from = file.find("    # It stays as others have it.").expect("a configuration");
    let to = file.find("    vpc_connectivity").expect("the next key");
    let own = format!("{}    config: {{allow.everyone.if.no.acl.found: \"false\"}}\n{}", &file[..from], &file[to..]);
    let own = own.replace("protected: true", "protected: false").replace("jmx: true", "jmx: false");
    std::fs::write(account.path(FILE), own).expect("a file");
    account.apply(FILE);
    account.assert_converged(FILE);
    let look = account.look(DEV);
    assert!(look.configurations.iter().any(|one| one.name() == Some("kstack-orders")));
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    let after = account.look(DEV);
    assert!(after.clusters.is_empty(), "{:?}", after.clusters);
    let kept: Vec<String> =
        network.into_keys().filter(|id| !id.contains(":cluster/") && !after.others().contains_key(id)).collect();
    let brokers: Vec<&String> = kept.iter().filter(|id| !id.starts_with("eni-")).collect();
    assert!(brokers.is_empty(), "the network and the configuration of others are there: {brokers:?}");
}

pub fn serverless(account: &Account, company: &Company) -> String {
    let network =
        VpcConfig::builder().set_subnet_ids(Some(company.private.clone())).security_group_ids(&company.group).build();
    let sasl = ServerlessSasl::builder().iam(Iam::builder().enabled(true).build()).build();
    let auth = ServerlessClientAuthentication::builder().sasl(sasl).build();
    let request = ServerlessRequest::builder().vpc_configs(network).client_authentication(auth).build();
    let call = account.kafka(DEV).create_cluster_v2().cluster_name("orders").serverless(request);
    let arn = wait(call.send()).cluster_arn.expect("an ARN");
    account.settled(DEV);
    arn
}

#[test]
fn an_adoption_survives_its_death_at_any_call() {
    let mut account = crate::msk::account();
    let company = Company::make(&account, DEV, 71);
    let arn = serverless(&account, &company);
    let mut before = account.look(DEV).others();
    before.retain(|id, _| !id.contains(":cluster/"));
    describe(&account, &arn);
    let empty = Account::beside(&account.id);
    empty.become_copy_of(&account.id);
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["adopt", FILE, "--yes"]).expect(0);
    account.run(&["plan", FILE, "--detailed-exitcode"]).expect(0);
    let calls = proxy.take();
    let all = std::env::var_os("KSTACK_SWEEP").is_some();
    let targets: Vec<&Call> = calls.iter().filter(|call| all || call.writes()).collect();
    assert!(targets.len() >= 4, "the lease, the record, the tags, the record: {targets:?}");
    for target in targets {
        let number = calls[..target.number - 1].iter().filter(|call| call.operation == target.operation).count();
        for fault in [Fault::KillBefore, Fault::KillAfter, Fault::DropAnswer] {
            account.become_copy_of(&empty.id);
            let (operation, seen) = (target.operation.clone(), AtomicUsize::new(0));
            let struck = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&struck);
            let strike = move |call: &Call| {
                let now = call.operation == operation && seen.fetch_add(1, Ordering::SeqCst) == number;
                told.fetch_or(now, Ordering::SeqCst);
                now.then_some(fault)
            };
            let proxy = Proxy::with(Weather { fault: Some(Box::new(strike)), ..Weather::default() });
            let run = through(&mut account, &proxy, &["adopt", FILE, "--yes"]);
            assert!(struck.load(Ordering::SeqCst), "{} was not called", target.operation);
            if run.code != 0 {
                account.run(&["unlock", FILE, "--yes"]).expect(0);
                account.run(&["adopt", FILE, "--yes"]).expect(0);
            }
            account.run(&["plan", FILE, "--detailed-exitcode"]).expect(0);
            account.look(DEV).assert_others_kept(&before);
            let tags = settled(&account, &arn_of(&account)).tags.expect("tags");
            assert_eq!(tags["kstack:adopted"], "true", "{} {fault:?}", target.operation);
        }
    }
}

/// The ARN of the account's one cluster: a copy of an account has its own.
fn arn_of(account: &Account) -> String {
    let all = wait(account.kafka(DEV).list_clusters_v2().send());
    all.cluster_info_list()[0].cluster_arn().expect("an ARN").to_owned()
}

#[test]
fn what_can_not_be_adopted_is_said() {
    let account = crate::msk::account();
    let company = Company::make(&account, DEV, 72);
    let arn = serverless(&account, &company);
    let said = |arguments: &[&str], words: &[&str]| {
        let run = account.run(arguments);
        assert_eq!(run.code, 1, "{run}");
        let all = format!("{}{}", run.out, run.err);
        words.iter().for_each(|words| assert!(all.contains(words), "`{words}` in {run}"));
    };
    said(&["describe", "i-0123456789abcdef0"], &["is not the ARN of an MSK cluster", "inside of them"]);
    said(&["describe", &arn.replace(&account.id, "999999999999")], &["is in account 999999999999"]);
    said(
        &["describe", &arn.replace("/orders/", "/Orders_EU/")],
        &["has the name of its cluster", "`Orders_EU` is not a stack name"],
    );
    said(&["describe", &arn.replace("/orders/", "/others/")], &["there is no MSK cluster"]);
    let dev = account.write("dev", &[]);
    said(&["adopt", &dev, "--yes"], &["only MSK clusters can be adopted"]);
    let file = describe(&account, &arn);
    let write = |old: &str, new: &str| {
        std::fs::write(account.path("edited.yaml"), file.replace(old, new)).expect("a file");
        "edited.yaml"
    };
    said(
        &["adopt", write("region: eu-west-1", "region: us-east-1"), "--yes"],
        &["there is no MSK cluster named `orders` in us-east-1"],
    );
    said(&["adopt", write("name: orders", "name: other"), "--yes"], &["there is no MSK cluster named `other`"]);
    said(&["adopt", write(&account.id, "999999999999"), "--yes"], &["999999999999"]);
    said(&["adopt", write("protected: true", "ttl: 2h"), "--yes"], &["remove `ttl`"]);
    let tag = account.kafka(DEV).tag_resource().resource_arn(&arn).tags("kstack:stack", "others");
    wait(tag.tags("kstack:address", "msk_cluster/main").tags("kstack:network", company.private.join(" ")).send());
    said(&["adopt", FILE, "--yes"], &["has the tag `kstack:stack` of another stack, `others`"]);
    said(&["describe", &arn], &["belongs to the stack others already"]);
    assert!(account.look(DEV).parameters.is_empty(), "no lease was taken, and no record written");
}
