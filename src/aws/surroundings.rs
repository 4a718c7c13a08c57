//! What the VPCs of a stack hold, whoever made it, and which of its instances EC2 does not terminate: asked for all at once.
//!
//! Each is one describe filtered by the VPC, however much is there; but for termination protection, which DescribeInstances does
//! not show and DescribeInstanceAttribute tells of one instance only. A dry run of TerminateInstances with all ids would be one call,
//! and tells nothing: it checks permissions (API reference, DryRun), and a real one refuses by zone.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, InstanceAttributeName, SecurityGroup, VpcEndpoint};
use futures::FutureExt as _;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use kstack_core::kinds::Resource;
use kstack_core::observed::Found;
use kstack_core::surroundings::{Neighbour, Own, Surroundings};

use super::kinds::{found_endpoint, found_group};
use super::{Class, Clients, failed};
use crate::error::StepError;

/// How many instances are asked about at once.
const AT_ONCE: usize = 64;

/// What is in the VPCs of `own`, and which of its instances are protected against termination.
///
/// # Errors
/// The first call that failed for another reason than that it is not allowed.
pub async fn surroundings(clients: &Clients, own: &Own) -> Result<Surroundings, StepError> {
    let asked = own.instances.iter().map(|id| async move { (id, is_locked(clients, id).await) });
    let asked = stream::iter(asked).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let (all, asked) = futures::join!(neighbours(clients, own), asked);
    let mut all = all?;
    for (id, locked) in asked {
        if allowed("DescribeInstanceAttribute", locked, &mut all.denied)? == Some(true) {
            all.locked.insert(id.clone());
        }
    }
    Ok(all)
}

async fn is_locked(clients: &Clients, id: &str) -> Result<bool, StepError> {
    let call = clients.ec2.describe_instance_attribute().instance_id(id);
    let answer = call.attribute(InstanceAttributeName::DisableApiTermination).send().await;
    match answer.map_err(failed("DescribeInstanceAttribute")) {
        Ok(answer) => Ok(answer.disable_api_termination().and_then(|value| value.value()).unwrap_or_default()),
        Err(error) if error.class() == Class::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The answer, or nothing where the call is not allowed: that is noted.
fn allowed<T>(
    operation: &str,
    answer: Result<T, StepError>,
    denied: &mut BTreeSet<String>,
) -> Result<Option<T>, StepError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.class() == Class::Denied => {
            denied.insert(operation.to_owned());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What is in the VPCs of `own`.
///
/// # Errors
/// As [`surroundings`].
pub async fn neighbours(clients: &Clients, own: &Own) -> Result<Surroundings, StepError> {
    let mut all = Surroundings::default();
    if own.vpcs.is_empty() {
        return Ok(all);
    }
    let of = |name: &str| Filter::builder().name(name).set_values(Some(own.vpcs.clone())).build();
    let here = |vpc: Option<&str>| vpc.is_some_and(|vpc| own.vpcs.iter().any(|one| one == vpc));
    /// What an operation lists, each as `$of` has it.
    macro_rules! list {
        ($operation:literal, $call:expr, $of:expr) => {
            async {
                let items = $call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
                (
                    $operation,
                    items.map(|all| all.iter().filter_map($of).collect::<Vec<_>>()).map_err(failed($operation)),
                )
            }
        };
    }
    let ec2 = &clients.ec2;
    let interfaces = list!(
        "DescribeNetworkInterfaces",
        ec2.describe_network_interfaces().filters(of("vpc-id")),
        |one: &aws_sdk_ec2::types::NetworkInterface| {
            let groups = one.groups().iter().map(|group| group.group_id());
            let owner = one.requester_id().filter(|_| one.requester_managed() == Some(true)).or(one.owner_id());
            let instance = one.attachment().and_then(|attachment| attachment.instance_id());
            let instance = instance.map(|id| format!("of the instance {id}")).unwrap_or_default();
            let uses = groups.chain([one.vpc_id(), one.subnet_id()]);
            Some(neighbour(
                "network interface",
                one.network_interface_id(),
                owner,
                &[&instance, text(one.description())],
                uses,
            ))
        }
    );
    let endpoints = list!("DescribeVpcEndpoints", ec2.describe_vpc_endpoints().filters(of("vpc-id")), of_endpoint);
    let groups = list!("DescribeSecurityGroups", ec2.describe_security_groups().filters(of("vpc-id")), of_group);
    let gateways = list!(
        "DescribeInternetGateways",
        ec2.describe_internet_gateways().filters(of("attachment.vpc-id")),
        |one: &aws_sdk_ec2::types::InternetGateway| {
            let uses = one.attachments().iter().map(|place| place.vpc_id());
            Some(neighbour("internet gateway", one.internet_gateway_id(), one.owner_id(), &[], uses))
        }
    );
    let nats = list!(
        "DescribeNatGateways",
        ec2.describe_nat_gateways().filter(of("vpc-id")),
        |one: &aws_sdk_ec2::types::NatGateway| {
            let state = one.state().map(|state| state.as_str()).unwrap_or_default();
            let uses = [one.vpc_id(), one.subnet_id()];
            (!state.starts_with("delet") && state != "failed")
                .then(|| neighbour("NAT gateway", one.nat_gateway_id(), None, &[], uses))
        }
    );
    // The one describe without a filter for the VPC.
    let egress = list!(
        "DescribeEgressOnlyInternetGateways",
        ec2.describe_egress_only_internet_gateways(),
        |one: &aws_sdk_ec2::types::EgressOnlyInternetGateway| {
            let mut places = one.attachments().iter().map(|place| place.vpc_id());
            let place = places.find(|vpc| here(*vpc))?;
            let id = one.egress_only_internet_gateway_id();
            Some(neighbour("egress-only internet gateway", id, None, &[], [place]))
        }
    );
    let private = async {
        let answer = ec2.describe_vpn_gateways().filters(of("attachment.vpc-id")).send().await;
        let answer = answer.map_err(failed("DescribeVpnGateways"));
        let of_gateway = |one: &aws_sdk_ec2::types::VpnGateway| {
            let attached = one.vpc_attachments().iter().find(|place| {
                let state = place.state().map(|state| state.as_str());
                here(place.vpc_id()) && matches!(state, Some("attached" | "attaching"))
            })?;
            Some(neighbour("virtual private gateway", one.vpn_gateway_id(), None, &[], [attached.vpc_id()]))
        };
        (
            "DescribeVpnGateways",
            answer.map(|answer| answer.vpn_gateways().iter().filter_map(of_gateway).collect::<Vec<_>>()),
        )
    };
    let of_peering = |one: &aws_sdk_ec2::types::VpcPeeringConnection| {
        let state = one.status().and_then(|status| status.code()).map(|code| code.as_str()).unwrap_or_default();
        let sides = [one.requester_vpc_info(), one.accepter_vpc_info()].into_iter().flatten();
        let (mine, others): (Vec<_>, Vec<_>) = sides.partition(|side| here(side.vpc_id()));
        let other = others.first();
        let to = other.and_then(|side| side.vpc_id()).map(|vpc| format!("to {vpc}")).unwrap_or_default();
        let owner = other.and_then(|side| side.owner_id());
        let uses = mine.iter().map(|side| side.vpc_id());
        ["active", "provisioning"]
            .contains(&state)
            .then(|| neighbour("VPC peering connection", one.vpc_peering_connection_id(), owner, &[&to], uses))
    };
    let asking = list!(
        "DescribeVpcPeeringConnections",
        ec2.describe_vpc_peering_connections().filters(of("requester-vpc-info.vpc-id")),
        of_peering
    );
    let asked = list!(
        "DescribeVpcPeeringConnections",
        ec2.describe_vpc_peering_connections().filters(of("accepter-vpc-info.vpc-id")),
        of_peering
    );
    let transit = list!(
        "DescribeTransitGatewayVpcAttachments",
        ec2.describe_transit_gateway_vpc_attachments().filters(of("vpc-id")),
        |one: &aws_sdk_ec2::types::TransitGatewayVpcAttachment| {
            let state = one.state().map(|state| state.as_str()).unwrap_or_default();
            let ended = ["deleted", "deleting", "failed", "failing", "rejected", "rejecting"].contains(&state);
            let to = one.transit_gateway_id().map(|gateway| format!("to {gateway}")).unwrap_or_default();
            let uses = one.subnet_ids().iter().map(|id| Some(id.as_str())).chain([one.vpc_id()]);
            let id = one.transit_gateway_attachment_id();
            (!ended).then(|| neighbour("transit gateway attachment", id, one.vpc_owner_id(), &[&to], uses))
        }
    );
    let subnets =
        list!("DescribeSubnets", ec2.describe_subnets().filters(of("vpc-id")), |one: &aws_sdk_ec2::types::Subnet| {
            Some(neighbour("subnet", one.subnet_id(), one.owner_id(), &[text(one.cidr_block())], [one.vpc_id()]))
        });
    let tables = list!(
        "DescribeRouteTables",
        ec2.describe_route_tables().filters(of("vpc-id")),
        |one: &aws_sdk_ec2::types::RouteTable| {
            let main = one.associations().iter().any(|place| place.main() == Some(true));
            let uses = one.associations().iter().map(|place| place.subnet_id()).chain([one.vpc_id()]);
            (!main).then(|| neighbour("route table", one.route_table_id(), one.owner_id(), &[], uses))
        }
    );
    let acls = list!(
        "DescribeNetworkAcls",
        ec2.describe_network_acls().filters(of("vpc-id")),
        |one: &aws_sdk_ec2::types::NetworkAcl| {
            let own = one.is_default() == Some(true);
            (!own).then(|| neighbour("network ACL", one.network_acl_id(), one.owner_id(), &[], [one.vpc_id()]))
        }
    );
    let plain = [
        interfaces.boxed_local(),
        gateways.boxed_local(),
        nats.boxed_local(),
        egress.boxed_local(),
        private.boxed_local(),
        asking.boxed_local(),
        asked.boxed_local(),
        transit.boxed_local(),
        subnets.boxed_local(),
        tables.boxed_local(),
        acls.boxed_local(),
    ];
    let resources = [endpoints.boxed_local(), groups.boxed_local()];
    let (plain, resources) = tokio::join!(join_all(plain), join_all(resources));
    for (operation, list) in plain {
        all.neighbours.extend(allowed(operation, list, &mut all.denied)?.unwrap_or_default());
    }
    for (operation, list) in resources {
        let list: Vec<(Neighbour, Found<Resource>)> = allowed(operation, list, &mut all.denied)?.unwrap_or_default();
        for (one, found) in list {
            all.neighbours.push(one);
            all.found.push(found);
        }
    }
    // A peering between two VPCs of one stack is listed from both sides.
    all.neighbours.sort();
    all.neighbours.dedup();
    Ok(all)
}

fn text(value: Option<&str>) -> &str {
    value.unwrap_or_default()
}

fn neighbour<'a>(
    what: &str,
    id: Option<&str>,
    owner: Option<&str>,
    description: &[&str],
    uses: impl IntoIterator<Item = Option<&'a str>>,
) -> Neighbour {
    let description: Vec<&str> = description.iter().copied().filter(|part| !part.is_empty()).collect();
    Neighbour {
        what: what.to_owned(),
        id: text(id).to_owned(),
        owner: text(owner).to_owned(),
        description: description.join(": "),
        uses: uses.into_iter().flatten().map(str::to_owned).collect(),
    }
}

fn of_endpoint(one: &VpcEndpoint) -> Option<(Neighbour, Found<Resource>)> {
    let found = found_endpoint(one).erased();
    let ids = [one.subnet_ids(), one.route_table_ids()].into_iter().flatten().map(|id| Some(id.as_str()));
    let uses = ids.chain(one.groups().iter().map(|group| group.group_id())).chain([one.vpc_id()]);
    let shown = neighbour("VPC endpoint", one.vpc_endpoint_id(), one.owner_id(), &[text(one.service_name())], uses);
    (!found.terminated).then_some((shown, found))
}

/// Each VPC has a default group, which goes with it.
fn of_group(one: &SecurityGroup) -> Option<(Neighbour, Found<Resource>)> {
    let rules = one.ip_permissions().iter().chain(one.ip_permissions_egress());
    let named = rules.flat_map(|rule| rule.user_id_group_pairs()).map(|pair| pair.group_id());
    let words = [text(one.group_name()), text(one.description())];
    let shown = neighbour("security group", one.group_id(), one.owner_id(), &words, named.chain([one.vpc_id()]));
    (one.group_name() != Some("default")).then(|| (shown, found_group(one).erased()))
}
