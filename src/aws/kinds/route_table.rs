//! Route tables with their routes and associations: one for all public subnets, one for each private subnet.

use super::no_id;
use crate::aws::{Aws, Class, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{Filter, ResourceType, Route as SdkRoute, RouteOrigin, RouteTable as SdkRouteTable};
use futures::future::try_join_all;
use kstack_core::kinds::RouteTable;
use kstack_core::kinds::route_table::{Route, marked, marks};
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::network::EVERYWHERE;
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use serde_json::Value;
use std::collections::BTreeSet;

/// The call `$call` about a route to `$to`.
macro_rules! to_where {
    ($call:expr, $to:expr) => {{
        let (call, to) = ($call, $to);
        match to {
            list if is_list(list) => call.destination_prefix_list_id(list),
            block if block.contains(':') => call.destination_ipv6_cidr_block(block),
            block => call.destination_cidr_block(block),
        }
    }};
}

impl Driver<Aws> for RouteTable {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeRouteTables")],
        create: &[
            call("CreateRouteTable"),
            call("DescribeRouteTables"),
            call("AssociateRouteTable"),
            call("ReplaceRouteTableAssociation"),
            call("CreateRoute"),
            call("ReplaceRoute"),
            call("CreateTags"),
        ],
        update: &[
            call("DescribeRouteTables"),
            call("AssociateRouteTable"),
            call("ReplaceRouteTableAssociation"),
            call("CreateRoute"),
            call("ReplaceRoute"),
            call("DeleteRoute"),
            call("CreateTags"),
            call("DeleteTags"),
        ],
        delete: &[call("DescribeRouteTables"), call("DisassociateRouteTable"), call("DeleteRouteTable")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_route_tables().filters(filter).max_results(100);
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeRouteTables"))
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|table| {
                let associations = table.associations().iter();
                let subnets =
                    associations.filter_map(|association| association.subnet_id()).map(|id| Ref::live(Some(id)));
                let tags = tags_of(table.tags.as_deref());
                let marks = marks(&tags);
                let spec = RouteTable {
                    vpc: Ref::live(table.vpc_id()),
                    subnets: subnets.collect(),
                    routes: table.routes().iter().filter_map(|route| own(route, &marks)).collect(),
                    others: Some(table.routes().iter().filter_map(|route| others(route, &marks)).collect()),
                    marks,
                };
                Found { id: table.route_table_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call =
            ctx.system.clients.ec2_no_retry.create_route_table().vpc_id(ctx.id(&self.vpc)?).client_token(ctx.token);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::RouteTable));
        let answer = call.send().await.map_err(failed("CreateRouteTable"))?;
        answer.route_table.and_then(|table| table.route_table_id).ok_or_else(|| no_id("CreateRouteTable"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        open(self, ctx, id).await
    }

    /// A subnet is never without a table of the stack's: the table that is to have it takes it from another. So only routes are
    /// ever taken away, and their marks after them.
    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        open(self, ctx, id).await?;
        for to in gone(changes, "routes", |route| route["to"].as_str()) {
            let call = ctx.system.clients.ec2.delete_route().route_table_id(id);
            let call = to_where!(call, to.as_str());
            call.send().await.map_err(failed("DeleteRoute")).or_gone()?;
        }
        if gone(changes, "marks", Value::as_str).is_empty() {
            return Ok(());
        }
        match &self.marks[..] {
            [] => ctx.retag_ec2(&[id], &Tags::new(), &[tag::ROUTES.to_owned()]).await,
            some => mark(ctx, id, some).await,
        }
    }

    /// AWS deletes the routes with their table, and no table that a subnet has.
    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let ec2 = &ctx.system.clients.ec2;
        let live = match describe(ctx, id).await {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            live => live?,
        };
        for key in live.associations().iter().filter(|one| one.subnet_id().is_some()) {
            let call =
                ec2.disassociate_route_table().association_id(key.route_table_association_id().unwrap_or_default());
            call.send().await.map_err(failed("DisassociateRouteTable")).or_gone()?;
        }
        ec2.delete_route_table().route_table_id(id).send().await.map_err(failed("DeleteRouteTable")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// What a route leads to; `None` where AWS names nothing.
fn target(route: &SdkRoute) -> Option<&str> {
    let all = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.network_interface_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.egress_only_internet_gateway_id(),
        route.instance_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
    ];
    all.into_iter().flatten().next()
}

/// Whether AWS made the route by itself from what a gateway of a VPN announces: no call takes it away. Source: EC2's API, `Route`.
fn is_propagated(route: &SdkRoute) -> bool {
    route.origin() == Some(&RouteOrigin::EnableVgwRoutePropagation)
}

/// Whether a destination is a prefix list.
fn is_list(to: &str) -> bool {
    to.starts_with("pl-")
}

/// Writes into the table's tag to which destinations its routes are the stack's.
async fn mark(ctx: &Ctx<'_, Aws>, id: &str, marks: &[String]) -> Result<(), StepError> {
    ctx.retag_ec2(&[id], &Tags::from([(tag::ROUTES.to_owned(), marked(marks))]), &[]).await
}

/// What of a list `changes` take away.
fn gone<'a>(changes: &'a [FieldChange], field: &str, name: fn(&'a Value) -> Option<&'a str>) -> Vec<String> {
    let names = |list: &'a Value| list.as_array().into_iter().flatten().filter_map(name);
    let of = changes.iter().filter(|change| change.field == field);
    of.flat_map(|change| names(&change.before).filter(|old| names(&change.after).all(|new| new != *old)))
        .map(str::to_owned)
        .collect()
}

/// Where a route leads to.
fn destination(route: &SdkRoute) -> Option<&str> {
    let blocks = route.destination_cidr_block().or(route.destination_ipv6_cidr_block());
    blocks.or(route.destination_prefix_list_id())
}

/// A route of the stack's own: to everywhere over IPv4, or to where a mark tells.
fn own(route: &SdkRoute, marks: &[String]) -> Option<Route> {
    let to = destination(route)?;
    if is_propagated(route) || (to != EVERYWHERE && !marks.iter().any(|mark| mark == to)) {
        return None;
    }
    Some(Route { to: to.to_owned(), via: Ref::live(target(route)) })
}

/// A route of others, in words: not the stack's, not the VPC's, and not one that a gateway endpoint has.
fn others(route: &SdkRoute, marks: &[String]) -> Option<String> {
    let via = target(route)?;
    let list = route.destination_prefix_list_id();
    let to = destination(route)?;
    let of_endpoint = list.is_some() && via.starts_with("vpce-");
    if own(route, marks).is_some() || via == "local" || of_endpoint {
        return None;
    }
    let propagated = if is_propagated(route) { ", propagated" } else { "" };
    Some(format!("the route to {to} by {via}{propagated}"))
}

/// The table as it is now. One that was just made may not be found yet.
async fn describe(ctx: &Ctx<'_, Aws>, id: &str) -> Result<SdkRouteTable, StepError> {
    let call = ctx.system.clients.ec2.describe_route_tables().route_table_ids(id);
    let answer = call.send().await.map_err(failed("DescribeRouteTables"))?;
    let table = answer.route_tables.unwrap_or_default().into_iter().next();
    table.ok_or_else(|| StepError::ended(format!("the route table {id} does not exist"), ""))
}

/// Makes the table's routes and associations, and leads its own route to where this one leads. The calls take no token: it looks
/// first. A route that is there already after all is an error, for which it looks again: it may lead elsewhere.
async fn open(table: &RouteTable, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let ec2 = &ctx.system.clients.ec2;
    let live = describe(ctx, id).await?;
    let wanted: BTreeSet<String> = ctx.all_ids(&table.subnets)?.into_iter().collect();
    let live_subnets: BTreeSet<&str> = live.associations().iter().filter_map(|one| one.subnet_id()).collect();
    let associate = async |subnet: &String| -> Result<(), StepError> {
        let call = ec2.associate_route_table().route_table_id(id).subnet_id(subnet);
        match call.send().await.map_err(failed("AssociateRouteTable")) {
            Err(error) if error.class() == Class::AlreadyDone => take(ctx, id, subnet).await?.ok_or(error),
            answer => answer.map(drop),
        }
    };
    let missing = wanted.iter().filter(|subnet| !live_subnets.contains(subnet.as_str()));
    tokio::try_join!(try_join_all(missing.map(associate)), lead(table, ctx, id, &live)).map(drop)
}

/// Makes the table's routes, or leads those of `live` to where they are to lead, with their marks before them.
async fn lead(table: &RouteTable, ctx: &Ctx<'_, Aws>, id: &str, live: &SdkRouteTable) -> Result<(), StepError> {
    let mut all = marks(&tags_of(live.tags.as_deref()));
    let known = all.len();
    all.extend(table.marks.iter().filter(|mark| !all.contains(mark)).cloned().collect::<Vec<_>>());
    if all.len() > known {
        mark(ctx, id, &all).await?;
    }
    let live_routes: Vec<Route> = live.routes().iter().filter_map(|route| own(route, &all)).collect();
    let made = table.routes.iter().map(async |new| {
        let via = ctx.id(&new.via)?;
        match live_routes.iter().find(|old| old.to == new.to) {
            Some(old) if old.via.id() == Some(via.as_str()) => Ok(()),
            Some(_) => replace_route(ctx, id, &new.to, via).await,
            None => create_route(ctx, id, &new.to, via).await,
        }
    });
    try_join_all(made).await.map(drop)
}

/// A call about the route to `$to` by `$via`: the kinds of gateways and destinations have members of their own.
macro_rules! by {
    ($call:expr, $to:expr, $via:expr) => {{
        let (to, via): (&str, String) = ($to, $via);
        let call = to_where!($call, to);
        match via.split('-').next() {
            Some("eigw") => call.egress_only_internet_gateway_id(via),
            Some("nat") => call.nat_gateway_id(via),
            Some("tgw") => call.transit_gateway_id(via),
            Some("pcx") => call.vpc_peering_connection_id(via),
            _ => call.gateway_id(via),
        }
    }};
}

async fn create_route(ctx: &Ctx<'_, Aws>, id: &str, to: &str, via: String) -> Result<(), StepError> {
    let call = by!(ctx.system.clients.ec2.create_route().route_table_id(id), to, via);
    call.send().await.map_err(failed("CreateRoute")).map(drop)
}

async fn replace_route(ctx: &Ctx<'_, Aws>, id: &str, to: &str, via: String) -> Result<(), StepError> {
    let call = by!(ctx.system.clients.ec2.replace_route().route_table_id(id), to, via);
    call.send().await.map_err(failed("ReplaceRoute")).map(drop)
}

/// Moves a subnet from the other table that has it to `id`; nothing when no other has it.
async fn take(ctx: &Ctx<'_, Aws>, id: &str, subnet: &str) -> Result<Option<()>, StepError> {
    let ec2 = &ctx.system.clients.ec2;
    let by = Filter::builder().name("association.subnet-id").values(subnet).build();
    let answer = ec2.describe_route_tables().filters(by).send().await.map_err(failed("DescribeRouteTables"))?;
    let others = answer.route_tables().iter().filter(|table| table.route_table_id() != Some(id));
    let mut all = others.flat_map(|table| table.associations()).filter(|one| one.subnet_id() == Some(subnet));
    let Some(key) = all.find_map(|one| one.route_table_association_id()) else { return Ok(None) };
    let call = ec2.replace_route_table_association().association_id(key).route_table_id(id);
    call.send().await.map_err(failed("ReplaceRouteTableAssociation"))?;
    Ok(Some(()))
}
