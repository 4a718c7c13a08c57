//! The hosts' IAM role: Session Manager, and nothing else. There is no SSH key.

use super::{no_call_for, no_id};
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Ctx, Driver};
use crate::error::StepError;
use aws_sdk_iam::types::Tag;
use kstack_core::kinds::Role;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SUFFIX: &str = "role";

impl Driver<Aws> for Role {
    /// IAM has no describe by tag: the role is looked for by the name that only this stack gives it.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let iam = &aws.clients.iam;
        if aws.all() {
            let pages = iam.list_roles().into_paginator().items().send();
            let roles = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListRoles"))?;
            let mine = roles.into_iter().filter_map(|role| {
                let tags = aws.tags_of_name(&role.role_name, SUFFIX, "role/hosts")?;
                let spec = Role { trusts: trusted(role.assume_role_policy_document()), policies: Vec::new() };
                Some(Found { id: role.role_name, tags, spec, terminated: false })
            });
            return Ok(mine.collect());
        }
        let name = aws.global_name(SUFFIX);
        let role = async { iam.get_role().role_name(&name).send().await.map_err(failed("GetRole")) };
        let policies = async {
            let pages = iam.list_attached_role_policies().role_name(&name).into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListAttachedRolePolicies"))
        };
        let (role, policies) = match tokio::join!(role, policies) {
            (Err(error), _) | (_, Err(error)) if error.class() == Class::NotFound => return Ok(Vec::new()),
            (role, policies) => (role?, policies?),
        };
        let Some(role) = role.role else { return Ok(Vec::new()) };
        let policies = policies.into_iter().filter_map(|policy| policy.policy_arn);
        let spec = Role { trusts: trusted(role.assume_role_policy_document()), policies: policies.collect() };
        let tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        Ok(vec![Found { id: role.role_name, tags, spec, terminated: false }])
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let name = ctx.system.global_name(SUFFIX);
        let call =
            ctx.system.clients.iam.create_role().role_name(&name).assume_role_policy_document(trust_document(self));
        let call = call.description("Kafka hosts of a kstack stack").set_tags(Some(iam_tags(ctx.tags)));
        match call.send().await.map_err(failed("CreateRole")) {
            // The name is this stack's own: a role that is there already came from a call whose answer was lost.
            Err(error) if error.class() == Class::AlreadyDone => Ok(name),
            Err(error) => Err(error),
            Ok(answer) => answer.role.map(|role| role.role_name).ok_or_else(|| no_id("CreateRole")),
        }
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        for policy in &self.policies {
            let call = ctx.system.clients.iam.attach_role_policy().role_name(id).policy_arn(policy);
            call.send().await.map_err(failed("AttachRolePolicy"))?;
        }
        Ok(())
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        for change in changes {
            match change.field.as_str() {
                "trusts" => {
                    let call = iam.update_assume_role_policy().role_name(id).policy_document(trust_document(self));
                    call.send().await.map_err(failed("UpdateAssumeRolePolicy"))?;
                }
                "policies" => {
                    for policy in strings(&change.before).difference(&strings(&change.after)) {
                        let call = iam.detach_role_policy().role_name(id).policy_arn(policy);
                        call.send().await.map_err(failed("DetachRolePolicy")).or_gone()?;
                    }
                }
                _ => return Err(no_call_for(change)),
            }
        }
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        for policy in &self.policies {
            let call = iam.detach_role_policy().role_name(id).policy_arn(policy);
            call.send().await.map_err(failed("DetachRolePolicy")).or_gone()?;
        }
        iam.delete_role().role_name(id).send().await.map_err(failed("DeleteRole")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        if !set.is_empty() {
            let call = iam.tag_role().role_name(id).set_tags(Some(iam_tags(set)));
            call.send().await.map_err(failed("TagRole"))?;
        }
        if !unset.is_empty() {
            let call = iam.untag_role().role_name(id).set_tag_keys(Some(unset.to_vec()));
            call.send().await.map_err(failed("UntagRole"))?;
        }
        Ok(())
    }
}

fn trust_document(role: &Role) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": role.trusts}, "Action": "sts:AssumeRole"}],
    })
    .to_string()
}

/// Who a trust document lets in, when it is one that kstack writes; else the document itself, so that the difference shows.
fn trusted(document: Option<&str>) -> String {
    // IAM answers with the document percent-encoded.
    let text = percent_decode_str(document.unwrap_or_default()).decode_utf8_lossy();
    let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
    let service = parsed["Statement"][0]["Principal"]["Service"].as_str().unwrap_or_default().to_owned();
    let plain = Role { trusts: service.clone(), policies: Vec::new() };
    let same = serde_json::from_str::<Value>(&trust_document(&plain)).is_ok_and(|own| own == parsed);
    if same { service } else { text.into_owned() }
}

/// Tags for IAM's calls.
pub fn iam_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_document_of_our_own_reads_as_its_service() {
        let role = Role { trusts: "ec2.amazonaws.com".to_owned(), policies: Vec::new() };
        let encoded = trust_document(&role).replace('{', "%7B").replace('"', "%22").replace(' ', "%20");
        assert_eq!(trusted(Some(&encoded)), "ec2.amazonaws.com");
        let wider =
            trust_document(&role).replace("\"ec2.amazonaws.com\"", "[\"ec2.amazonaws.com\",\"lambda.amazonaws.com\"]");
        assert_ne!(trusted(Some(&wider)), "ec2.amazonaws.com");
    }
}
