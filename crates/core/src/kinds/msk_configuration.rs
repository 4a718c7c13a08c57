//! The server properties of an MSK cluster: one configuration for each stack, and a revision for each change.
//!
//! It names no Kafka versions, so it suits each that the cluster is brought to, and an upgrade never needs another one in
//! its place. A new revision does nothing until the cluster uses it: that is an operation of the cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::prelude::*;
use crate::design::Provisioned;
use crate::model::DIFFERS;
use crate::settings::definitions::changes_while_running;
use crate::text::quoted_list;

spec! {
    pub struct MskConfiguration {
        /// `key=value`, of the newest revision.
        pub properties: Vec<String> => Rule::in_place(),
    }
}

impl Kind for MskConfiguration {
    const NAME: &'static str = "msk_configuration";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const TAGGED: bool = false;
    const NAMED: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        // Not where the cluster uses another one.
        let uses = |one: &Provisioned| one.configuration.address().is_some();
        let own = design.msk.as_ref().filter(|msk| msk.provisioned.as_ref().is_some_and(uses));
        let configuration = |properties: &Vec<String>| MskConfiguration { properties: properties.clone() };
        own.map(|msk| ("main".to_owned(), configuration(&msk.properties))).into_iter().collect()
    }

    fn update_reason(changes: &[FieldChange]) -> String {
        let (running, restarted): (Vec<_>, Vec<_>) =
            changed(changes).into_iter().partition(|name| changes_while_running(name));
        match (&running[..], &restarted[..]) {
            ([], []) => DIFFERS.to_owned(),
            (_, []) => "a running Kafka can change each of these settings: none needs a restart".to_owned(),
            (_, [one]) => format!("a restart is needed for `{one}`"),
            (_, names) => format!("a restart is needed for {}", quoted_list(names)),
        }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

/// The names of the properties that differ, each once.
fn changed(changes: &[FieldChange]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for change in changes {
        let (before, after) = (texts(&change.before), texts(&change.after));
        let differ = before.symmetric_difference(&after);
        names.extend(differ.filter_map(|line| line.split_once('=').map(|(name, _)| name)));
    }
    names
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_running_kafka_can_change_needs_no_restart() {
        let reason = |before: &[&str], after: &[&str]| {
            let change = FieldChange { field: "properties".to_owned(), before: json!(before), after: json!(after) };
            MskConfiguration::update_reason(&[change])
        };
        let none = "a running Kafka can change each of these settings: none needs a restart";
        assert_eq!(
            reason(&["log.retention.ms=1", "num.partitions=3"], &["log.retention.ms=2", "num.partitions=3"]),
            none
        );
        assert_eq!(reason(&[], &["num.io.threads=16", "message.max.bytes=1048576"]), none);
        let one = "a restart is needed for `num.partitions`";
        assert_eq!(reason(&["log.retention.ms=1"], &["log.retention.ms=2", "num.partitions=3"]), one);
        let removed = "a restart is needed for `auto.create.topics.enable` and `log.retention.hours`";
        assert_eq!(reason(&["log.retention.hours=1", "auto.create.topics.enable=true"], &[]), removed);
        // MSK's own, of which Kafka has no definition.
        assert_eq!(
            reason(&[], &["custom.advertised.listeners=x"]),
            "a restart is needed for `custom.advertised.listeners`"
        );
    }
}
