//! EBS volumes of the type gp3. Source of all limits: EBS volume types, 2026.

use serde::{Deserialize, Serialize};

use crate::sizing::ceil;
use crate::units::Bounds;

/// The size of a volume.
pub const SIZE_GIB: Bounds<u64> = Bounds { least: 1, most: 65_536 };
/// The IOPS of a volume; the least come with any size, and are free.
pub const IOPS: Bounds<u32> = Bounds { least: 3_000, most: 80_000 };
/// The throughput of a volume; the least is free.
pub const THROUGHPUT_MIBS: Bounds<f64> = Bounds { least: 125.0, most: 2_000.0 };
/// The most throughput for each provisioned IOPS.
pub const MIBS_PER_IOPS: f64 = 0.25;
/// The most IOPS for each GiB.
pub const IOPS_PER_GIB: u64 = 500;

/// A gp3 volume's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gp3Volume {
    pub size_gib: u64,
    /// Provisioned IOPS.
    pub iops: u32,
    /// Provisioned throughput.
    pub throughput_mibs: u32,
}

/// The IOPS that a volume needs for `throughput_mibs`.
pub fn iops_for(throughput_mibs: f64) -> u32 {
    (ceil(throughput_mibs / MIBS_PER_IOPS) as u32).clamp(IOPS.least, IOPS.most)
}

/// The GiB that a volume needs for `iops`.
pub fn gib_for(iops: u32) -> u64 {
    if iops > IOPS.least { u64::from(iops).div_ceil(IOPS_PER_GIB) } else { SIZE_GIB.least }
}
