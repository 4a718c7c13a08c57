//! The secrets that a cluster's SCRAM users sign in with, as far as the stack has associated them. Those of others stay:
//! which ones are the stack's own is kept in the cluster's tags, before they are associated and until they are not.

use std::collections::BTreeSet;

use super::UserSecret;
use super::prelude::*;
use super::user_secret::secret_name;
use crate::digest::fingerprint;

/// Marks that fit into a tag's 256 characters: 8 each, and a space between them.
const MARKS_A_TAG: usize = 28;

spec! {
    pub struct MskScramAssociation {
        pub cluster: Ref => Rule::in_place(),
        /// ARNs of those that the file names.
        pub secrets: Vec<String> => Rule::in_place(),
        /// Those that kstack keeps for users of the file.
        pub users: Vec<Ref> => Rule::in_place(),
        /// What the tags keep of them. Without it, an association that was ended before its mark was removed would not show,
        /// and somebody else's association of that secret be taken for the stack's.
        pub marks: Vec<String> => Rule::in_place(),
        /// Of a live cluster: ARNs of the secrets that others have associated.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub by_others: Option<Vec<String>> => Rule::in_place().hidden(),
    }
}

/// What stands for all secrets that kstack keeps, which their names tell.
const USERS: &str = "users";

/// Whether `marks` tell of the secret with this ARN, of the stack `stack`.
pub fn is_marked(marks: &BTreeSet<String>, stack: &str, arn: &str) -> bool {
    match is_of_user(stack, arn) {
        true => marks.contains(USERS),
        false => marks.contains(&mark(arn)),
    }
}

/// Whether kstack keeps the secret with this ARN for a user of `stack`.
pub fn is_of_user(stack: &str, arn: &str) -> bool {
    arn.split_once(":secret:").is_some_and(|(_, name)| name.starts_with(&secret_name(stack, "")))
}

/// The marks of these secrets.
pub fn marks_of(secrets: &[String], users: bool) -> BTreeSet<String> {
    secrets.iter().map(|arn| mark(arn)).chain(users.then(|| USERS.to_owned())).collect()
}

/// What stands for a secret's ARN in a tag.
fn mark(arn: &str) -> String {
    fingerprint(arn, 8)
}

/// The marks in a cluster's tags.
pub fn marks(tags: &Tags) -> BTreeSet<String> {
    let ours = tags.iter().filter(|(key, _)| key.starts_with(tag::SCRAM));
    ours.flat_map(|(_, value)| value.split(' ').map(str::to_owned)).filter(|mark| !mark.is_empty()).collect()
}

impl Kind for MskScramAssociation {
    const NAME: &'static str = "msk_scram_association";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let secrets = design.msk.as_ref().map(|msk| msk.secrets.clone()).unwrap_or_default();
        let users: Vec<Ref> =
            UserSecret::desired(design).iter().map(|(name, _)| Ref::to(UserSecret::NAME, name)).collect();
        if secrets.is_empty() && users.is_empty() {
            return Vec::new();
        }
        let marks = marks_of(&secrets, !users.is_empty()).into_iter().collect();
        let cluster = Ref::to(super::MskCluster::NAME, "main");
        vec![("main".to_owned(), MskScramAssociation { cluster, secrets, users, marks, by_others: None })]
    }

    fn others(&self) -> Vec<String> {
        self.by_others.iter().flatten().map(|arn| format!("the associated secret {arn}")).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

/// The tags that keep `marks`.
pub fn as_tags(marks: &BTreeSet<String>) -> Tags {
    let marks: Vec<String> = marks.iter().cloned().collect();
    let chunks = marks.chunks(MARKS_A_TAG).enumerate();
    chunks.map(|(number, some)| (format!("{}-{}", tag::SCRAM, number + 1), some.join(" "))).collect()
}
