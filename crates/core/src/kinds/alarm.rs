//! Alarms of CloudWatch: one for each condition that is watched of a host, of a volume, of an MSK cluster or of one of its brokers.
//!
//! They are known by their names, which begin with the stack's, and that one is the stack's own by the end of its description: one list
//! tells both and all else of them, while tags take a call for each alarm.

use super::prelude::*;
use crate::engines::alarms::{Watch, Watched, metrics};
use crate::engines::{ec2, msk};
use crate::stack::TopicArn;

spec! {
    pub struct Alarm {
        /// What it watches: an instance, a volume or an MSK cluster; nothing, where a live one has dimensions that kstack gives none.
        pub of: Ref => Rule::in_place(),
        /// The broker of an MSK cluster, where it watches one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub broker: Option<u32> => Rule::in_place().hidden(),
        /// A namespace and a name; or several, with ` + ` between.
        pub metric: String => Rule::in_place(),
        /// A statistic, a comparison and a threshold.
        pub condition: String => Rule::in_place(),
        /// How many of how many periods, and how long each is.
        pub periods: String => Rule::in_place().hidden(),
        /// CloudWatch's word for what it takes a period without data for.
        pub missing: String => Rule::in_place().hidden(),
        /// The ARNs of topics that are told when it begins, and the same of when it ends.
        pub begins: Vec<String> => Rule::in_place().hidden(),
        pub ends: Vec<String> => Rule::in_place().hidden(),
        /// Whether they are told at all: people turn that off by hand.
        pub enabled: bool => Rule::in_place().hidden(),
        /// What it means, without whose it is.
        pub says: String => Rule::in_place().hidden(),
    }
}

/// What names of all alarms of `stack` begin with; no other stack's do, since no stack's name has a slash.
pub fn prefix(stack: &str) -> String {
    format!("kstack/{stack}/")
}

/// What ends the description of the stack's alarm with this name inside of it.
pub fn mark(stack: &str, name: &str) -> String {
    format!(" (kstack stack {stack}: {name})")
}

impl Alarm {
    fn new(design: &Design, watch: &Watch, of: Ref, broker: Option<u32>) -> Alarm {
        let topic = design.stack.alarms.0.as_ref().and_then(|alarms| alarms.notify.as_ref());
        let told: Vec<String> = topic.map(TopicArn::to_string).into_iter().collect();
        Alarm {
            of,
            broker,
            metric: watch.metric.to_owned(),
            condition: watch.condition.to_owned(),
            periods: watch.periods.to_owned(),
            missing: watch.missing.to_owned(),
            begins: told.clone(),
            ends: told,
            enabled: true,
            says: watch.says.to_owned(),
        }
    }
}

impl Kind for Alarm {
    const NAME: &'static str = "alarm";
    const TAGGED: bool = false;
    const OF_ALARMS: bool = true;
    const FOLLOWS: Option<&'static str> = Some("of");

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if !design.has_alarms() {
            return Vec::new();
        }
        let mut all = Vec::new();
        for host in &design.hosts {
            for watch in ec2::alarms::watches(&host.instance_type) {
                let of = match watch.of {
                    Watched::Volume => {
                        host.volumes().into_iter().map(|name| (Ref::to(super::Volume::NAME, &name), name)).collect()
                    }
                    _ => vec![(Ref::to(super::Instance::NAME, &host.name), host.name.clone())],
                };
                let named = of.into_iter().map(|(of, name)| (format!("{name}-{}", watch.name), of));
                all.extend(named.map(|(name, of)| (name, Alarm::new(design, watch, of, None))));
            }
        }
        let Some(msk) = design.stack.cluster.msk.as_ref().filter(|_| design.msk.is_some()) else { return all };
        let cluster = || Ref::to(super::MskCluster::NAME, "main");
        for watch in msk::alarms::watches(msk) {
            let brokers = msk.brokers.as_ref().map_or(0, |brokers| brokers.count);
            match watch.of {
                Watched::Cluster => all.push((watch.name.to_owned(), Alarm::new(design, watch, cluster(), None))),
                _ => {
                    all.extend((1..=brokers).map(|id| {
                        (format!("broker-{id}-{}", watch.name), Alarm::new(design, watch, cluster(), Some(id)))
                    }))
                }
            }
        }
        all
    }

    fn owner(name: &str) -> &str {
        // `broker-1` of `broker-1-2-iops`.
        match name.match_indices('-').nth(1) {
            Some((end, _)) if name.starts_with("broker-") || name.starts_with("controller-") => &name[..end],
            _ => name,
        }
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("alarm", metrics(&self.metric) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::{self, PlanningInput, assumed_facts};
    use crate::cloud_init::Overrides;
    use crate::observed::Observed;
    use crate::pricing::{Reads, embedded};
    use crate::{check, instance_types};

    #[test]
    fn an_alarm_is_a_part_of_its_host() {
        let owners = ["broker-1-status", "broker-12-2-iops", "controller-1-fetch-throttled", "offline", "min-isr"];
        assert_eq!(owners.map(Alarm::owner), ["broker-1", "broker-12", "controller-1", "offline", "min-isr"]);
    }

    #[test]
    fn the_bill_has_the_metrics_that_are_watched() {
        let hosts = "kafka: 4.1.1, controllers: {count: 3, instance_type: t4g.medium}";
        let ec2 =
            format!("{{ec2: {{{hosts}, brokers: {{count: 3, instance_type: m7g.large, storage: {{volumes: 2}}}}}}}}");
        let msk = |kind: &str, level: &str| {
            format!(
                "{{msk: {{kafka: 3.8.x, brokers: {{count: 3, instance_type: {kind}}}, monitoring: {{level: {level}}}}}}}"
            )
        };
        let rows = [
            // Two of a host, and three of each of two volumes; a burstable host has one more.
            (ec2, 3 * (2 + 2 * 3) + 3 * (3 + 3)),
            (msk("kafka.m5.large", "default"), 2 + 3 * (2 + 4)),
            (msk("kafka.m5.large", "per-broker"), 2 + 3 * (2 + 5)),
            (msk("express.m7g.large", "default"), 1 + 3 * 2),
            (msk("express.m7g.large", "per-broker"), 1 + 3 * (2 + 3)),
            ("{msk: {serverless: true}}".to_owned(), 0),
        ];
        for (cluster, expected) in rows {
            let text = format!(
                "apiVersion: kstack/v1\nname: rung\nregion: eu-west-1\nalarms: true\nnetwork: {{cidr: 10.50.0.0/16}}\ncluster: {cluster}\n"
            );
            let stack =
                check::parse("rung.yaml", &text).unwrap_or_else(|report| panic!("{}", report.render(false))).stack;
            let (facts, observed) = (assumed_facts(&stack), Observed::default());
            let input = PlanningInput { facts, observed, record: None, expires: None };
            let design = choose::design(&stack, &input, &Overrides::new()).expect("a design");
            let watched: usize = Alarm::desired(&design).iter().map(|(_, alarm)| metrics(&alarm.metric)).sum();
            assert_eq!(watched, expected, "{cluster}");
            let bill = stack.cluster.cost(stack.common(), instance_types::embedded(), embedded(), Reads::default());
            let lines = bill.expect("a bill").lines;
            let billed = lines.iter().find(|line| line.name == "alarms").and_then(|line| line.usd).unwrap_or_default();
            assert!((billed - expected as f64 * 0.1).abs() < 1e-9, "{cluster}: {billed}");
        }
    }

    #[test]
    fn no_stack_has_the_alarms_of_one_whose_name_begins_like_its_own() {
        assert!(!"kstack/orders-eu/broker-1-status".starts_with(&prefix("orders")));
        assert!("kstack/orders/broker-1-status".starts_with(&prefix("orders")));
    }
}
