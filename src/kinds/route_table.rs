//! Route tables with their routes and associations: one for all public subnets, one for each private subnet.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, ResourceType, Route as SdkRoute};
use serde::{Deserialize, Serialize};

use super::elastic_ip::nat_zones;
use super::{NEW_STACK, fixed, no_id};
use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteTable {
    pub vpc: Ref,
    pub subnets: Vec<Ref>,
    pub routes: Vec<Route>,
}

/// A route of the table, other than the VPC's own and those of gateway endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    pub to: String,
    pub via: Ref,
}

const EVERYWHERE: &str = "0.0.0.0/0";

impl Kind for RouteTable {
    const NAME: &'static str = "route_table";
    const FREE: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let table = |subnets: Vec<Ref>, via: Option<Ref>| RouteTable {
            vpc: Ref::to("vpc", "main"),
            subnets,
            routes: via.map(|via| Route { to: EVERYWHERE.to_owned(), via }).into_iter().collect(),
        };
        let public = design.zones.iter().map(|zone| Ref::to("subnet", &format!("public-{}", zone.key))).collect();
        let mut tables = vec![("public".to_owned(), table(public, Some(Ref::to("internet_gateway", "main"))))];
        let gateways = nat_zones(design);
        for zone in &design.zones {
            let subnets = vec![Ref::to("subnet", &format!("private-{}", zone.key))];
            let gateway = gateways.iter().find(|key| **key == zone.key).or(gateways.first());
            let via = gateway.map(|key| Ref::to("nat_gateway", key));
            tables.push((format!("private-{}", zone.key), table(subnets, via)));
        }
        tables
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        match change.field.as_str() {
            "vpc" => fixed("a route table's VPC", NEW_STACK),
            _ => Effect::InPlace,
        }
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let call = aws.clients.ec2.describe_route_tables().filters(aws.mine()).max_results(100);
        let pages = call.into_paginator().items().send();
        let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeRouteTables"))?;
        Ok(all
            .into_iter()
            .map(|table| {
                let associations = table.associations().iter();
                let subnets = associations.filter_map(|association| association.subnet_id()).map(|id| Ref::live(Some(id)));
                let spec = RouteTable {
                    vpc: Ref::live(table.vpc_id()),
                    subnets: subnets.collect(),
                    routes: table.routes().iter().filter_map(route).collect(),
                };
                let tags = tags_of(table.tags.as_deref());
                Found { id: table.route_table_id.unwrap_or_default(), tags, spec, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.ec2_once.create_route_table().vpc_id(ctx.id(&self.vpc)?).client_token(ctx.token);
        let call = call.tag_specifications(ctx.tag_spec(ResourceType::RouteTable));
        let answer = call.send().await.map_err(cloud("CreateRouteTable"))?;
        answer.route_table.and_then(|table| table.route_table_id).ok_or_else(|| no_id("CreateRouteTable"))
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        self.bring(ctx, id).await
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        self.bring(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let empty = RouteTable { vpc: self.vpc.clone(), subnets: Vec::new(), routes: Vec::new() };
        empty.bring(ctx, id).await.or_gone()?;
        let call = ctx.aws.clients.ec2.delete_route_table().route_table_id(id);
        call.send().await.map_err(cloud("DeleteRouteTable")).or_gone()
    }
}

/// A route that the table's owner made: not the VPC's own, not one that a gateway endpoint added.
fn route(route: &SdkRoute) -> Option<Route> {
    let to = route.destination_cidr_block()?;
    let gateway = route.gateway_id().filter(|id| *id != "local" && !id.starts_with("vpce-"));
    let others = [route.nat_gateway_id(), route.network_interface_id(), route.transit_gateway_id(), route.vpc_peering_connection_id()];
    let via = gateway.or_else(|| others.into_iter().flatten().next())?;
    Some(Route { to: to.to_owned(), via: Ref::live(Some(via)) })
}

impl RouteTable {
    /// Makes and removes routes and associations until the live table is this one. The calls take no token: it looks first. A
    /// route that is there already after all is an error, for which it looks again: it may lead elsewhere.
    async fn bring(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let ec2 = &ctx.aws.clients.ec2;
        let answer = ec2.describe_route_tables().route_table_ids(id).send().await.map_err(cloud("DescribeRouteTables"))?;
        let live = answer.route_tables().first().ok_or_else(|| CloudError::own("update", format!("{id} is not there")))?;
        let wanted: BTreeSet<String> = ctx.all_ids(&self.subnets)?.into_iter().collect();
        for association in live.associations() {
            let (Some(subnet), Some(key)) = (association.subnet_id(), association.route_table_association_id()) else { continue };
            if !wanted.contains(subnet) {
                let call = ec2.disassociate_route_table().association_id(key);
                call.send().await.map_err(cloud("DisassociateRouteTable")).or_gone()?;
            }
        }
        let live_subnets: BTreeSet<&str> = live.associations().iter().filter_map(|one| one.subnet_id()).collect();
        for subnet in wanted.iter().filter(|subnet| !live_subnets.contains(subnet.as_str())) {
            let call = ec2.associate_route_table().route_table_id(id).subnet_id(subnet);
            match call.send().await.map_err(cloud("AssociateRouteTable")) {
                Err(error) if error.class == Class::AlreadyDone => take(ctx, id, subnet).await?.ok_or(error)?,
                answer => drop(answer?),
            }
        }
        let live_routes: Vec<Route> = live.routes().iter().filter_map(route).collect();
        for old in live_routes.iter().filter(|old| self.routes.iter().all(|new| new.to != old.to)) {
            let call = ec2.delete_route().route_table_id(id).destination_cidr_block(&old.to);
            call.send().await.map_err(cloud("DeleteRoute")).or_gone()?;
        }
        for new in &self.routes {
            let via = ctx.id(&new.via)?;
            match live_routes.iter().find(|old| old.to == new.to) {
                Some(old) if old.via.0 == via => {}
                Some(_) => {
                    let call = ec2.replace_route().route_table_id(id).destination_cidr_block(&new.to);
                    let call = if via.starts_with("nat-") { call.nat_gateway_id(via) } else { call.gateway_id(via) };
                    call.send().await.map_err(cloud("ReplaceRoute"))?;
                }
                None => {
                    let call = ec2.create_route().route_table_id(id).destination_cidr_block(&new.to);
                    let call = if via.starts_with("nat-") { call.nat_gateway_id(via) } else { call.gateway_id(via) };
                    call.send().await.map_err(cloud("CreateRoute"))?;
                }
            }
        }
        Ok(())
    }
}

/// Moves a subnet from the other table that has it to `id`; nothing when no other has it.
async fn take(ctx: &Ctx<'_>, id: &str, subnet: &str) -> Result<Option<()>, CloudError> {
    let ec2 = &ctx.aws.clients.ec2;
    let by = Filter::builder().name("association.subnet-id").values(subnet).build();
    let answer = ec2.describe_route_tables().filters(by).send().await.map_err(cloud("DescribeRouteTables"))?;
    let others = answer.route_tables().iter().filter(|table| table.route_table_id() != Some(id));
    let mut all = others.flat_map(|table| table.associations()).filter(|one| one.subnet_id() == Some(subnet));
    let Some(key) = all.find_map(|one| one.route_table_association_id()) else { return Ok(None) };
    let call = ec2.replace_route_table_association().association_id(key).route_table_id(id);
    call.send().await.map_err(cloud("ReplaceRouteTableAssociation"))?;
    Ok(Some(()))
}
