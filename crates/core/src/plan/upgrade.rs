//! What a change of Kafka's version means for a live cluster: whether its features let hosts of that version in, and that they are finalized
//! by a step of its own.

use std::collections::BTreeSet;

use super::{Note, Plan};
use crate::design::Design;
use crate::features::{Levels, METADATA, Obstacle, floor, is_behind, level_text, obstacles, oldest_release, release};
use crate::kinds::Instance;
use crate::model::Address;
use crate::observed::{Inside, Observed};
use crate::refusal::Refusal;
use crate::stack::{Scalar as _, Version};

/// How a cluster's features are brought to the level of its Kafka.
const FINALIZE: &str = "`kstack finalize` with the file raises them, once you are sure";
const BACK: &str = "until then an older version in the file takes the hosts back";

/// Refuses a version whose hosts would never register, and says at which level the cluster's features are where they are behind.
pub(super) fn judge(design: &Design, observed: &Observed, plan: &mut Plan) {
    let Some(ec2) = &design.stack.cluster.ec2 else { return };
    let (wanted, kafka) = (ec2.kafka, ec2.kafka.to_string());
    let instances = observed.of::<Instance>();
    let live = design.hosts.iter().filter_map(|host| instances.get(host.name.as_str()));
    let live: BTreeSet<Version> =
        live.filter_map(|(_, instance)| Version::parse(instance.kafka.as_deref()?).ok()).collect();
    let (back, up) = (live.iter().any(|one| *one > wanted), live.iter().any(|one| *one < wanted));
    let Some(finalized) = observed.features.as_ref().filter(|_| !live.is_empty()) else {
        if back || up {
            plan.notes.push(unknown(observed, &kafka, back));
        }
        return;
    };
    let at = at(finalized);
    let (text, warning) = match obstacles(finalized, wanted.numbers()) {
        Some(all) if !all.is_empty() => {
            let reason = format!("{}: its hosts would never register", in_words(&all, &kafka));
            plan.refusals.push(Refusal::general(reason, way_out(&all, finalized)));
            return;
        }
        None if back || up => (
            format!(
                "kstack does not know Kafka {kafka}, and so not whether it supports the features that are finalized, {at}:\nsee Kafka's notes on upgrades to it"
            ),
            true,
        ),
        _ if back => (format!("the features that are finalized are {at}: Kafka {kafka} supports them"), false),
        _ if up => (format!("the features that are finalized stay {at};\n{FINALIZE};\n{BACK}"), false),
        _ if is_behind(finalized, wanted.numbers()) => {
            (format!("Kafka {kafka} runs, and the features that are finalized are {at};\n{FINALIZE};\n{BACK}"), false)
        }
        _ => return,
    };
    plan.notes.push(note(text, warning));
}

fn note(text: String, warning: bool) -> Note {
    Note { warning, ..Note::of(&Address::new("kafka", "main"), text) }
}

/// What is said where the brokers were not asked.
fn unknown(observed: &Observed, kafka: &str, back: bool) -> Note {
    let why = match &observed.inside {
        Inside::Unknown(why) => why.as_str(),
        Inside::NotAsked | Inside::Known => "the brokers were not asked",
    };
    let text = match back {
        true => format!(
            "it is not known which of Kafka's features are finalized: {why};\nwhere one is above what Kafka {kafka} supports, its hosts never register:\n\
             run it where the brokers can be reached, or name a way with --via or --proxy"
        ),
        false => format!("Kafka's features stay as they are, and it is not known at which level: {why};\n{FINALIZE}"),
    };
    note(text, back)
}

/// The levels that are finalized, in words, as "those of 4.0 (metadata.version 4.0-IV3)".
fn at(finalized: &Levels) -> String {
    let level = finalized.get(METADATA).copied().unwrap_or_default();
    match release(level) {
        Some(release) => format!("those of {release} (metadata.version {})", level_text(METADATA, level)),
        None => format!("those of metadata.version {level}"),
    }
}

/// What is in the way, in words.
fn in_words(all: &[Obstacle], kafka: &str) -> String {
    // metadata.version is what people know; the others go with it.
    let first = all.iter().find(|one| one.name == METADATA).or(all.first());
    first.map(|one| one.text(kafka)).unwrap_or_default()
}

/// What helps: a version that fits; or, where Kafka would do it, its features taken back.
fn way_out(all: &[Obstacle], finalized: &Levels) -> String {
    let newer = match oldest_release(finalized) {
        Some(release) => format!("write a version of Kafka {release} or newer"),
        None => "write the version that runs".to_owned(),
    };
    let most = all.iter().find(|one| one.name == METADATA).and_then(|one| one.supports);
    let back = finalized.get(METADATA).zip(most).filter(|(level, (_, most))| floor(**level) <= *most);
    match back.and_then(|(_, (_, most))| release(most)) {
        Some(release) => format!(
            "{newer}; or take the features back first: `kafka-features.sh downgrade --release-version {release}`, of Kafka's own tools, does that where nothing depends on them yet"
        ),
        None => format!("{newer}: what is finalized is not taken back that far"),
    }
}
