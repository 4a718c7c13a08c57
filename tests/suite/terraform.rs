//! What is live as Terraform's JSON, for scanners: each resource as AWS describes it, under the names of Terraform's AWS provider.
//! Ids of what is there too are references, as in a configuration that somebody wrote.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{InstanceAttributeName, IpPermission};
use serde_json::{Map, Value, json};

use crate::support::Account;
use crate::support::aws::wait;
use crate::support::look::Look;

/// Terraform's type, the name, and the attributes of each resource.
type Resources = BTreeMap<String, Map<String, Value>>;

struct Writer<'a> {
    /// The address of each id that a stack's tag names.
    addresses: BTreeMap<&'a str, &'a str>,
    /// Ids of what has no address, with their types and names.
    more: BTreeMap<String, (&'static str, String)>,
    resources: Resources,
}

/// A resource's type and name from its address: `volume/broker-1` is `volume__broker-1`, so that findings tell the kind.
fn named(address: &str) -> (&'static str, String) {
    let (kind, name) = address.split_once('/').unwrap_or((address, ""));
    let terraform = match kind {
        "vpc" => "aws_vpc",
        "subnet" => "aws_subnet",
        "internet_gateway" => "aws_internet_gateway",
        "egress_only_gateway" => "aws_egress_only_internet_gateway",
        "nat_gateway" => "aws_nat_gateway",
        "elastic_ip" => "aws_eip",
        "route_table" => "aws_route_table",
        "vpc_endpoint" => "aws_vpc_endpoint",
        "security_group" => "aws_security_group",
        "volume" => "aws_ebs_volume",
        "network_interface" => "aws_network_interface",
        "instance" => "aws_instance",
        "flow_log" => "aws_flow_log",
        other => panic!("{other} has no name in Terraform here"),
    };
    (terraform, format!("{kind}__{}", name.replace(['.', '/'], "-")))
}

impl Writer<'_> {
    /// The reference to what has the id, or the id itself.
    fn reference(&self, id: Option<&str>) -> Value {
        let id = id.unwrap_or_default();
        let known = self.addresses.get(id).map(|address| named(address)).or_else(|| self.more.get(id).cloned());
        known.map_or_else(|| json!(id), |(kind, name)| json!(format!("${{{kind}.{name}.id}}")))
    }

    fn references<'i>(&self, ids: impl IntoIterator<Item = Option<&'i str>>) -> Value {
        ids.into_iter().map(|id| self.reference(id)).collect()
    }

    fn add(&mut self, id: Option<&str>, values: Value) {
        if let Some(address) = id.and_then(|id| self.addresses.get(id)) {
            let (kind, name) = named(address);
            self.put(kind, &name, values);
        }
    }

    fn put(&mut self, kind: &str, name: &str, values: Value) {
        self.resources.entry(kind.to_owned()).or_default().insert(name.to_owned(), values);
    }

    fn rules(&self, rules: &[IpPermission]) -> Value {
        let rule = |one: &IpPermission| {
            let pairs = one.user_id_group_pairs().iter();
            let words = pairs.clone().filter_map(|pair| pair.description());
            let words = words.chain(one.ip_ranges().iter().filter_map(|range| range.description()));
            json!({
                "protocol": one.ip_protocol(),
                "from_port": one.from_port().unwrap_or(0),
                "to_port": one.to_port().unwrap_or(0),
                "cidr_blocks": one.ip_ranges().iter().filter_map(|range| range.cidr_ip()).collect::<Vec<_>>(),
                "security_groups": self.references(pairs.map(|pair| pair.group_id())),
                "description": words.collect::<Vec<_>>().join(", "),
            })
        };
        rules.iter().map(rule).collect()
    }
}

/// Everything of the account's stack that is live in `region`, as one configuration.
pub fn configuration(account: &Account, region: &str, look: &Look) -> Value {
    let more = BTreeMap::new();
    let mut out = Writer { addresses: look.addresses(), more, resources: Resources::new() };
    for cluster in &look.clusters {
        let name = format!("msk_cluster__{}", cluster.cluster_name().unwrap_or_default());
        out.more.insert(cluster.cluster_arn().unwrap_or_default().to_owned(), ("aws_msk_cluster", name));
    }
    network(&mut out, look);
    hosts(&mut out, account, region, look);
    msk(&mut out, look);
    roles(&mut out, account, look);
    json!({"resource": out.resources})
}

fn network(out: &mut Writer<'_>, look: &Look) {
    for vpc in &look.vpcs {
        out.add(vpc.vpc_id(), json!({"cidr_block": vpc.cidr_block()}));
    }
    for subnet in &look.subnets {
        let values = json!({
            "vpc_id": out.reference(subnet.vpc_id()), "cidr_block": subnet.cidr_block(),
            "availability_zone": subnet.availability_zone(), "map_public_ip_on_launch": subnet.map_public_ip_on_launch(),
        });
        out.add(subnet.subnet_id(), values);
    }
    for gateway in &look.gateways {
        let vpc = gateway.attachments().first().and_then(|place| place.vpc_id());
        let values = json!({"vpc_id": out.reference(vpc)});
        out.add(gateway.internet_gateway_id(), values);
    }
    for address in &look.addresses {
        out.add(address.allocation_id(), json!({"domain": "vpc"}));
    }
    for nat in &look.nats {
        let address = nat.nat_gateway_addresses().first().and_then(|one| one.allocation_id());
        let values = json!({"subnet_id": out.reference(nat.subnet_id()), "allocation_id": out.reference(address)});
        out.add(nat.nat_gateway_id(), values);
    }
    for table in &look.tables {
        let routes = table.routes().iter().filter(|route| route.gateway_id() != Some("local"));
        let routes: Vec<Value> = routes
            .map(|route| {
                json!({
                    "cidr_block": route.destination_cidr_block(), "gateway_id": out.reference(route.gateway_id()),
                    "nat_gateway_id": out.reference(route.nat_gateway_id()),
                })
            })
            .collect();
        let values = json!({"vpc_id": out.reference(table.vpc_id()), "route": routes});
        out.add(table.route_table_id(), values);
    }
    for endpoint in &look.endpoints {
        let values = json!({
            "vpc_id": out.reference(endpoint.vpc_id()), "service_name": endpoint.service_name(),
            "vpc_endpoint_type": endpoint.vpc_endpoint_type().map(|kind| kind.as_str()),
            "policy": endpoint.policy_document(),
            "security_group_ids": out.references(endpoint.groups().iter().map(|group| group.group_id())),
        });
        out.add(endpoint.vpc_endpoint_id(), values);
    }
    let vpcs: Vec<&str> = look.vpcs.iter().filter_map(|vpc| vpc.vpc_id()).collect();
    for group in &look.groups {
        let (vpc, own) = (group.vpc_id().unwrap_or_default(), group.group_name() == Some("default"));
        let values = json!({
            "vpc_id": out.reference(Some(vpc)), "name": group.group_name(), "description": group.description(),
            "ingress": out.rules(group.ip_permissions()), "egress": out.rules(group.ip_permissions_egress()),
        });
        match own {
            true if vpcs.contains(&vpc) && out.addresses.contains_key(vpc) => {
                out.put("aws_default_security_group", "default_group__main", values);
            }
            true => {}
            false => out.add(group.group_id(), values),
        }
    }
    for log in &look.flow_logs {
        let values = json!({
            "vpc_id": out.reference(log.resource_id()), "traffic_type": log.traffic_type().map(|kind| kind.as_str()),
            "log_destination": log.log_destination(), "log_destination_type": "s3",
        });
        out.add(log.flow_log_id(), values);
    }
}

fn hosts(out: &mut Writer<'_>, account: &Account, region: &str, look: &Look) {
    let roots: Vec<&str> = look
        .instances
        .iter()
        .filter_map(|one| Some((one.root_device_name()?, one)))
        .flat_map(|(root, one)| one.block_device_mappings().iter().filter(move |disk| disk.device_name() == Some(root)))
        .filter_map(|disk| disk.ebs()?.volume_id())
        .collect();
    let encrypted = |id: Option<&str>| {
        let mut volumes = look.volumes.iter();
        volumes.find(|volume| volume.volume_id() == id).and_then(|volume| volume.encrypted()).unwrap_or_default()
    };
    for volume in look.volumes.iter().filter(|one| one.volume_id().is_none_or(|id| !roots.contains(&id))) {
        let values = json!({
            "availability_zone": volume.availability_zone(), "size": volume.size(), "encrypted": volume.encrypted(),
            "kms_key_id": volume.kms_key_id(), "type": volume.volume_type().map(|kind| kind.as_str()),
        });
        out.add(volume.volume_id(), values);
    }
    for interface in &look.interfaces {
        let values = json!({
            "subnet_id": out.reference(interface.subnet_id()),
            "security_groups": out.references(interface.groups().iter().map(|group| group.group_id())),
        });
        out.add(interface.network_interface_id(), values);
    }
    for instance in &look.instances {
        let call = account.ec2(region).describe_instance_attribute().set_instance_id(instance.instance_id.clone());
        let locked = wait(call.attribute(InstanceAttributeName::DisableApiTermination).send());
        let locked = locked.disable_api_termination().and_then(|value| value.value()).unwrap_or_default();
        let tokens =
            instance.metadata_options().and_then(|options| options.http_tokens()).map(|tokens| tokens.as_str());
        let root =
            instance.block_device_mappings().iter().find(|disk| disk.device_name() == instance.root_device_name());
        let root = encrypted(root.and_then(|disk| disk.ebs()).and_then(|disk| disk.volume_id()));
        let profile = instance.iam_instance_profile().and_then(|profile| profile.arn());
        let interface = instance.network_interfaces().first().and_then(|one| one.network_interface_id());
        let values = json!({
            "ami": instance.image_id(), "instance_type": instance.instance_type().map(|kind| kind.as_str()),
            "disable_api_termination": locked, "metadata_options": [{"http_tokens": tokens}],
            "root_block_device": [{"encrypted": root}],
            "monitoring": instance.monitoring().and_then(|one| one.state()).is_some_and(|one| one.as_str() == "enabled"),
            "ebs_optimized": instance.ebs_optimized(),
            "iam_instance_profile": profile.and_then(|arn| arn.rsplit('/').next()),
            "network_interface": [{"device_index": 0, "network_interface_id": out.reference(interface)}],
        });
        out.add(instance.instance_id(), values);
    }
}

fn msk(out: &mut Writer<'_>, look: &Look) {
    for cluster in &look.clusters {
        let Some(provisioned) = cluster.provisioned() else { continue };
        let (groups, subnets) = provisioned
            .broker_node_group_info()
            .map_or((&[][..], &[][..]), |info| (info.security_groups(), info.client_subnets()));
        let transit = provisioned.encryption_info().and_then(|info| info.encryption_in_transit());
        let rest = provisioned.encryption_info().and_then(|info| info.encryption_at_rest());
        let logs = provisioned.logging_info().and_then(|info| info.broker_logs()).map(|logs| {
            json!([{"broker_logs": [{
                "cloudwatch_logs": [{"enabled": logs.cloud_watch_logs().and_then(|one| one.enabled())}],
                "s3": [{"enabled": logs.s3().and_then(|one| one.enabled())}],
                "firehose": [{"enabled": logs.firehose().and_then(|one| one.enabled())}],
            }]}])
        });
        let public = provisioned
            .broker_node_group_info()
            .and_then(|info| info.connectivity_info())
            .and_then(|info| info.public_access())
            .and_then(|access| access.r#type());
        let values = json!({
            "cluster_name": cluster.cluster_name(),
            "number_of_broker_nodes": provisioned.number_of_broker_nodes(),
            "kafka_version": provisioned.current_broker_software_info().and_then(|info| info.kafka_version()),
            "broker_node_group_info": [{
                "security_groups": out.references(groups.iter().map(|id| Some(id.as_str()))),
                "client_subnets": out.references(subnets.iter().map(|id| Some(id.as_str()))),
                "connectivity_info": [{"public_access": [{"type": public}]}],
            }],
            "encryption_info": [{
                "encryption_at_rest_kms_key_arn": rest.map(|rest| rest.data_volume_kms_key_id()),
                "encryption_in_transit": [{
                    "client_broker": transit.and_then(|one| one.client_broker()).map(|one| one.as_str()),
                    "in_cluster": transit.and_then(|one| one.in_cluster()),
                }],
            }],
            "logging_info": logs,
        });
        out.put("aws_msk_cluster", &format!("msk_cluster__{}", cluster.cluster_name().unwrap_or_default()), values);
    }
}

fn roles(out: &mut Writer<'_>, account: &Account, look: &Look) {
    let iam = account.iam();
    for role in &look.roles {
        let name = role.role_name();
        let trust = percent_encoding::percent_decode_str(role.assume_role_policy_document().unwrap_or_default());
        out.put("aws_iam_role", "role__hosts", json!({"name": name, "assume_role_policy": trust.decode_utf8_lossy()}));
        let inline = wait(iam.list_role_policies().role_name(name).send());
        for policy in inline.policy_names() {
            let answer = wait(iam.get_role_policy().role_name(name).policy_name(policy).send());
            let text = percent_encoding::percent_decode_str(&answer.policy_document).decode_utf8_lossy();
            let values = json!({"name": policy, "role": "${aws_iam_role.role__hosts.id}", "policy": text});
            out.put("aws_iam_role_policy", &format!("role_policy__{policy}"), values);
        }
        let attached = wait(iam.list_attached_role_policies().role_name(name).send());
        for policy in attached.attached_policies() {
            let values = json!({"role": "${aws_iam_role.role__hosts.id}", "policy_arn": policy.policy_arn()});
            let name = policy.policy_name().unwrap_or_default();
            out.put("aws_iam_role_policy_attachment", &format!("role_policy__{name}"), values);
        }
    }
}
