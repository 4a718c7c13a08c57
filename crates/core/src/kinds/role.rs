//! The hosts' IAM role: Session Manager, and nothing else. There is no SSH key.

use super::prelude::*;
use crate::text::many;

spec! {
    pub struct Role {
        /// The AWS service that may take the role.
        pub trusts: String => Rule::in_place(),
        /// What kstack's own inline policy allows on every resource; the policy itself where it is another than kstack writes.
        pub actions: Vec<String> => Rule::in_place(),
        /// ARNs of managed policies that an earlier kstack attached.
        pub policies: Vec<String> => Rule::in_place(),
        /// Of a live role: ARNs of the policies that others have attached, and the names of inline ones that others have put.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub attached_by_others: Option<Vec<String>> => Rule::in_place().hidden(),
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub inline_by_others: Option<Vec<String>> => Rule::in_place().hidden(),
    }
}

/// The name of kstack's own inline policy.
pub const OWN_POLICY: &str = "kstack-session-manager";

/// What a host needs for Session Manager, without logs in S3 or CloudWatch and without a KMS key of its own. None of them takes a
/// narrower resource than all, but for UpdateInstanceInformation, whose instances are not known when the role is made.
/// Source: Systems Manager's user guide, "Create a custom IAM role for Session Manager", 2026.
const SESSION_MANAGER: [&str; 5] = [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

/// Whether `arn` is the managed policy that kstack attached before it had one of its own. It lets hosts read every parameter of
/// the account.
pub fn is_earlier(arn: &str) -> bool {
    arn.ends_with(":aws:policy/AmazonSSMManagedInstanceCore")
}

impl Kind for Role {
    const NAME: &'static str = "role";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if Engine::of(&design.stack) != Engine::Ec2 {
            return Vec::new();
        }
        let role = Role {
            trusts: "ec2.amazonaws.com".to_owned(),
            actions: SESSION_MANAGER.map(str::to_owned).into(),
            policies: Vec::new(),
            attached_by_others: None,
            inline_by_others: None,
        };
        vec![("hosts".to_owned(), role)]
    }

    /// What says that the role was moved from the managed policy to kstack's own, or made with it: who attaches the managed
    /// one after that is somebody else.
    fn tags(&self) -> Tags {
        Tags::from([(tag::ROLE_POLICY.to_owned(), OWN_POLICY.to_owned())])
    }

    fn others(&self) -> Vec<String> {
        let attached = self.attached_by_others.iter().flatten().map(|arn| format!("the attached policy {arn}"));
        let inline = self.inline_by_others.iter().flatten().map(|name| format!("the inline policy {name}"));
        attached.chain(inline).collect()
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
