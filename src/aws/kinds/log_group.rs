//! Log groups of CloudWatch. Their names are the stack's own, and one list by that beginning tells them; their tags, which say whose they
//! are, are asked for of each.

use aws_sdk_cloudwatchlogs::types::LogGroup as Listed;
use futures::future::try_join_all;
use kstack_core::kinds::LogGroup;
use kstack_core::kinds::log_group::{PREFIX, name_of, prefix};
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

use super::no_call_for;
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::wait::{Backoff, Look, VISIBLE_LIMIT, poll};

impl Driver<Aws> for LogGroup {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeLogGroups"), call_of("ListTagsForResource", "log groups")],
        create: &[call("CreateLogGroup"), call("DescribeLogGroups"), call("PutRetentionPolicy")],
        update: &[call("PutRetentionPolicy"), call("AssociateKmsKey"), call("DisassociateKmsKey")],
        delete: &[call("DeleteLogGroup")],
        retag: &[call_of("TagResource", "log groups"), call_of("UntagResource", "log groups")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let prefix = if aws.all() { PREFIX.to_owned() } else { prefix(aws.stack()) };
        let listed = list(aws, &prefix).await?;
        let found = try_join_all(listed.iter().map(|one| tagged(aws, one))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let name = format!("{}{}", prefix(ctx.system.stack()), ctx.address.name);
        let call = ctx.system.clients.logs.create_log_group().log_group_name(&name).set_tags(Some(map_of(ctx.tags)));
        let call = call.set_kms_key_id(Some(self.kms_key.clone()).filter(|key| !key.is_empty()));
        // The name is this stack's own: a group that is there already came from a call whose answer was lost.
        call.send().await.map_err(failed("CreateLogGroup")).or_done()?;
        // The call answers with nothing, and the ARN has the account in it.
        let what = format!("the log group {name}");
        poll(&what, VISIBLE_LIMIT, Backoff::VISIBLE, async || {
            let mut listed = list(ctx.system, &name).await?.into_iter();
            let made = listed.find(|one| one.log_group_name() == Some(&name)).and_then(|one| one.log_group_arn);
            Ok(made.map_or_else(|| Look::Missing("it is not listed yet".to_owned()), Look::Ready))
        })
        .await
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        retain(self, ctx, id).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let logs = &ctx.system.clients.logs;
        for change in changes {
            match change.field.as_str() {
                "retention_days" => retain(self, ctx, id).await?,
                "kms_key" if self.kms_key.is_empty() => {
                    let call = logs.disassociate_kms_key().log_group_name(name(id)?);
                    call.send().await.map_err(failed("DisassociateKmsKey"))?;
                }
                "kms_key" => {
                    let call = logs.associate_kms_key().log_group_name(name(id)?).kms_key_id(&self.kms_key);
                    call.send().await.map_err(failed("AssociateKmsKey"))?;
                }
                _ => return Err(no_call_for(change)),
            }
        }
        Ok(())
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.logs.delete_log_group().log_group_name(name(id)?);
        call.send().await.map(drop).map_err(failed("DeleteLogGroup")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        let logs = &ctx.system.clients.logs;
        if !set.is_empty() {
            let call = logs.tag_resource().resource_arn(id).set_tags(Some(map_of(set)));
            call.send().await.map_err(failed("TagResource"))?;
        }
        if !unset.is_empty() {
            let call = logs.untag_resource().resource_arn(id).set_tag_keys(Some(unset.to_vec()));
            call.send().await.map_err(failed("UntagResource"))?;
        }
        Ok(())
    }
}

fn map_of(tags: &Tags) -> std::collections::HashMap<String, String> {
    tags.clone().into_iter().collect()
}

/// The name in the ARN of a group.
fn name(id: &str) -> Result<&str, StepError> {
    name_of(id).ok_or_else(|| StepError::Internal(format!("`{id}` is not the ARN of a log group")))
}

async fn retain(group: &LogGroup, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let days = i32::try_from(group.retention_days).unwrap_or(i32::MAX);
    let call = ctx.system.clients.logs.put_retention_policy().log_group_name(name(id)?).retention_in_days(days);
    call.send().await.map(drop).map_err(failed("PutRetentionPolicy"))
}

/// The log groups whose names begin with `prefix`.
async fn list(aws: &Aws, prefix: &str) -> Result<Vec<Listed>, StepError> {
    let pages = aws.clients.logs.describe_log_groups().log_group_name_prefix(prefix).into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeLogGroups"))
}

/// A log group as it is listed, with its tags; nothing, where it has gone meanwhile.
async fn tagged(aws: &Aws, listed: &Listed) -> Result<Option<Found<LogGroup>>, StepError> {
    let Some(id) = listed.log_group_arn() else { return Ok(None) };
    let answer = aws.clients.logs.list_tags_for_resource().resource_arn(id).send().await;
    let tags = match answer.map_err(failed("ListTagsForResource")) {
        Err(error) if error.class() == Class::NotFound => return Ok(None),
        answer => answer?.tags.unwrap_or_default().into_iter().collect(),
    };
    let days = listed.retention_in_days().and_then(|days| u32::try_from(days).ok());
    let kms_key = listed.kms_key_id().unwrap_or_default().to_owned();
    let spec = LogGroup { retention_days: days.unwrap_or_default(), kms_key };
    Ok(Some(Found { id: id.to_owned(), tags, spec, terminated: false }))
}
