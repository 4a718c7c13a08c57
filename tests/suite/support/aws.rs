//! The account as another tool sees it: changes by hand, and what is left of a stack.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::OnceLock;

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::types::{Filter, InstanceStateName, NatGatewayState, Tag};
use tokio::runtime::{Builder, Runtime};

use super::{Account, sandbox};

/// The regions of the stack files.
pub const DEV: &str = "eu-west-1";
pub const PROD: &str = "ap-northeast-2";

/// Waits for an answer of the SDK.
#[track_caller]
pub fn wait<T, E: std::fmt::Debug>(call: impl Future<Output = Result<T, E>>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));
    runtime.block_on(call).expect("an answer")
}

macro_rules! client {
    ($sdk:ident, $account:expr, $region:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(sandbox())
                .region(Region::new($region.to_owned()))
                .credentials_provider(Credentials::new(&$account.id, "test", None, None, "tests"))
                .build(),
        )
    };
}

/// A host's volume and interface: what a broker must keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub volume: String,
    pub interface: String,
    pub address: String,
}

impl Account {
    pub fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        client!(aws_sdk_ec2, self, region)
    }
    pub fn kafka(&self, region: &str) -> aws_sdk_kafka::Client {
        client!(aws_sdk_kafka, self, region)
    }
    pub fn scaling(&self, region: &str) -> aws_sdk_applicationautoscaling::Client {
        client!(aws_sdk_applicationautoscaling, self, region)
    }
    pub fn iam(&self) -> aws_sdk_iam::Client {
        client!(aws_sdk_iam, self, "us-east-1")
    }
    pub fn ssm(&self, region: &str) -> aws_sdk_ssm::Client {
        client!(aws_sdk_ssm, self, region)
    }

    /// Waits until AWS does nothing with the account's cluster.
    pub fn settled(&self, region: &str) {
        super::poll("an active cluster", std::time::Duration::from_secs(30), || {
            let all = wait(self.kafka(region).list_clusters_v2().send());
            let active = Some(&aws_sdk_kafka::types::ClusterState::Active);
            all.cluster_info_list().iter().all(|cluster| cluster.state() == active).then_some(())
        });
    }

    /// Makes a secret, under a key of the account's own, and gives its ARN.
    pub fn secret(&self, region: &str, name: &str, content: &str) -> String {
        let token = format!("{name:0>40}");
        let body = serde_json::json!({
            "Name": name, "SecretString": content, "KmsKeyId": "alias/kafka", "ClientRequestToken": token,
        });
        let body = body.to_string();
        let scope = format!("{}/20260101/{region}/secretsmanager/aws4_request", self.id);
        let headers = format!(
            "X-Amz-Target: secretsmanager.CreateSecret\r\nContent-Type: application/x-amz-json-1.1\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n"
        );
        let answer = super::proxy::request_with(sandbox(), "POST", "/", &headers, &body);
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let made: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        made["ARN"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The volume and interface of each host, as they are live.
    pub fn identities(&self, region: &str) -> BTreeMap<String, Identity> {
        let ec2 = self.ec2(region);
        let mine = || Filter::builder().name("tag-key").values("kstack:stack").build();
        let name = |tags: &[Tag], kind: &str| {
            let mut tags = tags.iter().filter(|tag| tag.key() == Some("kstack:address"));
            tags.find_map(|tag| tag.value()?.strip_prefix(kind)?.strip_prefix('/')).map(str::to_owned)
        };
        let volumes = wait(ec2.describe_volumes().filters(mine()).send());
        let volumes: BTreeMap<String, String> = volumes
            .volumes()
            .iter()
            .filter_map(|volume| Some((name(volume.tags(), "volume")?, volume.volume_id()?.to_owned())))
            .collect();
        let interfaces = wait(ec2.describe_network_interfaces().filters(mine()).send());
        let hosts = interfaces.network_interfaces().iter().filter_map(|interface| {
            let host = name(interface.tag_set(), "network_interface")?;
            let volume = volumes.get(&host).cloned().unwrap_or_default();
            let address = interface.private_ip_address()?.to_owned();
            Some((host, Identity { volume, interface: interface.network_interface_id()?.to_owned(), address }))
        });
        hosts.collect()
    }

    /// The ids of running instances, by host.
    pub fn instances(&self, region: &str) -> BTreeMap<String, String> {
        let running = Filter::builder().name("instance-state-name").values("running").build();
        let answer = wait(self.ec2(region).describe_instances().filters(running).send());
        let mut hosts = BTreeMap::new();
        for instance in answer.reservations().iter().flat_map(|one| one.instances()) {
            let address = instance.tags().iter().find(|tag| tag.key() == Some("kstack:address"));
            let host = address.and_then(|tag| tag.value()?.strip_prefix("instance/")).expect("an address").to_owned();
            let twice = hosts.insert(host, instance.instance_id().expect("an id").to_owned());
            assert_eq!(twice, None, "two instances run for one host");
        }
        hosts
    }

    /// How many instances are pending or running.
    pub fn started(&self, region: &str) -> usize {
        let live = Filter::builder().name("instance-state-name").values("pending").values("running").build();
        let answer = wait(self.ec2(region).describe_instances().filters(live).send());
        answer.reservations().iter().map(|one| one.instances().len()).sum()
    }

    /// Sees that the account has nothing any more that kstack made, in either region: nothing that is tagged, and, of what
    /// an account does not have by itself, nothing at all.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left: Vec<String> = [DEV, PROD].iter().flat_map(|region| self.left(region)).collect();
        assert!(left.is_empty(), "left in account {}: {left:#?}", self.id);
    }

    /// What is there in `region`, each by its address, or by its own name where it has no address, with the ids.
    pub fn inventory(&self, region: &str) -> BTreeMap<String, Vec<String>> {
        let ours = Filter::builder().name("key").values("kstack:address").build();
        let tags = wait(self.ec2(region).describe_tags().filters(ours).send());
        let addresses: BTreeMap<&str, &str> =
            tags.tags().iter().filter_map(|tag| Some((tag.resource_id()?, tag.value()?))).collect();
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in self.left(region) {
            // Lease numbers rise with each run, and the one before the last stays.
            let name = match id.split_once("/lease/") {
                Some((stack, _)) => {
                    all.insert(format!("{stack}/lease"), vec![id]);
                    continue;
                }
                // An MSK ARN ends in an id of its own.
                None if id.starts_with("arn:aws:kafka:") => {
                    id.rsplit_once('/').unwrap_or_default().0.replace(&self.id, "")
                }
                // A NAT gateway's own interface has no tags, and its id is another one each time.
                None => match (addresses.get(id.as_str()), id.rsplit_once('-')) {
                    (Some(address), _) => (*address).to_owned(),
                    (None, Some((kind, hex))) if hex.len() == 17 => kind.to_owned(),
                    _ => id.clone(),
                },
            };
            all.entry(name).or_default().push(id);
        }
        all
    }

    fn left(&self, region: &str) -> Vec<String> {
        let ec2 = self.ec2(region);
        let mine = || Filter::builder().name("tag-key").values("kstack:stack").build();
        let mut left: Vec<Option<String>> = Vec::new();
        let answer = wait(ec2.describe_vpcs().filters(mine()).send());
        left.extend(answer.vpcs().iter().map(|one| one.vpc_id.clone()));
        let answer = wait(ec2.describe_subnets().filters(mine()).send());
        left.extend(answer.subnets().iter().map(|one| one.subnet_id.clone()));
        let answer = wait(ec2.describe_internet_gateways().send());
        left.extend(answer.internet_gateways().iter().map(|one| one.internet_gateway_id.clone()));
        let answer = wait(ec2.describe_route_tables().filters(mine()).send());
        left.extend(answer.route_tables().iter().map(|one| one.route_table_id.clone()));
        let answer = wait(ec2.describe_nat_gateways().send());
        let live = answer.nat_gateways().iter().filter(|one| one.state() != Some(&NatGatewayState::Deleted));
        left.extend(live.map(|one| one.nat_gateway_id.clone()));
        let answer = wait(ec2.describe_vpc_endpoints().send());
        left.extend(answer.vpc_endpoints().iter().map(|one| one.vpc_endpoint_id.clone()));
        let answer = wait(ec2.describe_security_groups().filters(mine()).send());
        left.extend(answer.security_groups().iter().map(|one| one.group_id.clone()));
        let answer = wait(ec2.describe_addresses().send());
        left.extend(answer.addresses().iter().map(|one| one.allocation_id.clone()));
        let answer = wait(ec2.describe_volumes().send());
        left.extend(answer.volumes().iter().map(|one| one.volume_id.clone()));
        let answer = wait(ec2.describe_network_interfaces().send());
        left.extend(answer.network_interfaces().iter().map(|one| one.network_interface_id.clone()));
        let answer = wait(ec2.describe_placement_groups().send());
        left.extend(answer.placement_groups().iter().map(|one| one.group_name.clone()));
        let answer = wait(ec2.describe_instances().send());
        let instances = answer.reservations().iter().flat_map(|one| one.instances());
        let live =
            instances.filter(|one| one.state().and_then(|state| state.name()) != Some(&InstanceStateName::Terminated));
        left.extend(live.map(|one| one.instance_id.clone()));
        let kafka = self.kafka(region);
        let answer = wait(kafka.list_clusters_v2().send());
        left.extend(answer.cluster_info_list().iter().map(|one| one.cluster_arn.clone()));
        let answer = wait(kafka.list_configurations().send());
        left.extend(answer.configurations().iter().map(|one| one.arn.clone()));
        let namespace = aws_sdk_applicationautoscaling::types::ServiceNamespace::Kafka;
        let answer = wait(self.scaling(region).describe_scalable_targets().service_namespace(namespace).send());
        left.extend(answer.scalable_targets().iter().map(|one| Some(one.resource_id.clone())));
        let answer = wait(self.ssm(region).get_parameters_by_path().path("/kstack").recursive(true).send());
        left.extend(answer.parameters().iter().map(|one| one.name.clone()));
        let answer = wait(self.iam().list_roles().send());
        left.extend(answer.roles().iter().map(|one| Some(one.role_name.clone())));
        let answer = wait(self.iam().list_instance_profiles().send());
        left.extend(answer.instance_profiles().iter().map(|one| Some(one.instance_profile_name.clone())));
        left.into_iter().flatten().collect()
    }
}
