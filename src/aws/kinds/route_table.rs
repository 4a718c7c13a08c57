//! Route tables with their routes and associations: one for all public subnets, one for each private subnet.

use super::no_id;
use crate::aws::{Aws, Class, Done, failed, tags_of};
use crate::driver::{Ctx, Driver};
use crate::error::StepError;
use aws_sdk_ec2::types::{Filter, ResourceType, Route as SdkRoute};
use kstack_core::kinds::RouteTable;
use kstack_core::kinds::route_table::Route;
use kstack_core::model::Tags;
use kstack_core::model::{FieldChange, Ref};
use kstack_core::observed::Found;
use std::collections::BTreeSet;

impl Driver<Aws> for RouteTable {
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let call = aws.clients.ec2.describe_route_tables().filters(aws.mine()).max_results(100);
        let pages = call.into_paginator().items().send();
        let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeRouteTables"))?;
        Ok(all
            .into_iter()
            .map(|table| {
                let associations = table.associations().iter();
                let subnets =
                    associations.filter_map(|association| association.subnet_id()).map(|id| Ref::live(Some(id)));
                let spec = RouteTable {
                    vpc: Ref::live(table.vpc_id()),
                    subnets: subnets.collect(),
                    routes: table.routes().iter().filter_map(route).collect(),
                };
                let tags = tags_of(table.tags.as_deref());
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
        bring(self, ctx, id).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        bring(self, ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let empty = RouteTable { vpc: self.vpc.clone(), subnets: Vec::new(), routes: Vec::new() };
        bring(&empty, ctx, id).await.or_gone()?;
        let call = ctx.system.clients.ec2.delete_route_table().route_table_id(id);
        call.send().await.map_err(failed("DeleteRouteTable")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// A route that the table's owner made: not the VPC's own, not one that a gateway endpoint added.
fn route(route: &SdkRoute) -> Option<Route> {
    let to = route.destination_cidr_block()?;
    let gateway = route.gateway_id().filter(|id| *id != "local" && !id.starts_with("vpce-"));
    let others = [
        route.nat_gateway_id(),
        route.network_interface_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
    ];
    let via = gateway.or_else(|| others.into_iter().flatten().next())?;
    Some(Route { to: to.to_owned(), via: Ref::live(Some(via)) })
}

/// Makes and removes routes and associations until the live table is this one. The calls take no token: it looks first. A
/// route that is there already after all is an error, for which it looks again: it may lead elsewhere.
async fn bring(table: &RouteTable, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let ec2 = &ctx.system.clients.ec2;
    let answer = ec2.describe_route_tables().route_table_ids(id).send().await.map_err(failed("DescribeRouteTables"))?;
    let live = answer
        .route_tables()
        .first()
        .ok_or_else(|| StepError::ended(format!("the route table {id} does not exist"), ""))?;
    let wanted: BTreeSet<String> = ctx.all_ids(&table.subnets)?.into_iter().collect();
    for association in live.associations() {
        let (Some(subnet), Some(key)) = (association.subnet_id(), association.route_table_association_id()) else {
            continue;
        };
        if !wanted.contains(subnet) {
            let call = ec2.disassociate_route_table().association_id(key);
            call.send().await.map_err(failed("DisassociateRouteTable")).or_gone()?;
        }
    }
    let live_subnets: BTreeSet<&str> = live.associations().iter().filter_map(|one| one.subnet_id()).collect();
    for subnet in wanted.iter().filter(|subnet| !live_subnets.contains(subnet.as_str())) {
        let call = ec2.associate_route_table().route_table_id(id).subnet_id(subnet);
        match call.send().await.map_err(failed("AssociateRouteTable")) {
            Err(error) if error.class() == Class::AlreadyDone => take(ctx, id, subnet).await?.ok_or(error)?,
            answer => drop(answer?),
        }
    }
    let live_routes: Vec<Route> = live.routes().iter().filter_map(route).collect();
    for old in live_routes.iter().filter(|old| table.routes.iter().all(|new| new.to != old.to)) {
        let call = ec2.delete_route().route_table_id(id).destination_cidr_block(&old.to);
        call.send().await.map_err(failed("DeleteRoute")).or_gone()?;
    }
    for new in &table.routes {
        let via = ctx.id(&new.via)?;
        match live_routes.iter().find(|old| old.to == new.to) {
            Some(old) if old.via.id() == Some(via.as_str()) => {}
            Some(_) => {
                let call = ec2.replace_route().route_table_id(id).destination_cidr_block(&new.to);
                let call = if via.starts_with("nat-") { call.nat_gateway_id(via) } else { call.gateway_id(via) };
                call.send().await.map_err(failed("ReplaceRoute"))?;
            }
            None => {
                let call = ec2.create_route().route_table_id(id).destination_cidr_block(&new.to);
                let call = if via.starts_with("nat-") { call.nat_gateway_id(via) } else { call.gateway_id(via) };
                call.send().await.map_err(failed("CreateRoute"))?;
            }
        }
    }
    Ok(())
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
