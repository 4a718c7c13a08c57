//! Volumes for brokers, of EBS or of the instance itself: what each type can be, what it does, and what it costs.
//!
//! Source of all limits: Amazon EBS User Guide, "Amazon EBS volume types", "Provisioned IOPS SSD volumes" and "Throughput Optimized
//! HDD volumes", 2026.

use serde::{Deserialize, Serialize};

use super::keys::VolumeType;
use crate::sizing::ceil;
use crate::text::number;
use crate::units::Bounds;

/// The most throughput for each provisioned IOPS: 256 KiB each.
pub const MIBS_PER_IOPS: f64 = 0.25;
/// What a volume of the type st1 always does for each TiB, in MiB/s; it can do more for a while. Counted are averages that last.
pub const ST1_MIBS_PER_TIB: f64 = 40.0;
/// The most data volumes of a host: EC2 recommends the device names from /dev/sdf to /dev/sdp for them. Source: EC2 User Guide, "Device
/// names for volumes".
pub const MOST_VOLUMES: u32 = 11;
/// IOPS of io2 that come at the first price, and at the second.
const IO2_TIERS: [u32; 2] = [32_000, 64_000];

/// What volumes of a type can be.
#[derive(Debug, PartialEq)]
pub struct EbsLimits {
    /// With its article.
    pub name: &'static str,
    /// The size of a volume.
    pub size_gib: Bounds<u64>,
    /// The IOPS that can be set; `None` where they follow from the size.
    pub iops: Option<IopsLimits>,
    /// The throughput that can be set; `None` where it follows from the rest.
    pub throughput_mibs: Option<Bounds<f64>>,
    /// The most throughput of a volume.
    pub most_mibs: f64,
}

/// Provisioned IOPS of a type.
#[derive(Debug, PartialEq)]
pub struct IopsLimits {
    pub bounds: Bounds<u32>,
    /// The most for each GiB.
    pub per_gib: u64,
    /// Those that a volume of any size can have.
    pub of_any_size: u32,
    /// The least that is derived: gp3 has them for nothing, and a dearer type should not be slower.
    pub derived: u32,
}

const GP3: EbsLimits = EbsLimits {
    name: "a gp3 volume",
    size_gib: Bounds { least: 1, most: 65_536 },
    iops: Some(IopsLimits {
        bounds: Bounds { least: 3_000, most: 80_000 },
        per_gib: 500,
        of_any_size: 3_000,
        derived: 3_000,
    }),
    throughput_mibs: Some(Bounds { least: 125.0, most: 2_000.0 }),
    most_mibs: 2_000.0,
};

const IO2: EbsLimits = EbsLimits {
    name: "an io2 volume",
    size_gib: Bounds { least: 4, most: 65_536 },
    iops: Some(IopsLimits {
        bounds: Bounds { least: 100, most: 256_000 },
        per_gib: 1_000,
        of_any_size: 100,
        derived: 3_000,
    }),
    throughput_mibs: None,
    most_mibs: 4_000.0,
};

const ST1: EbsLimits = EbsLimits {
    name: "an st1 volume",
    size_gib: Bounds { least: 125, most: 16_384 },
    iops: None,
    throughput_mibs: None,
    most_mibs: 500.0,
};

const INSTANCE_STORE: EbsLimits = EbsLimits {
    name: "a disk of an instance",
    size_gib: Bounds { least: 0, most: u64::MAX },
    iops: None,
    throughput_mibs: None,
    most_mibs: f64::INFINITY,
};

impl VolumeType {
    /// What volumes of this type can be.
    pub const fn limits(self) -> &'static EbsLimits {
        match self {
            VolumeType::Gp3 => &GP3,
            VolumeType::Io2 => &IO2,
            VolumeType::St1 => &ST1,
            VolumeType::InstanceStore => &INSTANCE_STORE,
        }
    }
}

impl EbsLimits {
    /// The IOPS that a volume needs for `throughput_mibs`; 0 where they can't be set.
    pub fn iops_for(&self, throughput_mibs: f64) -> u32 {
        self.iops.as_ref().map_or(0, |iops| {
            (ceil(throughput_mibs / MIBS_PER_IOPS) as u32).max(iops.derived).clamp(iops.bounds.least, iops.bounds.most)
        })
    }

    /// The GiB that a volume needs for `iops`.
    pub fn gib_for(&self, iops: u32) -> u64 {
        match &self.iops {
            Some(limits) if iops > limits.of_any_size => u64::from(iops).div_ceil(limits.per_gib),
            _ => self.size_gib.least,
        }
    }

    /// The GiB that a volume needs for `throughput_mibs`, where its size is what sets that.
    pub fn gib_for_throughput(&self, throughput_mibs: f64) -> u64 {
        match self.iops {
            None => ceil(throughput_mibs * 1024.0 / ST1_MIBS_PER_TIB) as u64,
            Some(_) => self.size_gib.least,
        }
    }

    /// The most IOPS that a volume of `size_gib` can have.
    pub fn most_iops_of(&self, size_gib: u64) -> u64 {
        let iops = self.iops.as_ref();
        iops.map_or(0, |iops| (size_gib.saturating_mul(iops.per_gib)).max(iops.of_any_size.into()))
    }

    /// The most IOPS for each GiB; 0 where none can be set.
    pub fn iops_per_gib(&self) -> u64 {
        self.iops.as_ref().map_or(0, |iops| iops.per_gib)
    }

    /// The least throughput that is derived.
    pub fn least_mibs(&self) -> f64 {
        self.throughput_mibs.map_or(1.0, |bounds| bounds.least)
    }

    /// Its sizes for people.
    pub fn sizes(&self) -> String {
        let [least, most] = [self.size_gib.least, self.size_gib.most].map(|gib| match gib % 1024 {
            0 => format!("{} TiB", gib / 1024),
            _ => format!("{gib} GiB"),
        });
        format!("{least} to {most}")
    }
}

/// A volume's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsVolume {
    #[serde(rename = "type")]
    pub kind: VolumeType,
    pub size_gib: u64,
    /// Provisioned IOPS; 0 where the type has none to set.
    pub iops: u32,
    /// The throughput that it always has; set for gp3, and following from the rest for the others.
    pub throughput_mibs: u32,
}

/// A part of a volume's price.
#[derive(Debug, PartialEq)]
pub struct VolumeCharge {
    /// The item of the price table.
    pub item: &'static str,
    /// What it is for, beside the size.
    pub part: &'static str,
    pub quantity: f64,
    /// How the quantity comes about.
    pub formula: String,
}

impl EbsVolume {
    /// A gp3 volume as it comes: with what is free.
    pub const fn plain(size_gib: u64) -> EbsVolume {
        EbsVolume { kind: VolumeType::Gp3, size_gib, iops: 3_000, throughput_mibs: 125 }
    }

    /// The volume of `kind` that is nearest to these figures. Each type has a throughput of its own.
    pub(super) fn near(kind: VolumeType, size_gib: u64, iops: u32, throughput_mibs: f64) -> EbsVolume {
        let limits = kind.limits();
        let iops = u64::from(iops).min(limits.most_iops_of(size_gib)) as u32;
        let by_iops = f64::from(iops) * MIBS_PER_IOPS;
        let throughput = match kind {
            VolumeType::Gp3 => throughput_mibs.min(by_iops),
            VolumeType::Io2 => by_iops.min(limits.most_mibs),
            // AWS says nothing of it: other limits are reached before.
            VolumeType::InstanceStore => 0.0,
            VolumeType::St1 => (size_gib as f64 / 1024.0 * ST1_MIBS_PER_TIB).min(limits.most_mibs),
        };
        EbsVolume { kind, size_gib, iops, throughput_mibs: throughput as u32 }
    }

    /// The throughput for EC2, where it can be set.
    pub fn set_throughput_mibs(&self) -> Option<u32> {
        self.kind.limits().throughput_mibs.map(|_| self.throughput_mibs)
    }

    /// The IOPS for EC2, where they can be set.
    pub fn set_iops(&self) -> Option<u32> {
        self.kind.limits().iops.as_ref().map(|_| self.iops)
    }

    /// `gp3, 500 GiB, 3000 IOPS, 125 MiB/s`.
    pub fn text(&self) -> String {
        let EbsVolume { kind, size_gib, iops, throughput_mibs } = self;
        match self.kind {
            VolumeType::InstanceStore => format!("{}, {size_gib} GiB", kind.word()),
            VolumeType::St1 => format!("{}, {size_gib} GiB, {throughput_mibs} MiB/s", kind.word()),
            _ => format!("{}, {size_gib} GiB, {iops} IOPS, {throughput_mibs} MiB/s", kind.word()),
        }
    }

    /// What it costs, without parts that are free.
    pub fn charges(&self) -> Vec<VolumeCharge> {
        charges(self.kind.word(), self.size_gib, self.iops, self.throughput_mibs)
    }
}

/// What a volume of the type `kind` costs, a live one of a type that kstack does not make too: then by its size.
pub fn charges(kind: &str, size_gib: u64, iops: u32, throughput_mibs: u32) -> Vec<VolumeCharge> {
    let size =
        |item| VolumeCharge { item, part: "", quantity: size_gib as f64, formula: format!("{size_gib} GiB, {kind}") };
    let part = |item, part, quantity: f64, formula| VolumeCharge { item, part, quantity, formula };
    let mut all = match kind {
        "io2" => {
            let [first, second] = IO2_TIERS;
            let tier = |from: u32, to: u32| f64::from(iops.min(to).saturating_sub(from));
            let of = |count: f64, words: String| format!("{} IOPS{words}", number(count));
            let tiers = [tier(0, first), tier(first, second), tier(second, u32::MAX)];
            vec![
                size("io2 size"),
                part("io2 iops", ": IOPS", tiers[0], of(tiers[0], String::new())),
                part("io2 iops above 32000", ": IOPS", tiers[1], of(tiers[1], format!(" above {first}"))),
                part("io2 iops above 64000", ": IOPS", tiers[2], of(tiers[2], format!(" above {second}"))),
            ]
        }
        "st1" => vec![size("st1 size")],
        // Paid with the instance.
        "instance-store" => Vec::new(),
        "gp3" => {
            let (free_iops, free_mibs) = (3_000, 125);
            let more_iops = f64::from(iops.saturating_sub(free_iops));
            let more_mibs = f64::from(throughput_mibs.saturating_sub(free_mibs));
            vec![
                size("gp3 size"),
                part("gp3 iops", ": IOPS", more_iops, format!("({iops} − {free_iops} free) IOPS")),
                part(
                    "gp3 throughput",
                    ": throughput",
                    more_mibs,
                    format!("({throughput_mibs} − {free_mibs} free) MiB/s"),
                ),
            ]
        }
        "gp2" => vec![size("gp2 size")],
        "io1" => vec![size("io1 size"), part("io1 iops", ": IOPS", iops.into(), format!("{iops} IOPS"))],
        _ => vec![size("size of a volume of another type")],
    };
    all.retain(|charge| charge.part.is_empty() || charge.quantity > 0.0);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st1_does_what_its_size_says() {
        let of = |size| EbsVolume::near(VolumeType::St1, size, 0, 0.0).throughput_mibs;
        assert_eq!([125, 1024, 12_800, 16_384].map(of), [4, 40, 500, 500]);
        let limits = VolumeType::St1.limits();
        assert_eq!((limits.gib_for_throughput(40.0), limits.gib_for_throughput(500.0)), (1024, 12_800));
    }

    #[test]
    fn io2_does_what_its_iops_say() {
        let of = |size, iops| EbsVolume::near(VolumeType::Io2, size, iops, 0.0);
        assert_eq!((of(100, 16_000).throughput_mibs, of(300, 256_000).throughput_mibs), (4000, 4000));
        assert_eq!(of(8, 16_000), EbsVolume { kind: VolumeType::Io2, size_gib: 8, iops: 8000, throughput_mibs: 2000 });
    }

    /// AWS's pricing page of EBS: an io2 volume of 100,000 IOPS pays 32,000, then 32,000, then the rest.
    #[test]
    fn io2_is_paid_in_tiers() {
        let all = charges("io2", 500, 100_000, 0);
        let quantities: Vec<(&str, f64)> = all.iter().map(|charge| (charge.item, charge.quantity)).collect();
        let expected =
            [("io2 size", 500.0), ("io2 iops", 32e3), ("io2 iops above 32000", 32e3), ("io2 iops above 64000", 36e3)];
        assert_eq!(quantities, expected);
        assert_eq!(charges("io2", 500, 3000, 0).len(), 2);
        assert_eq!(
            charges("st1", 500, 0, 0),
            [VolumeCharge { item: "st1 size", part: "", quantity: 500.0, formula: "500 GiB, st1".to_owned() }]
        );
    }
}
