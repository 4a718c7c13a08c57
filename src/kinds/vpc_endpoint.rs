//! VPC endpoints: S3 through a gateway endpoint, other services through interface endpoints in the public subnets.

use aws_sdk_ec2::types::{ResourceType, VpcEndpoint as Sdk, VpcEndpointType};
use serde::{Deserialize, Serialize};

use super::no_id;
use crate::aws::{Aws, Class, CloudError, Ctx, PATIENCE, cloud, tags_of};
use crate::design::Design;
use crate::resource::{Effect, FieldChange, Found, Kind, Ref};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VpcEndpoint {
    pub vpc: Ref,
    pub service: String,
    /// `Gateway` or `Interface`.
    pub kind: String,
    pub route_tables: Vec<Ref>,
    pub subnets: Vec<Ref>,
    pub security_groups: Vec<Ref>,
    /// Whether the service's public name leads to the endpoint; interface endpoints only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_dns: Option<bool>,
    /// `available`; `pending` while it comes up.
    pub state: String,
}

impl Kind for VpcEndpoint {
    const NAME: &'static str = "vpc_endpoint";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let network = &design.stack.network;
        let tables = design.zones.iter().map(|zone| Ref::to("route_table", &format!("private-{}", zone.key)));
        let subnets = design.zones.iter().map(|zone| Ref::to("subnet", &format!("public-{}", zone.key)));
        let endpoint = |name: &str| {
            let gateway = name == "s3";
            VpcEndpoint {
                vpc: Ref::to("vpc", "main"),
                service: format!("com.amazonaws.{}.{name}", design.stack.region),
                kind: if gateway { "Gateway" } else { "Interface" }.to_owned(),
                route_tables: if gateway { tables.clone().collect() } else { Vec::new() },
                subnets: if gateway { Vec::new() } else { subnets.clone().collect() },
                security_groups: if gateway { Vec::new() } else { vec![Ref::to("security_group", "endpoints")] },
                private_dns: (!gateway).then_some(true),
                state: "available".to_owned(),
            }
        };
        network.endpoints.iter().map(|name| (name.replace('.', "-"), endpoint(name))).collect()
    }

    fn effect(change: &FieldChange, _: bool) -> Effect {
        match change.field.as_str() {
            "vpc" | "service" | "kind" => Effect::Replace,
            _ => Effect::InPlace,
        }
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.endpoints.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .map(|endpoint| {
                let refs = |ids: &[String]| ids.iter().map(|id| Ref::live(Some(id))).collect();
                let groups = endpoint.groups().iter().filter_map(|group| group.group_id());
                let state = state(endpoint);
                let spec = VpcEndpoint {
                    vpc: Ref::live(endpoint.vpc_id()),
                    service: endpoint.service_name().unwrap_or_default().to_owned(),
                    kind: endpoint.vpc_endpoint_type().map(VpcEndpointType::as_str).unwrap_or_default().to_owned(),
                    route_tables: refs(endpoint.route_table_ids()),
                    subnets: refs(endpoint.subnet_ids()),
                    security_groups: groups.map(|id| Ref::live(Some(id))).collect(),
                    private_dns: endpoint.private_dns_enabled(),
                    state: state.clone(),
                };
                let ended = matches!(state.as_str(), "deleting" | "deleted" | "failed" | "rejected" | "expired");
                let id = endpoint.vpc_endpoint_id().unwrap_or_default().to_owned();
                Found { id, tags: tags_of(Some(endpoint.tags())), spec, ended }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let gateway = self.kind == "Gateway";
        let call = ctx.aws.clients.ec2_once.create_vpc_endpoint().vpc_id(ctx.id(&self.vpc)?).service_name(&self.service);
        let call = call.vpc_endpoint_type(VpcEndpointType::from(self.kind.as_str())).client_token(ctx.token);
        let call = call
            .set_route_table_ids(gateway.then_some(ctx.all_ids(&self.route_tables)?))
            .set_subnet_ids((!gateway).then_some(ctx.all_ids(&self.subnets)?))
            .set_security_group_ids((!gateway).then_some(ctx.all_ids(&self.security_groups)?))
            .set_private_dns_enabled(self.private_dns)
            .tag_specifications(ctx.tag_spec(ResourceType::VpcEndpoint));
        let answer = call.send().await.map_err(cloud("CreateVpcEndpoint"))?;
        answer.vpc_endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id).ok_or_else(|| no_id("CreateVpcEndpoint"))
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let ready = |all: &[Sdk]| {
            let Some(endpoint) = all.iter().find(|endpoint| endpoint.vpc_endpoint_id() == Some(id)) else { return Ok(None) };
            match state(endpoint).as_str() {
                "available" => Ok(Some(())),
                "failed" | "rejected" | "expired" => {
                    let why = endpoint.last_error().and_then(|error| error.message()).unwrap_or("AWS gives no reason");
                    Err(CloudError::own("CreateVpcEndpoint", format!("the endpoint {id} failed: {why}")))
                }
                _ => Ok(None),
            }
        };
        let what = format!("the endpoint {id} coming up");
        ctx.aws.endpoints.wait(&what, PATIENCE, || fetch(ctx.aws), ready).await
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        if changes.iter().any(|change| change.field != "state") {
            let ec2 = &ctx.aws.clients.ec2;
            let answer = ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send().await.map_err(cloud("DescribeVpcEndpoints"))?;
            let live = answer.vpc_endpoints().first().cloned().unwrap_or_else(|| Sdk::builder().build());
            let (tables, subnets, groups) =
                (ctx.all_ids(&self.route_tables)?, ctx.all_ids(&self.subnets)?, ctx.all_ids(&self.security_groups)?);
            let live_groups: Vec<String> = live.groups().iter().filter_map(|group| group.group_id()).map(str::to_owned).collect();
            let (add_tables, remove_tables) = differences(&tables, live.route_table_ids());
            let (add_subnets, remove_subnets) = differences(&subnets, live.subnet_ids());
            let (add_groups, remove_groups) = differences(&groups, &live_groups);
            let call = ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
            let call = call.set_add_route_table_ids(add_tables).set_remove_route_table_ids(remove_tables);
            let call = call.set_add_subnet_ids(add_subnets).set_remove_subnet_ids(remove_subnets);
            let call = call.set_add_security_group_ids(add_groups).set_remove_security_group_ids(remove_groups);
            let call = call.set_private_dns_enabled(self.private_dns);
            call.send().await.map_err(cloud("ModifyVpcEndpoint"))?;
        }
        self.settle(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id);
        let answer = call.send().await.map_err(cloud("DeleteVpcEndpoints"))?;
        // This call answers with success and a list of what it did not do.
        if let Some(error) = answer.unsuccessful().iter().find_map(|item| item.error()) {
            let code = error.code().unwrap_or_default();
            if !code.ends_with(".NotFound") {
                let message = error.message().unwrap_or("AWS gives no reason").to_owned();
                let class = if code == "DependencyViolation" { Class::InUse } else { Class::Other };
                let operation = "DeleteVpcEndpoints".to_owned();
                return Err(CloudError { operation, code: Some(code.to_owned()), message, request_id: None, class });
            }
        }
        // Its interfaces hold subnets and groups until it is gone.
        let gone = |all: &[Sdk]| {
            let mut left = all.iter().filter(|endpoint| endpoint.vpc_endpoint_id() == Some(id));
            Ok(left.all(|endpoint| state(endpoint) == "deleted").then_some(()))
        };
        let what = format!("the endpoint {id} going");
        ctx.aws.endpoints.wait(&what, PATIENCE, || fetch(ctx.aws), gone).await
    }
}

/// The state in lower case: EC2 answers `available` for interface endpoints and `Available` for others at times.
fn state(endpoint: &Sdk) -> String {
    endpoint.state().map(|state| state.as_str().to_lowercase()).unwrap_or_default()
}

/// What to add to `live` and what to remove, `None` for nothing.
fn differences(wanted: &[String], live: &[String]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let missing = |from: &[String], of: &[String]| {
        let list: Vec<String> = of.iter().filter(|id| !from.contains(id)).cloned().collect();
        (!list.is_empty()).then_some(list)
    };
    (missing(live, wanted), missing(wanted, live))
}

async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, CloudError> {
    let pages = aws.clients.ec2.describe_vpc_endpoints().filters(aws.mine()).max_results(1000).into_paginator().items();
    pages.send().collect::<Result<Vec<_>, _>>().await.map_err(cloud("DescribeVpcEndpoints"))
}
