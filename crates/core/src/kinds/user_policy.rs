//! What a user of MSK who comes with IAM may do, as an inline policy of the role that the file names, with a name that no other
//! stack and no other user has. The role is others', and nothing else of
//! it is looked at. A parameter keeps which roles may have the policy: from before one gets it until it has it no more.

use serde_json::Value;

use super::prelude::*;

spec! {
    pub struct UserPolicy {
        /// The role's name; of a live one that is being changed, those of all roles that may have the policy.
        pub role: String => Rule::in_place(),
        /// The policy, as JSON; empty where the role has none.
        pub policy: String => Rule::in_place().hidden().saying("the role's policy is not what the stack file grants"),
    }
}

/// The policy `text`, in one form for all orders of its keys; what is no JSON, as it is.
pub fn canonical(text: &str) -> String {
    let read = serde_json::from_str::<Value>(text);
    read.map_or_else(
        |_| text.to_owned(),
        |mut policy| {
            policy.sort_all_objects();
            policy.to_string()
        },
    )
}

impl Kind for UserPolicy {
    const NAME: &'static str = "user_policy";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    // Its parameter's name says whose it is.
    const TAGGED: bool = false;
    const OF_PAPERS: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let one = |(user, role): (&str, &crate::stack::RoleName)| {
            let policy = canonical(&design.stack.client_policy(user, &design.account)?.to_string());
            Some((user.to_owned(), UserPolicy { role: role.name().to_owned(), policy }))
        };
        design.stack.named_roles().filter_map(one).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
