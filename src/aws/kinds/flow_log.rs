//! VPC flow logs: what the VPC's interfaces send and receive, as records in a bucket. AWS delivers them with the bucket's own policy, to
//! which it adds what it needs where it may (VPC user guide, "Amazon S3 bucket permissions for flow logs"): no role is needed.

use super::no_id;
use crate::aws::{Aws, Class, CloudError, Done, failed, tags_of};
use crate::driver::{Calls, Ctx, Driver, EC2_TAGS};
use crate::error::StepError;
use aws_sdk_ec2::types::{FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType, UnsuccessfulItem};
use kstack_core::kinds::FlowLog;
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for FlowLog {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeFlowLogs")],
        create: &[call("CreateFlowLogs")],
        update: &[],
        delete: &[call("DeleteFlowLogs")],
        retag: EC2_TAGS,
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let pages = aws.clients.ec2.describe_flow_logs().filter(aws.mine()).max_results(1000).into_paginator().items();
        let all = pages.send().collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeFlowLogs"))?;
        Ok(all
            .into_iter()
            .map(|log| {
                let destination = log.log_destination().unwrap_or_default().to_owned();
                let spec = FlowLog { vpc: Ref::live(log.resource_id()), destination };
                let tags = tags_of(log.tags.as_deref());
                Found { id: log.flow_log_id.unwrap_or_default(), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.ec2_no_retry.create_flow_logs().client_token(ctx.token);
        let call = call.resource_type(FlowLogsResourceType::Vpc).resource_ids(ctx.id(&self.vpc)?);
        let call = call.traffic_type(TrafficType::All).log_destination_type(LogDestinationType::S3);
        let call = call.log_destination(&self.destination).tag_specifications(ctx.tag_spec(ResourceType::VpcFlowLog));
        let answer = call.send().await.map_err(failed("CreateFlowLogs"))?;
        done("CreateFlowLogs", answer.unsuccessful())?;
        answer.flow_log_ids().first().cloned().ok_or_else(|| no_id("CreateFlowLogs"))
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
