//! The ARN of a secret with a user's name and password. What is not one may be a password, and is not repeated in a message.

use super::msk::keys::OWN_SECRETS;
use super::rules::{arn, check_home_at};
use crate::file::Checker;
use crate::file::problem::At;

/// What MSK asks of a secret's name.
const PREFIX: &str = "AmazonMSK_";

/// Checks the ARN `text`, which stands at this place; `for_msk` says that MSK reads the secret.
pub fn check_secret(text: &str, at: At, for_msk: bool, checker: &mut Checker<'_>) {
    let reader = if for_msk { "MSK" } else { "kstack" };
    let Some(parts) = arn(text) else {
        let help = "`aws secretsmanager describe-secret --secret-id NAME --query ARN` prints it";
        return checker.error_at(at, format!("this is not an ARN: {reader} needs the ARN of a secret"), help);
    };
    let Some(name) = parts[4].strip_prefix("secret:").filter(|_| parts[1] == "secretsmanager") else {
        let help = "such as `arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_orders-Ab1Cd2`";
        return checker.error_at(at, "this is not the ARN of a secret", help);
    };
    if for_msk && !name.starts_with(PREFIX) {
        let message = format!("MSK accepts only secrets whose name begins with `{PREFIX}`");
        checker.error_at(at, message, "create a secret with such a name and a KMS key of your own");
    } else if name.starts_with(OWN_SECRETS) {
        let message = format!("secrets whose name begins with `{OWN_SECRETS}` are those that kstack keeps for users");
        let help = "write the user below `access.users` of its stack, and leave its secret out";
        checker.error_at(at, message, help);
    } else if !has_suffix(name) {
        let message = "this ARN lacks the hyphen and six characters that Secrets Manager adds to a name";
        let help = "`aws secretsmanager describe-secret --secret-id ... --query ARN` prints the whole ARN";
        checker.error_at(at, message, help);
    } else {
        check_home_at(at, parts, "secret", reader, checker);
    }
}

/// Whether a secret's name in an ARN ends as Secrets Manager ends it.
fn has_suffix(name: &str) -> bool {
    let suffix = name.rsplit_once('-').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| suffix.len() == 6 && suffix.chars().all(|c| c.is_ascii_alphanumeric()))
}
