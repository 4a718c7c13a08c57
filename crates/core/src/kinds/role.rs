//! The hosts' IAM role: Session Manager, and what the file names beside it. There is no SSH key.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::prelude::*;
use crate::digest::fingerprint;
use crate::text::many;

spec! {
    pub struct Role {
        /// The AWS service that may take the role.
        pub trusts: String => Rule::in_place(),
        /// What kstack's own inline policy allows on every resource; the policy itself where it is another than kstack writes.
        pub actions: Vec<String> => Rule::in_place(),
        /// ARNs of the managed policies that the file names; of a live role, of those that kstack attached.
        pub policies: Vec<String> => Rule::in_place(),
        /// The ARN of the managed policy that limits the role, as the file names it; of a live role, where kstack put it. Empty for none.
        #[serde(default)]
        pub permissions_boundary: String => Rule::in_place(),
        #[serde(default = "no_path")]
        pub path: String => Rule::fixed(PATH, NEW_PATH).hidden(),
        /// The KMS key by which hosts read their own papers, and the VPC in which they may; of a live role, the whole policy in the place of
        /// the key where it is another than kstack writes.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub papers_key: Option<Ref> => Rule::in_place().hidden().saying(PAPERS_DIFFER),
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub papers_vpc: Option<Ref> => Rule::in_place().hidden().saying(PAPERS_DIFFER),
        /// The log group that hosts write to; of a live role, the whole policy in its place where it is another than kstack writes. None where
        /// they write to none.
        #[serde(default = "no_group")]
        pub writes_to: Ref => Rule::in_place().hidden().saying("which log group hosts may write to differs"),
        /// Of a live role: the boundary that others have put, which is none of the file's.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub boundary_by_others: Option<String> => Rule::in_place().hidden(),
        /// Of a live role: ARNs of the policies that others have attached, and the names of inline ones that others have put.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub attached_by_others: Option<Vec<String>> => Rule::in_place().hidden(),
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub inline_by_others: Option<Vec<String>> => Rule::in_place().hidden(),
    }
}

const PAPERS_DIFFER: &str = "which certificates hosts may read differs";

/// What a path is, and what to do to have another: of the role and its instance profile.
pub(super) const PATH: &str = "a path in IAM";
pub(super) const NEW_PATH: &str = "write the live path; or have hosts take another profile for a while: apply with `iam.instance_profile`, then without it and with the new path";

fn no_group() -> Ref {
    Ref::None
}

/// The path of what has none of its own.
pub(super) fn no_path() -> String {
    "/".to_owned()
}

/// The path that the file has for the hosts' role and instance profile.
pub(super) fn path_of(design: &Design) -> String {
    let iam = design.stack.iam();
    iam.and_then(|iam| iam.path.as_ref()).map_or_else(no_path, ToString::to_string)
}

/// The name of kstack's own inline policy.
pub const OWN_POLICY: &str = "kstack-session-manager";

/// The name of kstack's inline policy by which hosts that speak TLS read their papers.
pub const PAPERS_POLICY: &str = "kstack-papers";

/// The name of kstack's inline policy by which hosts write to a log group.
pub const LOGS_POLICY: &str = "kstack-logs";

/// What hosts need to send their logs.
pub const WRITE_LOGS: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// What lets hosts write to the log group with the ARN `group`: each makes a stream and puts into it, and reads nothing.
pub fn logs_policy(group: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": WRITE_LOGS,
            "Resource": [group, format!("{group}:*")],
        }],
    })
}

/// What a host needs for Session Manager, without logs in S3 or CloudWatch and without a KMS key of its own. None of them takes a
/// narrower resource than all, but for UpdateInstanceInformation, whose instances are not known when the role is made.
/// Source: Systems Manager's user guide, "Create a custom IAM role for Session Manager", 2026.
pub const SESSION_MANAGER: [&str; 5] = [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

/// What hosts that speak TLS need beside it, of [`PAPERS_POLICY`].
pub const READ_PAPERS: [&str; 2] = ["ssm:GetParameter", "kms:Decrypt"];

/// What stands for the policies `arns` in the role's tag: eight characters each, of which the 25 that a role can have fit into one.
pub fn marks<'a>(arns: impl IntoIterator<Item = &'a String>) -> String {
    let marks: BTreeSet<String> = arns.into_iter().map(|arn| fingerprint(arn, 8)).collect();
    marks.into_iter().collect::<Vec<_>>().join(" ")
}

/// Whether the role's `tags` say that kstack attached the policy `arn`.
pub fn is_marked(tags: &Tags, arn: &str) -> bool {
    let mark = fingerprint(arn, 8);
    tags.get(tag::ROLE_POLICIES).is_some_and(|marks| marks.split(' ').any(|one| one == mark))
}

/// Whether `arn` is the managed policy that kstack attached before it had one of its own. It lets hosts read every parameter of
/// the account.
pub fn is_earlier(arn: &str) -> bool {
    arn.ends_with(":aws:policy/AmazonSSMManagedInstanceCore")
}

/// What the papers are read by; nothing named where that is to go.
fn papers(design: &Design, named: impl FnOnce() -> Ref) -> Option<Ref> {
    match design.has_papers() {
        true => Some(named()),
        false => design.papers_left.then_some(Ref::None),
    }
}

impl Role {
    /// The end of its name in the account.
    pub const SUFFIX: &str = "role";
}

impl Kind for Role {
    const NAME: &'static str = "role";
    const NAMED: bool = true;
    const IN_IAM: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if !design.stack.has_own_role() {
            return Vec::new();
        }
        let iam = design.stack.iam();
        let boundary = iam.and_then(|iam| iam.permissions_boundary.as_ref());
        let policies = iam.into_iter().flat_map(|iam| &iam.policies);
        let role = Role {
            trusts: "ec2.amazonaws.com".to_owned(),
            actions: SESSION_MANAGER.map(str::to_owned).into(),
            policies: policies.map(ToString::to_string).collect(),
            permissions_boundary: boundary.map(ToString::to_string).unwrap_or_default(),
            path: path_of(design),
            papers_key: papers(design, || super::kms_key::of(design)),
            papers_vpc: papers(design, || design.vpc()),
            writes_to: design.host_log_group.clone(),
            boundary_by_others: None,
            attached_by_others: None,
            inline_by_others: None,
        };
        vec![("hosts".to_owned(), role)]
    }

    /// What says that the role was moved from the managed policy to kstack's own, or made with it: who attaches the managed
    /// one after that is somebody else. And what says which other policies, and whether the boundary, are the file's.
    fn tags(&self) -> Tags {
        let mut tags = Tags::from([(tag::ROLE_POLICY.to_owned(), OWN_POLICY.to_owned())]);
        if !self.policies.is_empty() {
            tags.insert(tag::ROLE_POLICIES.to_owned(), marks(&self.policies));
        }
        if !self.permissions_boundary.is_empty() {
            tags.insert(tag::ROLE_BOUNDARY.to_owned(), "on".to_owned());
        }
        tags
    }

    fn others(&self) -> Vec<String> {
        let attached = self.attached_by_others.iter().flatten().map(|arn| format!("the attached policy {arn}"));
        let inline = self.inline_by_others.iter().flatten().map(|name| format!("the inline policy {name}"));
        let boundary = self.boundary_by_others.iter().map(|arn| format!("the permissions boundary {arn}"));
        attached.chain(inline).chain(boundary).collect()
    }

    fn warning(&self) -> Option<String> {
        let count = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
        let (attached, inline) = (count(&self.attached_by_others), count(&self.inline_by_others));
        let parts =
            [(attached, "attached policy"), (inline, "inline policy")].into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, what)| many(count, what)).collect();
        (!parts.is_empty()).then(|| {
            format!(
                "others have given it {}: hosts may do whatever these allow. kstack leaves them; `kstack status` names them",
                parts.join(" and ")
            )
        })
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
