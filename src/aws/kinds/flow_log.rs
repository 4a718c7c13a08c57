//! VPC flow logs: what the VPC's interfaces send and receive, as records in a bucket or a log group. Into a bucket AWS delivers them with the
//! bucket's own policy, to which it adds what it needs where it may (VPC user guide, "Amazon S3 bucket permissions for flow logs"); into a
//! log group by a role.

use std::time::{Duration, Instant};

use super::no_id;
use crate::aws::{Aws, Class, CloudError, Done, failed, jitter, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{
    FlowLog as Listed, FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType, UnsuccessfulItem,
};
use kstack_core::kinds::FlowLog;
use kstack_core::kinds::log_group::{beside, name_of};
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

/// How long a new role may take to reach who delivers flow logs: IAM gives no way to ask.
const ROLE_LAG: Duration = Duration::from_secs(30);
/// EC2's code for a role that can't be taken, and for every other parameter that it can't use.
const NOT_A_PARAMETER: &str = "InvalidParameter";

impl Driver<Aws> for FlowLog {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeFlowLogs")],
        create: &[call("CreateFlowLogs")],
        update: &[],
        delete: &[call("DeleteFlowLogs")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let list = |filter| async {
            let call = aws.clients.ec2.describe_flow_logs().filter(filter).max_results(1000);
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeFlowLogs"))
        };
        let all = aws.listed(|one| one.tags(), list).await?;
        Ok(all
            .into_iter()
            .map(|log| {
                let (destination, role) = (destination(aws, &log), Ref::live(log.deliver_logs_permission_arn()));
                let spec = FlowLog { vpc: Ref::live(log.resource_id()), destination, role };
                let tags = tags_of(log.tags.as_deref());
                Found { id: log.flow_log_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let start = Instant::now();
        loop {
            match create(self, ctx).await {
                Err(error)
                    if error.code() == Some(NOT_A_PARAMETER)
                        && self.role != Ref::None
                        && start.elapsed() < ROLE_LAG =>
                {
                    tokio::time::sleep(jitter(Duration::from_secs(2))).await;
                }
                answer => return answer,
            }
        }
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        Ok(()) // Every change is a replacement.
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ec2.delete_flow_logs().flow_log_ids(id);
        let answer = call.send().await.map_err(failed("DeleteFlowLogs"));
        answer.and_then(|answer| done("DeleteFlowLogs", answer.unsuccessful())).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// Where a live flow log delivers to: a log group by its ARN, in the account of the role that writes to it.
fn destination(aws: &Aws, log: &Listed) -> Ref {
    let role = log.deliver_logs_permission_arn().unwrap_or_default();
    match log.log_destination_type() {
        Some(LogDestinationType::CloudWatchLogs) => beside(role, &aws.clients.region, log.log_group_name()),
        _ => Ref::live(log.log_destination()),
    }
}

async fn create(log: &FlowLog, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
    let call = ctx.system.clients.ec2_no_retry.create_flow_logs().client_token(ctx.token);
    let call = call.resource_type(FlowLogsResourceType::Vpc).resource_ids(ctx.id(&log.vpc)?);
    let call = call.traffic_type(TrafficType::All).tag_specifications(ctx.tag_spec(ResourceType::VpcFlowLog));
    let (destination, role) = (ctx.id(&log.destination)?, ctx.id(&log.role)?);
    let call = match name_of(&destination) {
        None => call.log_destination_type(LogDestinationType::S3).log_destination(destination),
        Some(name) => {
            let call = call.log_destination_type(LogDestinationType::CloudWatchLogs).log_group_name(name);
            call.deliver_logs_permission_arn(role)
        }
    };
    let answer = call.send().await.map_err(failed("CreateFlowLogs"))?;
    done("CreateFlowLogs", answer.unsuccessful())?;
    answer.flow_log_ids().first().cloned().ok_or_else(|| no_id("CreateFlowLogs"))
}

/// These calls answer with success and a list of what they did not do.
fn done(operation: &str, unsuccessful: &[UnsuccessfulItem]) -> Result<(), StepError> {
    let Some(error) = unsuccessful.iter().find_map(|item| item.error()) else { return Ok(()) };
    let code = error.code().unwrap_or_default();
    let class = match code {
        "FlowLogAlreadyExists" => Class::Conflict,
        code if code.ends_with(".NotFound") => Class::NotFound,
        _ => Class::Other,
    };
    let message = error.message().unwrap_or("AWS gives no reason").to_owned();
    let (operation, code) = (operation.to_owned(), Some(code.to_owned()));
    Err(CloudError { operation, code, message, request_id: None, class }.into())
}
