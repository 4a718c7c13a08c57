//! What is kept of users outside of the cluster: a parameter each, made whole by one call.

use super::no_call_for;
use crate::aws::papers::{NOTHING, Paper, new_password, parts};
use crate::aws::{Aws, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::pki::PrivateKey;
use kstack_core::cloud_init::{user_of, user_parameter};
use kstack_core::kinds::{KafkaUser, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

/// The word for a user with one.
const SCRAM: &str = "scram";
/// What stands in the parameter's description before that word.
const USER: &str = "user:";

impl Driver<Aws> for KafkaUser {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeParameters")],
        create: &[call_of("PutParameter", "papers"), call("DescribeParameters")],
        update: &[call_of("PutParameter", "papers")],
        delete: &[call_of("DeleteParameter", "papers")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.every_paper().await?;
        Ok(all.iter().filter_map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let name = user_parameter(ctx.system.stack(), &ctx.address.name);
        let (value, told) = (value(self)?, format!("{USER}{}", self.mechanism));
        if self.key == Ref::None {
            ctx.note(&name, told).await?;
            return Ok(id(&name));
        }
        match ctx.make_parameter(&name, &ctx.id(&self.key)?, &value, told).await? {
            true => Ok(id(&name)),
            false => Ok(ctx.made_before(&name).await?.id()),
        }
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        if let Some(change) = changes.iter().find(|change| change.field != "mechanism") {
            return Err(no_call_for(change));
        }
        let told = format!("{USER}{}", self.mechanism);
        ctx.renew_parameter(parts(id).0, &ctx.id(&self.key)?, &value(self)?, told).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ssm.delete_parameter().name(parts(id).0);
        call.send().await.map_err(failed("DeleteParameter")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its name says whose it is.
    }
}

/// What is kept of a user: a new password, where kstack makes one.
fn value(user: &KafkaUser) -> Result<PrivateKey, StepError> {
    if user.mechanism != SCRAM {
        return Ok(PrivateKey::from(NOTHING.to_owned()));
    }
    new_password().map(PrivateKey::from).map_err(|why| StepError::ended("there is no password", why))
}

fn id(parameter: &str) -> String {
    crate::aws::papers::id(parameter, "")
}

fn found(paper: &Paper) -> Option<Found<KafkaUser>> {
    let user = user_of(&paper.stack, &paper.parameter)?;
    let mechanism = paper.description.strip_prefix(USER).unwrap_or_default().to_owned();
    let address = Address::new(KafkaUser::NAME, user).to_string();
    let tags = [(tag::STACK, paper.stack.clone()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    let spec = KafkaUser { mechanism, key: Ref::live(Some(&paper.key)) };
    Some(Found { id: paper.id(), tags: tags.into(), spec, terminated: false })
}
