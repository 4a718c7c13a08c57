//! The resource policy of an MSK cluster.

use super::msk::{found_part, part_id, usable};
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Ctx, Driver};
use crate::error::StepError;
use kstack_core::kinds::MskClusterPolicy;
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use serde_json::Value;

const PART: &str = "policy";

impl Driver<Aws> for MskClusterPolicy {
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut found = Vec::new();
        for cluster in usable(aws).await? {
            let arn = cluster.cluster_arn().unwrap_or_default();
            let call = aws.clients.msk.get_cluster_policy().cluster_arn(arn);
            let answer = match call.send().await.map_err(failed("GetClusterPolicy")) {
                Err(error) if error.class() == Class::NotFound => continue,
                answer => answer?,
            };
            let Some(text) = answer.policy else { continue };
            let policy = serde_json::from_str::<Value>(&text).map_or(text, |document| document.to_string());
            let spec = MskClusterPolicy { cluster: Ref::live(Some(arn)), policy };
            found.push(found_part(&cluster, PART, spec));
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        Ok(part_id(&ctx.id(&self.cluster)?, PART)) // The call is in `finish`: it puts one policy in place of another.
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.msk.put_cluster_policy().cluster_arn(ctx.id(&self.cluster)?).policy(&self.policy);
        call.send().await.map_err(failed("PutClusterPolicy")).map(drop)
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let arn = id.strip_suffix(&part_id("", PART)).unwrap_or(id);
        ctx.system
            .clients
            .msk
            .delete_cluster_policy()
            .cluster_arn(arn)
            .send()
            .await
            .map_err(failed("DeleteClusterPolicy"))
            .or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // The cluster has the tags.
    }
}
