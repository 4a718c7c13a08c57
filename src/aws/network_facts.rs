//! What a file names of others' networks: the VPC, its subnets with their routes and addresses, endpoints, security groups, prefix
//! lists, gateways of its routes. Nothing is asked where the file names none; at most ten calls otherwise, in two rounds,
//! whatever is in the network.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    AttachmentStatus, AttributeBooleanValue, Filter, RouteState, RouteTable, Subnet, SubnetCidrBlockStateCode,
    SubnetIpv6CidrBlockAssociation, TransitGatewayAttachmentState, Vpc, VpcAttributeName, VpcCidrBlockStateCode,
    VpcEndpoint, VpcEndpointType, VpcIpv6CidrBlockAssociation, VpcPeeringConnectionStateReasonCode,
};
use ipnet::{Ipv4Net, Ipv6Net};

use super::{Clients, failed, tags_of};
use crate::error::StepError;
use kstack_core::design::{EndpointFacts, NetworkFacts, SubnetFacts, VpcFacts};
use kstack_core::model::tag;
use kstack_core::stack::{Existing, Peer, Stack, SubnetChoice, VpcChoice};

fn filter(name: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

/// A filter for each tag: the resource has them all.
fn tagged(tags: &BTreeMap<String, String>) -> Vec<Filter> {
    tags.iter().map(|(key, value)| filter(format!("tag:{key}"), [value])).collect()
}

impl Clients {
    /// The facts of what `stack` names of others' networks. An id that AWS does not know is absent.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn network_facts(&self, stack: &Stack) -> Result<NetworkFacts, StepError> {
        let network = async {
            match &stack.network.existing {
                Some(existing) => self.existing(existing, stack).await,
                None => Ok(NetworkFacts::default()),
            }
        };
        // On the heap: few stacks have it, and every command's stack would grow by it.
        let (network, groups, prefix_lists, gateways, hosted_zone) = tokio::try_join!(
            Box::pin(network),
            Box::pin(self.groups_of(stack)),
            Box::pin(self.prefix_lists_of(stack)),
            Box::pin(self.gateways_of(stack)),
            Box::pin(self.hosted_zone_of(stack))
        )?;
        Ok(NetworkFacts { groups, prefix_lists, gateways: Some(gateways), hosted_zone, ..network })
    }

    /// The VPC of a subnet; none where the subnet is not known.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn vpc_of_subnet(&self, subnet: &str) -> Result<Option<String>, StepError> {
        let all = self.subnets_by(vec![filter("subnet-id", [subnet])]).await?;
        Ok(all.first().and_then(|one| one.vpc_id()).map(str::to_owned))
    }

    /// The VPC `id` with all of its subnets and their routes; none where AWS does not know it.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn network_of(&self, id: &str) -> Result<Option<(VpcFacts, Vec<SubnetFacts>)>, StepError> {
        let by_id = filter("vpc-id", [id]);
        let vpcs = async {
            let call = self.ec2.describe_vpcs().filters(by_id.clone()).send();
            call.await.map_err(failed("DescribeVpcs")).map(|answer| answer.vpcs.unwrap_or_default())
        };
        let (vpcs, subnets, tables) = tokio::try_join!(vpcs, self.subnets_by(vec![by_id.clone()]), self.tables_in(id))?;
        let Some(vpc) = vpcs.first() else { return Ok(None) };
        let subnets = subnets.iter().map(|one| subnet(one, &tables, Vec::new())).collect();
        Ok(Some((vpc_facts(vpc), subnets)))
    }

    async fn existing(&self, existing: &Existing, stack: &Stack) -> Result<NetworkFacts, StepError> {
        let vpcs = self.vpcs_of(&existing.vpc);
        let (mut vpcs, subnets) = match &existing.subnets {
            SubnetChoice::Ids(ids) => {
                let by_id = vec![filter("subnet-id", ids.iter().map(|id| id.0.as_str()))];
                tokio::try_join!(vpcs, self.subnets_by(by_id))?
            }
            SubnetChoice::Tags(tags) => {
                let vpcs = vpcs.await?;
                // Only of the one VPC that is meant.
                let subnets = match &vpcs[..] {
                    [vpc] => {
                        let inside = std::iter::once(filter("vpc-id", [vpc.id.as_str()]));
                        self.subnets_by(inside.chain(tagged(tags)).collect()).await?
                    }
                    _ => Vec::new(),
                };
                (vpcs, subnets)
            }
        };
        let [vpc] = &mut vpcs[..] else { return Ok(NetworkFacts { vpcs, ..NetworkFacts::default() }) };
        let (dns_support, dns_hostnames, tables, endpoints, mut used, zones_of_vpc) = tokio::try_join!(
            self.vpc_attribute(&vpc.id, VpcAttributeName::EnableDnsSupport),
            self.vpc_attribute(&vpc.id, VpcAttributeName::EnableDnsHostnames),
            self.tables_in(&vpc.id),
            self.endpoints_in(&vpc.id, &stack.name),
            self.addresses_in(&vpc.id),
            self.zones_of_vpc(&vpc.id, stack)
        )?;
        (vpc.dns_support, vpc.dns_hostnames) = (dns_support, dns_hostnames);
        let subnets = subnets.into_iter().map(|one| {
            let used = used.remove(one.subnet_id().unwrap_or_default()).unwrap_or_default();
            subnet(&one, &tables, used)
        });
        Ok(NetworkFacts { subnets: subnets.collect(), vpcs, endpoints, zones_of_vpc, ..NetworkFacts::default() })
    }

    /// The VPCs that are meant, without their attributes.
    async fn vpcs_of(&self, choice: &VpcChoice) -> Result<Vec<VpcFacts>, StepError> {
        let filters = match choice {
            VpcChoice::Id(id) => vec![filter("vpc-id", [id.0.as_str()])],
            VpcChoice::Tags(tags) => tagged(tags),
        };
        let pages = self.ec2.describe_vpcs().set_filters(Some(filters)).max_results(1000).into_paginator().items();
        let vpcs = pages.send().collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeVpcs"))?;
        Ok(vpcs.iter().map(vpc_facts).collect())
    }

    async fn subnets_by(&self, filters: Vec<Filter>) -> Result<Vec<Subnet>, StepError> {
        let call = self.ec2.describe_subnets().set_filters(Some(filters)).max_results(1000);
        let all = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let mut all: Vec<Subnet> = all.map_err(failed("DescribeSubnets"))?;
        all.sort_by(|one, other| one.subnet_id().cmp(&other.subnet_id()));
        Ok(all)
    }

    async fn vpc_attribute(&self, vpc: &str, name: VpcAttributeName) -> Result<bool, StepError> {
        let call = self.ec2.describe_vpc_attribute().vpc_id(vpc).attribute(name);
        let answer = call.send().await.map_err(failed("DescribeVpcAttribute"))?;
        let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
        Ok(value.and_then(AttributeBooleanValue::value).unwrap_or_default())
    }

    async fn tables_in(&self, vpc: &str) -> Result<Vec<RouteTable>, StepError> {
        let pages = self.ec2.describe_route_tables().filters(filter("vpc-id", [vpc])).max_results(100).into_paginator();
        pages.items().send().collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeRouteTables"))
    }

    /// Endpoints that are there or come up, other than those of the stack.
    async fn endpoints_in(&self, vpc: &str, stack: &str) -> Result<Vec<EndpointFacts>, StepError> {
        let pages = self.ec2.describe_vpc_endpoints().filters(filter("vpc-id", [vpc])).max_results(1000);
        let all = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = all.map_err(failed("DescribeVpcEndpoints"))?;
        let own = |one: &VpcEndpoint| tags_of(Some(one.tags())).get(tag::STACK).is_some_and(|name| name == stack);
        let serves = |one: &VpcEndpoint| {
            let state = one.state().map(|state| state.as_str().to_lowercase()).unwrap_or_default();
            ["available", "pending", "pendingacceptance"].contains(&state.as_str())
        };
        let mut facts: Vec<EndpointFacts> = all.iter().filter(|one| serves(one) && !own(one)).map(endpoint).collect();
        facts.sort_by(|one, other| (&one.service, &one.route_tables).cmp(&(&other.service, &other.route_tables)));
        Ok(facts)
    }

    /// The addresses of all interfaces, and the blocks of addresses that they have, by subnet.
    async fn addresses_in(&self, vpc: &str) -> Result<BTreeMap<String, Vec<Ipv4Net>>, StepError> {
        let call = self.ec2.describe_network_interfaces().filters(filter("vpc-id", [vpc])).max_results(1000);
        let all = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let mut used: BTreeMap<String, Vec<Ipv4Net>> = BTreeMap::new();
        for interface in all.map_err(failed("DescribeNetworkInterfaces"))? {
            let listed = interface.private_ip_addresses().iter().filter_map(|one| one.private_ip_address());
            let addresses = interface.private_ip_address().into_iter().chain(listed);
            let addresses = addresses.filter_map(|text| Some(Ipv4Net::from(text.parse::<std::net::Ipv4Addr>().ok()?)));
            let prefixes = interface.ipv4_prefixes().iter().filter_map(|one| one.ipv4_prefix()?.parse().ok());
            let of = used.entry(interface.subnet_id().unwrap_or_default().to_owned()).or_default();
            of.extend(addresses.chain(prefixes));
        }
        for addresses in used.values_mut() {
            addresses.sort();
            addresses.dedup();
        }
        Ok(used)
    }

    /// The VPC of each security group of this account that the file names.
    async fn groups_of(&self, stack: &Stack) -> Result<BTreeMap<String, String>, StepError> {
        let own = stack.network.security_groups.iter().map(|id| id.0.as_str());
        let peers = stack.peers().filter_map(|peer| match peer {
            Peer::Group(id) if !id.contains('/') => Some(id.as_str()),
            _ => None,
        });
        let ids: Vec<&str> = own.chain(peers).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let call = self.ec2.describe_security_groups().filters(filter("group-id", ids)).max_results(1000);
        let all = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = all.map_err(failed("DescribeSecurityGroups"))?.into_iter();
        Ok(all.filter_map(|group| Some((group.group_id?, group.vpc_id?))).collect())
    }

    /// The VPCs that each gateway of the file's routes is attached to.
    async fn gateways_of(&self, stack: &Stack) -> Result<BTreeMap<String, BTreeSet<String>>, StepError> {
        let of = |prefix: &str| {
            let all = stack.network.routes.iter().map(|route| route.via.0.clone());
            all.filter(|via| via.starts_with(prefix)).collect::<BTreeSet<String>>()
        };
        let (transit, peerings, vpns) = tokio::try_join!(
            self.attached_to_transit(of("tgw-")),
            self.peered_by(of("pcx-")),
            self.attached_to_vpn(of("vgw-"))
        )?;
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (gateway, vpc) in transit.into_iter().chain(peerings).chain(vpns) {
            all.entry(gateway).or_default().insert(vpc);
        }
        Ok(all)
    }

    async fn attached_to_transit(&self, ids: BTreeSet<String>) -> Result<Vec<(String, String)>, StepError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.ec2.describe_transit_gateway_vpc_attachments().filters(filter("transit-gateway-id", ids));
        let pages = call.max_results(1000).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = pages.map_err(failed("DescribeTransitGatewayVpcAttachments"))?.into_iter();
        let up = all.filter(|one| one.state() == Some(&TransitGatewayAttachmentState::Available));
        Ok(up.filter_map(|one| Some((one.transit_gateway_id?, one.vpc_id?))).collect())
    }

    async fn peered_by(&self, ids: BTreeSet<String>) -> Result<Vec<(String, String)>, StepError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.ec2.describe_vpc_peering_connections().filters(filter("vpc-peering-connection-id", ids));
        let pages = call.max_results(1000).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = pages.map_err(failed("DescribeVpcPeeringConnections"))?.into_iter();
        let active = all.filter(|one| {
            let state = one.status().and_then(|status| status.code());
            state == Some(&VpcPeeringConnectionStateReasonCode::Active)
        });
        let both = active.flat_map(|one| {
            let id = one.vpc_peering_connection_id.unwrap_or_default();
            let sides = [one.requester_vpc_info, one.accepter_vpc_info].into_iter().flatten();
            sides.filter_map(move |side| Some((id.clone(), side.vpc_id?)))
        });
        Ok(both.collect())
    }

    async fn attached_to_vpn(&self, ids: BTreeSet<String>) -> Result<Vec<(String, String)>, StepError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.ec2.describe_vpn_gateways().filters(filter("vpn-gateway-id", ids));
        let answer = call.send().await.map_err(failed("DescribeVpnGateways"))?;
        let all = answer.vpn_gateways.unwrap_or_default().into_iter().flat_map(|gateway| {
            let id = gateway.vpn_gateway_id.unwrap_or_default();
            let attached = gateway.vpc_attachments.unwrap_or_default().into_iter();
            let attached = attached.filter(|one| one.state() == Some(&AttachmentStatus::Attached));
            attached.filter_map(move |one| Some((id.clone(), one.vpc_id?)))
        });
        Ok(all.collect())
    }

    /// The address family of each prefix list that the file names.
    async fn prefix_lists_of(&self, stack: &Stack) -> Result<BTreeMap<String, String>, StepError> {
        let ids: Vec<&str> = stack
            .peers()
            .filter_map(|peer| match peer {
                Peer::PrefixList(id) => Some(id.as_str()),
                _ => None,
            })
            .collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let call = self.ec2.describe_managed_prefix_lists().filters(filter("prefix-list-id", ids)).max_results(100);
        let all = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = all.map_err(failed("DescribeManagedPrefixLists"))?.into_iter();
        Ok(all.filter_map(|list| Some((list.prefix_list_id?, list.address_family?))).collect())
    }
}

fn endpoint(endpoint: &VpcEndpoint) -> EndpointFacts {
    let interface = endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Interface);
    let mut route_tables = endpoint.route_table_ids().to_vec();
    route_tables.sort();
    EndpointFacts {
        service: endpoint.service_name().unwrap_or_default().to_owned(),
        route_tables,
        private_dns: interface && endpoint.private_dns_enabled().unwrap_or_default(),
    }
}

fn subnet(subnet: &Subnet, tables: &[RouteTable], used: Vec<Ipv4Net>) -> SubnetFacts {
    let id = subnet.subnet_id().unwrap_or_default();
    let of = |table: &&RouteTable| table.associations().iter().any(|one| one.subnet_id() == Some(id));
    let main = |table: &&RouteTable| {
        let here = table.vpc_id() == subnet.vpc_id();
        here && table.associations().iter().any(|one| one.main().unwrap_or_default())
    };
    let table = tables.iter().find(of).or_else(|| tables.iter().find(main));
    SubnetFacts {
        id: id.to_owned(),
        vpc: subnet.vpc_id().unwrap_or_default().to_owned(),
        zone: subnet.availability_zone().unwrap_or_default().to_owned(),
        block: subnet.cidr_block().and_then(|block| block.parse().ok()),
        ipv6: ipv6_block(subnet),
        free: subnet.available_ip_address_count().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        used,
        route_table: table.and_then(|table| table.route_table_id()).unwrap_or_default().to_owned(),
        default_route: table.and_then(default_route),
    }
}

/// The IPv6 block that interfaces in the subnet have addresses of.
fn ipv6_block(subnet: &Subnet) -> Option<Ipv6Net> {
    let associated = |one: &&SubnetIpv6CidrBlockAssociation| {
        let state = one.ipv6_cidr_block_state().and_then(|state| state.state());
        state == Some(&SubnetCidrBlockStateCode::Associated)
    };
    subnet.ipv6_cidr_block_association_set().iter().find(associated)?.ipv6_cidr_block()?.parse().ok()
}

/// What the active route to everywhere leads to.
fn default_route(table: &RouteTable) -> Option<String> {
    let mut routes = table.routes().iter();
    let route = routes.find(|route| {
        route.destination_cidr_block() == Some("0.0.0.0/0") && route.state() != Some(&RouteState::Blackhole)
    })?;
    let targets = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.network_interface_id(),
        route.instance_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
    ];
    targets.into_iter().flatten().next().map(str::to_owned)
}

/// A VPC, without its attributes.
fn vpc_facts(vpc: &Vpc) -> VpcFacts {
    let associated = vpc.cidr_block_association_set().iter().filter(|one| {
        let state = one.cidr_block_state().and_then(|state| state.state());
        !matches!(state, Some(VpcCidrBlockStateCode::Disassociated | VpcCidrBlockStateCode::Failed))
    });
    let all = vpc.cidr_block().into_iter().chain(associated.filter_map(|one| one.cidr_block()));
    let mut blocks: Vec<Ipv4Net> = all.filter_map(|block| block.parse().ok()).collect();
    blocks.sort();
    blocks.dedup();
    let id = vpc.vpc_id().unwrap_or_default().to_owned();
    let has = |one: &VpcIpv6CidrBlockAssociation| {
        let state = one.ipv6_cidr_block_state().and_then(|state| state.state());
        matches!(state, Some(VpcCidrBlockStateCode::Associated | VpcCidrBlockStateCode::Associating))
    };
    let ipv6 = vpc.ipv6_cidr_block_association_set().iter().any(has);
    VpcFacts { id, blocks, dns_support: true, dns_hostnames: true, ipv6 }
}
