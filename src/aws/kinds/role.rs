//! The hosts' IAM role: Session Manager, and what the file names beside it. There is no SSH key.

use super::{no_call_for, no_id};
use crate::aws::{Aws, Class, Done, Papers, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_iam::types::Tag;
use kstack_core::host_policy::HostPolicy;
use kstack_core::kinds::Role;
use kstack_core::kinds::role::{LOGS_POLICY, OWN_POLICY, PAPERS_POLICY, is_earlier, is_marked, logs_policy, marks};
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use kstack_core::stack::Logs;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// How many managed policies IAM lets a role have, unless it was asked for more.
const USUAL_POLICIES: usize = 10;

impl Driver<Aws> for Role {
    const CALLS: Calls = Calls {
        discover: &[call("GetRole"), call("ListAttachedRolePolicies"), call("ListRolePolicies"), call("GetRolePolicy")],
        create: &[call("CreateRole"), call("PutRolePolicy"), call("AttachRolePolicy")],
        update: &[
            call("DeleteRolePolicy"),
            call("TagRole"),
            call("PutRolePermissionsBoundary"),
            call("DeleteRolePermissionsBoundary"),
            call("PutRolePolicy"),
            call("UpdateAssumeRolePolicy"),
            call("AttachRolePolicy"),
            call("DetachRolePolicy"),
        ],
        delete: &[
            call("ListAttachedRolePolicies"),
            call("ListRolePolicies"),
            call("DetachRolePolicy"),
            call("DeleteRolePolicy"),
            call("DeleteRole"),
        ],
        retag: &[call("TagRole"), call("UntagRole")],
    };

    /// IAM has no describe by tag: the role is looked for by the name that only this stack gives it.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let iam = &aws.clients.iam;
        if aws.all() {
            let mine = aws.roles().await?.into_iter().filter_map(|role| {
                let tags = aws.tags_of_name(&role.role_name, Role::SUFFIX, "role/hosts")?;
                let spec = Role { path: role.path.clone(), ..plain(trusted(role.assume_role_policy_document())) };
                Some(Found { id: role.role_name, tags, spec, terminated: false })
            });
            return Ok(mine.collect());
        }
        let name = aws.global_name(Role::SUFFIX);
        if aws.lacks_role(&name).await? {
            return Ok(Vec::new());
        }
        let role = async { iam.get_role().role_name(&name).send().await.map_err(failed("GetRole")) };
        let papers = async {
            match aws.papers() {
                Papers::None => Ok(None),
                _ => document(aws, &name, PAPERS_POLICY).await,
            }
        };
        let logs = async {
            match aws.expects_logs(Logs::Groups) {
                false => Ok(None),
                true => document(aws, &name, LOGS_POLICY).await,
            }
        };
        let (own, attached, inline) = (document(aws, &name, OWN_POLICY), attached(aws, &name), inline(aws, &name));
        let (role, attached, inline, document, papers, logs) = tokio::join!(role, attached, inline, own, papers, logs);
        // A denied GetRole says nothing of whether the role is there, and is not hidden behind what the other calls say of it.
        let role = match role {
            Err(error) if error.class() == Class::NotFound => return Ok(Vec::new()),
            role => role?,
        };
        let (attached, inline, document, papers) = (attached?, inline?, document?, papers?);
        let writes_to = logs?.as_deref().map_or(Ref::None, log_group);
        let (papers_vpc, papers_key) = papers.map(|document| read_papers(aws.stack(), &document)).unzip();
        let Some(role) = role.role else { return Ok(Vec::new()) };
        let tags: Tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let moved = tags.contains_key(tag::ROLE_POLICY);
        let ours = |arn: &String| is_marked(&tags, arn) || !moved && is_earlier(arn);
        let (policies, attached) = attached.into_iter().partition(ours);
        let limit = role.permissions_boundary().and_then(|one| one.permissions_boundary_arn()).map(str::to_owned);
        let (limit, by_others) = match tags.contains_key(tag::ROLE_BOUNDARY) {
            true => (limit, None),
            false => (None, limit),
        };
        let spec = Role {
            permissions_boundary: limit.unwrap_or_default(),
            boundary_by_others: by_others,
            path: role.path.clone(),
            trusts: trusted(role.assume_role_policy_document()),
            actions: document.as_deref().map(actions).unwrap_or_default(),
            policies,
            papers_key,
            papers_vpc,
            writes_to,
            attached_by_others: Some(attached),
            inline_by_others: Some(
                inline
                    .into_iter()
                    .filter(|name| ![OWN_POLICY, PAPERS_POLICY, LOGS_POLICY].contains(&&**name))
                    .collect(),
            ),
        };
        Ok(vec![Found { id: role.role_name, tags, spec, terminated: false }])
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let name = ctx.system.global_name(Role::SUFFIX);
        let call =
            ctx.system.clients.iam.create_role().role_name(&name).assume_role_policy_document(trust_document(self));
        let call =
            call.description("Kafka hosts of a kstack stack").set_tags(Some(iam_tags(ctx.tags))).path(&self.path);
        let call = call.set_permissions_boundary(boundary(self));
        match call.send().await.map_err(failed("CreateRole")) {
            // The name is this stack's own: a role that is there already came from a call whose answer was lost.
            Err(error) if error.class() == Class::AlreadyDone => Ok(name),
            Err(error) => Err(error),
            Ok(answer) => answer.role.map(|role| role.role_name).ok_or_else(|| no_id("CreateRole")),
        }
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.iam.put_role_policy().role_name(id).policy_name(OWN_POLICY);
        let call = call.policy_document(own_document(&self.actions));
        call.send().await.map_err(failed("PutRolePolicy"))?;
        if self.papers_key.is_some() {
            put_papers(self, ctx, id).await?;
        }
        if self.writes_to != Ref::None {
            put_logs(self, ctx, id).await?;
        }
        for arn in &self.policies {
            attach(ctx, id, arn).await?;
        }
        Ok(())
    }

    /// The boundary comes first, because the caller may be let do the rest only under it. The own policy is put before the earlier one is
    /// detached: hosts are reached all the while. What tells that a boundary or policy is the file's is there before it is, so that a run
    /// that dies between them leaves nothing that would be taken for others'.
    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        let changed = |field: &str| changes.iter().find(|change| change.field == field);
        let (drop, add) = changed("policies").map(|change| swap(self, change)).unwrap_or_default();
        let crowded = drop.len() + self.policies.len() > USUAL_POLICIES;
        if changed("permissions_boundary").is_some() && boundary(self).is_some() || !add.is_empty() {
            let mut tags: Tags = ctx.tags.iter().filter(|(key, _)| *key == tag::ROLE_BOUNDARY).map(owned).collect();
            if !add.is_empty() {
                let kept = drop.iter().filter(|arn| !crowded && !is_earlier(arn)).chain(&self.policies);
                tags.insert(tag::ROLE_POLICIES.to_owned(), marks(kept));
            }
            Self::retag(ctx, id, &tags, &[]).await?;
        }
        if changed("permissions_boundary").is_some() {
            match boundary(self) {
                Some(arn) => {
                    let call = iam.put_role_permissions_boundary().role_name(id).permissions_boundary(arn);
                    call.send().await.map_err(failed("PutRolePermissionsBoundary")).map(std::mem::drop)?;
                }
                None => {
                    let call = iam.delete_role_permissions_boundary().role_name(id);
                    call.send().await.map_err(failed("DeleteRolePermissionsBoundary")).or_gone()?;
                }
            }
        }
        if changed("actions").is_some() {
            let call = iam.put_role_policy().role_name(id).policy_name(OWN_POLICY);
            let call = call.policy_document(own_document(&self.actions));
            call.send().await.map_err(failed("PutRolePolicy"))?;
        }
        if changed("papers_key").or(changed("papers_vpc")).is_some() {
            put_papers(self, ctx, id).await?;
        }
        if changed("writes_to").is_some() {
            put_logs(self, ctx, id).await?;
        }
        if changed("trusts").is_some() {
            let call = iam.update_assume_role_policy().role_name(id).policy_document(trust_document(self));
            call.send().await.map_err(failed("UpdateAssumeRolePolicy"))?;
        }
        // Attached before others are detached, unless that would be more than a role may have.
        let (first, last) = if crowded { (drop, Vec::new()) } else { (Vec::new(), drop) };
        for arn in &first {
            detach(ctx, id, arn).await?;
        }
        for arn in &add {
            attach(ctx, id, arn).await?;
        }
        for arn in &last {
            detach(ctx, id, arn).await?;
        }
        let known = ["permissions_boundary", "actions", "trusts", "policies", "papers_key", "papers_vpc", "writes_to"];
        changes
            .iter()
            .find(|change| !known.contains(&change.field.as_str()))
            .map_or(Ok(()), |one| Err(no_call_for(one)))
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        delete(ctx, id).await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        retag(ctx, id, set, unset).await
    }
}

/// IAM deletes no role that has policies, whoever gave it them: they are the role's, and it is the stack's.
pub(super) async fn delete(ctx: &Ctx<'_, Aws>, role: &str) -> Result<(), StepError> {
    let iam = &ctx.system.clients.iam;
    let (attached, inline) = match tokio::join!(attached(ctx.system, role), inline(ctx.system, role)) {
        (Err(error), _) | (_, Err(error)) if error.class() == Class::NotFound => return Ok(()),
        (attached, inline) => (attached?, inline?),
    };
    for arn in &attached {
        detach(ctx, role, arn).await?;
    }
    for name in &inline {
        let call = iam.delete_role_policy().role_name(role).policy_name(name);
        call.send().await.map_err(failed("DeleteRolePolicy")).or_gone()?;
    }
    iam.delete_role().role_name(role).send().await.map_err(failed("DeleteRole")).or_gone()
}

/// Sets and takes away tags of the role.
pub(super) async fn retag(ctx: &Ctx<'_, Aws>, role: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
    let iam = &ctx.system.clients.iam;
    if !set.is_empty() {
        let call = iam.tag_role().role_name(role).set_tags(Some(iam_tags(set)));
        call.send().await.map_err(failed("TagRole"))?;
    }
    if !unset.is_empty() {
        let call = iam.untag_role().role_name(role).set_tag_keys(Some(unset.to_vec()));
        call.send().await.map_err(failed("UntagRole"))?;
    }
    Ok(())
}

/// The boundary that the file names.
fn boundary(role: &Role) -> Option<String> {
    Some(role.permissions_boundary.clone()).filter(|arn| !arn.is_empty())
}

/// The policies that `change` takes away from what `role` is to be, and those that it adds.
fn swap(role: &Role, change: &FieldChange) -> (Vec<String>, Vec<String>) {
    let live = change.before.as_array().into_iter().flatten().filter_map(Value::as_str);
    let live: Vec<String> = live.map(str::to_owned).collect();
    let add = role.policies.iter().filter(|arn| !live.contains(arn)).cloned().collect();
    (live.into_iter().filter(|arn| !role.policies.contains(arn)).collect(), add)
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// ARNs of the managed policies that are attached to the role.
async fn attached(aws: &Aws, role: &str) -> Result<Vec<String>, StepError> {
    let pages = aws.clients.iam.list_attached_role_policies().role_name(role).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListAttachedRolePolicies"))?;
    Ok(all.into_iter().filter_map(|policy| policy.policy_arn).collect())
}

/// The names of the role's inline policies.
async fn inline(aws: &Aws, role: &str) -> Result<Vec<String>, StepError> {
    let pages = aws.clients.iam.list_role_policies().role_name(role).into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListRolePolicies"))
}

/// Brings the policy by which hosts read their papers to what `role` is to have.
async fn put_papers(role: &Role, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let iam = &ctx.system.clients.iam;
    let (Some(key), Some(vpc)) = (role.papers_key.as_ref().filter(|key| **key != Ref::None), &role.papers_vpc) else {
        let call = iam.delete_role_policy().role_name(id).policy_name(PAPERS_POLICY);
        return call.send().await.map_err(failed("DeleteRolePolicy")).or_gone();
    };
    let (key, vpc) = (ctx.id(key)?, ctx.id(vpc)?);
    let policy = HostPolicy::of(ctx.system.stack(), &vpc, &key);
    let policy = policy.ok_or_else(|| StepError::Internal(format!("{key} is not the ARN of a key")))?;
    let call = iam.put_role_policy().role_name(id).policy_name(PAPERS_POLICY).policy_document(policy.document());
    call.send().await.map_err(failed("PutRolePolicy")).map(drop)
}

/// Brings the policy by which hosts write to a log group to what `role` is to have.
async fn put_logs(role: &Role, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let iam = &ctx.system.clients.iam;
    if role.writes_to == Ref::None {
        let call = iam.delete_role_policy().role_name(id).policy_name(LOGS_POLICY);
        return call.send().await.map_err(failed("DeleteRolePolicy")).or_gone();
    }
    let document = logs_policy(&ctx.id(&role.writes_to)?).to_string();
    let call = iam.put_role_policy().role_name(id).policy_name(LOGS_POLICY).policy_document(document);
    call.send().await.map_err(failed("PutRolePolicy")).map(drop)
}

/// The log group of such a policy; the policy itself, where it is another than kstack writes.
fn log_group(document: &str) -> Ref {
    let text = percent_decode_str(document).decode_utf8_lossy();
    let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
    let group = parsed["Statement"][0]["Resource"][0].as_str().unwrap_or_default();
    Ref::Id(if parsed == logs_policy(group) { group.to_owned() } else { text.into_owned() })
}

/// The VPC and the key of such a policy; of one that kstack does not write, the policy itself in the key's place.
fn read_papers(stack: &str, document: &str) -> (Ref, Ref) {
    let text = percent_decode_str(document).decode_utf8_lossy();
    match HostPolicy::read(stack, &text) {
        Some((vpc, key)) => (Ref::Id(vpc), Ref::Id(key)),
        None => (Ref::None, Ref::Id(text.into_owned())),
    }
}

/// The document of the role's inline policy with this name, as IAM gives it; `None` where there is none.
pub(super) async fn document(aws: &Aws, role: &str, policy: &str) -> Result<Option<String>, StepError> {
    let call = aws.clients.iam.get_role_policy().role_name(role).policy_name(policy);
    match call.send().await.map_err(failed("GetRolePolicy")) {
        Err(error) if error.class() == Class::NotFound => Ok(None),
        answer => Ok(Some(answer?.policy_document)),
    }
}

async fn attach(ctx: &Ctx<'_, Aws>, role: &str, arn: &str) -> Result<(), StepError> {
    let call = ctx.system.clients.iam.attach_role_policy().role_name(role).policy_arn(arn);
    call.send().await.map_err(failed("AttachRolePolicy")).map(drop)
}

async fn detach(ctx: &Ctx<'_, Aws>, role: &str, arn: &str) -> Result<(), StepError> {
    let call = ctx.system.clients.iam.detach_role_policy().role_name(role).policy_arn(arn);
    call.send().await.map_err(failed("DetachRolePolicy")).or_gone()
}

/// A policy that allows `actions` on every resource.
fn own_document(actions: &[String]) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}).to_string()
}

/// What a policy allows, when it is one that kstack writes; else the policy itself, so that the difference shows.
fn actions(document: &str) -> Vec<String> {
    let text = percent_decode_str(document).decode_utf8_lossy();
    let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
    let listed = parsed["Statement"][0]["Action"].as_array().into_iter().flatten();
    let actions: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    let same = serde_json::from_str::<Value>(&own_document(&actions)).is_ok_and(|own| own == parsed);
    if same { actions } else { vec![text.into_owned()] }
}

/// A role of which nothing is known but who may take it.
fn plain(trusts: String) -> Role {
    Role {
        trusts,
        actions: Vec::new(),
        policies: Vec::new(),
        permissions_boundary: String::new(),
        path: "/".to_owned(),
        papers_key: None,
        papers_vpc: None,
        writes_to: Ref::None,
        boundary_by_others: None,
        attached_by_others: None,
        inline_by_others: None,
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
    let same = serde_json::from_str::<Value>(&trust_document(&plain(service.clone()))).is_ok_and(|own| own == parsed);
    if same { service } else { text.into_owned() }
}

/// Tags for IAM's calls.
pub fn iam_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_document_of_our_own_reads_as_its_service() {
        let role = plain("ec2.amazonaws.com".to_owned());
        let encoded = trust_document(&role).replace('{', "%7B").replace('"', "%22").replace(' ', "%20");
        assert_eq!(trusted(Some(&encoded)), "ec2.amazonaws.com");
        let wider =
            trust_document(&role).replace("\"ec2.amazonaws.com\"", "[\"ec2.amazonaws.com\",\"lambda.amazonaws.com\"]");
        assert_ne!(trusted(Some(&wider)), "ec2.amazonaws.com");
    }
    #[test]
    fn a_policy_of_our_own_reads_as_its_actions_and_another_as_itself() {
        let own = ["ssmmessages:OpenDataChannel".to_owned()];
        let document = own_document(&own);
        assert_eq!(actions(&document.replace('{', "%7B").replace('"', "%22")), own);
        for (old, new) in [("Allow", "Deny"), ("[\"ssmmessages:OpenDataChannel\"]", "\"*\""), ("\"*\"", "\"arn:a\"")] {
            let other = document.replace(old, new);
            assert_eq!(actions(&other), [other], "{old} is {new}");
        }
        let longer = document.replace("}]", "},{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]");
        assert_eq!(actions(&longer), [longer]);
    }

    #[test]
    fn a_policy_for_logs_of_our_own_reads_as_its_group_and_another_as_itself() {
        let group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/kstack/orders/hosts";
        let document = logs_policy(group).to_string();
        assert_eq!(log_group(&document.replace('{', "%7B").replace('"', "%22")), Ref::Id(group.to_owned()));
        let wider = document.replace("PutLogEvents", "*");
        assert_eq!(log_group(&wider), Ref::Id(wider));
    }
}
