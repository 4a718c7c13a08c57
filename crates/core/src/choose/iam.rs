//! What the file names of the account's IAM: whether the account has it, as far as it is asked.

use crate::design::Facts;
use crate::kinds::InstanceProfile;
use crate::kinds::role::{READ_PAPERS, SESSION_MANAGER, WRITE_LOGS};
use crate::model::account_name;
use crate::permissions::forbidden;
use crate::refusal::Refusal;
use crate::stack::Stack;

/// Notes what can't be the stack's: policies and profiles of another account, policies that are not there, the stack's own
/// profile, and a boundary that forbids what the role is for.
pub fn check(stack: &Stack, facts: &Facts, refusals: &mut Vec<Refusal>) {
    let Some(iam) = stack.iam() else { return };
    let mut elsewhere = |what: &str, account: Option<&str>| {
        let other = account.filter(|account| *account != facts.account);
        refusals.extend(other.map(|other| {
            Refusal::general(
                format!("{what} belongs to the account {other}, and the credentials are of account {}", facts.account),
                "name one of the stack's account: IAM takes no other",
            )
        }));
        other.is_some()
    };
    let policies: Vec<_> = iam.named_policies().into_iter().collect();
    let here: Vec<_> = policies.into_iter().filter(|policy| !elsewhere(policy, policy.account())).collect();
    if let Some(profile) = &iam.instance_profile {
        elsewhere(profile, profile.account());
        let own = account_name(&stack.name, &stack.region, InstanceProfile::SUFFIX);
        if profile.name() == own {
            refusals.push(Refusal::general(
                format!("the instance profile {own} is the one that kstack makes for this stack, and deletes with it"),
                "leave `instance_profile` out, or name a profile that is yours",
            ));
        }
    }
    for policy in here.into_iter().filter(|policy| facts.missing_policies.contains(&policy.0)) {
        refusals.push(Refusal::general(
            format!("there is no policy {policy} in IAM"),
            "correct its ARN below `cluster.ec2.iam`, or have the policy made first",
        ));
    }
    let (papers, what) = match stack.secured() {
        true => (&READ_PAPERS[..], "need"),
        false => (&[][..], "are reached with"),
    };
    let logs = if stack.host_logs().is_some() { &WRITE_LOGS[..] } else { &[] };
    let needed = || SESSION_MANAGER.iter().chain(papers).chain(logs).copied();
    let forbids = facts.boundary.as_ref().map(|document| forbidden(document, needed())).unwrap_or_default();
    if let Some(boundary) = iam.permissions_boundary.as_ref().filter(|_| !forbids.is_empty()) {
        refusals.push(Refusal::general(
            format!("the boundary {boundary} forbids what hosts {what}: {}", forbids.join(", ")),
            "have it allow these, or name an instance profile of yours with `cluster.ec2.iam.instance_profile`",
        ));
    }
}
