//! Where the partitions of a cluster are: on which brokers, as far as a plan moves any.
//!
//! A plan moves partitions where a broker of the file has none and would get some, where one has some that the file no longer has, and where
//! such moves were cut off: their throttle is still there. That some brokers have more than others is no difference: `kstack rebalance` is
//! for that. So brokers are asked for this only where some are added or taken away, or an apply did not come to its end.

use std::collections::BTreeSet;

use super::prelude::*;
use crate::moves::View;

/// The one name.
pub const MAIN: &str = "main";

spec! {
    pub struct Partitions {
        /// Ids of the brokers that have their share of them: `1-3`.
        pub brokers: String => Rule::in_place(),
        /// Whether moves that kstack has begun did not come to their end.
        #[serde(default)]
        pub cut_off: bool => Rule::in_place().hidden().saying("moves were cut off: they go on, and their throttle is lifted"),
        /// What the brokers have told.
        #[serde(skip)]
        pub view: Option<Box<View>> => Rule::creation_only(),
    }
}

references!(Box<View>);

/// Numbers in short: `1-3 5`.
pub fn ids_text(ids: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *id => *last = *id,
            _ => ranges.push((*id, *id)),
        }
    }
    let range = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(" ")
}

/// Whether the broker is among those that [`ids_text`] has written.
pub fn has(text: &str, id: u32) -> bool {
    let within = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(first), Ok(last)) if (first..=last).contains(&id))
    };
    text.split(' ').any(within)
}

impl Kind for Partitions {
    const NAME: &'static str = "partitions";
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let mut brokers: BTreeSet<u32> =
            design.hosts.iter().filter(|host| host.broker()).map(|host| host.cloud.node_id).collect();
        // MSK gives its brokers their ids: which ones they are shows what is live.
        let of_msk = design.msk.as_ref().and_then(|msk| msk.provisioned.as_ref()).filter(|one| !one.is_express());
        brokers.extend(of_msk.into_iter().flat_map(|one| 1..=one.brokers));
        let spec = Partitions { brokers: ids_text(&brokers), cut_off: false, view: None };
        if brokers.is_empty() { Vec::new() } else { vec![(MAIN.to_owned(), spec)] }
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_ranges() {
        for (ids, text) in [(&[][..], ""), (&[4], "4"), (&[1, 2, 3], "1-3"), (&[1, 3, 4, 9], "1 3-4 9")] {
            assert_eq!(ids_text(&ids.iter().copied().collect()), text);
            assert!((0..12).all(|id| has(text, id) == ids.contains(&id)), "{text}");
        }
    }
}
