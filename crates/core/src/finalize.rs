//! Finalizing the features of the Kafka that a stack runs: what is in the way, what it would do, and what Kafka's refusal means. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::design::{Design, node_id};
use crate::features::{METADATA, Raise, Ranges, floor, level_text, release};
use crate::kinds::{Broker, Instance, Kind as _, Partitions, Voter};
use crate::observed::Observed;
use crate::plan::{Plan, Work};
use crate::text::{self, first_of};

/// What finalizing the features of a stack would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finalization {
    pub stack: String,
    pub region: String,
    /// The version that every host runs.
    pub kafka: String,
    /// What is raised, metadata.version first; nothing where all is finalized.
    pub raises: Vec<Raise>,
    /// The host that was started last, and when: from then on the whole cluster runs this version. Absent where that is not known.
    pub last_start: Option<(String, Timestamp)>,
}

impl Finalization {
    /// What it would do, with how long the cluster has run so at `now`.
    pub fn text(&self, now: Timestamp) -> String {
        let row = |one: &Raise| {
            let text = |level: i16| level_text(&one.feature, level);
            vec![format!("  {}", one.feature), format!("{} -> {}", text(one.from), text(one.to))]
        };
        let rows: Vec<Vec<String>> = self.raises.iter().map(row).collect();
        let mut out = format!("Stack {} in {}: the features of Kafka {}\n\n", self.stack, self.region, self.kafka);
        out.push_str(&text::table(&rows, &[]));
        out.push_str("\nEvery registered node supports these levels: Kafka has checked that, and changed nothing.\n");
        match &self.last_start {
            Some((host, at)) => out.push_str(&format!(
                "All hosts have run Kafka {} for {}: {host}, the last one, started at {}.\n",
                self.kafka,
                lasting(now.duration_since(*at)),
                at.strftime("%Y-%m-%d %H:%M UTC"),
            )),
            None => out.push_str(&format!("It is not known since when all hosts run Kafka {}.\n", self.kafka)),
        }
        out.push_str(&self.way_back());
        out
    }

    /// Whether anything is left that could be undone afterwards.
    fn way_back(&self) -> String {
        let Some(metadata) = self.raises.iter().find(|one| one.feature == METADATA) else {
            return "kstack takes no feature back.\n".to_owned();
        };
        let oldest = release(metadata.to).unwrap_or("this version");
        let least = floor(metadata.to);
        let further = match least < metadata.to {
            true => format!(
                "Kafka's own kafka-features.sh takes metadata.version back to {} at most, where nothing depends on newer features yet; kstack does not",
                level_text(METADATA, least)
            ),
            false => "Kafka takes metadata.version no further back".to_owned(),
        };
        format!("There is no way back: hosts older than Kafka {oldest} never register again. {further}.\n")
    }
}

/// A length of time in its two largest units, as `9d 4h`.
fn lasting(time: SignedDuration) -> String {
    let minutes = time.as_mins().max(0);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// The host of `design` that was started last, and when; `None` where that is not known of one.
pub fn last_start(design: &Design, observed: &Observed) -> Option<(String, Timestamp)> {
    let instances = observed.of::<Instance>();
    let start = |name: &String| Some((name.clone(), instances.get(name.as_str())?.1.launched?));
    let all: Option<Vec<(String, Timestamp)>> = design.hosts.iter().map(|host| start(&host.name)).collect();
    all?.into_iter().max_by_key(|(_, at)| *at)
}

/// Which hosts are still to be started, rolled or replaced, as a sentence; `None` where none is. One that runs another Kafka has that said.
pub fn pending(plan: &Plan, observed: &Observed) -> Option<String> {
    let instances = observed.of::<Instance>();
    let hosts = plan.stages().flat_map(|stage| &stage.steps).filter(|step| {
        step.address.kind == Instance::NAME
            && matches!(step.work, Work::Create(_) | Work::Roll { .. } | Work::Replace { .. })
    });
    let said = |name: &str| match instances.get(name).and_then(|(_, instance)| instance.kafka.clone()) {
        Some(kafka) => format!("{name} (Kafka {kafka})"),
        None => name.to_owned(),
    };
    let hosts: Vec<String> = hosts.map(|step| said(&step.address.name)).collect();
    let moves = [Partitions::NAME, Broker::NAME, Voter::NAME];
    let come_and_go =
        plan.stages().flat_map(|stage| &stage.steps).any(|step| moves.contains(&step.address.kind.as_str()));
    if hosts.is_empty() && come_and_go {
        return Some("brokers or controllers still come or go".to_owned());
    }
    let verb = if hosts.len() == 1 { "is" } else { "are" };
    (!hosts.is_empty()).then(|| format!("{} {verb} not yet as the file says", first_of(&hosts)))
}

/// Of brokers, each with the levels that it supports, the first that does not support all that the most advanced one does, in words.
pub fn unequal(brokers: &[(String, Ranges)]) -> Option<String> {
    let most = |name: &str| brokers.iter().filter_map(|(_, has)| has.get(name)).map(|range| range.1).max();
    brokers.iter().find_map(|(host, has)| {
        let (max, level) = (has.get(METADATA).map_or(0, |range| range.1), most(METADATA)?);
        let text = |level| level_text(METADATA, level);
        (max < level).then(|| {
            format!("{host} runs a Kafka that supports metadata.version up to {}, and not {}", text(max), text(level))
        })
    })
}

/// The node that Kafka's refusal `words` name as one that does not support a level: whether it is a controller, and its id.
fn named(words: &str) -> Option<(bool, u32)> {
    let (before, _) = words.split_once(" only supports")?;
    let mut last = before.rsplit(' ');
    let id = last.next()?.parse().ok()?;
    match last.next()? {
        "Controller" => Some((true, id)),
        "Broker" => Some((false, id)),
        _ => None,
    }
}

/// What helps against Kafka's refusal `words`. `metadata` is the level that is finalized.
pub fn remedy(words: &str, design: &Design, observed: &Observed, metadata: i16) -> String {
    let Some((controller, id)) = named(words) else {
        return "see what Kafka says; nothing was changed, and the same command may be run again".to_owned();
    };
    let kafka = design.stack.cluster.ec2.as_ref().map(|ec2| ec2.kafka.to_string()).unwrap_or_default();
    if let Some(host) = design.hosts.iter().find(|host| host.cloud.node_id == id) {
        let name = &host.name;
        return format!(
            "{name} is registered with an older Kafka: see that it runs Kafka {kafka} (`kstack status`), and apply again"
        );
    }
    // One that is there may not be forgotten: it serves, or votes.
    let left = observed.of::<Instance>().into_keys().find(|name| node_id(name) == Some(id));
    if let Some(name) = left {
        return format!("{name} leaves the stack, and has not left yet: apply to the end first, and finalize then");
    }
    match controller {
        false => format!(
            "broker {id} is no host of this stack, and is registered still: if it is gone for good, `kafka-cluster.sh unregister --id {id}` forgets it"
        ),
        // By then the cluster itself can forget one.
        true if metadata >= FORGETS_CONTROLLERS => format!(
            "controller {id} is no host of this stack, and is registered still: `kafka-cluster.sh unregister-controller --id {id}` forgets it"
        ),
        true => format!(
            "controller {id} is no host of this stack, and is registered still: Kafka forgets none before its features are those of 4.4. An empty \
             controller of Kafka {kafka} with `node.id={id}` that runs for a moment registers in its place: docs/upgrade.md has the commands"
        ),
    }
}

/// The level of metadata.version from which on controllers can be unregistered. Source: `isControllerUnregistrationSupported` of `MetadataVersion`.
const FORGETS_CONTROLLERS: i16 = 33;

#[cfg(test)]
mod tests {
    use super::*;

    fn raise(feature: &str, from: i16, to: i16) -> Raise {
        Raise { feature: feature.to_owned(), from, to }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn finalization(raises: Vec<Raise>) -> Finalization {
        Finalization {
            stack: "prod".to_owned(),
            region: "ap-northeast-2".to_owned(),
            kafka: "4.4.0".to_owned(),
            raises,
            last_start: Some(("broker-2".to_owned(), at("2026-11-18T13:20:00Z"))),
        }
    }

    #[test]
    fn what_it_would_do_how_long_it_has_soaked_and_that_there_is_no_way_back() {
        let all = vec![
            raise(METADATA, 25, 33),
            raise("eligible.leader.replicas.version", 0, 1),
            raise("share.version", 0, 2),
        ];
        assert_eq!(
            finalization(all).text(at("2026-11-27T18:05:00Z")),
            "Stack prod in ap-northeast-2: the features of Kafka 4.4.0\n\n  \
             metadata.version                  4.0-IV3 -> 4.4-IV2\n  \
             eligible.leader.replicas.version  0 -> 1\n  \
             share.version                     0 -> 2\n\n\
             Every registered node supports these levels: Kafka has checked that, and changed nothing.\n\
             All hosts have run Kafka 4.4.0 for 9d 4h: broker-2, the last one, started at 2026-11-18 13:20 UTC.\n\
             There is no way back: hosts older than Kafka 4.4 never register again. Kafka takes metadata.version no further back.\n"
        );
    }

    #[test]
    fn how_far_kafka_itself_goes_back() {
        let some = Finalization { last_start: None, ..finalization(vec![raise(METADATA, 27, 29)]) };
        let text = some.text(at("2026-11-27T18:05:00Z"));
        assert!(text.contains("It is not known since when all hosts run Kafka 4.4.0.\n"), "{text}");
        assert!(text.contains("hosts older than Kafka 4.2 never register again. Kafka's own kafka-features.sh takes metadata.version back to 4.0-IV1 at most"), "{text}");
        let others = finalization(vec![raise("share.version", 0, 2)]).text(at("2026-11-18T13:20:40Z"));
        assert!(others.contains("for 0m:") && others.ends_with("kstack takes no feature back.\n"), "{others}");
        assert_eq!(lasting(SignedDuration::from_mins(61)), "1h 1m");
    }

    #[test]
    fn kafka_s_refusal_names_a_node() {
        let words = "UpdateFeatures failed with InvalidUpdateVersion: Invalid update version 33 for feature metadata.version. Controller 1009 only supports versions 7-25";
        assert_eq!(named(words), Some((true, 1009)));
        assert_eq!(named("Broker 3 only supports versions 1-21"), Some((false, 3)));
        assert_eq!(named("Local controller 1 only supports versions 1-21"), None);
        assert_eq!(named("it is too late"), None);
    }

    #[test]
    fn a_broker_of_an_older_kafka_is_named() {
        let ranges = |max: i16| Ranges::from([(METADATA.to_owned(), (7, max))]);
        let brokers = |levels: [i16; 3]| -> Vec<(String, Ranges)> {
            levels.iter().enumerate().map(|(at, max)| (format!("broker-{}", at + 1), ranges(*max))).collect()
        };
        assert_eq!(unequal(&brokers([33, 33, 33])), None);
        let text = "broker-2 runs a Kafka that supports metadata.version up to 4.0-IV3, and not 4.4-IV2";
        assert_eq!(unequal(&brokers([33, 25, 33])).as_deref(), Some(text));
    }
}
