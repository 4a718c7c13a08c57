//! The server properties of an MSK cluster: one configuration for each stack, and a revision for each change.
//!
//! It names no Kafka versions, so it suits each that the cluster is brought to, and an upgrade never needs another one in
//! its place. A new revision does nothing until the cluster uses it: that is an operation of the cluster.

use aws_sdk_kafka::types::{Configuration, ConfigurationState};
use aws_smithy_types::Blob;
use serde::{Deserialize, Serialize};

use super::msk::{PREFIX, configuration_name, configurations, properties};
use super::no_id;
use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud};
use crate::design::Design;
use crate::resource::{Address, Effect, Engine, FieldChange, Found, Kind, Tags, tag};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MskConfiguration {
    /// `key=value`, of the newest revision.
    pub properties: Vec<String>,
}

impl Kind for MskConfiguration {
    const NAME: &'static str = "msk_configuration";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const FREE: bool = true;
    const TAGGED: bool = false;
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let provisioned = design.msk.as_ref().filter(|msk| msk.provisioned.is_some());
        let configuration = |properties: &Vec<String>| MskConfiguration { properties: properties.clone() };
        provisioned.map(|msk| ("main".to_owned(), configuration(&msk.properties))).into_iter().collect()
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::InPlace
    }

    /// Found by the name that only this stack gives it: MSK gives configurations no tags.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.configurations.since(aws.round(), || configurations(aws)).await?;
        let mut found = Vec::new();
        for one in all.iter() {
            let address = Address::new(Self::NAME, "main").to_string();
            let stack = one.name().and_then(|name| name.strip_prefix(PREFIX)).unwrap_or_default().to_owned();
            let tags = Tags::from([(tag::STACK.to_owned(), stack), (tag::ADDRESS.to_owned(), address)]);
            let ended = one.state() == Some(&ConfigurationState::Deleting);
            let spec = MskConfiguration { properties: if ended || aws.all() { Vec::new() } else { newest(aws, one).await? } };
            found.push(Found { id: one.arn().unwrap_or_default().to_owned(), tags, spec, ended });
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let call = ctx.aws.clients.kafka_once.create_configuration().name(configuration_name(&ctx.aws.stack));
        let call = call.description(self.description(ctx)).server_properties(self.text());
        match call.send().await.map_err(cloud("CreateConfiguration")) {
            Err(error) if error.class == Class::Conflict => {
                // The name is the stack's own: it came from a call whose answer was lost, or is on its way out.
                let all = configurations(ctx.aws).await?;
                let live = all.iter().find(|one| one.state() != Some(&ConfigurationState::Deleting));
                live.and_then(|one| one.arn()).map(str::to_owned).ok_or(CloudError { class: Class::InUse, ..error })
            }
            answer => answer?.arn.ok_or_else(|| no_id("CreateConfiguration")),
        }
    }

    /// A new revision. The call takes no token: it looks at the newest one first.
    async fn update(&self, ctx: &Ctx<'_>, id: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        let all = configurations(ctx.aws).await?;
        if let Some(one) = all.iter().find(|one| one.arn() == Some(id))
            && newest(ctx.aws, one).await? == self.sorted()
        {
            return Ok(());
        }
        let call = ctx.aws.clients.kafka_once.update_configuration().arn(id);
        let call = call.description(self.description(ctx)).server_properties(self.text());
        call.send().await.map_err(cloud("UpdateConfiguration")).map(drop)
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let call = ctx.aws.clients.kafka.delete_configuration().arn(id);
        match call.send().await.map_err(cloud("DeleteConfiguration")).or_gone() {
            // MSK has no code of its own for a configuration that a cluster still uses.
            Err(error) if error.class == Class::Other => Err(CloudError { class: Class::InUse, ..error }),
            other => other,
        }
    }
}

impl MskConfiguration {
    fn sorted(&self) -> Vec<String> {
        let mut lines = self.properties.clone();
        lines.sort();
        lines
    }
    fn text(&self) -> Blob {
        Blob::new(self.sorted().iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>())
    }
    fn description(&self, ctx: &Ctx<'_>) -> String {
        format!("Kafka settings of the kstack stack {}", ctx.aws.stack)
    }
}

async fn newest(aws: &Aws, one: &Configuration) -> Result<Vec<String>, CloudError> {
    let revision = one.latest_revision().and_then(|latest| latest.revision()).unwrap_or(1);
    properties(aws, one.arn().unwrap_or_default(), revision).await
}
