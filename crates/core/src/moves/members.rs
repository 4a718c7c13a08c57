//! Which brokers leave a cluster that its service makes smaller by itself, as MSK does: it takes those away that have no partitions, as many of
//! each rack. So which ones those are is said by what is moved off them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::view::{Broker, View};
use crate::text::many;

/// The brokers that stay where the service has so many and is to have `wanted`: of each rack those leave that have nothing, and then those with
/// the highest ids. So a run that was cut off goes on with the brokers that it has begun to empty.
///
/// # Errors
/// Why that can't be said now, as a clause.
pub fn members(view: &View, has: u32, wanted: u32) -> Result<BTreeSet<u32>, String> {
    let registered = view.brokers.iter().map(|broker| broker.id);
    if wanted >= has {
        // One that is being replaced may not be registered for a while.
        let named = view.partitions.values().flat_map(|one| one.replicas.iter().copied());
        return Ok(registered.chain(named).collect());
    }
    if view.brokers.len() != has as usize {
        let count = many(view.brokers.len(), "broker");
        return Err(format!("{count} of {has} are registered: the others are down, or are being replaced"));
    }
    let mut racks: BTreeMap<Option<&String>, Vec<&Broker>> = BTreeMap::new();
    for broker in &view.brokers {
        racks.entry(broker.rack.as_ref()).or_default().push(broker);
    }
    let (each, stay) = (view.brokers.len() / racks.len(), wanted as usize / racks.len());
    if racks.keys().any(Option::is_none) || racks.values().any(|brokers| brokers.len() != each) {
        return Err("the brokers do not say that each zone has as many of them as the others".to_owned());
    }
    let of_rack = |brokers: Vec<&Broker>| {
        let mut brokers = brokers;
        brokers.sort_by_key(|broker| (view.names(broker.id), Reverse(broker.id)));
        let leave = brokers.len().saturating_sub(stay);
        brokers.into_iter().skip(leave).map(|broker| broker.id).collect::<Vec<u32>>()
    };
    Ok(racks.into_values().flat_map(of_rack).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moves::Partition;

    /// Six brokers over three zones, of which these have a partition each.
    fn view(on: &[u32]) -> View {
        let broker = |id: u32| Broker {
            id,
            rack: Some(format!("use1-az{}", (id - 1) % 3 + 1)),
            fenced: false,
            silent: false,
            disk: None,
        };
        let one = |id: &u32| (("orders".to_owned(), *id), Partition { replicas: vec![*id], ..Partition::default() });
        View { brokers: (1..=6).map(broker).collect(), partitions: on.iter().map(one).collect(), ..View::default() }
    }

    #[test]
    fn those_that_are_empty_leave_and_then_those_with_the_highest_ids() {
        let stay = |on: &[u32]| members(&view(on), 6, 3).map(|ids| ids.into_iter().collect::<Vec<u32>>());
        assert_eq!(stay(&[1, 2, 3, 4, 5, 6]), Ok(vec![1, 2, 3]));
        // Cut off when two were empty.
        assert_eq!(stay(&[1, 2, 3, 5]), Ok(vec![1, 2, 3]));
        // MSK takes away what is empty, so it is what leaves.
        assert_eq!(stay(&[1, 3, 4, 5, 6]), Ok(vec![1, 3, 5]));
        assert_eq!(stay(&[]), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_not_clear_is_said() {
        let why = |view: &View| members(view, 6, 3).expect_err("a reason");
        let mut down = view(&[1]);
        down.brokers.pop();
        assert_eq!(why(&down), "5 brokers of 6 are registered: the others are down, or are being replaced");
        // Where none leaves, one that is down is counted among those that stay.
        down.partitions.extend(view(&[6]).partitions);
        assert_eq!(members(&down, 6, 6), Ok((1..=6).collect()));
        let mut elsewhere = view(&[]);
        elsewhere.brokers[0].rack = elsewhere.brokers[1].rack.clone();
        let uneven = "the brokers do not say that each zone has as many of them as the others";
        assert_eq!(why(&elsewhere), uneven);
        elsewhere.brokers.iter_mut().for_each(|broker| broker.rack = None);
        assert_eq!(why(&elsewhere), uneven);
    }
}
