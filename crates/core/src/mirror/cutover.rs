//! Letting writers and groups in at the target of a mirror: where its records begin that came from nowhere else, and which rights are missing.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::certificates::is_user;
use crate::rights::{ResourceType, Right};

/// The topic in which kstack keeps marks: for each partition, where the records begin that were written to this cluster itself.
pub const MARKS: &str = "mm2-marks.kstack.internal";

/// Such a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The first offset whose record is not from the other cluster.
    pub offset: i64,
    /// The end of the partition in the other cluster then.
    pub source: i64,
}

impl Mark {
    /// As a record: its key is [`mark_key`].
    pub fn value(self) -> String {
        format!(r#"{{"offset":{},"source":{}}}"#, self.offset, self.source)
    }

    /// Reads what [`Mark::value`] writes.
    pub fn parse(text: &str) -> Option<Mark> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(Mark { offset: value["offset"].as_i64()?, source: value["source"].as_i64()? })
    }
}

/// The key of a mark in the cluster that the one with the id `from` was copied into.
pub fn mark_key(from: &str, topic: &str, partition: i32) -> String {
    serde_json::json!([from, topic, partition]).to_string()
}

/// Which partition a key is for, where it is of the cluster with the id `from`.
pub fn mark_of(key: &str, from: &str) -> Option<(String, i32)> {
    let (of, topic, partition): (String, String, i32) = serde_json::from_str(key).ok()?;
    (of == from).then_some((topic, partition))
}

/// Who may do what, by the user's name.
pub type Rights = BTreeMap<String, BTreeSet<Right>>;

/// The rights for a topic of one cluster that another one lacks: on the topic itself, also where they are for many topics by the beginning of
/// their names, and on the groups and transactional ids of the same users. And the users whose names a stack's users can't have, or that stand
/// for everybody.
pub fn missing<'a>(topic: &str, from: &'a Rights, to: &Rights) -> (Vec<(&'a str, Right)>, Vec<&'a str>) {
    let covers = |right: &Right| match right.prefixed {
        true => topic.starts_with(&right.name),
        false => right.name == topic || right.name == "*",
    };
    let (mut give, mut strange) = (Vec::new(), Vec::new());
    for (user, rights) in from {
        let of_topic = rights.iter().filter(|right| right.resource == ResourceType::Topic && covers(right));
        let of_topic: Vec<Right> =
            of_topic.map(|right| Right { name: topic.to_owned(), prefixed: false, ..right.clone() }).collect();
        if of_topic.is_empty() {
            continue;
        }
        if !is_user(user) || user == "ANONYMOUS" {
            strange.push(user.as_str());
            continue;
        }
        let with_it = [ResourceType::Group, ResourceType::TransactionalId];
        let others = rights.iter().filter(|right| with_it.contains(&right.resource)).cloned();
        let has = |right: &Right| to.get(user).is_some_and(|all| all.contains(right));
        let lacks: BTreeSet<Right> = of_topic.into_iter().chain(others).filter(|right| !has(right)).collect();
        give.extend(lacks.into_iter().map(|right| (user.as_str(), right)));
    }
    // What is denied comes first: nobody may do for a moment what he never might.
    give.sort_by_key(|(_, right): &(&str, Right)| right.allows);
    (give, strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(all: &[(&str, &[&str])]) -> Rights {
        let of = |texts: &[&str]| texts.iter().map(|text| Right::parse(text).expect(text)).collect();
        all.iter().map(|(user, texts)| ((*user).to_owned(), of(texts))).collect()
    }

    #[test]
    fn marks_are_read_as_they_are_written() {
        let mark = Mark { offset: 7, source: 9 };
        assert_eq!(Mark::parse(&mark.value()), Some(mark));
        assert_eq!(mark_of(&mark_key("a", "orders", 3), "a"), Some(("orders".to_owned(), 3)));
        assert_eq!(
            (mark_of(&mark_key("a", "orders", 3), "b"), mark_of("{", "a"), Mark::parse("{}")),
            (None, None, None)
        );
    }

    #[test]
    fn rights_of_a_topic_are_given_and_no_others() {
        let from = rights(&[
            (
                "api",
                &[
                    "allow write on topics ord*",
                    "deny write from 10.0.0.7 on topic orders",
                    "allow write on topic other",
                ],
            ),
            (
                "billing",
                &["allow read on topic orders", "allow read on group billing", "allow alter on cluster kafka-cluster"],
            ),
            ("etl", &["allow write on topic *", "allow write on transactional-ids etl*"]),
            ("stranger", &["allow read on topic others", "allow read on group stranger"]),
            ("CN=a,O=b", &["allow read on topic orders"]),
            ("ANONYMOUS", &["allow read on topic orders"]),
        ]);
        let to = rights(&[("billing", &["allow read on topic orders"])]);
        let (give, strange) = missing("orders", &from, &to);
        let shown: Vec<String> = give.iter().map(|(user, right)| format!("{user}: {right}")).collect();
        assert_eq!(
            shown,
            [
                "api: deny write from 10.0.0.7 on topic orders",
                "api: allow write on topic orders",
                "billing: allow read on group billing",
                "etl: allow write on topic orders",
                "etl: allow write on transactional-ids etl*",
            ]
        );
        assert_eq!(strange, ["ANONYMOUS", "CN=a,O=b"]);
    }
}
