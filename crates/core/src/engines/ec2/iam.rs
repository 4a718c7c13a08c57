//! `cluster.ec2.iam`: the hosts' role and instance profile in a company's account.
//!
//! Limits are from the IAM user guide, "IAM and AWS STS quotas", and the API reference of CreateRole, 2026.

use std::collections::BTreeSet;

use serde_json::json;

use crate::engines::rules::arn;
use crate::file::read::{fields, text};
use crate::file::{Account, Checker, Region};
use crate::text::many;

/// Managed policies that a role can have: by default, and at most.
const USUAL_POLICIES: usize = 10;
const MOST_POLICIES: usize = 25;

fields! {
    /// The hosts' IAM role, by which they are reached with Session Manager; or an instance profile that is there already.
    pub struct Iam {
        /// The ARN of a managed policy that limits what the role may do, where a company lets nobody make a role without one.
        permissions_boundary: Option<PolicyArn>,
        /// The path of the role and of its instance profile, such as `/platform/kafka/`. IAM can't change it later.
        path: Option<IamPath>,
        /// ARNs of managed policies that the role gets beside kstack's own.
        policies: Vec<PolicyArn> = Vec::new(),
        /// The name or the ARN of an instance profile that is there already, with a role that trusts EC2. kstack then makes no role, and not one call to IAM. Not with the other keys.
        instance_profile: Option<InstanceProfileName>,
    }
}

impl Iam {
    /// Every managed policy that is named, the boundary among them, each once.
    pub fn named_policies(&self) -> BTreeSet<&PolicyArn> {
        self.policies.iter().chain(&self.permissions_boundary).collect()
    }
}

/// Whether `c` may be in the names and paths of IAM.
fn of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)
}

fn name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(of_name)
}

/// `/`, or names between slashes.
fn path(text: &str) -> bool {
    let names = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    text == "/"
        || text.len() <= 512
            && names.is_some_and(|all| all.split('/').all(|one| !one.is_empty() && one.chars().all(of_name)))
}

fn account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

/// The partition, account, path and name in the ARN of a resource of IAM's of one kind.
fn iam_arn<'a>(text: &'a str, kind: &str) -> Option<[&'a str; 4]> {
    let [partition, "iam", "", account, resource] = arn(text)? else { return None };
    let whole = resource.strip_prefix(kind).filter(|rest| rest.starts_with('/'))?;
    let (path, name) = whole.split_at(whole.rfind('/')? + 1);
    (partition == "aws" || partition.starts_with("aws-")).then_some([partition, account, path, name])
}

fn is_policy_arn(text: &str) -> bool {
    iam_arn(text, "policy")
        .is_some_and(|[_, owner, at, name]| (owner == "aws" || account(owner)) && path(at) && self::name(name))
}

fn is_instance_profile(text: &str) -> bool {
    let is = |[_, owner, at, name]: [&str; 4]| account(owner) && path(at) && self::name(name);
    name(text) || iam_arn(text, "instance-profile").is_some_and(is)
}

text!(
    /// The ARN of a managed policy, AWS's or an account's own.
    PolicyArn, "the ARN of a managed policy",
    json!({"type": "string", "pattern": "^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+$", "examples": ["arn:aws:iam::123456789012:policy/platform/boundary"]}),
    is_policy_arn,
    "is not the ARN of a managed policy, such as `arn:aws:iam::123456789012:policy/platform/boundary` or `arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy`"
);
text!(
    /// A path of IAM's.
    IamPath, "a path", json!({"type": "string", "pattern": "^/([A-Za-z0-9+=,.@_-]+/)*$", "examples": ["/platform/kafka/"]}),
    path,
    "is not a path of IAM's: begin and end it with a slash, such as `/platform/kafka/`, and use letters, digits and `+=,.@_-` between them"
);
text!(
    /// An instance profile by its name or its ARN.
    InstanceProfileName, "an instance profile",
    json!({"type": "string", "pattern": "^([A-Za-z0-9+=,.@_-]{1,128}|arn:aws[a-z-]*:iam::[0-9]{12}:instance-profile/.+)$", "examples": ["kafka-hosts"]}),
    is_instance_profile,
    "is not an instance profile: write its name, such as `kafka-hosts`, or its ARN, such as `arn:aws:iam::123456789012:instance-profile/kafka-hosts`; a role's ARN is none"
);

impl PolicyArn {
    /// The account whose policy it is; `None` for AWS's own.
    pub fn account(&self) -> Option<&str> {
        iam_arn(self, "policy").map(|[_, owner, ..]| owner).filter(|owner| *owner != "aws")
    }
}

impl InstanceProfileName {
    /// The name, which only one profile of an account has, whatever its path.
    pub fn name(&self) -> &str {
        self.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The account, where an ARN tells it.
    pub fn account(&self) -> Option<&str> {
        iam_arn(self, "instance-profile").map(|[_, owner, ..]| owner)
    }
}

const IAM: &str = "cluster.ec2.iam";

pub(super) fn check(checker: &mut Checker<'_>) {
    check_misplaced(checker);
    check_at(IAM, checker);
}

/// The block at `place`.
pub(in crate::engines) fn check_at(place: &str, checker: &mut Checker<'_>) {
    let Some(Some(iam)) = checker.part::<Option<Iam>>(place) else { return };
    if iam.instance_profile.is_some() {
        for key in ["permissions_boundary", "path", "policies"] {
            let at = format!("{place}.{key}");
            if checker.given(&at).is_some() {
                let message =
                    format!("`{key}` is for the role that kstack makes, and with `instance_profile` it makes none");
                let help = format!(
                    "remove `{key}`, and ask the owner of the profile's role for it; or remove `instance_profile`"
                );
                checker.error(&at, message, help);
            }
        }
    }
    if let Some(at) = iam.path.as_ref() {
        // Source: the IAM user guide, "Create a service-linked role", and "IAM identifiers".
        if ["/aws-service-role/", "/aws-reserved/"].iter().any(|reserved| at.starts_with(reserved)) {
            let message = format!("the path `{at}` is reserved for roles of AWS's services");
            checker.error(&format!("{place}.path"), message, "choose another, such as `/platform/kafka/`");
        }
    }
    if let Some(boundary) = &iam.permissions_boundary {
        check_home(&format!("{place}.permissions_boundary"), boundary, boundary.account(), "policy", checker);
    }
    for (index, policy) in iam.policies.iter().enumerate() {
        let at = format!("{place}.policies.{index}");
        check_home(&at, policy, policy.account(), "policy", checker);
        if iam.policies[..index].contains(policy) {
            checker.error(&at, format!("`{policy}` is listed twice"), "list each policy once");
        }
    }
    if let Some(profile) = &iam.instance_profile {
        check_home(&format!("{place}.instance_profile"), profile, profile.account(), "instance profile", checker);
    }
    let (at, count) = (format!("{place}.policies"), iam.policies.len());
    if count > MOST_POLICIES {
        let message = format!("a role can't have {}", many(count, "managed policy"));
        checker.error(&at, message, format!("IAM allows {MOST_POLICIES} at most: put what they allow into fewer"));
    } else if count > USUAL_POLICIES {
        checker.warning(
            &at,
            format!(
                "IAM allows a role {USUAL_POLICIES} managed policies unless asked for more, and the file has {count}"
            ),
            "put what they allow into fewer, or have the quota \"Managed policies attached to an IAM role\" raised",
        );
    }
}

/// A policy or profile of another account can't be used, and one of another partition is nowhere near.
fn check_home(path: &str, text: &str, owner: Option<&str>, what: &str, checker: &mut Checker<'_>) {
    if let Some([partition, ..]) = arn(text)
        && let Some(region) = checker.part::<Region>("region")
    {
        let own = region.partition();
        if partition != own {
            let message = format!("this {what} is in the partition `{partition}`, and `{region}` is in `{own}`");
            checker.error(path, message, format!("use one of the partition `{own}`"));
        }
    }
    let own = checker.part::<Option<Account>>("account").flatten();
    if let (Some(owner), Some(own)) = (owner, own)
        && own.0 != owner
    {
        let message = format!("this {what} belongs to the account {owner}, and the stack to {own}");
        checker.error(path, message, format!("IAM takes only one of the same account: use a {what} of {own}"));
    }
}

/// Keys of the block at a place where it is not: where they belong, in place of the nearest known key.
fn check_misplaced(checker: &mut Checker<'_>) {
    checker.explain_unknown(
        "",
        "iam",
        "`iam` is not a key of the whole file",
        "write it below `cluster.ec2`, whose hosts it is for",
    );
    for key in ["permissions_boundary", "policies", "instance_profile"] {
        let message = format!("`{key}` is not a key of `ec2` itself");
        checker.explain_unknown("cluster.ec2", key, &message, "write it below `cluster.ec2.iam`");
    }
    for key in ["role", "role_arn"] {
        let message = format!("`{key}` is not a key here: EC2 gives instances a role by an instance profile");
        let help = "write `instance_profile`, with the name or the ARN of the profile that has the role";
        checker.explain_unknown(IAM, key, &message, help);
    }
}
