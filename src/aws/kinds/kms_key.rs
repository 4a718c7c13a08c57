//! The KMS key of a stack's certificates. Nobody can give a key a name in the call that makes it, and KMS finds none by tags: it is
//! found by its alias, and where a run died before that was made, by looking at every key of the account that says it is a stack's.

use std::collections::BTreeSet;

use super::{no_call_for, no_id};
use crate::aws::{Aws, Class, Done, Papers, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, Tag};
use kstack_core::kinds::KmsKey;
use kstack_core::kinds::kms_key::{ENABLED, alias};
use kstack_core::model::{FieldChange, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

/// The least that KMS lets a key wait for its deletion, in days.
const LEAST_WAIT: i32 = 7;
/// KMS's word for that.
const PENDING: &str = "PendingDeletion";

impl Driver<Aws> for KmsKey {
    const CALLS: Calls = Calls {
        discover: &[
            call("DescribeKey"),
            call("ListKeys"),
            call("ListResourceTags"),
            call("GetKeyRotationStatus"),
            call("DescribeParameters"),
        ],
        create: &[
            call("CreateKey"),
            call("EnableKeyRotation"),
            call("CreateAlias"),
            call("DescribeKey"),
            call("UpdateAlias"),
        ],
        update: &[
            call("CancelKeyDeletion"),
            call("EnableKey"),
            call("EnableKeyRotation"),
            call("CreateAlias"),
            call("DescribeKey"),
            call("UpdateAlias"),
        ],
        delete: &[call("ScheduleKeyDeletion"), call("DeleteAlias")],
        retag: &[call_of("TagResource", "key"), call_of("UntagResource", "key")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        if aws.all() {
            return of_every_stack(aws).await;
        }
        let alias = alias(aws.stack());
        if let Some(key) = describe(aws, &alias).await?
            && let Some(found) = own(aws, &key, &alias).await?
        {
            return Ok(vec![found]);
        }
        // A key without an alias is one whose making was interrupted, before anything was encrypted with it, or that has lost its alias; one
        // that is to be deleted is gone. The papers of a stack may be encrypted with a key of others.
        let mut found = Vec::new();
        let all = if aws.papers() == Papers::Begun { unnamed(aws).await? } else { Vec::new() };
        for id in all {
            if let Some(key) = describe(aws, &id).await?
                && key.key_manager() == Some(&KeyManagerType::Customer)
                && key.description() == Some(description(aws.stack()).as_str())
                && state(&key) != PENDING
            {
                found.extend(own(aws, &key, "").await?);
            }
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let call = ctx.system.clients.kms_no_retry.create_key().description(description(ctx.system.stack()));
        let answer = call.set_tags(Some(tags_of(ctx.tags))).send().await.map_err(failed("CreateKey"))?;
        answer.key_metadata.and_then(|key| key.arn).ok_or_else(|| no_id("CreateKey"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        rotate(ctx, id).await?;
        name(ctx, id, &self.alias).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let kms = &ctx.system.clients.kms;
        let changed = |field: &str| changes.iter().find(|change| change.field == field);
        if let Some(change) = changed("state") {
            if change.before == PENDING {
                kms.cancel_key_deletion().key_id(id).send().await.map_err(failed("CancelKeyDeletion")).or_done()?;
            }
            kms.enable_key().key_id(id).send().await.map_err(failed("EnableKey"))?;
        }
        if changed("rotation").is_some() {
            rotate(ctx, id).await?;
        }
        if changed("alias").is_some() {
            name(ctx, id, &self.alias).await?;
        }
        let known = ["state", "rotation", "alias"];
        let other = changes.iter().find(|change| !known.contains(&change.field.as_str()));
        other.map_or(Ok(()), |change| Err(no_call_for(change)))
    }

    /// KMS deletes no key at once. The alias goes last, so that a key that waits is found by it; one that has none leaves it to others.
    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let kms = &ctx.system.clients.kms;
        if self.state != PENDING {
            let call = kms.schedule_key_deletion().key_id(id).pending_window_in_days(LEAST_WAIT);
            call.send().await.map_err(failed("ScheduleKeyDeletion")).or_done()?;
        }
        if self.alias.is_empty() {
            return Ok(());
        }
        kms.delete_alias().alias_name(&self.alias).send().await.map_err(failed("DeleteAlias")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        let kms = &ctx.system.clients.kms;
        if !set.is_empty() {
            let call = kms.tag_resource().key_id(id).set_tags(Some(tags_of(set)));
            call.send().await.map_err(failed("TagResource"))?;
        }
        if !unset.is_empty() {
            let call = kms.untag_resource().key_id(id).set_tag_keys(Some(unset.to_vec()));
            call.send().await.map_err(failed("UntagResource"))?;
        }
        Ok(())
    }
}

/// What a key says of itself: by this, one without an alias is looked at more closely.
fn description(stack: &str) -> String {
    format!("Certificates and passwords of the kstack stack {stack}")
}

fn state(key: &KeyMetadata) -> &str {
    key.key_state().map_or(ENABLED, |state| state.as_str())
}

/// What KMS says of the key with this id, ARN or alias.
async fn describe(aws: &Aws, key: &str) -> Result<Option<KeyMetadata>, StepError> {
    match aws.clients.kms.describe_key().key_id(key).send().await.map_err(failed("DescribeKey")) {
        Err(error) if error.class() == Class::NotFound => Ok(None),
        answer => Ok(answer?.key_metadata),
    }
}

/// `key`, where its tags say that it is the stack's.
async fn own(aws: &Aws, key: &KeyMetadata, alias: &str) -> Result<Option<Found<KmsKey>>, StepError> {
    let pages = aws.clients.kms.list_resource_tags().key_id(key.key_id()).into_paginator().items().send();
    let tags = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListResourceTags"))?;
    let tags: Tags = tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect();
    if tags.get(tag::STACK).is_none_or(|stack| stack != aws.stack()) {
        return Ok(None);
    }
    let call = aws.clients.kms.get_key_rotation_status().key_id(key.key_id());
    // It says nothing of one that can't be used.
    let rotation =
        state(key) != ENABLED || call.send().await.map_err(failed("GetKeyRotationStatus"))?.key_rotation_enabled;
    let spec = KmsKey { alias: alias.to_owned(), state: state(key).to_owned(), rotation };
    Ok(Some(Found { id: key.arn().unwrap_or(key.key_id()).to_owned(), tags, spec, terminated: false }))
}

/// The ids of the keys that may be the stack's without its alias: of those that its papers are encrypted with, or else of the region.
async fn unnamed(aws: &Aws) -> Result<Vec<String>, StepError> {
    let papers = aws.every_paper().await?;
    let used: BTreeSet<&String> = papers.iter().map(|paper| &paper.key).filter(|key| !key.is_empty()).collect();
    if used.is_empty() { every_key(aws).await } else { Ok(used.into_iter().cloned().collect()) }
}

/// The ids of all keys of the region.
async fn every_key(aws: &Aws) -> Result<Vec<String>, StepError> {
    let pages = aws.clients.kms.list_keys().into_paginator().items().send();
    let keys = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListKeys"))?;
    Ok(keys.into_iter().filter_map(|key| key.key_id).collect())
}

/// The keys of all stacks, by their aliases.
async fn of_every_stack(aws: &Aws) -> Result<Vec<Found<KmsKey>>, StepError> {
    let pages = aws.clients.kms.list_aliases().into_paginator().items().send();
    let aliases = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListAliases"))?;
    let found = aliases.into_iter().filter_map(|one| {
        let (alias, id) = (one.alias_name?, one.target_key_id?);
        let stack = alias.strip_prefix(&self::alias(""))?;
        let tags = [(tag::STACK, stack), (tag::ADDRESS, "kms_key/papers")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Some(Found { id, tags, spec: KmsKey { alias, state: ENABLED.to_owned(), rotation: true }, terminated: false })
    });
    Ok(found.collect())
}

async fn rotate(ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let call = ctx.system.clients.kms.enable_key_rotation().key_id(id);
    call.send().await.map_err(failed("EnableKeyRotation")).map(drop)
}

/// Gives the key `alias`. What has it may be the key itself, or one that is to be deleted; another's is left to it.
async fn name(ctx: &Ctx<'_, Aws>, id: &str, alias: &str) -> Result<(), StepError> {
    let kms = &ctx.system.clients.kms;
    let call = kms.create_alias().alias_name(alias).target_key_id(id);
    match call.send().await.map_err(failed("CreateAlias")) {
        Err(error) if error.class() == Class::AlreadyDone => {}
        answer => return answer.map(drop),
    }
    match describe(ctx.system, alias).await? {
        Some(key) if key.arn() == Some(id) => Ok(()),
        Some(key) if state(&key) != PENDING => Err(StepError::Ended {
            what: format!("the alias {alias} is that of another key"),
            why: key.arn.unwrap_or(key.key_id),
            remedy: Some("delete that alias, or give the stack another name"),
        }),
        _ => {
            let call = kms.update_alias().alias_name(alias).target_key_id(id);
            call.send().await.map_err(failed("UpdateAlias")).map(drop)
        }
    }
}

fn tags_of(tags: &Tags) -> Vec<Tag> {
    tags.iter().filter_map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build().ok()).collect()
}
