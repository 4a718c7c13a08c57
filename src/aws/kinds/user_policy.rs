//! Inline policies of roles of others, for users of MSK who come with IAM. A parameter says which roles may have one, from before one gets it
//! until none has it: so it is found again whenever a run dies, and after its user has left the file.

use super::no_call_for;
use crate::aws::papers::Paper;
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use kstack_core::cloud_init::{role_parameter, user_of_role};
use kstack_core::kinds::user_policy::canonical;
use kstack_core::kinds::{Kind as _, UserPolicy};
use kstack_core::model::{Address, FieldChange, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};
use percent_encoding::percent_decode_str;

/// What stands in the parameter's description before the names of the roles.
const ROLES: &str = "roles:";

impl Driver<Aws> for UserPolicy {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeParameters"), call_of("GetRolePolicy", "users")],
        create: &[call_of("PutParameter", "papers"), call_of("PutRolePolicy", "users")],
        update: &[
            call_of("PutParameter", "papers"),
            call_of("PutRolePolicy", "users"),
            call_of("DeleteRolePolicy", "users"),
        ],
        delete: &[call_of("DeleteRolePolicy", "users"), call_of("DeleteParameter", "papers")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.every_paper().await?;
        let noted = all.iter().filter_map(|paper| Some((paper, user_of_role(&paper.stack, &paper.parameter)?)));
        let found = noted.map(|(paper, user)| find(aws, paper, user));
        futures::future::try_join_all(found).await
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let id = role_parameter(ctx.system.stack(), &ctx.address.name);
        ctx.note(&id, described(&self.role)).await?;
        Ok(id)
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let aws = ctx.system;
        let call =
            aws.clients.iam.put_role_policy().role_name(&self.role).policy_name(aws.global_name(&ctx.address.name));
        call.policy_document(&self.policy).send().await.map_err(failed("PutRolePolicy")).map(drop)
    }

    /// The next role has the policy before the last one loses it: no client is without its rights in between.
    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let moved = changes.iter().find(|change| change.field == "role");
        let before = moved.and_then(|change| change.before.as_str()).unwrap_or_default();
        let gone: Vec<&str> = before.split(' ').filter(|role| !role.is_empty() && *role != self.role).collect();
        if moved.is_some() {
            let all: Vec<&str> = gone.iter().copied().chain([self.role.as_str()]).collect();
            ctx.note_again(id, described(&all.join(" "))).await?;
        }
        self.finish(ctx, id).await?;
        for role in gone {
            take(ctx.system, role, &ctx.address.name).await?;
        }
        if moved.is_some() {
            ctx.note_again(id, described(&self.role)).await?;
        }
        let known = ["role", "policy"];
        changes.iter().find(|one| !known.contains(&one.field.as_str())).map_or(Ok(()), |one| Err(no_call_for(one)))
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        for role in self.role.split(' ').filter(|role| !role.is_empty()) {
            take(ctx.system, role, &ctx.address.name).await?;
        }
        let call = ctx.system.clients.ssm.delete_parameter().name(id);
        call.send().await.map_err(failed("DeleteParameter")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its name says whose it is.
    }
}

fn described(roles: &str) -> String {
    format!("{ROLES}{roles}")
}

/// What is noted of `user` in `paper`, and what its role has. Of several roles a run has died in a change: each may have it.
async fn find(aws: &Aws, paper: &Paper, user: &str) -> Result<Found<UserPolicy>, StepError> {
    let role = paper.description.strip_prefix(ROLES).unwrap_or_default().to_owned();
    let policy = match aws.all() || role.is_empty() || role.contains(' ') {
        true => String::new(),
        false => {
            let call = aws.clients.iam.get_role_policy().role_name(&role);
            match call.policy_name(aws.global_name(user)).send().await.map_err(failed("GetRolePolicy")) {
                Err(error) if error.class() == Class::NotFound => String::new(),
                answer => canonical(&percent_decode_str(&answer?.policy_document).decode_utf8_lossy()),
            }
        }
    };
    let address = Address::new(UserPolicy::NAME, user).to_string();
    let tags = [(tag::STACK, paper.stack.clone()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    let spec = UserPolicy { role, policy };
    Ok(Found { id: paper.parameter.clone(), tags: tags.into(), spec, terminated: false })
}

/// Takes the policy of `user` away from a role, which may be gone itself.
async fn take(aws: &Aws, role: &str, user: &str) -> Result<(), StepError> {
    let call = aws.clients.iam.delete_role_policy().role_name(role).policy_name(aws.global_name(user));
    call.send().await.map_err(failed("DeleteRolePolicy")).or_gone()
}
