//! The resource policy of an MSK cluster, as far as the stack has put it.

use super::msk::{found_part, part_id, tags, usable, wait};
use super::msk_cluster::retag;
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use kstack_core::kinds::MskClusterPolicy;
use kstack_core::kinds::msk_cluster_policy::{canonical, mark, marks};
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use serde_json::Value;

const PART: &str = "policy";

impl Driver<Aws> for MskClusterPolicy {
    const CALLS: Calls = Calls {
        discover: &[call("ListClustersV2"), call("GetClusterPolicy")],
        create: &[call("DescribeClusterV2"), call("TagResource"), call("PutClusterPolicy")],
        update: &[call("DescribeClusterV2"), call("TagResource"), call("PutClusterPolicy")],
        delete: &[call("DeleteClusterPolicy"), call("UntagResource")],
        retag: &[],
    };

    /// A mark without a policy is found too: a run ended between the policy's deletion and the mark's.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut found = Vec::new();
        for cluster in usable(aws).await? {
            let arn = cluster.cluster_arn().unwrap_or_default();
            let call = aws.clients.msk.get_cluster_policy().cluster_arn(arn);
            let text = match call.send().await.map_err(failed("GetClusterPolicy")) {
                Err(error) if error.class() == Class::NotFound => None,
                answer => answer?.policy,
            };
            let marks = marks(&tags(&cluster));
            if text.is_none() && marks.is_empty() {
                continue;
            }
            let text = text.unwrap_or_default();
            let policy = serde_json::from_str::<Value>(&text).map_or(text, |document| canonical(&document));
            found.push(found_part(&cluster, PART, MskClusterPolicy { cluster: Ref::live(Some(arn)), policy, marks }));
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        Ok(part_id(&ctx.id(&self.cluster)?, PART)) // The calls are in `finish`: one policy is put in place of another.
    }

    /// The tag has the old marks and the new one until the new policy is put: wherever this ends, what is there is marked.
    async fn finish(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let arn = ctx.id(&self.cluster)?;
        let new = mark(&self.policy);
        let mut all = marks(&tags(&wait::describe(ctx, &arn).await?));
        if !all.contains(&new) {
            all.push(new.clone());
            write(ctx, &arn, &all).await?;
        }
        let call = ctx.system.clients.msk.put_cluster_policy().cluster_arn(&arn).policy(&self.policy);
        call.send().await.map_err(failed("PutClusterPolicy"))?;
        if all.len() > 1 { write(ctx, &arn, &[new]).await } else { Ok(()) }
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let arn = id.strip_suffix(&part_id("", PART)).unwrap_or(id);
        let call = ctx.system.clients.msk.delete_cluster_policy().cluster_arn(arn);
        call.send().await.map_err(failed("DeleteClusterPolicy")).or_gone()?;
        retag(ctx, arn, &Tags::new(), &[tag::CLUSTER_POLICY.to_owned()]).await.or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // The cluster has the tags.
    }
}

/// Writes `marks` into the cluster's tag.
async fn write(ctx: &Ctx<'_, Aws>, arn: &str, marks: &[String]) -> Result<(), StepError> {
    retag(ctx, arn, &Tags::from([(tag::CLUSTER_POLICY.to_owned(), marks.join(" "))]), &[]).await
}
