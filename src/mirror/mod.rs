//! Copying a cluster into another one by MirrorMaker 2: how far it is, as both clusters tell, and the process itself.

pub mod log;
pub mod notes;
mod process;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use process::{Process, Tools};

use crate::lag::{EARLIEST, LATEST, Place, Reached};
use kstack_core::mirror::{Topics, offset_of, offsets_topic, partition_of};

/// How far a topic is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicProgress {
    pub topic: String,
    pub partitions: usize,
    /// Offsets that are still to be copied; absent where that is not known. What ends a transaction counts, as it does in lag.
    pub left: Option<u64>,
    /// What is not known and why.
    pub problem: Option<String>,
}

/// The last offset of each partition of the cluster with the id `from` that is copied, as Connect has noted it in `to`.
///
/// # Errors
/// Why that can't be read.
pub async fn copied(to: &mut Reached, from: &str) -> Result<BTreeMap<Place, i64>, String> {
    let mut all = BTreeMap::new();
    for (key, value) in notes::read(to, &offsets_topic(from)).await? {
        let Some(partition) = partition_of(&key, from) else { continue };
        match value.as_deref().and_then(offset_of) {
            Some(offset) => drop(all.insert(partition, offset)),
            None => drop(all.remove(&partition)),
        }
    }
    Ok(all)
}

/// What is left to copy of each partition of these topics, or why that is not known.
///
/// # Errors
/// What Connect has noted can't be read.
pub async fn left(
    from: &mut Reached,
    to: &mut Reached,
    topics: &Topics,
) -> Result<BTreeMap<Place, Result<Left, String>>, String> {
    let copied = copied(to, &from.id).await?;
    let places: Vec<Place> = from.partitions.iter().filter(|place| topics.has(&place.0)).cloned().collect();
    let at = |time: i64| places.iter().map(|place| (place.clone(), time)).collect();
    let starts = from.offsets(&at(EARLIEST)).await;
    let ends = from.offsets(&at(LATEST)).await;
    let told = |answers: &crate::lag::Answers, place: &Place| match answers.get(place) {
        Some(Ok((offset, _))) => Ok(*offset),
        Some(Err(why)) => Err(why.clone()),
        None => Err("its leader did not answer".to_owned()),
    };
    let of = |place: &Place| {
        let (start, end) = (told(&starts, place)?, told(&ends, place)?);
        let next = copied.get(place).map_or(start, |last| last.saturating_add(1)).max(start);
        Ok(Left { next, end: end.max(next) })
    };
    Ok(places.iter().map(|place| (place.clone(), of(place))).collect())
}

/// The first offset of a partition that is not copied, and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub next: i64,
    pub end: i64,
}

impl Left {
    /// How many offsets that are.
    pub fn offsets(self) -> u64 {
        u64::try_from(self.end - self.next).unwrap_or_default()
    }
}

/// The same by topic, which also says what the target has not yet.
pub fn by_topic(all: &BTreeMap<Place, Result<Left, String>>, to: &BTreeSet<Place>) -> Vec<TopicProgress> {
    let mut topics: BTreeMap<&str, TopicProgress> = BTreeMap::new();
    for (place, left) in all {
        let (topic, partition) = place;
        let progress = topics.entry(topic).or_insert_with(|| TopicProgress {
            topic: topic.clone(),
            partitions: 0,
            left: Some(0),
            problem: None,
        });
        progress.partitions += 1;
        let problem = match left {
            _ if !to.contains(place) => Some(format!("partition {partition} is not made yet")),
            Ok(_) => None,
            Err(why) => Some(format!("partition {partition}: {why}")),
        };
        progress.left = progress.left.zip(left.as_ref().ok()).map(|(sum, left)| sum.saturating_add(left.offsets()));
        progress.problem = progress.problem.take().or(problem);
    }
    topics.into_values().collect()
}
