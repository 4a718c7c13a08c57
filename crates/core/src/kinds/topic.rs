//! Topics.

use std::collections::BTreeMap;

use super::prelude::*;
use crate::stack::Topic as Wanted;

spec! {
    pub struct Topic {
        pub partitions: u32 => Rule::by(partitions),
        /// Of the partitions that have another number than the file asks for, where there are some.
        pub replication_factor: u32 => Rule::in_place(),
        /// The settings that the topic itself has; others are the brokers'. It is compared by key, so it is there when it is empty, too.
        #[serde(default)]
        pub config: BTreeMap<String, String> => Rule::in_place().keyed(),
        /// Whether a change of its replication factor was cut off before its end.
        #[serde(default)]
        pub cut_off: bool => Rule::in_place().hidden().saying("a change of its replication factor was cut off: its throttle is lifted"),
        /// The bytes of one copy of all its partitions, where its copies change and the brokers have told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bytes: Option<u64> => Rule::creation_only().hidden(),
    }
}

/// Kafka adds partitions, and never takes one away.
fn partitions(change: &FieldChange, _: bool) -> Effect {
    match (change.before.as_u64(), change.after.as_u64()) {
        (Some(before), Some(after)) if after < before => Effect::Refuse {
            reason: "Kafka takes no partition away from a topic".to_owned(),
            remedy: format!("write `partitions: {before}`; or make another topic, and let its clients move there"),
        },
        _ => Effect::InPlace,
    }
}

impl Topic {
    /// The topic that the stack file asks for. `copies` is for one that asks for no number of its own.
    fn of(wanted: &Wanted, copies: u32) -> Self {
        Topic {
            partitions: wanted.partitions.unwrap_or(1),
            replication_factor: wanted.replication_factor.unwrap_or(copies),
            config: wanted.config.clone(),
            cut_off: false,
            bytes: None,
        }
    }
}

impl Kind for Topic {
    const NAME: &'static str = "topic";
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let stack = &design.stack;
        let copies = stack.topic_copies();
        let there = stack.topics.iter().filter(|(_, topic)| !topic.absent);
        there.map(|(name, topic)| (name.clone(), Topic::of(topic, copies))).collect()
    }

    fn deletion(&self) -> Deletion {
        let partitions = crate::text::many(self.partitions as usize, "partition");
        Deletion::Data(format!("{partitions} with all their records"))
    }

    fn update_reason(changes: &[FieldChange]) -> String {
        match changes.iter().any(|change| change.field == "partitions") {
            true => "with more partitions, records of a key go to another partition from then on: their order is kept no longer"
                .to_owned(),
            false => crate::model::DIFFERS.to_owned(),
        }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
