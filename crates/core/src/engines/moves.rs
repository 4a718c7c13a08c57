//! How fast partitions of a live cluster may be moved: by what its brokers have left over the workload's peak.

use super::{Cluster, CommonKeys, ec2, msk};
use crate::instance_types::{InstanceTypes, embedded};
use crate::units::Rate;

/// What moves get at least, in MiB/s, where nothing is left over the peak: without it they would never end.
const LEAST_MIBS: f64 = 5.0;
/// What they get where the limits of the brokers' type are not known.
const UNKNOWN_MIBS: f64 = 20.0;

/// How many bytes a second moves may use of each broker, at first and at most: half of what it has left over the workload's peak, and all of
/// it where half is not enough; or what the file says. `None` where the limits of its type are not known.
pub fn known_rates_of_moves(cluster: &Cluster, common: CommonKeys<'_>, types: &InstanceTypes) -> Option<(u64, u64)> {
    if let Some(Rate(rate)) = cluster.ec2.as_ref().and_then(|ec2| ec2.changes.throttle) {
        return Some((rate, rate));
    }
    let of_ec2 = cluster.ec2.as_ref().and_then(|ec2| ec2::spare_mibs(ec2, common, types));
    let spare = of_ec2.or_else(|| msk::spare_mibs(cluster.msk.as_ref()?, common))?;
    let rate = |mibs: f64| Rate::from_mibs(mibs.max(LEAST_MIBS)).0;
    Some((rate(spare / 2.0), rate(spare)))
}

/// The same for a plan, which has no throttle of the user's.
pub fn rates_of_moves(cluster: &Cluster, common: CommonKeys<'_>) -> (u64, u64) {
    let unknown = Rate::from_mibs(UNKNOWN_MIBS).0;
    known_rates_of_moves(cluster, common, embedded()).unwrap_or((unknown, unknown))
}
