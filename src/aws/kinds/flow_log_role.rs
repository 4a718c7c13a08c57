//! The role by which VPC flow logs get into the stack's log group.

use kstack_core::kinds::FlowLogRole;
use kstack_core::kinds::flow_log_role::{POLICY, SERVICE, policy, trust};
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::call_of;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::role::{self, document, iam_tags};
use super::{no_call_for, no_id};
use crate::aws::{Aws, Class, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;

impl Driver<Aws> for FlowLogRole {
    const CALLS: Calls = Calls {
        discover: &[call_of("GetRole", "flow logs"), call_of("GetRolePolicy", "flow logs")],
        create: &[
            call_of("CreateRole", "flow logs"),
            call_of("GetRole", "flow logs"),
            call_of("PutRolePolicy", "flow logs"),
        ],
        update: &[
            call_of("PutRolePermissionsBoundary", "flow logs"),
            call_of("UpdateAssumeRolePolicy", "flow logs"),
            call_of("PutRolePolicy", "flow logs"),
        ],
        delete: &[
            call_of("ListAttachedRolePolicies", "flow logs"),
            call_of("ListRolePolicies", "flow logs"),
            call_of("DetachRolePolicy", "flow logs"),
            call_of("DeleteRolePolicy", "flow logs"),
            call_of("DeleteRole", "flow logs"),
        ],
        retag: &[call_of("TagRole", "flow logs"), call_of("UntagRole", "flow logs")],
    };

    /// Looked for by the name that only this stack gives it: IAM has no describe by tag.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let iam = &aws.clients.iam;
        if aws.all() {
            let mine = aws.roles().await?.into_iter().filter_map(|role| {
                let tags = aws.tags_of_name(&role.role_name, FlowLogRole::SUFFIX, "flow_log_role/main")?;
                let trusts = trusted(role.assume_role_policy_document(), &role.arn);
                let spec = FlowLogRole { trusts, writes_to: Ref::None, permissions_boundary: None, path: role.path };
                Some(Found { id: role.arn, tags, spec, terminated: false })
            });
            return Ok(mine.collect());
        }
        let name = aws.global_name(FlowLogRole::SUFFIX);
        if aws.lacks_role(&name).await? {
            return Ok(Vec::new());
        }
        let role = async { iam.get_role().role_name(&name).send().await.map_err(failed("GetRole")) };
        let (role, document) = tokio::join!(role, document(aws, &name, POLICY));
        let role = match role {
            Err(error) if error.class() == Class::NotFound => return Ok(Vec::new()),
            role => role?.role,
        };
        let Some(role) = role else { return Ok(Vec::new()) };
        let tags: Tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let boundary = role.permissions_boundary().and_then(|one| one.permissions_boundary_arn());
        let spec = FlowLogRole {
            trusts: trusted(role.assume_role_policy_document(), &role.arn),
            writes_to: document?.as_deref().map_or(Ref::None, group),
            permissions_boundary: boundary.map(str::to_owned),
            path: role.path,
        };
        Ok(vec![Found { id: role.arn, tags, spec, terminated: false }])
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let iam = &ctx.system.clients.iam;
        let name = ctx.system.global_name(FlowLogRole::SUFFIX);
        let call = iam.create_role().role_name(&name).path(&self.path).set_tags(Some(iam_tags(ctx.tags)));
        let call = call
            .description("VPC flow logs of a kstack stack")
            .set_permissions_boundary(self.permissions_boundary.clone());
        let call = call.assume_role_policy_document(trust(account(&ctx.id(&self.writes_to)?)).to_string());
        let made = match call.send().await.map_err(failed("CreateRole")) {
            // The name is this stack's own: a role that is there already came from a call whose answer was lost.
            Err(error) if error.class() == Class::AlreadyDone => {
                iam.get_role().role_name(&name).send().await.map_err(failed("GetRole"))?.role
            }
            answer => answer?.role,
        };
        made.map(|role| role.arn).ok_or_else(|| no_id("CreateRole"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        put(self, ctx, id).await
    }

    /// The boundary comes first, because the caller may be let do the rest only under it.
    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        let changed = |field: &str| changes.iter().any(|change| change.field == field);
        if let Some(arn) = self.permissions_boundary.as_ref().filter(|_| changed("permissions_boundary")) {
            let call = iam.put_role_permissions_boundary().role_name(name(id)).permissions_boundary(arn);
            call.send().await.map(drop).map_err(failed("PutRolePermissionsBoundary"))?;
        }
        if changed("writes_to") {
            put(self, ctx, id).await?;
        }
        if changed("trusts") {
            let document = trust(account(id)).to_string();
            let call = iam.update_assume_role_policy().role_name(name(id)).policy_document(document);
            call.send().await.map_err(failed("UpdateAssumeRolePolicy"))?;
        }
        let known = ["permissions_boundary", "writes_to", "trusts"];
        let other = changes.iter().find(|change| !known.contains(&change.field.as_str()));
        other.map_or(Ok(()), |change| Err(no_call_for(change)))
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        role::delete(ctx, name(id)).await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        role::retag(ctx, name(id), set, unset).await
    }
}

/// The name in the ARN of a role.
fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The account in an ARN.
fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

async fn put(role: &FlowLogRole, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    let document = policy(&ctx.id(&role.writes_to)?).to_string();
    let call = ctx.system.clients.iam.put_role_policy().role_name(name(id)).policy_name(POLICY);
    call.policy_document(document).send().await.map(drop).map_err(failed("PutRolePolicy"))
}

/// A document as IAM gives it, which is percent-encoded.
fn decoded(document: &str) -> (String, Value) {
    let text = percent_decode_str(document).decode_utf8_lossy().into_owned();
    let parsed = serde_json::from_str(&text).unwrap_or_default();
    (text, parsed)
}

/// Who a trust document lets in, where it is the one that kstack writes for the role `arn`; else the document itself.
fn trusted(document: Option<&str>, arn: &str) -> String {
    let (text, parsed) = decoded(document.unwrap_or_default());
    if parsed == trust(account(arn)) { SERVICE.to_owned() } else { text }
}

/// The log group of such a policy; the policy itself, where it is another than kstack writes.
fn group(document: &str) -> Ref {
    let (text, parsed) = decoded(document);
    let group = parsed["Statement"][0]["Resource"][0].as_str().unwrap_or_default().to_owned();
    Ref::Id(if parsed == policy(&group) { group } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/kstack/orders/flow-logs";
    const ROLE: &str = "arn:aws:iam::123456789012:role/teams/kstack-orders-eu-west-1-flow-logs";

    #[test]
    fn documents_of_our_own_read_as_what_they_are_made_from_and_others_as_themselves() {
        let encoded = |document: Value| document.to_string().replace('{', "%7B").replace('"', "%22");
        assert_eq!(trusted(Some(&encoded(trust("123456789012"))), ROLE), SERVICE);
        assert_ne!(trusted(Some(&encoded(trust("210987654321"))), ROLE), SERVICE);
        assert_eq!(group(&encoded(policy(GROUP))), Ref::Id(GROUP.to_owned()));
        let mut wider = policy(GROUP);
        wider["Statement"][0]["Action"][0] = "logs:*".into();
        assert_eq!(group(&encoded(wider.clone())), Ref::Id(wider.to_string()));
        assert_eq!((name(ROLE), account(ROLE)), ("kstack-orders-eu-west-1-flow-logs", "123456789012"));
    }
}
