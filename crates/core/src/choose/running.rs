//! What brokers are to have of the settings that Kafka changes while it runs, where they may have others.

use std::collections::BTreeMap;

use super::PlanningInput;
use crate::design::Design;
use crate::kinds::{ClusterSettings, Instance};
use crate::settings::dynamic;
use crate::stack::Ec2;

/// The wanted settings: where brokers told what they have; or did not, and a host started with others, or they were given some before. What
/// brokers have beside those of the file goes back to Kafka's default.
pub fn choose(design: &Design, ec2: &Ec2, input: &PlanningInput) -> Option<BTreeMap<String, String>> {
    let observed = &input.observed;
    let live = observed.of::<ClusterSettings>().into_values().next().map(|(_, live)| live);
    let given = input.record.as_ref().is_some_and(|record| record.settings) && !observed.of::<Instance>().is_empty();
    let unknown = observed.unknown_inside().is_some() && (given || design.hosts.iter().any(|host| host.behind));
    if live.is_none() && !unknown {
        return None;
    }
    let mut wanted = design.stack.running();
    let beside = live.iter().flat_map(|live| live.config.keys()).filter(|name| !wanted.contains_key(*name));
    let defaults = beside.filter_map(|name| Some((name.clone(), dynamic::default_of(name, ec2.kafka.numbers())?)));
    let defaults: Vec<(String, String)> = defaults.collect();
    wanted.extend(defaults);
    Some(wanted)
}
