//! A zone that is out as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{Host, Seen, Wrong};
use crate::text::all_of;

/// Says which zones have no host that is well, where they have several and other zones have some. `sick` are the hosts that are not.
pub(super) fn out(seen: &Seen, sick: &BTreeSet<&str>) -> Vec<Wrong> {
    let mut zones: BTreeMap<&str, Vec<(&String, &Host)>> = BTreeMap::new();
    for (name, host) in &seen.hosts {
        zones.entry(&host.zone).or_default().push((name, host));
    }
    let is_out =
        |hosts: &[(&String, &Host)]| hosts.len() > 1 && hosts.iter().all(|(name, _)| sick.contains(name.as_str()));
    if zones.values().all(|hosts| is_out(hosts)) {
        return Vec::new();
    }
    let one = |(zone, hosts): (&str, Vec<(&String, &Host)>)| Wrong {
        what: format!(
            "The zone {zone} is out: {} are not well, and it has no other host.",
            all_of(hosts.iter().map(|(name, _)| (*name).clone()))
        ),
        then: format!(
            "They come back one at a time, controllers first, and only in their zone: that is where their addresses and volumes are. Where EC2 \
             starts none there, the other zones go on; `kstack evacuate --zone {zone} --replicas` copies to them what was there, if they have room."
        ),
    };
    zones.into_iter().filter(|(_, hosts)| is_out(hosts)).map(one).collect()
}
