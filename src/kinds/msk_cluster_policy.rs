//! The resource policy of an MSK cluster.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::msk::{part_id, tags_of_part, usable};
use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud};
use crate::design::Design;
use crate::resource::{Effect, Engine, FieldChange, Found, Kind, Ref, Tags};

const PART: &str = "policy";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MskClusterPolicy {
    pub cluster: Ref,
    /// The document as JSON without spaces, its keys sorted.
    pub policy: String,
}

impl Kind for MskClusterPolicy {
    const NAME: &'static str = "msk_cluster_policy";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const FREE: bool = true;
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let policy = design.stack.cluster.msk.as_ref().and_then(|msk| msk.policy.as_ref());
        let cluster = Ref::to(super::MskCluster::NAME, "main");
        let policy = policy.map(|policy| MskClusterPolicy { cluster, policy: policy.0.to_string() });
        policy.map(|policy| ("main".to_owned(), policy)).into_iter().collect()
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::InPlace
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for cluster in usable(aws).await? {
            let arn = cluster.cluster_arn().unwrap_or_default();
            let call = aws.clients.kafka.get_cluster_policy().cluster_arn(arn);
            let answer = match call.send().await.map_err(cloud("GetClusterPolicy")) {
                Err(error) if error.class == Class::NotFound => continue,
                answer => answer?,
            };
            let Some(text) = answer.policy else { continue };
            let policy = serde_json::from_str::<Value>(&text).map_or(text, |document| document.to_string());
            let spec = MskClusterPolicy { cluster: Ref::live(Some(arn)), policy };
            found.push(Found { id: part_id(arn, PART), tags: tags_of_part(&cluster, Self::NAME), spec, ended: false });
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        Ok(part_id(&ctx.id(&self.cluster)?, PART)) // The call is in `settle`: it puts one policy in place of another.
    }

    async fn settle(&self, ctx: &Ctx<'_>, _: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.kafka.put_cluster_policy().cluster_arn(ctx.id(&self.cluster)?).policy(&self.policy);
        call.send().await.map_err(cloud("PutClusterPolicy")).map(drop)
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        self.settle(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let arn = id.strip_suffix(&part_id("", PART)).unwrap_or(id);
        ctx.aws.clients.kafka.delete_cluster_policy().cluster_arn(arn).send().await.map_err(cloud("DeleteClusterPolicy")).or_gone()
    }

    async fn retag(_: &Ctx<'_>, _: &str, _: &Tags, _: &[String]) -> Result<(), CloudError> {
        Ok(()) // The cluster has the tags.
    }
}
