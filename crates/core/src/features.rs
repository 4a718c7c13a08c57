//! Kafka's features: the levels that a cluster has finalized, of which metadata.version is one, what each version of Kafka supports of
//! them, and which levels an upgrade ends with.
//!
//! The tables are made from Kafka's `Feature` and `MetadataVersion` by `tests/kafka/definitions`; `tests/hosts` compares them with the
//! Kafka that it boots.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::settings::KafkaVersion;
use crate::settings::definitions::{Span, span};
use crate::tables::Table;

const FEATURES: Table = Table { file: "tables/kafka_features.csv", text: include_str!("tables/kafka_features.csv") };
const LEVELS: Table =
    Table { file: "tables/kafka_metadata_levels.csv", text: include_str!("tables/kafka_metadata_levels.csv") };

/// The feature that says how the cluster's metadata is written.
pub const METADATA: &str = "metadata.version";

/// Levels of features, by name. One that is at 0 is off, and often left out.
pub type Levels = BTreeMap<String, i16>;

/// The least and the greatest level of each feature that a Kafka supports.
pub type Ranges = BTreeMap<String, (i16, i16)>;

/// What a version of Kafka has of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Feature {
    name: &'static str,
    min: i16,
    max: i16,
    /// What Kafka's own `kafka-features.sh upgrade --release-version` makes of it: less than `max` where a release has it as a preview.
    default: i16,
    span: Span,
}

fn row([name, min, max, default, from, before]: [&'static str; 6]) -> Option<Feature> {
    let [min, max, default] = [min.parse().ok()?, max.parse().ok()?, default.parse().ok()?];
    Some(Feature { name, min, max, default, span: span(from, before)? })
}

/// A level of metadata.version: its name, such as `4.1-IV1`, and whether with it metadata is written in another way than before.
fn level_row([level, name, changed]: [&'static str; 3]) -> Option<(i16, &'static str, bool)> {
    Some((level.parse().ok()?, name, changed == "yes")).filter(|_| ["", "yes"].contains(&changed))
}

/// What Kafka `version` has of each feature; nothing where kstack does not know that version: it is of a later release than the newest known.
fn of(version: KafkaVersion) -> Option<Vec<Feature>> {
    ((version.0, version.1) <= newest_release()?)
        .then(|| FEATURES.rows(row).into_iter().filter(|one| one.span.contains(version)).collect())
}

/// The newest release that kstack knows.
fn newest_release() -> Option<(u32, u32)> {
    LEVELS.rows(level_row).last().and_then(|(_, name, _)| release_of(name))
}

/// The release that a level's name begins with: `4.1-IV1` is of 4.1.
fn release_of(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.split('-').next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The release of a level of metadata.version, such as `4.1`; `None` for one that kstack does not know.
pub fn release(level: i16) -> Option<&'static str> {
    level_name(level)?.split('-').next()
}

fn level_name(level: i16) -> Option<&'static str> {
    LEVELS.rows(level_row).into_iter().find_map(|(one, name, _)| (one == level).then_some(name))
}

/// A feature's level in words: metadata.version by Kafka's name of it.
pub fn level_text(name: &str, level: i16) -> String {
    match level_name(level).filter(|_| name == METADATA) {
        Some(name) => name.to_owned(),
        None => level.to_string(),
    }
}

/// The least level to which Kafka itself takes metadata.version back from `level`: what was written since then reads the same.
pub fn floor(level: i16) -> i16 {
    let all = LEVELS.rows(level_row).into_iter();
    all.filter(|(one, _, changed)| *changed && *one <= level).map(|(one, ..)| one).max().unwrap_or(level)
}

/// A finalized feature that a Kafka does not support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub name: String,
    /// The level at which it is finalized.
    pub level: i16,
    /// What that Kafka supports; nothing for a feature that it does not have.
    pub supports: Option<(i16, i16)>,
}

impl Obstacle {
    /// In words, as "metadata.version is finalized at 4.2-IV1, and Kafka 4.1.1 supports 3.3-IV3 to 4.1-IV1".
    pub fn text(&self, kafka: &str) -> String {
        let text = |level: i16| level_text(&self.name, level);
        let supports = match self.supports {
            Some((min, max)) => format!("supports {} to {}", text(min), text(max)),
            None => "does not have it".to_owned(),
        };
        format!("{} is finalized at {}, and Kafka {kafka} {supports}", self.name, text(self.level))
    }
}

/// What of the levels that are finalized Kafka `version` does not support, so that it would never register; `None` where kstack does not
/// know that version.
pub fn obstacles(finalized: &Levels, version: KafkaVersion) -> Option<Vec<Obstacle>> {
    let known = of(version)?;
    let obstacle = |(name, level): (&String, &i16)| {
        let supports = known.iter().find(|one| one.name == name).map(|one| (one.min, one.max));
        let fits = supports.is_some_and(|(min, max)| (min..=max).contains(level));
        (*level > 0 && !fits).then(|| Obstacle { name: name.clone(), level: *level, supports })
    };
    Some(finalized.iter().filter_map(obstacle).collect())
}

/// The oldest release whose Kafka supports all that is finalized, such as `4.2`; `None` where kstack knows none.
pub fn oldest_release(finalized: &Levels) -> Option<String> {
    let mut all: Vec<(u32, u32)> = LEVELS.rows(level_row).into_iter().filter_map(|one| release_of(one.1)).collect();
    all.dedup();
    let fits = |(major, minor): &(u32, u32)| {
        // Before the first version of the tables nothing is known of what a Kafka has.
        *major >= 4 && obstacles(finalized, (*major, *minor, 0)).is_some_and(|all| all.is_empty())
    };
    all.into_iter().find(fits).map(|(major, minor)| format!("{major}.{minor}"))
}

/// A feature that is to be finalized at a higher level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Raise {
    pub feature: String,
    pub from: i16,
    pub to: i16,
}

/// What finalizing the features of Kafka `version` raises in a cluster whose nodes all support `supported`: metadata.version to the highest of
/// that, the others to what a new cluster of that version begins with, and of a version that kstack does not know, of the newest that it does.
/// Nothing is lowered. metadata.version comes first.
pub fn raises(version: KafkaVersion, supported: &Ranges, finalized: &Levels) -> Vec<Raise> {
    let known = of(version).or_else(|| {
        let (major, minor) = newest_release()?;
        of((major, minor, u32::MAX))
    });
    let default = |name: &str, max: i16| match name {
        METADATA => Some(max),
        _ => known.iter().flatten().find(|one| one.name == name).map(|one| one.default.min(max)),
    };
    let raise = |(name, (_, max)): (&String, &(i16, i16))| {
        let (from, to) = (finalized.get(name).copied().unwrap_or_default(), default(name, *max)?);
        (from < to).then(|| Raise { feature: name.clone(), from, to })
    };
    let mut all: Vec<Raise> = supported.iter().filter_map(raise).collect();
    all.sort_by_key(|one| one.feature != METADATA);
    all
}

/// Whether Kafka `version` has features above what is `finalized`, by what kstack knows of it.
pub fn is_behind(finalized: &Levels, version: KafkaVersion) -> bool {
    let supported = of(version).unwrap_or_default().into_iter().map(|one| (one.name.to_owned(), (one.min, one.max)));
    !raises(version, &supported.collect(), finalized).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(all: &[(&str, i16)]) -> Levels {
        all.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
    }

    /// What every node of this version supports.
    fn supported(version: KafkaVersion) -> Ranges {
        let all = of(version).expect("a known version");
        all.into_iter().map(|one| (one.name.to_owned(), (one.min, one.max))).collect()
    }

    /// What a new cluster of this version has.
    fn fresh(version: KafkaVersion) -> Levels {
        let all = raises(version, &supported(version), &Levels::new());
        all.into_iter().map(|one| (one.feature, one.to)).collect()
    }

    #[test]
    fn every_line_of_the_tables_is_read() {
        assert_eq!(FEATURES.bad_row(row), None);
        assert_eq!(LEVELS.bad_row(level_row), None);
        let levels = LEVELS.rows(level_row);
        assert!(levels.windows(2).all(|pair| pair[0].0 < pair[1].0), "from the oldest to the newest");
        for version in [(4, 0, 0), (4, 1, 1), (4, 2, 2), (4, 4, 0)] {
            let metadata = of(version).into_iter().flatten().find(|one| one.name == METADATA).expect("its row");
            assert_eq!(release(metadata.max), Some(format!("{}.{}", version.0, version.1).as_str()));
        }
    }

    #[test]
    fn a_version_runs_where_it_supports_all_that_is_finalized() {
        let finalized = fresh((4, 2, 0));
        assert_eq!(obstacles(&finalized, (4, 2, 9)), Some(vec![]));
        assert_eq!(obstacles(&finalized, (4, 4, 0)), Some(vec![]));
        let texts = |version, kafka: &str| -> Vec<String> {
            obstacles(&finalized, version).expect("a known version").iter().map(|one| one.text(kafka)).collect()
        };
        assert_eq!(
            texts((4, 1, 1), "4.1.1"),
            [
                "metadata.version is finalized at 4.2-IV1, and Kafka 4.1.1 supports 3.3-IV3 to 4.1-IV1",
                "streams.version is finalized at 1, and Kafka 4.1.1 supports 0 to 0"
            ]
        );
        assert_eq!(texts((4, 0, 0), "4.0.0").len(), 3, "it has no share.version, too");
        assert_eq!(oldest_release(&finalized).as_deref(), Some("4.2"));
        assert_eq!(oldest_release(&levels(&[(METADATA, 21)])).as_deref(), Some("4.0"));
        // What nobody has finalized yet is on nobody's way.
        assert_eq!(obstacles(&levels(&[("share.version", 0)]), (4, 0, 0)), Some(vec![]));
        assert_eq!(obstacles(&finalized, (4, 9, 0)), None);
        assert_eq!(obstacles(&levels(&[(METADATA, 999)]), (4, 4, 0)).map(|all| all.len()), Some(1));
        assert_eq!(oldest_release(&levels(&[(METADATA, 999)])), None);
    }

    #[test]
    fn an_upgrade_ends_with_what_a_new_cluster_has() {
        let raised = raises((4, 4, 0), &supported((4, 4, 0)), &fresh((4, 0, 0)));
        let text: Vec<String> = raised.iter().map(|one| format!("{} {}-{}", one.feature, one.from, one.to)).collect();
        assert_eq!(
            text,
            [
                "metadata.version 25-33",
                "eligible.leader.replicas.version 0-1",
                "share.version 0-2",
                "streams.version 0-1"
            ]
        );
        // A preview is supported, and not begun with.
        assert_eq!(fresh((4, 0, 0)).get("eligible.leader.replicas.version"), None);
        assert!(supported((4, 0, 0)).contains_key("eligible.leader.replicas.version"));
        assert!(is_behind(&fresh((4, 0, 0)), (4, 1, 0)) && !is_behind(&fresh((4, 1, 0)), (4, 1, 2)));
        // Somebody turned one on before: it is neither raised nor lowered.
        let mut on = fresh((4, 0, 0));
        on.insert("eligible.leader.replicas.version".to_owned(), 1);
        assert_eq!(raises((4, 0, 0), &supported((4, 0, 0)), &on), vec![]);
    }

    #[test]
    fn of_a_later_kafka_the_cluster_tells() {
        let mut ranges = supported((4, 4, 0));
        ranges.insert(METADATA.to_owned(), (7, 40));
        ranges.insert("unheard.of".to_owned(), (0, 1));
        let raised = raises((4, 6, 0), &ranges, &fresh((4, 4, 0)));
        assert_eq!(raised, vec![Raise { feature: METADATA.to_owned(), from: 33, to: 40 }]);
        assert_eq!((level_text(METADATA, 40), level_text(METADATA, 33)), ("40".to_owned(), "4.4-IV2".to_owned()));
    }

    #[test]
    fn metadata_goes_back_to_where_it_was_last_written_in_another_way() {
        assert_eq!([27, 25, 21, 33, 7].map(floor), [23, 23, 17, 33, 7]);
    }
}
