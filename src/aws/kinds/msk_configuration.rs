//! The server properties of an MSK cluster: one configuration for each stack, and a revision for each change.
//!
//! It names no Kafka versions, so it suits each that the cluster is brought to, and an upgrade never needs another one in
//! its place. A new revision does nothing until the cluster uses it: that is an operation of the cluster.

use super::msk::{PREFIX, configuration_name, configurations, properties};
use super::no_id;
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_kafka::types::{Configuration, ConfigurationState};
use aws_smithy_types::Blob;
use kstack_core::kinds::{Kind as _, MskConfiguration};
use kstack_core::model::{Address, FieldChange, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for MskConfiguration {
    const CALLS: Calls = Calls {
        discover: &[call("ListConfigurations"), call("DescribeConfigurationRevision")],
        create: &[call("CreateConfiguration"), call("ListConfigurations")],
        update: &[call("ListConfigurations"), call("DescribeConfigurationRevision"), call("UpdateConfiguration")],
        delete: &[call("DeleteConfiguration"), call("ListConfigurations")],
        retag: &[],
    };

    /// Found by the name that only this stack gives it: MSK gives configurations no tags.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.configurations.since(aws.round(), || configurations(aws)).await?;
        let mut found = Vec::new();
        for one in all.iter() {
            let address = Address::new(Self::NAME, "main").to_string();
            let stack = one.name().and_then(|name| name.strip_prefix(PREFIX)).unwrap_or_default().to_owned();
            let tags = Tags::from([(tag::STACK.to_owned(), stack), (tag::ADDRESS.to_owned(), address)]);
            let terminated = one.state() == Some(&ConfigurationState::Deleting);
            let spec = MskConfiguration {
                properties: if terminated || aws.all() { Vec::new() } else { newest(aws, one).await? },
            };
            found.push(Found { id: one.arn().unwrap_or_default().to_owned(), tags, spec, terminated });
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.msk_no_retry.create_configuration().name(configuration_name(ctx.system.stack()));
        let call = call.description(description(ctx)).server_properties(text(self));
        match call.send().await.map_err(failed("CreateConfiguration")) {
            Err(error) if error.class() == Class::Conflict => {
                // The name is the stack's own: it came from a call whose answer was lost, or is on its way out.
                let all = configurations(ctx.system).await?;
                let live = all.iter().find(|one| one.state() != Some(&ConfigurationState::Deleting));
                live.and_then(|one| one.arn()).map(str::to_owned).ok_or(error.classed(Class::InUse))
            }
            answer => answer?.arn.ok_or_else(|| no_id("CreateConfiguration")),
        }
    }

    /// A new revision. The call takes no token: it looks at the newest one first.
    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        let all = configurations(ctx.system).await?;
        if let Some(one) = all.iter().find(|one| one.arn() == Some(id))
            && newest(ctx.system, one).await? == sorted(self)
        {
            return Ok(());
        }
        let call = ctx.system.clients.msk_no_retry.update_configuration().arn(id);
        let call = call.description(description(ctx)).server_properties(text(self));
        call.send().await.map_err(failed("UpdateConfiguration")).map(drop)
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.msk.delete_configuration().arn(id);
        match call.send().await.map_err(failed("DeleteConfiguration")).or_gone() {
            // MSK has one code for a configuration that a cluster still uses, and for one that is gone, as after an answer that was lost.
            Err(error) if error.class() == Class::Other => {
                let all = configurations(ctx.system).await?;
                match all.iter().any(|one| one.arn() == Some(id)) {
                    true => Err(error.classed(Class::InUse)),
                    false => Ok(()),
                }
            }
            other => other,
        }
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // MSK gives configurations no tags.
    }
}

fn sorted(configuration: &MskConfiguration) -> Vec<String> {
    let mut lines = configuration.properties.clone();
    lines.sort();
    lines
}
fn text(configuration: &MskConfiguration) -> Blob {
    Blob::new(sorted(configuration).iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>())
}
fn description(ctx: &Ctx<'_, Aws>) -> String {
    format!("Kafka settings of the kstack stack {}", ctx.system.stack())
}

async fn newest(aws: &Aws, one: &Configuration) -> Result<Vec<String>, StepError> {
    let revision = one.latest_revision().and_then(|latest| latest.revision()).unwrap_or(1);
    properties(aws, one.arn().unwrap_or_default(), revision).await
}
