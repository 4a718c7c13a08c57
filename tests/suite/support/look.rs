//! One look at all that is in a region of an account, from which everything is told that tests ask of it.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{ScalableTarget, ServiceNamespace};
use aws_sdk_cloudwatch::types::MetricAlarm;
use aws_sdk_cloudwatchlogs::types::LogGroup;
use aws_sdk_ec2::types::{
    Address, EgressOnlyInternetGateway, Filter, FlowLog, Instance, InstanceStateName, InternetGateway, NatGateway,
    NatGatewayState, NetworkInterface, PlacementGroup, RouteTable, SecurityGroup, Subnet, Tag, TagDescription, Volume,
    Vpc, VpcEndpoint,
};
use aws_sdk_iam::types::{InstanceProfile, Role};
use aws_sdk_kafka::types::{Cluster, Configuration};
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use aws_sdk_route53::types::{HostedZone, ResourceRecordSet, RrType, TagResourceType};

use super::Account;
use super::aws::{Identity, wait};

/// What AWS describes, as it describes it.
pub struct Look {
    pub account: String,
    pub vpcs: Vec<Vpc>,
    pub subnets: Vec<Subnet>,
    pub gateways: Vec<InternetGateway>,
    pub egress_only: Vec<EgressOnlyInternetGateway>,
    pub tables: Vec<RouteTable>,
    pub nats: Vec<NatGateway>,
    pub endpoints: Vec<VpcEndpoint>,
    pub groups: Vec<SecurityGroup>,
    pub flow_logs: Vec<FlowLog>,
    pub addresses: Vec<Address>,
    pub volumes: Vec<Volume>,
    pub interfaces: Vec<NetworkInterface>,
    pub placements: Vec<PlacementGroup>,
    pub instances: Vec<Instance>,
    pub tags: Vec<TagDescription>,
    pub clusters: Vec<Cluster>,
    pub configurations: Vec<Configuration>,
    pub targets: Vec<ScalableTarget>,
    pub alarms: Vec<MetricAlarm>,
    pub log_groups: Vec<LogGroup>,
    /// Dashboards of CloudWatch, by their names, with their bodies.
    pub dashboards: Vec<(String, String)>,
    pub parameters: Vec<String>,
    /// KMS keys of kstack's that are not to be deleted, by their ids.
    pub keys: Vec<String>,
    /// Secrets of kstack's that are not to be deleted, by their names.
    pub secrets: Vec<String>,
    pub roles: Vec<Role>,
    pub profiles: Vec<InstanceProfile>,
    /// Hosted zones, which are in no region, with their tags and with their records beside those that each has by itself.
    pub zones: Vec<(HostedZone, String, Vec<ResourceRecordSet>)>,
}

/// What a call lists.
macro_rules! list {
    ($call:expr, $list:ident) => {
        wait($call.send()).$list().to_vec()
    };
}

/// Whether kstack made it for a stack.
fn ours(tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.key() == Some("kstack:stack"))
}

impl Account {
    pub fn look(&self, region: &str) -> Look {
        let (ec2, kafka, iam) = (self.ec2(region), self.kafka(region), self.iam());
        let reservations = wait(ec2.describe_instances().send());
        let parameters = wait(self.ssm(region).get_parameters_by_path().path("/kstack").recursive(true).send());
        let targets = self.scaling(region).describe_scalable_targets().service_namespace(ServiceNamespace::Kafka);
        let secrets = wait(self.ssm(region).get_parameters_by_path().path("/kstack-papers").recursive(true).send());
        let parameters = parameters.parameters().iter().chain(secrets.parameters());
        Look {
            account: self.id.clone(),
            vpcs: list!(ec2.describe_vpcs(), vpcs),
            subnets: list!(ec2.describe_subnets(), subnets),
            gateways: list!(ec2.describe_internet_gateways(), internet_gateways),
            egress_only: list!(ec2.describe_egress_only_internet_gateways(), egress_only_internet_gateways),
            tables: list!(ec2.describe_route_tables(), route_tables),
            nats: list!(ec2.describe_nat_gateways(), nat_gateways),
            endpoints: list!(ec2.describe_vpc_endpoints(), vpc_endpoints),
            groups: list!(ec2.describe_security_groups(), security_groups),
            flow_logs: list!(ec2.describe_flow_logs(), flow_logs),
            addresses: list!(ec2.describe_addresses(), addresses),
            volumes: list!(ec2.describe_volumes(), volumes),
            interfaces: list!(ec2.describe_network_interfaces(), network_interfaces),
            placements: list!(ec2.describe_placement_groups(), placement_groups),
            instances: reservations.reservations().iter().flat_map(|one| one.instances().to_vec()).collect(),
            tags: list!(ec2.describe_tags(), tags),
            clusters: list!(kafka.list_clusters_v2(), cluster_info_list),
            configurations: list!(kafka.list_configurations(), configurations),
            targets: list!(targets, scalable_targets),
            alarms: list!(self.cloudwatch(region).describe_alarms().max_records(100), metric_alarms),
            log_groups: list!(self.logs(region).describe_log_groups(), log_groups),
            dashboards: self.dashboards(region),
            parameters: parameters.filter_map(|one| one.name.clone()).collect(),
            keys: self.keys(region),
            secrets: list!(self.secretsmanager(region).list_secrets(), secret_list)
                .into_iter()
                .filter_map(|one| one.name)
                .filter(|name| name.starts_with("AmazonMSK_kstack/"))
                .collect(),
            roles: list!(iam.list_roles(), roles),
            profiles: list!(iam.list_instance_profiles(), instance_profiles),
            zones: self.zones(),
        }
    }

    /// Dashboards with names of kstack's, with their bodies.
    fn dashboards(&self, region: &str) -> Vec<(String, String)> {
        let cloudwatch = self.cloudwatch(region);
        let names = list!(cloudwatch.list_dashboards().dashboard_name_prefix("kstack-"), dashboard_entries);
        let body = |name: &str| wait(cloudwatch.get_dashboard().dashboard_name(name).send()).dashboard_body;
        let all = names.into_iter().filter_map(|one| one.dashboard_name);
        all.map(|name| (name.clone(), body(&name).unwrap_or_default())).collect()
    }

    /// The KMS keys that kstack made and that are not to be deleted.
    fn keys(&self, region: &str) -> Vec<String> {
        let kms = self.kms(region);
        let all = wait(kms.list_keys().send()).keys.unwrap_or_default();
        let described = all.iter().map(|key| wait(kms.describe_key().key_id(key.key_id().expect("an id")).send()));
        let kstacks = |key: &KeyMetadata| {
            let enabled = key.key_state() == Some(&KeyState::Enabled);
            enabled && key.description().is_some_and(|text| text.contains("kstack"))
        };
        described.filter_map(|key| key.key_metadata).filter(kstacks).map(|key| key.key_id).collect()
    }

    /// Every hosted zone, with its tags and its records.
    fn zones(&self) -> Vec<(HostedZone, String, Vec<ResourceRecordSet>)> {
        let route53 = self.route53();
        let zones = wait(route53.list_hosted_zones().send()).hosted_zones;
        let with_records = |zone: HostedZone| {
            let id = zone.id().trim_start_matches("/hostedzone/").to_owned();
            let tags = route53.list_tags_for_resource().resource_type(TagResourceType::Hostedzone).resource_id(&id);
            let tags = wait(tags.send()).resource_tag_set.and_then(|set| set.tags).unwrap_or_default();
            let all = wait(route53.list_resource_record_sets().hosted_zone_id(&id).send()).resource_record_sets;
            let own = |one: &ResourceRecordSet| [RrType::Ns, RrType::Soa].contains(one.r#type());
            (zone, format!("{tags:?}"), all.into_iter().filter(|one| !own(one)).collect())
        };
        zones.into_iter().map(with_records).collect()
    }

    /// The volume and interface of each host, as they are live.
    pub fn identities(&self, region: &str) -> BTreeMap<String, Identity> {
        let (ec2, mine) = (self.ec2(region), || Filter::builder().name("tag-key").values("kstack:stack").build());
        let volumes = list!(ec2.describe_volumes().filters(mine()), volumes);
        identities(&volumes, &list!(ec2.describe_network_interfaces().filters(mine()), network_interfaces))
    }

    /// What holds data, by host or name, with its id: volumes and clusters.
    pub fn data(&self, region: &str) -> BTreeMap<String, String> {
        data(&self.identities(region), &list!(self.kafka(region).list_clusters_v2(), cluster_info_list))
    }
}

impl Look {
    /// The address of each resource that has one, by its id.
    pub fn addresses(&self) -> BTreeMap<&str, &str> {
        let ours = self.tags.iter().filter(|tag| tag.key() == Some("kstack:address"));
        ours.filter_map(|tag| Some((tag.resource_id()?, tag.value()?))).collect()
    }

    /// What kstack made, by id or name: what is tagged, and, of what an account does not have by itself, everything.
    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<Option<String>> = Vec::new();
        left.extend(self.vpcs.iter().filter(|one| ours(one.tags())).map(|one| one.vpc_id.clone()));
        left.extend(self.subnets.iter().filter(|one| ours(one.tags())).map(|one| one.subnet_id.clone()));
        left.extend(self.gateways.iter().map(|one| one.internet_gateway_id.clone()));
        left.extend(self.egress_only.iter().map(|one| one.egress_only_internet_gateway_id.clone()));
        left.extend(self.tables.iter().filter(|one| ours(one.tags())).map(|one| one.route_table_id.clone()));
        let live = self.nats.iter().filter(|one| one.state() != Some(&NatGatewayState::Deleted));
        left.extend(live.map(|one| one.nat_gateway_id.clone()));
        left.extend(self.endpoints.iter().map(|one| one.vpc_endpoint_id.clone()));
        left.extend(self.groups.iter().filter(|one| ours(one.tags())).map(|one| one.group_id.clone()));
        left.extend(self.flow_logs.iter().map(|one| one.flow_log_id.clone()));
        left.extend(self.addresses.iter().map(|one| one.allocation_id.clone()));
        left.extend(self.volumes.iter().map(|one| one.volume_id.clone()));
        left.extend(self.interfaces.iter().map(|one| one.network_interface_id.clone()));
        left.extend(self.placements.iter().map(|one| one.group_name.clone()));
        let ended = Some(&InstanceStateName::Terminated);
        let live = self.instances.iter().filter(|one| one.state().and_then(|state| state.name()) != ended);
        left.extend(live.map(|one| one.instance_id.clone()));
        left.extend(self.clusters.iter().map(|one| one.cluster_arn.clone()));
        left.extend(self.configurations.iter().map(|one| one.arn.clone()));
        left.extend(self.targets.iter().map(|one| Some(one.resource_id.clone())));
        left.extend(self.alarms.iter().map(|one| one.alarm_name.clone()));
        left.extend(self.log_groups.iter().map(|one| one.log_group_name.clone()));
        left.extend(self.dashboards.iter().map(|(name, _)| Some(name.clone())));
        left.extend(self.parameters.iter().cloned().map(Some));
        // Its id is another one each time.
        left.extend(self.keys.iter().map(|id| Some(format!("kms_key-{:.17}", id.replace('-', "")))));
        left.extend(self.secrets.iter().cloned().map(Some));
        left.extend(self.roles.iter().map(|one| Some(one.role_name.clone())));
        left.extend(self.profiles.iter().map(|one| Some(one.instance_profile_name.clone())));
        let zones = self.zones.iter().filter(|(zone, ..)| zone.caller_reference().starts_with("kstack/"));
        left.extend(zones.map(|(zone, ..)| Some(format!("zone {}", zone.name()))));
        let records = self.zones.iter().flat_map(|(_, _, records)| records);
        left.extend(records.map(|one| Some(format!("record {} {}", one.name(), one.r#type().as_str()))));
        left.into_iter().flatten().collect()
    }

    /// What is there, each by its address, or by its own name where it has no address, with the ids.
    pub fn inventory(&self) -> BTreeMap<String, Vec<String>> {
        let addresses = self.addresses();
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in self.left() {
            // Lease numbers rise with each run, and the one before the last stays.
            let name = match id.split_once("/lease/") {
                Some((stack, _)) => {
                    all.insert(format!("{stack}/lease"), vec![id]);
                    continue;
                }
                // An MSK ARN ends in an id of its own.
                None if id.starts_with("arn:aws:kafka:") => {
                    id.rsplit_once('/').unwrap_or_default().0.replace(&self.account, "")
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

    /// What holds data, by host or name, with its id: volumes and clusters.
    pub fn data(&self) -> BTreeMap<String, String> {
        data(&identities(&self.volumes, &self.interfaces), &self.clusters)
    }
}

/// The volume and interface of each host.
pub fn identities(volumes: &[Volume], interfaces: &[NetworkInterface]) -> BTreeMap<String, Identity> {
    let name = |tags: &[Tag], kind: &str| {
        let mut tags = tags.iter().filter(|tag| tag.key() == Some("kstack:address"));
        tags.find_map(|tag| tag.value()?.strip_prefix(kind)?.strip_prefix('/')).map(str::to_owned)
    };
    let volumes = volumes.iter().filter(|one| ours(one.tags()));
    let volumes: BTreeMap<String, String> =
        volumes.filter_map(|one| Some((name(one.tags(), "volume")?, one.volume_id()?.to_owned()))).collect();
    let hosts = interfaces.iter().filter(|one| ours(one.tag_set())).filter_map(|interface| {
        let host = name(interface.tag_set(), "network_interface")?;
        let volume = volumes.get(&host).cloned().unwrap_or_default();
        let address = interface.private_ip_address()?.to_owned();
        Some((host, Identity { volume, interface: interface.network_interface_id()?.to_owned(), address }))
    });
    hosts.collect()
}

/// What holds data, by host or name, with its id: volumes and clusters.
fn data(hosts: &BTreeMap<String, Identity>, clusters: &[Cluster]) -> BTreeMap<String, String> {
    let volumes = hosts.iter().map(|(host, one)| (host.clone(), one.volume.clone()));
    let clusters = clusters.iter().filter_map(|one| Some((one.cluster_name.clone()?, one.cluster_arn.clone()?)));
    volumes.chain(clusters).filter(|(_, id)| !id.is_empty()).collect()
}
