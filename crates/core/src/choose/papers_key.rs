//! The KMS key that the file names for its hosts' keys and certificates: one that encrypts parameters, and that hosts are let decrypt with.

use crate::design::Facts;
use crate::engines::rules::arn;
use crate::kinds::kms_key::ENABLED;
use crate::refusal::Refusal;
use crate::stack::Stack;

/// The key's ARN; `None` where the file names none, or one that can't be used, which is noted.
pub fn choose(stack: &Stack, facts: &Facts, refusals: &mut Vec<Refusal>) -> Option<String> {
    let (named, path) = stack.named_papers_key()?;
    let reader =
        if stack.cluster.ec2.is_some() { "hosts are let decrypt with" } else { "the stack's passwords are read with" };
    let mut refuse = |what: String, remedy: &str| refusals.push(Refusal::general(what, remedy));
    let other = format!("name another one below `{path}`, or leave `kms_key` out: kstack then makes a key");
    // Of another account's key, KMS says no more than that it may not be looked at.
    let account = arn(named).map(|[.., account, _]| account).filter(|account| *account != facts.account);
    if let Some(account) = account {
        let what = format!("the KMS key {named} belongs to the account {account}, and the stack to {}", facts.account);
        refuse(what, &format!("name one of the stack's account: {reader} no other"));
        return None;
    }
    let Some(key) = &facts.papers_key else {
        refuse(format!("there is no KMS key {named} in {}", stack.region), &other);
        return None;
    };
    let home = arn(&key.arn).map(|[_, _, region, account, _]| (region, account));
    if home != Some((&*stack.region, facts.account.as_str())) {
        refuse(format!("the KMS key {named} is {}, of another account or region than the stack", key.arn), &other);
    } else if (key.usage.as_str(), key.spec.as_str()) != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT") {
        let what =
            format!("the KMS key {named} is not symmetric, for encryption: it is {} for {}", key.spec, key.usage);
        refuse(what, &other);
    } else if key.state != ENABLED {
        let remedy = &format!("enable it, or cancel its deletion; or name another one below `{path}`");
        refuse(format!("the KMS key {named} can't be used: its state is {}", key.state), remedy);
    } else {
        return Some(key.arn.clone());
    }
    None
}
