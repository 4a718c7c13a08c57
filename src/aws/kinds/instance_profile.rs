//! The instance profile, by which instances take the hosts' role.

use super::no_id;
use super::role::iam_tags;
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use kstack_core::kinds::InstanceProfile;
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for InstanceProfile {
    const CALLS: Calls = Calls {
        discover: &[call("GetInstanceProfile")],
        create: &[
            call("CreateInstanceProfile"),
            call("GetInstanceProfile"),
            call("RemoveRoleFromInstanceProfile"),
            call("AddRoleToInstanceProfile"),
        ],
        update: &[call("GetInstanceProfile"), call("RemoveRoleFromInstanceProfile"), call("AddRoleToInstanceProfile")],
        delete: &[call("RemoveRoleFromInstanceProfile"), call("DeleteInstanceProfile")],
        retag: &[call("TagInstanceProfile"), call("UntagInstanceProfile")],
    };

    /// Looked for by the name that only this stack gives it: IAM has no describe by tag.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        if aws.all() {
            let mine = aws.instance_profiles().await?.into_iter().filter_map(|profile| {
                let tags = aws.tags_of_name(
                    &profile.instance_profile_name,
                    InstanceProfile::SUFFIX,
                    "instance_profile/hosts",
                )?;
                let role = Ref::live(profile.roles().first().map(|role| role.role_name()));
                let spec = InstanceProfile { role, path: profile.path };
                Some(Found { id: profile.instance_profile_name, tags, spec, terminated: false })
            });
            return Ok(mine.collect());
        }
        let name = aws.global_name(InstanceProfile::SUFFIX);
        if aws.lacks_instance_profile(&name).await? {
            return Ok(Vec::new());
        }
        let call = aws.clients.iam.get_instance_profile().instance_profile_name(&name);
        let answer = match call.send().await.map_err(failed("GetInstanceProfile")) {
            Err(error) if error.class() == Class::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let Some(profile) = answer.instance_profile else { return Ok(Vec::new()) };
        let role = profile.roles().first().map(|role| role.role_name());
        let tags = profile.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let spec = InstanceProfile { role: Ref::live(role), path: profile.path.clone() };
        Ok(vec![Found { id: profile.instance_profile_name, tags, spec, terminated: false }])
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let name = ctx.system.global_name(InstanceProfile::SUFFIX);
        let call = ctx.system.clients.iam.create_instance_profile().instance_profile_name(&name).path(&self.path);
        match call.set_tags(Some(iam_tags(ctx.tags))).send().await.map_err(failed("CreateInstanceProfile")) {
            Err(error) if error.class() == Class::AlreadyDone => Ok(name),
            Err(error) => Err(error),
            Ok(answer) => {
                let profile = answer.instance_profile.ok_or_else(|| no_id("CreateInstanceProfile"))?;
                Ok(profile.instance_profile_name)
            }
        }
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        let answer =
            iam.get_instance_profile().instance_profile_name(id).send().await.map_err(failed("GetInstanceProfile"))?;
        let role = ctx.id(&self.role)?;
        let live: Vec<String> = answer
            .instance_profile
            .iter()
            .flat_map(|profile| profile.roles())
            .map(|role| role.role_name.clone())
            .collect();
        // A profile takes one role.
        for other in live.iter().filter(|name| **name != role) {
            let call = iam.remove_role_from_instance_profile().instance_profile_name(id).role_name(other);
            call.send().await.map_err(failed("RemoveRoleFromInstanceProfile")).or_gone()?;
        }
        if !live.contains(&role) {
            let call = iam.add_role_to_instance_profile().instance_profile_name(id).role_name(role);
            call.send().await.map_err(failed("AddRoleToInstanceProfile")).map_err(|error| {
                match error.code() {
                    // The profile has a role: most likely this one, from a try whose answer was lost. Looking again tells.
                    Some("LimitExceeded" | "LimitExceededException") => error.classed(Class::AlreadyDone),
                    _ => error,
                }
            })?;
        }
        Ok(())
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        if let Ok(role) = ctx.id(&self.role)
            && !role.is_empty()
        {
            let call = iam.remove_role_from_instance_profile().instance_profile_name(id).role_name(role);
            call.send().await.map_err(failed("RemoveRoleFromInstanceProfile")).or_gone()?;
        }
        let call = iam.delete_instance_profile().instance_profile_name(id);
        call.send().await.map_err(failed("DeleteInstanceProfile")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        let iam = &ctx.system.clients.iam;
        if !set.is_empty() {
            let call = iam.tag_instance_profile().instance_profile_name(id).set_tags(Some(iam_tags(set)));
            call.send().await.map_err(failed("TagInstanceProfile"))?;
        }
        if !unset.is_empty() {
            let call = iam.untag_instance_profile().instance_profile_name(id).set_tag_keys(Some(unset.to_vec()));
            call.send().await.map_err(failed("UntagInstanceProfile"))?;
        }
        Ok(())
    }
}
