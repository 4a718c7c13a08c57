//! The key `prune`: what of the cluster is the file's alone.

use serde_json::json;

use super::read::{fields, text};

fields! {
    /// Beginnings of names that are this file's alone: what Kafka has under them and the file has not is deleted, by `--allow-data-loss` alone.
    pub struct Prune {
        /// Topics: such as `team-a.*`, each with a trailing `*`. Topics of Kafka's own, which begin with `__`, are never deleted.
        topics: Vec<Beginning> = Vec::new(),
        /// Users, by the same: they lose their rights, their quotas and, where Kafka has it, their password.
        users: Vec<Beginning> = Vec::new(),
    }
}

text!(
    /// How names begin, with a `*` after it.
    Beginning, "a beginning of names",
    json!({"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,249}\*$", "examples": ["team-a.*"]}),
    is_beginning,
    "is not how names begin: write letters, digits, `.`, `_` and `-`, at most 249, and a `*` after them, such as `team-a.*`; `*` alone would be all that others have"
);

fn is_beginning(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.strip_suffix('*').is_some_and(|name| (1..=249).contains(&name.len()) && name.chars().all(plain))
}

/// What the names begin with of topics that Kafka and MSK make for themselves.
pub const INTERNAL: &str = "__";

impl Prune {
    /// What a file without `prune` has.
    pub const NONE: Prune = Prune { topics: Vec::new(), users: Vec::new() };

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.users.is_empty()
    }

    /// The beginning under which a topic of this name is the file's alone.
    pub fn of_topic(&self, name: &str) -> Option<&Beginning> {
        self.topics.iter().find(|one| one.covers(name)).filter(|_| !name.starts_with(INTERNAL))
    }

    /// The beginning under which a user of this name is the file's alone. The names of kstack's own begin with a space, as no beginning does.
    pub fn of_user(&self, name: &str) -> Option<&Beginning> {
        self.users.iter().find(|one| one.covers(name))
    }
}

impl Beginning {
    fn covers(&self, name: &str) -> bool {
        name.starts_with(self.0.trim_end_matches('*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{ADMIN_USER, HOST_USER};
    use crate::file::Scalar as _;

    #[test]
    fn a_beginning_is_never_empty_and_ends_in_a_star() {
        let long = "a".repeat(249);
        for text in ["team-a.*", "a*", "_*", ".*", "..*", "A_b-9.*", &format!("{long}*")] {
            assert!(Beginning::parse(text).is_ok(), "{text}");
        }
        let longer = format!("{long}a*");
        for text in
            ["", "*", "**", "a", "a**", "a*b", "a*b*", " a*", "a *", "ü*", "User:x*", "${env:X}*", "\"a\"*", &longer]
        {
            assert!(Beginning::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_under_it_is_the_files_but_for_kafkas_and_kstacks_own() {
        let all = |texts: &[&str]| texts.iter().filter_map(|text| Beginning::parse(text).ok()).collect::<Vec<_>>();
        let prune = Prune { topics: all(&["team-a.*", "_*", "__*"]), users: all(&["team-a.*", "kstack*", "A*"]) };
        let topics =
            ["team-a.", "team-a.x", "_schemas", "team-a", "team-ab", "Team-a.x", "__consumer_offsets", "__x", "*", ""];
        let under: Vec<&str> = topics.into_iter().filter(|name| prune.of_topic(name).is_some()).collect();
        assert_eq!(under, ["team-a.", "team-a.x", "_schemas"]);
        let users = ["team-a.x y/\"ü\"", "kstack-else", "*", "team-b", "User:team-a.x", HOST_USER, ADMIN_USER];
        let under: Vec<&str> = users.into_iter().filter(|name| prune.of_user(name).is_some()).collect();
        assert_eq!(under, ["team-a.x y/\"ü\"", "kstack-else"]);
        assert!(Prune::NONE.of_topic("a").is_none() && Prune::NONE.of_user("a").is_none());
    }
}
