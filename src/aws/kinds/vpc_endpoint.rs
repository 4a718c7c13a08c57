//! VPC endpoints: S3 through a gateway endpoint, other services through interface endpoints in the public subnets.

use super::no_id;
use crate::aws::{Aws, Class, CloudError, READY_TIMEOUT, Snapshot, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{Filter, ResourceType, VpcEndpoint as Sdk, VpcEndpointType};
use kstack_core::kinds::VpcEndpoint;
use kstack_core::kinds::vpc_endpoint::{ASKED, policy_text};
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for VpcEndpoint {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeVpcEndpoints")],
        create: &[call("CreateVpcEndpoint"), call("DescribeVpcEndpoints")],
        update: &[call("DescribeVpcEndpoints"), call("ModifyVpcEndpoint")],
        delete: &[call("DeleteVpcEndpoints"), call("DescribeVpcEndpoints")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.endpoints.since(aws.round(), || fetch(aws)).await?;
        Ok(all.iter().map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let gateway = self.kind == "Gateway";
        let call = ctx
            .system
            .clients
            .ec2_no_retry
            .create_vpc_endpoint()
            .vpc_id(ctx.id(&self.vpc)?)
            .service_name(&self.service);
        let call = call.vpc_endpoint_type(VpcEndpointType::from(self.kind.as_str())).client_token(ctx.token);
        let call = call
            .set_route_table_ids(gateway.then_some(ctx.all_ids(&self.route_tables)?))
            .set_subnet_ids((!gateway).then_some(ctx.all_ids(&self.subnets)?))
            .set_security_group_ids((!gateway).then_some(ctx.all_ids(&self.security_groups)?))
            .set_policy_document(self.policy.clone())
            .set_private_dns_enabled(self.private_dns)
            .tag_specifications(ctx.tag_spec(ResourceType::VpcEndpoint));
        let answer = call.send().await.map_err(failed("CreateVpcEndpoint"))?;
        answer.vpc_endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id).ok_or_else(|| no_id("CreateVpcEndpoint"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let ready = |all: &[Sdk]| {
            let Some(endpoint) = all.iter().find(|endpoint| endpoint.vpc_endpoint_id() == Some(id)) else {
                return Ok(None);
            };
            match state(endpoint).as_str() {
                "available" => Ok(Some(())),
                // Somebody else says when it goes on.
                ASKED => {
                    (ctx.progress)(format!("{id} waits until the owner of {} accepts it", self.service));
                    Ok(Some(()))
                }
                "failed" | "rejected" | "expired" => {
                    let why = endpoint.last_error().and_then(|error| error.message()).unwrap_or("AWS gives no reason");
                    Err(StepError::ended(format!("the endpoint {id} failed"), why))
                }
                _ => Ok(None),
            }
        };
        let what = format!("the creation of the endpoint {id}");
        ctx.system.endpoints.wait(&what, READY_TIMEOUT, || fetch(ctx.system), ready).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        if changes.iter().any(|change| change.field != "state") {
            let ec2 = &ctx.system.clients.ec2;
            let answer = ec2
                .describe_vpc_endpoints()
                .vpc_endpoint_ids(id)
                .send()
                .await
                .map_err(failed("DescribeVpcEndpoints"))?;
            let live = answer.vpc_endpoints().first().cloned().unwrap_or_else(|| Sdk::builder().build());
            let (tables, subnets, groups) =
                (ctx.all_ids(&self.route_tables)?, ctx.all_ids(&self.subnets)?, ctx.all_ids(&self.security_groups)?);
            let live_groups: Vec<String> =
                live.groups().iter().filter_map(|group| group.group_id()).map(str::to_owned).collect();
            let (add_tables, remove_tables) = differences(&tables, live.route_table_ids());
            let (add_subnets, remove_subnets) = differences(&subnets, live.subnet_ids());
            let (add_groups, remove_groups) = differences(&groups, &live_groups);
            let call = ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
            let call = call.set_add_route_table_ids(add_tables).set_remove_route_table_ids(remove_tables);
            let call = call.set_add_subnet_ids(add_subnets).set_remove_subnet_ids(remove_subnets);
            let call = call.set_add_security_group_ids(add_groups).set_remove_security_group_ids(remove_groups);
            let call = call.set_private_dns_enabled(self.private_dns);
            let policy = changes.iter().any(|change| change.field == "policy").then(|| self.policy.clone()).flatten();
            let call = call.set_policy_document(policy);
            call.send().await.map_err(failed("ModifyVpcEndpoint"))?;
        }
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id);
        let answer = call.send().await.map_err(failed("DeleteVpcEndpoints"))?;
        // This call answers with success and a list of what it did not do.
        if let Some(error) = answer.unsuccessful().iter().find_map(|item| item.error()) {
            let code = error.code().unwrap_or_default();
            if !code.ends_with(".NotFound") {
                let message = error.message().unwrap_or("AWS gives no reason").to_owned();
                let class = if code == "DependencyViolation" { Class::InUse } else { Class::Other };
                let operation = "DeleteVpcEndpoints".to_owned();
                return Err(
                    CloudError { operation, code: Some(code.to_owned()), message, request_id: None, class }.into()
                );
            }
        }
        // Its interfaces hold subnets and groups until it is gone. One that kstack did not make has no tag to find it by.
        let gone = |all: &[Sdk]| {
            let mut left = all.iter().filter(|endpoint| endpoint.vpc_endpoint_id() == Some(id));
            Ok(left.all(|endpoint| state(endpoint) == "deleted").then_some(()))
        };
        let what = format!("the endpoint {id} going");
        if ctx.tags.contains_key(tag::STACK) {
            return ctx.system.endpoints.wait(&what, READY_TIMEOUT, || fetch(ctx.system), gone).await;
        }
        let one = || fetch_by(ctx.system, Filter::builder().name("vpc-endpoint-id").values(id).build());
        Snapshot::default().wait(&what, READY_TIMEOUT, one, gone).await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

fn policy_text_of(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |document| policy_text(&document))
}

/// The endpoint as a discovery finds it.
pub fn found(endpoint: &Sdk) -> Found<VpcEndpoint> {
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
        policy: endpoint.policy_document().map(policy_text_of),
        private_dns: endpoint.private_dns_enabled(),
        state: state.clone(),
    };
    let terminated = matches!(state.as_str(), "deleting" | "deleted");
    let id = endpoint.vpc_endpoint_id().unwrap_or_default().to_owned();
    Found { id, tags: tags_of(Some(endpoint.tags())), spec, terminated }
}

/// The state in lower case: EC2 answers `available` for interface endpoints and `Available` for others at times.
pub(super) fn state(endpoint: &Sdk) -> String {
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

pub(super) async fn fetch(aws: &Aws) -> Result<Vec<Sdk>, StepError> {
    aws.listed(|one: &Sdk| one.tags(), |filter| fetch_by(aws, filter)).await
}

async fn fetch_by(aws: &Aws, filter: Filter) -> Result<Vec<Sdk>, StepError> {
    let pages = aws.clients.ec2.describe_vpc_endpoints().filters(filter).max_results(1000).into_paginator().items();
    pages.send().collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeVpcEndpoints"))
}
