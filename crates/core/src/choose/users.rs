//! What the file names of others for users: secrets with their passwords and roles that get their rights.

use crate::design::{Facts, SecretFault};
use crate::refusal::Refusal;
use crate::stack::Stack;

/// Notes secrets that give no password, and roles that are not there.
pub fn check(stack: &Stack, facts: &Facts, refusals: &mut Vec<Refusal>) {
    for (user, arn) in stack.named_secrets() {
        let Some(fault) = facts.bad_secrets.get(arn) else { continue };
        let (what, remedy) = match fault {
            SecretFault::Missing => (
                format!("there is no secret {arn}, which the user {user} is to have its password from"),
                "make it first, or correct its ARN; without `secret` kstack makes a password and keeps it".to_owned(),
            ),
            SecretFault::Deleted => (
                format!("the secret {arn} of the user {user} waits for its deletion"),
                format!("`aws secretsmanager restore-secret --secret-id {arn}` brings it back; or name another one"),
            ),
            SecretFault::AwsKey => (
                format!("MSK does not take the secret {arn} of the user {user}: AWS's own key encrypts it"),
                "give it a KMS key of your own, by `aws secretsmanager update-secret --kms-key-id`".to_owned(),
            ),
        };
        refusals.push(Refusal::general(what, remedy));
    }
    for (user, role) in stack.named_roles() {
        // Without AWS nobody knows the account.
        let elsewhere = role.home().filter(|[_, account]| !facts.account.is_empty() && *account != facts.account);
        if let Some([_, account]) = elsewhere {
            let what = format!(
                "the role {role} of the user {user} belongs to the account {account}, and the stack to {}",
                facts.account
            );
            let remedy =
                format!("leave `role` out, and give that role what `kstack policy FILE --client {user}` prints");
            refusals.push(Refusal::general(what, remedy));
        } else if facts.missing_roles.contains(role.name()) {
            let what = format!("there is no role {} in IAM, which the user {user} comes with", role.name());
            refusals.push(Refusal::general(what, "correct its name, or have it made first"));
        }
    }
}
