//! What a cluster has beside what the stack file names: others' topics and users, which kstack leaves alone, and Kafka's own topics.

use std::collections::BTreeSet;

use kstack_core::file::INTERNAL;
use kstack_core::model::shown_in_kafka;
use kstack_core::stack::Stack;
use kstack_core::text::{SHOWN, first_of, many};
use serde::Serialize;

use super::topic::all_names;
use crate::error::StepError;
use crate::kafka::{Brokers, acls, quotas, users};

/// How many there are, and the names of the first few.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Names {
    count: usize,
    first: Vec<String>,
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Names {
        let names: BTreeSet<String> = names.into_iter().collect();
        Names { count: names.len(), first: names.into_iter().take(SHOWN).collect() }
    }
}

impl Names {
    /// `3 topics (a, b and c)`; `None` for none.
    fn text(&self, noun: &str) -> Option<String> {
        let mut shown: Vec<String> = self.first.iter().map(|name| shown_in_kafka(name)).collect();
        // As many as there are, of which the last ones are not shown.
        shown.resize(self.count, String::new());
        (self.count > 0).then(|| format!("{} ({})", many(self.count, noun), first_of(&shown)))
    }
}

/// What is not in the stack file.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Beside {
    topics: Names,
    users: Names,
    /// What is under a beginning that the file has for itself: the next apply deletes it, where it may.
    pruned_topics: Names,
    pruned_users: Names,
    /// Topics that Kafka makes for itself.
    internal_topics: Names,
}

impl Beside {
    /// Of all topics and users, what `stack` does not have; `made` are the users that kstack has made.
    fn of(topics: BTreeSet<String>, users: BTreeSet<String>, stack: &Stack, made: &BTreeSet<&str>) -> Beside {
        let (internal, topics): (BTreeSet<String>, BTreeSet<String>) =
            topics.into_iter().partition(|name| name.starts_with(INTERNAL));
        let (pruned_topics, topics) = topics
            .into_iter()
            .filter(|name| !stack.topics.contains_key(name))
            .partition::<BTreeSet<String>, _>(|name| stack.prunes_topic(name).is_some());
        let (pruned_users, users) = users
            .into_iter()
            .filter(|name| !stack.access.users.contains_key(name) && !made.contains(name.as_str()))
            .partition::<BTreeSet<String>, _>(|name| stack.prunes_user(name).is_some());
        Beside {
            topics: topics.into_iter().collect(),
            users: users.into_iter().collect(),
            pruned_topics: pruned_topics.into_iter().collect(),
            pruned_users: pruned_users.into_iter().collect(),
            internal_topics: internal.into_iter().collect(),
        }
    }

    /// The same for people: a line for each sort, of those that are there.
    pub fn text(&self) -> String {
        let line = |what: &str, of: [(&Names, &str); 2]| {
            let of: Vec<String> = of.into_iter().filter_map(|(names, noun)| names.text(noun)).collect();
            if of.is_empty() { String::new() } else { format!("{what}: {}\n", of.join(", ")) }
        };
        [
            line("Not in the stack file, and left alone", [(&self.topics, "topic"), (&self.users, "user")]),
            line(
                "Under `prune`, and not in the stack file",
                [(&self.pruned_topics, "topic"), (&self.pruned_users, "user")],
            ),
            line("Kafka's own", [(&self.internal_topics, "topic"), (&Names::default(), "")]),
        ]
        .concat()
    }
}

/// Asks the brokers in four requests, however much there is.
///
/// # Errors
/// What a broker said, or that none answers.
pub async fn beside(brokers: &Brokers<'_>, stack: &Stack, made: &BTreeSet<&str>) -> Result<Beside, StepError> {
    let topics = all_names(brokers).await?;
    // Where brokers ask nobody who it is there are no users.
    let mut named = BTreeSet::new();
    if let Some(rights) = acls::all(brokers).await? {
        named.extend(rights.into_keys());
        named.extend(quotas::all(brokers).await?.into_keys());
        named.extend(users::with_passwords(brokers, None).await?);
    }
    Ok(Beside::of(topics, named, stack, made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kstack_core::check::parse;

    #[test]
    fn what_the_file_does_not_name_is_counted_and_the_first_are_named() {
        let file = "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {cidr: 10.0.0.0/16}\ncluster:\n  ec2: {kafka: 4.1.1, \
                    combined: true, listeners: {scram: true}, brokers: {count: 3, instance_type: t4g.medium}}\ntopics: {orders: \
                    {partitions: 1}, old: {absent: true}}\naccess: {users: {api: {produce: [orders]}}}\nprune: {topics: [\"team-a.*\"], \
                    users: [\"team-a.*\"]}\n";
        let stack = parse("t.yaml", file).unwrap_or_else(|report| panic!("{}", report.render(false))).stack;
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let topics = ["orders", "old", "team-a.x", "a", "b", "c", "d", "e", "f", "g", "__consumer_offsets", "__x"];
        let users = ["api", "gone", "team-a.y", "*", "x\n\u{1b}[31m"];
        let found = Beside::of(set(&topics), set(&users), &stack, &["gone"].into());
        assert_eq!(
            found.text(),
            "Not in the stack file, and left alone: 7 topics (a, b, c, d, e and 2 more), 2 users (%2A and x%0A%1B%5B31m)\n\
             Under `prune`, and not in the stack file: 1 topic (team-a.x), 1 user (team-a.y)\n\
             Kafka's own: 2 topics (__consumer_offsets and __x)\n"
        );
        assert_eq!(found.topics.first, ["a", "b", "c", "d", "e"]);
        assert_eq!(Beside::of(set(&["orders"]), set(&["api"]), &stack, &BTreeSet::new()).text(), "");
    }
}
