//! The secrets that a cluster's SCRAM users sign in with, as far as the stack has associated them. Those of others stay:
//! which ones are the stack's own is kept in the cluster's tags, before they are associated and until they are not.

use super::msk::{found_part, part_id, tags, usable, wait};
use super::msk_cluster::retag;
use crate::aws::{Aws, Class, CloudError, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_kafka::types::{Cluster, UnprocessedScramSecret};
use kstack_core::kinds::MskScramAssociation;
use kstack_core::kinds::msk_scram_association::{as_tags, is_marked, is_of_user, marks, marks_of};
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{Call, call};
use std::collections::BTreeSet;

const PART: &str = "scram";
/// Secrets in one call.
const SECRETS_A_CALL: usize = 10;
/// What [`bring`] calls.
const BRING: &[&Call] = &[
    call("DescribeClusterV2"),
    call("TagResource"),
    call("UntagResource"),
    call("ListScramSecrets"),
    call("BatchDisassociateScramSecret"),
    call("BatchAssociateScramSecret"),
];

impl Driver<Aws> for MskScramAssociation {
    const CALLS: Calls = Calls {
        discover: &[call("ListClustersV2"), call("ListScramSecrets")],
        create: BRING,
        update: BRING,
        delete: &[
            call("DescribeClusterV2"),
            call("TagResource"),
            call("UntagResource"),
            call("ListScramSecrets"),
            call("BatchDisassociateScramSecret"),
        ],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut found = Vec::new();
        for cluster in usable(aws).await? {
            let ours = marks(&tags(&cluster));
            if ours.is_empty() {
                continue;
            }
            let arn = cluster.cluster_arn().unwrap_or_default();
            let all = associated(aws, arn).await?;
            let stack = stack_of(aws, &cluster);
            let (all, others): (Vec<String>, Vec<String>) =
                all.into_iter().partition(|secret| is_marked(&ours, &stack, secret));
            let (users, secrets) = all.into_iter().partition::<Vec<String>, _>(|secret| is_of_user(&stack, secret));
            let (users, marks) = (users.into_iter().map(Ref::Id).collect(), ours.into_iter().collect());
            let by_others = Some(others);
            let spec = MskScramAssociation { cluster: Ref::live(Some(arn)), secrets, users, marks, by_others };
            found.push(found_part(&cluster, PART, spec));
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        Ok(part_id(&ctx.id(&self.cluster)?, PART)) // The calls are in `finish`: they look before they write.
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let users = ctx.all_ids(&self.users)?;
        bring(ctx, &ctx.id(&self.cluster)?, &self.secrets, &users).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        bring(ctx, id.strip_suffix(&part_id("", PART)).unwrap_or(id), &[], &[]).await
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // The cluster has the tags.
    }
}

/// Brings the stack's own associations to `wanted`: marks them, associates and disassociates, and removes the other marks.
async fn bring(ctx: &Ctx<'_, Aws>, arn: &str, secrets: &[String], users: &[String]) -> Result<(), StepError> {
    let stack = ctx.system.stack();
    let wanted: Vec<&String> = secrets.iter().chain(users).collect();
    let kafka = &ctx.system.clients.msk;
    let cluster = wait::idle(ctx, arn).await?;
    let live_tags = tags(&cluster);
    let ours = marks(&live_tags);
    let final_marks = marks_of(secrets, !users.is_empty());
    let both: BTreeSet<String> = ours.union(&final_marks).cloned().collect();
    if both != ours {
        write(ctx, arn, &live_tags, &both).await?;
    }
    let all = associated(ctx.system, arn).await?;
    let gone = all.iter().filter(|secret| is_marked(&ours, stack, secret) && !wanted.contains(secret));
    let gone: Vec<String> = gone.cloned().collect();
    let new: Vec<String> = wanted.iter().filter(|secret| !all.contains(secret)).map(|one| (*one).clone()).collect();
    for some in gone.chunks(SECRETS_A_CALL) {
        let call = kafka.batch_disassociate_scram_secret().cluster_arn(arn).set_secret_arn_list(Some(some.to_vec()));
        let answer = call.send().await.map_err(failed("BatchDisassociateScramSecret"))?;
        processed("BatchDisassociateScramSecret", answer.unprocessed_scram_secrets())?;
    }
    for some in new.chunks(SECRETS_A_CALL) {
        let call = kafka.batch_associate_scram_secret().cluster_arn(arn).set_secret_arn_list(Some(some.to_vec()));
        let answer = call.send().await.map_err(failed("BatchAssociateScramSecret"))?;
        processed("BatchAssociateScramSecret", answer.unprocessed_scram_secrets())?;
    }
    if both != final_marks {
        let mut now = live_tags;
        now.extend(as_tags(&both));
        write(ctx, arn, &now, &final_marks).await?;
    }
    Ok(())
}

/// The stack that the cluster is of, whose secrets' names tell whose they are.
fn stack_of(aws: &Aws, cluster: &Cluster) -> String {
    let tagged = tags(cluster).remove(tag::STACK);
    tagged.unwrap_or_else(|| aws.stack().to_owned())
}

/// The call succeeds although it did not do it for these: each has a code and a reason of its own.
fn processed(operation: &str, left: &[UnprocessedScramSecret]) -> Result<(), StepError> {
    if left.is_empty() {
        return Ok(());
    }
    let each = left.iter().map(|one| {
        let (code, why) = (one.error_code().unwrap_or("no code"), one.error_message().unwrap_or("AWS gives no reason"));
        format!("{code} for {}: {}", one.secret_arn().unwrap_or("a secret"), why.strip_suffix('.').unwrap_or(why))
    });
    let (operation, message) = (operation.to_owned(), each.collect::<Vec<_>>().join("; "));
    Err(CloudError { operation, code: None, message, request_id: None, class: Class::Other }.into())
}

/// Writes `marks` into the cluster's tags, of which it has `now`.
async fn write(ctx: &Ctx<'_, Aws>, arn: &str, now: &Tags, marks: &BTreeSet<String>) -> Result<(), StepError> {
    let wanted = as_tags(marks);
    let unset: Vec<String> =
        now.keys().filter(|key| key.starts_with(tag::SCRAM) && !wanted.contains_key(*key)).cloned().collect();
    retag(ctx, arn, &wanted, &unset).await
}

/// ARNs of all the secrets that are associated with the cluster, whoever did it.
async fn associated(aws: &Aws, arn: &str) -> Result<Vec<String>, StepError> {
    let pages = aws.clients.msk.list_scram_secrets().cluster_arn(arn).into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListScramSecrets"))
}
