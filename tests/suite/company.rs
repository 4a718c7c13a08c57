//! A network that others made, as a network team does: a VPC with private and public subnets over three zones, NAT, an endpoint, a
//! group, a prefix list, somebody's interface; and whether anything of others has changed.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    AttributeBooleanValue, DomainType, InstanceStateName, NatGatewayState, ResourceType, Tag, TagSpecification,
    VpcEndpoint, VpcEndpointType,
};

use crate::support::Account;
use crate::support::aws::wait;
use crate::support::look::Look;

/// The ids of a network of others.
#[derive(Debug)]
pub struct Company {
    pub vpc: String,
    /// Private subnets with a NAT gateway, in the zones a, b and c.
    pub private: Vec<String>,
    /// A subnet in zone a whose default route leads to the internet gateway.
    pub public: String,
    pub group: String,
    pub prefix_list: String,
    /// The policy that is to limit every role.
    pub boundary: String,
}

/// The tags by which a file can name the VPC and its private subnets.
pub const TAGS: &str = "existing: {vpc: {Name: company}, subnets: {tier: private}}";

fn spec(kind: ResourceType, name: &str, tier: &str) -> TagSpecification {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    TagSpecification::builder().resource_type(kind).tags(tag("Name", name)).tags(tag("tier", tier)).build()
}

/// Makes a managed policy, and gives its ARN.
pub fn policy(account: &Account, name: &str) -> String {
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let call = account.iam().create_policy().policy_name(name).path("/platform/").policy_document(document);
    wait(call.send()).policy.and_then(|policy| policy.arn).expect("an ARN")
}

impl Company {
    /// Makes the network in `region`, with the address blocks `10.SECOND.0.0/16`.
    pub fn make(account: &Account, region: &str, second: u8) -> Company {
        let ec2 = account.ec2(region);
        let vpc = ec2.create_vpc().cidr_block(format!("10.{second}.0.0/16"));
        let vpc = wait(vpc.tag_specifications(spec(ResourceType::Vpc, "company", "all")).send());
        let vpc = vpc.vpc.and_then(|vpc| vpc.vpc_id).expect("a VPC");
        let on = AttributeBooleanValue::builder().value(true).build();
        wait(ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on).send());
        let gateway = ec2.create_internet_gateway();
        let gateway = wait(gateway.tag_specifications(spec(ResourceType::InternetGateway, "company", "public")).send());
        let gateway = gateway.internet_gateway.and_then(|one| one.internet_gateway_id).expect("a gateway");
        wait(ec2.attach_internet_gateway().vpc_id(&vpc).internet_gateway_id(&gateway).send());
        let subnet = |number: u8, zone: char, tier: &str| {
            let call = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.{second}.{number}.0/24"));
            let call = call.availability_zone(format!("{region}{zone}"));
            let made = wait(call.tag_specifications(spec(ResourceType::Subnet, tier, tier)).send());
            made.subnet.and_then(|one| one.subnet_id).expect("a subnet")
        };
        let public = subnet(100, 'a', "public");
        let private: Vec<String> = ('a'..='c').zip(0..).map(|(zone, number)| subnet(number, zone, "private")).collect();
        let table = || {
            let made = wait(ec2.create_route_table().vpc_id(&vpc).send());
            made.route_table.and_then(|one| one.route_table_id).expect("a route table")
        };
        let out = || ec2.create_route().destination_cidr_block("0.0.0.0/0");
        let (of_public, of_private) = (table(), table());
        wait(out().route_table_id(&of_public).gateway_id(&gateway).send());
        wait(ec2.associate_route_table().route_table_id(&of_public).subnet_id(&public).send());
        let address = wait(ec2.allocate_address().domain(DomainType::Vpc).send()).allocation_id.expect("an address");
        let nat = wait(ec2.create_nat_gateway().subnet_id(&public).allocation_id(address).send());
        let nat = nat.nat_gateway.and_then(|one| one.nat_gateway_id).expect("a NAT gateway");
        crate::support::poll("a NAT gateway", std::time::Duration::from_secs(30), || {
            let answer = wait(ec2.describe_nat_gateways().nat_gateway_ids(&nat).send());
            let up = answer.nat_gateways().iter().any(|one| one.state() == Some(&NatGatewayState::Available));
            up.then_some(())
        });
        wait(out().route_table_id(&of_private).nat_gateway_id(nat).send());
        for subnet in &private {
            wait(ec2.associate_route_table().route_table_id(&of_private).subnet_id(subnet).send());
        }
        let group = ec2.create_security_group().vpc_id(&vpc).group_name("everywhere").description("the company's");
        let group = wait(group.send()).group_id.expect("a group");
        let endpoint = ec2.create_vpc_endpoint().vpc_id(&vpc).service_name(format!("com.amazonaws.{region}.ssm"));
        let endpoint = endpoint.vpc_endpoint_type(VpcEndpointType::Interface).set_subnet_ids(Some(private.clone()));
        wait(endpoint.security_group_ids(&group).private_dns_enabled(true).send());
        crate::support::poll("an endpoint", std::time::Duration::from_secs(30), || {
            let answer = wait(ec2.describe_vpc_endpoints().send());
            let state = |one: &VpcEndpoint| one.state().map(|state| state.as_str().to_lowercase());
            answer.vpc_endpoints().iter().all(|one| state(one).as_deref() == Some("available")).then_some(())
        });
        let list = ec2.create_managed_prefix_list().prefix_list_name("offices").address_family("IPv4").max_entries(5);
        let list = wait(list.send()).prefix_list.and_then(|one| one.prefix_list_id).expect("a prefix list");
        wait(ec2.create_network_interface().subnet_id(&private[0]).description("somebody's").send());
        Company {
            vpc,
            private,
            public,
            group,
            prefix_list: list,
            boundary: policy(account, &format!("boundary-{region}")),
        }
    }

    /// `stacks/existing-vpc.yaml` with the ids of this network in place of the example's.
    pub fn example(&self, account: &Account, edits: &[(&str, &str)]) -> String {
        let ids = [
            ("vpc-0d5e7c2f9a1b34680", self.vpc.as_str()),
            ("subnet-0a4f1c7e92b8d3561", &self.private[0]),
            ("subnet-0b7d3e9a15c2f8042", &self.private[1]),
            ("subnet-0c9e2f6b83d7a4150", &self.private[2]),
            ("pl-0f3a8c6d5e9b27104", &self.prefix_list),
            ("sg-0e6b4d8f2a7c91530", &self.group),
            ("sg-0a9c5e3b7d1f82460", &self.group),
            ("arn:aws:iam::123456789012:policy/platform/boundary", &self.boundary),
        ];
        account.write("existing-vpc", &[&ids, edits].concat())
    }
}

impl Look {
    /// All that kstack did not make, by id, with every attribute; but not how many addresses are free.
    pub fn others(&self) -> BTreeMap<String, String> {
        let ours: BTreeSet<&str> = self.addresses().into_keys().collect();
        let mut all: Vec<(Option<String>, String)> = Vec::new();
        all.extend(self.vpcs.iter().map(|one| (one.vpc_id.clone(), format!("{one:?}"))));
        all.extend(self.subnets.iter().map(|one| {
            let mut still = one.clone();
            still.available_ip_address_count = None;
            (one.subnet_id.clone(), format!("{still:?}"))
        }));
        all.extend(self.gateways.iter().map(|one| (one.internet_gateway_id.clone(), format!("{one:?}"))));
        let egress = self.egress_only.iter();
        all.extend(egress.map(|one| (one.egress_only_internet_gateway_id.clone(), format!("{one:?}"))));
        all.extend(self.tables.iter().map(|one| (one.route_table_id.clone(), format!("{one:?}"))));
        all.extend(self.nats.iter().map(|one| (one.nat_gateway_id.clone(), format!("{one:?}"))));
        all.extend(self.endpoints.iter().map(|one| (one.vpc_endpoint_id.clone(), format!("{one:?}"))));
        all.extend(self.groups.iter().map(|one| (one.group_id.clone(), format!("{one:?}"))));
        all.extend(self.flow_logs.iter().map(|one| (one.flow_log_id.clone(), format!("{one:?}"))));
        all.extend(self.addresses.iter().map(|one| (one.allocation_id.clone(), format!("{one:?}"))));
        all.extend(self.volumes.iter().map(|one| (one.volume_id.clone(), format!("{one:?}"))));
        all.extend(self.interfaces.iter().map(|one| (one.network_interface_id.clone(), format!("{one:?}"))));
        all.extend(self.placements.iter().map(|one| (one.group_id.clone(), format!("{one:?}"))));
        let ended = Some(&InstanceStateName::Terminated);
        let live = self.instances.iter().filter(|one| one.state().and_then(|state| state.name()) != ended);
        all.extend(live.map(|one| (one.instance_id.clone(), format!("{one:?}"))));
        all.extend(self.clusters.iter().map(|one| (one.cluster_arn.clone(), format!("{one:?}"))));
        all.extend(self.configurations.iter().map(|one| (one.arn.clone(), format!("{one:?}"))));
        all.extend(self.roles.iter().map(|one| (Some(one.role_name.clone()), format!("{one:?}"))));
        all.extend(self.profiles.iter().map(|one| (Some(one.instance_profile_name.clone()), format!("{one:?}"))));
        all.extend(self.parameters.iter().map(|one| (Some(one.clone()), String::new())));
        for (zone, tags, records) in &self.zones {
            let ours = zone.caller_reference().starts_with("kstack/");
            all.extend((!ours).then(|| (Some(zone.id().to_owned()), format!("{zone:?} {tags} {records:?}"))));
        }
        // A copy of an account has its own id.
        let named = all.into_iter().filter_map(|(id, text)| Some((id?, text.replace(&self.account, "ACCOUNT"))));
        named.filter(|(id, _)| !ours.contains(id.as_str())).collect()
    }

    /// Sees that what others had in `before` is there as it was.
    #[track_caller]
    pub fn assert_others_kept(&self, before: &BTreeMap<String, String>) {
        let now = self.others();
        for (id, text) in before {
            assert_eq!(now.get(id), Some(text), "{id} was touched");
        }
    }
}
