//! The hosts' IAM role: Session Manager, and nothing else. There is no SSH key.

use super::prelude::*;

spec! {
    pub struct Role {
        /// The AWS service that may take the role.
        pub trusts: String => Rule::in_place(),
        /// ARNs of the managed policies attached to it.
        pub policies: Vec<String> => Rule::in_place(),
    }
}

const SESSION_MANAGER: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

impl Kind for Role {
    const NAME: &'static str = "role";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if Engine::of(&design.stack) != Engine::Ec2 {
            return Vec::new();
        }
        let partition = if design.stack.region.starts_with("cn-") {
            "aws-cn"
        } else if design.stack.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        };
        let policy = SESSION_MANAGER.replacen("aws", partition, 1);
        vec![("hosts".to_owned(), Role { trusts: "ec2.amazonaws.com".to_owned(), policies: vec![policy] })]
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
