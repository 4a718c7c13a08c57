//! The hosts' IAM role: Session Manager, and nothing else. There is no SSH key.

use std::collections::BTreeSet;

use aws_sdk_iam::types::Tag;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::no_id;
use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud};
use crate::design::Design;
use crate::resource::{Effect, Engine, FieldChange, Found, Kind, Tags};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// The AWS service that may take the role.
    pub trusts: String,
    /// ARNs of the managed policies attached to it.
    pub policies: Vec<String>,
}

const SESSION_MANAGER: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
const SUFFIX: &str = "role";

impl Kind for Role {
    const NAME: &'static str = "role";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const FREE: bool = true;
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if Engine::of(&design.stack) != Engine::Ec2 {
            return Vec::new();
        }
        let partition = if design.stack.region.starts_with("cn-") {
            "aws-cn"
        } else if design.stack.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        };
        let policy = SESSION_MANAGER.replacen("aws", partition, 1);
        vec![("hosts".to_owned(), Role { trusts: "ec2.amazonaws.com".to_owned(), policies: vec![policy] })]
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::InPlace
    }

    /// IAM has no describe by tag: the role is looked for by the name that only this stack gives it.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.clients.iam;
        if aws.all() {
            let pages = iam.list_roles().into_paginator().items().send();
            let roles = pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("ListRoles"))?;
            let mine = roles.into_iter().filter_map(|role| {
                let tags = aws.tags_of_name(&role.role_name, SUFFIX, "role/hosts")?;
                let spec = Role { trusts: trusted(role.assume_role_policy_document()), policies: Vec::new() };
                Some(Found { id: role.role_name, tags, spec, ended: false })
            });
            return Ok(mine.collect());
        }
        let name = aws.global_name(SUFFIX);
        let role = async { iam.get_role().role_name(&name).send().await.map_err(cloud("GetRole")) };
        let policies = async {
            let pages = iam.list_attached_role_policies().role_name(&name).into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(cloud("ListAttachedRolePolicies"))
        };
        let (role, policies) = match tokio::join!(role, policies) {
            (Err(error), _) | (_, Err(error)) if error.class == Class::NotFound => return Ok(Vec::new()),
            (role, policies) => (role?, policies?),
        };
        let Some(role) = role.role else { return Ok(Vec::new()) };
        let policies = policies.into_iter().filter_map(|policy| policy.policy_arn);
        let spec = Role { trusts: trusted(role.assume_role_policy_document()), policies: policies.collect() };
        let tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        Ok(vec![Found { id: role.role_name, tags, spec, ended: false }])
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        let name = ctx.aws.global_name(SUFFIX);
        let call = ctx.aws.clients.iam.create_role().role_name(&name).assume_role_policy_document(self.document());
        let call = call.description("Kafka hosts of a kstack stack").set_tags(Some(iam_tags(ctx.tags)));
        match call.send().await.map_err(cloud("CreateRole")) {
            // The name is this stack's own: a role that is there already came from a call whose answer was lost.
            Err(error) if error.class == Class::AlreadyDone => Ok(name),
            Err(error) => Err(error),
            Ok(answer) => answer.role.map(|role| role.role_name).ok_or_else(|| no_id("CreateRole")),
        }
    }

    async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        for policy in &self.policies {
            let call = ctx.aws.clients.iam.attach_role_policy().role_name(id).policy_arn(policy);
            call.send().await.map_err(cloud("AttachRolePolicy"))?;
        }
        Ok(())
    }

    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        let iam = &ctx.aws.clients.iam;
        for change in changes {
            if change.field == "trusts" {
                let call = iam.update_assume_role_policy().role_name(id).policy_document(self.document());
                call.send().await.map_err(cloud("UpdateAssumeRolePolicy"))?;
            } else if change.field == "policies" {
                for policy in strings(&change.before).difference(&strings(&change.after)) {
                    let call = iam.detach_role_policy().role_name(id).policy_arn(policy);
                    call.send().await.map_err(cloud("DetachRolePolicy")).or_gone()?;
                }
            }
        }
        self.settle(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        let iam = &ctx.aws.clients.iam;
        for policy in &self.policies {
            let call = iam.detach_role_policy().role_name(id).policy_arn(policy);
            call.send().await.map_err(cloud("DetachRolePolicy")).or_gone()?;
        }
        iam.delete_role().role_name(id).send().await.map_err(cloud("DeleteRole")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
        let iam = &ctx.aws.clients.iam;
        if !set.is_empty() {
            let call = iam.tag_role().role_name(id).set_tags(Some(iam_tags(set)));
            call.send().await.map_err(cloud("TagRole"))?;
        }
        if !unset.is_empty() {
            let call = iam.untag_role().role_name(id).set_tag_keys(Some(unset.to_vec()));
            call.send().await.map_err(cloud("UntagRole"))?;
        }
        Ok(())
    }
}

impl Role {
    fn document(&self) -> String {
        json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": self.trusts}, "Action": "sts:AssumeRole"}],
        })
        .to_string()
    }
}

/// Who a trust document lets in, when it is one that kstack writes; else the document itself, so that the difference shows.
fn trusted(document: Option<&str>) -> String {
    // IAM answers with the document percent-encoded.
    let text = percent_decoded(document.unwrap_or_default());
    let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
    let service = parsed["Statement"][0]["Principal"]["Service"].as_str().unwrap_or_default().to_owned();
    let plain = Role { trusts: service.clone(), policies: Vec::new() };
    let same = serde_json::from_str::<Value>(&plain.document()).is_ok_and(|document| document == parsed);
    if same { service } else { text }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
        let encoded = role.document().replace('{', "%7B").replace('"', "%22").replace(' ', "%20");
        assert_eq!(trusted(Some(&encoded)), "ec2.amazonaws.com");
        let wider = role.document().replace("\"ec2.amazonaws.com\"", "[\"ec2.amazonaws.com\",\"lambda.amazonaws.com\"]");
        assert_ne!(trusted(Some(&wider)), "ec2.amazonaws.com");
    }
}
