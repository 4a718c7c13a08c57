//! Zones that are evacuated, as `kstack status` shows them.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::health::KafkaHealth;
use kstack_core::evacuation;
use kstack_core::moves::{Left, evacuated_zones};
use kstack_core::observed::Observed;
use kstack_core::text::many;

/// A zone that is evacuated.
#[derive(Debug, Serialize)]
pub(super) struct Evacuated {
    pub zone: String,
    pub left: Left,
    pub brokers: BTreeSet<u32>,
    /// Partitions that its brokers lead, as of a topic that was made since; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub led: Option<usize>,
    /// The same for people.
    #[serde(skip)]
    pub said: String,
}

impl Evacuated {
    /// All of them.
    pub fn of(observed: &Observed, health: Option<&KafkaHealth>) -> Vec<Evacuated> {
        let led = |brokers: &BTreeSet<u32>| {
            let all = health?.partitions.iter().filter_map(|one| one.leader);
            Some(all.filter(|leader| brokers.contains(leader)).count())
        };
        let marks = evacuation::marks(observed);
        let zones = evacuated_zones(&marks).into_iter().zip(evacuation::said(&marks));
        let one = |((zone, (left, brokers)), mut said): ((&str, (Left, BTreeSet<u32>)), String)| {
            let led = led(&brokers);
            if let Some(count) = led.filter(|count| *count > 0) {
                said.push_str(&format!(" They lead {} still: run it again.", many(count, "partition")));
            }
            Evacuated { zone: zone.to_owned(), left, brokers, led, said }
        };
        zones.map(one).collect()
    }
}
