//! Secrets with the passwords of MSK's users. One call makes a secret with all that is in it; it is found by the beginning of its name, and is
//! the stack's by its tag. One that is deleted waits for a week, and keeps its name that long.

use super::no_id;
use crate::aws::papers::new_password;
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::pki::PrivateKey;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use kstack_core::kinds::UserSecret;
use kstack_core::kinds::user_secret::{PREFIX, secret_name, stack_and_user};
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};
use serde_json::json;

/// The least that Secrets Manager lets a secret wait for its deletion, in days.
const LEAST_WAIT: i64 = 7;
/// Its word for a call that does not go with the state of the secret: of one that is made, that the name is another's that waits.
const WRONG_STATE: &str = "InvalidRequestException";

impl Driver<Aws> for UserSecret {
    const CALLS: Calls = Calls {
        discover: &[call("ListSecrets")],
        create: &[
            call("CreateSecret"),
            call("DescribeSecret"),
            call("RestoreSecret"),
            call_of("TagResource", "secret"),
            call("DeleteSecret"),
        ],
        update: &[],
        delete: &[call("DeleteSecret")],
        retag: &[call_of("TagResource", "secret"), call_of("UntagResource", "secret")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let begins = if aws.all() { PREFIX.to_owned() } else { secret_name(aws.stack(), "") };
        let filter = Filter::builder().key(FilterNameStringType::Name).values(begins).build();
        let pages = aws.clients.secrets.list_secrets().filters(filter).into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListSecrets"))?;
        let one = |secret: aws_sdk_secretsmanager::types::SecretListEntry| {
            let tags = tags_of(secret.tags());
            let (stack, _) = stack_and_user(secret.name()?)?;
            let own = tags.get(tag::STACK).is_some_and(|tagged| tagged == stack);
            let spec = UserSecret { key: Ref::live(secret.kms_key_id()) };
            own.then_some(Found { id: secret.arn?, tags, spec, terminated: false })
        };
        Ok(pages.into_iter().flat_map(|page| page.secret_list.unwrap_or_default()).filter_map(one).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let key = ctx.id(&self.key)?;
        match make(ctx, &key).await {
            Ok(arn) => Ok(arn),
            Err(error) if error.class() == Class::Conflict || has_code(&error, WRONG_STATE) => {
                again(ctx, &key, error).await
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        changes.first().map_or(Ok(()), |change| Err(super::no_call_for(change)))
    }

    /// It can be restored for a week: a user that was taken out of the file by mistake gets its password back.
    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.secrets.delete_secret().secret_id(id).recovery_window_in_days(LEAST_WAIT);
        match call.send().await.map_err(failed("DeleteSecret")) {
            // It waits already.
            Err(error) if has_code(&error, WRONG_STATE) => Ok(()),
            answer => answer.or_gone(),
        }
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        if !set.is_empty() {
            retag(ctx, id, set).await?;
        }
        if !unset.is_empty() {
            let call = ctx.system.clients.secrets.untag_resource().secret_id(id).set_tag_keys(Some(unset.to_vec()));
            call.send().await.map_err(failed("UntagResource"))?;
        }
        Ok(())
    }
}

/// Makes the secret with a new password.
async fn make(ctx: &Ctx<'_, Aws>, key: &str) -> Result<String, StepError> {
    let (aws, user) = (ctx.system, &ctx.address.name);
    let password = new_password().map_err(|why| StepError::ended("there is no password", why))?;
    let value = PrivateKey::from(json!({"username": user, "password": password}).to_string());
    let call = aws.clients.secrets.create_secret().name(secret_name(aws.stack(), user)).kms_key_id(key);
    let call = call.description(format!("The password of the user {user} of the kstack stack {}", aws.stack()));
    let call = call.set_tags(Some(sdk_tags(ctx.tags))).secret_string(value.expose());
    call.send().await.map_err(failed("CreateSecret"))?.arn.ok_or_else(|| no_id("CreateSecret"))
}

/// What to do where the name is taken, which `refused` says: by a try before this one, whose answer was lost; or by a secret that waits for
/// its deletion. That one comes back with its password, where the same key encrypts it.
async fn again(ctx: &Ctx<'_, Aws>, key: &str, refused: StepError) -> Result<String, StepError> {
    let secrets = &ctx.system.clients.secrets;
    let name = secret_name(ctx.system.stack(), &ctx.address.name);
    let there = match secrets.describe_secret().secret_id(&name).send().await.map_err(failed("DescribeSecret")) {
        Err(error) if error.class() == Class::NotFound => return Err(refused),
        answer => answer?,
    };
    let arn = there.arn().ok_or_else(|| no_id("DescribeSecret"))?;
    if tags_of(there.tags()).get(tag::STACK).is_none_or(|stack| stack != ctx.system.stack()) {
        return Err(StepError::Ended {
            what: format!("the secret {name} is not the stack's"),
            why: "it has no tag of the stack's".to_owned(),
            remedy: Some("delete it, or give the user another name"),
        });
    }
    match there.deleted_date() {
        None => Ok(arn.to_owned()),
        Some(_) if is_of(&there, key) => {
            secrets.restore_secret().secret_id(arn).send().await.map_err(failed("RestoreSecret"))?;
            retag(ctx, arn, ctx.tags).await?;
            Ok(arn.to_owned())
        }
        Some(_) => {
            // Nobody can read it any more, once the key of a stack that was destroyed is gone.
            let call = secrets.delete_secret().secret_id(arn).force_delete_without_recovery(true);
            call.send().await.map_err(failed("DeleteSecret")).or_gone()?;
            (ctx.progress)(format!("the name {name} becoming free"));
            free(ctx, key).await
        }
    }
}

/// Makes the secret once its name is free: Secrets Manager deletes in the background.
async fn free(ctx: &Ctx<'_, Aws>, key: &str) -> Result<String, StepError> {
    use crate::wait::{Backoff, Look, poll};
    poll("the name of the secret becoming free", crate::aws::READY_TIMEOUT, Backoff::STATE, async || {
        match make(ctx, key).await {
            Ok(arn) => Ok(Look::Ready(arn)),
            Err(error) if error.class() == Class::Conflict || has_code(&error, WRONG_STATE) => {
                Ok(Look::Missing(error.to_string()))
            }
            Err(error) => Err(error),
        }
    })
    .await
}

/// Whether the key with this ARN encrypts it.
fn is_of(secret: &DescribeSecretOutput, key: &str) -> bool {
    secret.kms_key_id().is_some_and(|id| id == key || key.ends_with(&format!("/{id}")))
}

fn has_code(error: &StepError, code: &str) -> bool {
    matches!(error, StepError::Cloud(cloud) if cloud.code.as_deref() == Some(code))
}

async fn retag(ctx: &Ctx<'_, Aws>, id: &str, tags: &Tags) -> Result<(), StepError> {
    let call = ctx.system.clients.secrets.tag_resource().secret_id(id).set_tags(Some(sdk_tags(tags)));
    call.send().await.map_err(failed("TagResource")).map(drop)
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn tags_of(tags: &[Tag]) -> Tags {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()));
    tags.iter().filter_map(pair).collect()
}
