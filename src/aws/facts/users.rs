//! What the file names of others for users: a call for each secret and each role, all at once. Who may not ask can still plan, and AWS says
//! what is wrong when they are used.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;

use super::super::{Class, Clients, failed};
use crate::error::StepError;
use kstack_core::design::SecretFault;
use kstack_core::stack::{RoleName, Stack};

impl Clients {
    /// The secrets that can't be used, and the roles that are not there.
    ///
    /// # Errors
    /// AWS's answer.
    pub(super) async fn named_of_users(
        &self,
        stack: &Stack,
    ) -> Result<(BTreeMap<String, SecretFault>, BTreeSet<String>), StepError> {
        let for_msk = stack.cluster.msk.is_some();
        let secrets = stack.named_secrets().map(|(_, arn)| async move {
            Ok::<_, StepError>(self.fault_of(arn, for_msk).await?.map(|fault| (arn.to_owned(), fault)))
        });
        let names: BTreeSet<&str> = stack.named_roles().map(|(_, role)| RoleName::name(role)).collect();
        let roles = names.into_iter().map(|name| async move {
            let call = self.iam.get_role().role_name(name);
            match call.send().await.map_err(failed("GetRole")) {
                Err(error) if error.class() == Class::NotFound => Ok(Some(name.to_owned())),
                Err(error) if error.class() == Class::Denied => Ok(None),
                answer => answer.map(|_| None),
            }
        });
        let (secrets, roles) = tokio::try_join!(try_join_all(secrets), try_join_all(roles))?;
        Ok((secrets.into_iter().flatten().collect(), roles.into_iter().flatten().collect()))
    }

    async fn fault_of(&self, arn: &str, for_msk: bool) -> Result<Option<SecretFault>, StepError> {
        let secret = match self.secrets.describe_secret().secret_id(arn).send().await.map_err(failed("DescribeSecret"))
        {
            Err(error) if error.class() == Class::NotFound => return Ok(Some(SecretFault::Missing)),
            Err(error) if error.class() == Class::Denied => return Ok(None),
            answer => answer?,
        };
        // Source: the API reference of Secrets Manager, `KmsKeyId`: absent for the key that AWS manages.
        let own_key = secret.kms_key_id().is_some_and(|key| !key.contains("alias/aws/"));
        Ok(match secret.deleted_date() {
            Some(_) => Some(SecretFault::Deleted),
            None => (for_msk && !own_key).then_some(SecretFault::AwsKey),
        })
    }
}
