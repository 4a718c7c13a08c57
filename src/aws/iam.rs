//! IAM's lists of the whole account: IAM has no describe by tag, and tells what there is by name alone.

use aws_sdk_iam::types::{InstanceProfile, Role};

use super::{Aws, failed};
use crate::error::StepError;

impl Aws {
    /// Every role of the account.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn roles(&self) -> Result<Vec<Role>, StepError> {
        let pages = self.clients.iam.list_roles().into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListRoles"))
    }

    /// Every instance profile of the account.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn instance_profiles(&self) -> Result<Vec<InstanceProfile>, StepError> {
        let pages = self.clients.iam.list_instance_profiles().into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListInstanceProfiles"))
    }

    /// Whether the account has no role of this name, as the list for all stacks that are planned at once tells. One stack asks for its
    /// role by name.
    ///
    /// # Errors
    /// AWS's answer, but that the caller may not list roles.
    pub async fn lacks_role(&self, name: &str) -> Result<bool, StepError> {
        let Some(together) = &self.clients.together else { return Ok(false) };
        let all = together.account.once_if_allowed("roles", || self.roles()).await?;
        Ok((*all).as_ref().is_some_and(|all| all.iter().all(|role| role.role_name != name)))
    }

    /// The same of an instance profile.
    ///
    /// # Errors
    /// AWS's answer, but that the caller may not list instance profiles.
    pub async fn lacks_instance_profile(&self, name: &str) -> Result<bool, StepError> {
        let Some(together) = &self.clients.together else { return Ok(false) };
        let all = together.account.once_if_allowed("instance profiles", || self.instance_profiles()).await?;
        Ok((*all).as_ref().is_some_and(|all| all.iter().all(|profile| profile.instance_profile_name != name)))
    }
}
