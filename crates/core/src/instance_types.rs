//! What an EC2 instance type offers a broker: memory, and baseline (not burst) EBS and network bandwidth.
//!
//! The table in `tables/instance_types.csv` is `DescribeInstanceTypes` as shipped in moto 5.2.5, made by
//! `tests/tables/make`; it serves the offline commands. A plan asks AWS itself, and AWS's answer counts: a type that the
//! table lacks can be used.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::tables::Table;
use crate::units::{mibs_of_gbps, mibs_of_mbs};

/// The processor architecture of an instance type and of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arch {
    #[serde(rename = "x86_64")]
    X86,
    #[serde(rename = "arm64")]
    Arm,
}

impl Arch {
    /// The name that EC2 has for it.
    pub const fn word(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64",
            Arch::Arm => "arm64",
        }
    }
    /// The architecture that EC2 calls `word`.
    pub fn parse(word: &str) -> Option<Arch> {
        [Arch::X86, Arch::Arm].into_iter().find(|arch| arch.word() == word)
    }
}

/// The limits of one instance type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceLimits {
    pub arch: Arch,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Baseline EBS bandwidth in MB/s (10^6 bytes).
    pub ebs_mbs: f64,
    /// Baseline EBS IOPS.
    pub ebs_iops: u32,
    /// Baseline network bandwidth in Gbit/s of the card that a host's one network interface is on.
    pub network_gbps: f64,
    /// Disks of the instance's own, in GB (10^9 bytes), in all: they are lost with it, and used only where a file asks for that.
    pub disks_gb: u64,
    /// How many disks that are.
    #[serde(default)]
    pub disks: u32,
    /// Virtual processors; 0 where nobody says.
    #[serde(default)]
    pub vcpus: u32,
}

/// Instance types by name.
pub type InstanceTypes = BTreeMap<String, InstanceLimits>;

impl InstanceLimits {
    /// Baseline EBS bandwidth in MiB/s (2^20 bytes).
    pub fn ebs_mibs(&self) -> f64 {
        mibs_of_mbs(self.ebs_mbs)
    }
    /// The size of each of its own disks, in whole GiB.
    pub fn disk_gib(&self) -> u64 {
        (self.disks_gb * 1_000_000_000 / u64::from(self.disks.max(1))) >> 30
    }
    /// Baseline network bandwidth in MiB/s.
    pub fn network_mibs(&self) -> f64 {
        mibs_of_gbps(self.network_gbps)
    }
}

const INSTANCE_TYPES: Table =
    Table { file: "tables/instance_types.csv", text: include_str!("tables/instance_types.csv") };

static TABLE: LazyLock<InstanceTypes> = LazyLock::new(|| INSTANCE_TYPES.rows(row).into_iter().collect());

fn row(cells: [&'static str; 14]) -> Option<(String, InstanceLimits)> {
    let [name, vcpus, memory_mib, arch, ebs_mbs, _, ebs_iops, _, network_gbps, _, _, disks_gb, _, disks] = cells;
    let limits = InstanceLimits {
        arch: Arch::parse(arch)?,
        memory_mib: memory_mib.parse().ok()?,
        ebs_mbs: ebs_mbs.parse().ok()?,
        ebs_iops: ebs_iops.parse().ok()?,
        network_gbps: network_gbps.parse().ok()?,
        disks_gb: disks_gb.parse().ok()?,
        disks: disks.parse().ok()?,
        vcpus: vcpus.parse().ok()?,
    };
    Some((name.to_owned(), limits))
}

/// The embedded table.
pub fn embedded() -> &'static InstanceTypes {
    &TABLE
}

/// Whether the type `name` is burstable: slowed down once its credits are used. Those are EC2's T family.
pub fn is_burstable(name: &str) -> bool {
    name.strip_prefix('t').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether `name` is made as EC2 names its types: a family that begins with a letter, a dot, and a size, in lower-case letters,
/// digits and hyphens. Source: Amazon EC2 Instance Types Guide, "Instance type naming conventions".
pub fn is_name(name: &str) -> bool {
    let part =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    name.split_once('.').is_some_and(|(family, size)| begins && part(family) && part(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(INSTANCE_TYPES.bad_row(row), None);
        let m7g = &embedded()["m7g.xlarge"];
        assert_eq!((m7g.arch, m7g.memory_mib, m7g.ebs_mbs.round()), (Arch::Arm, 16384, 156.0));
    }

    /// Figures of Amazon EC2 Instance Types Guide: EBS-optimized instance types, and network specifications.
    #[test]
    fn each_kind_of_broker_host_has_its_baseline() {
        for (name, arch, memory_mib, ebs_mbs, ebs_iops, network_gbps) in [
            ("c5.xlarge", Arch::X86, 8192, 143.75, 6000, 1.25),
            ("m6a.xlarge", Arch::X86, 16384, 156.25, 6000, 1.562),
            ("m7a.large", Arch::X86, 8192, 81.25, 3600, 0.781),
            ("c8g.large", Arch::Arm, 4096, 78.75, 3600, 0.937),
            ("d3.xlarge", Arch::X86, 32768, 106.25, 5000, 3.0),
            ("i3.xlarge", Arch::X86, 31232, 106.25, 6000, 1.25),
        ] {
            let own = &embedded()[name];
            assert_eq!((own.arch, own.memory_mib, own.ebs_iops), (arch, memory_mib, ebs_iops), "{name}");
            assert!((own.ebs_mbs - ebs_mbs).abs() < 0.01, "{name}: {}", own.ebs_mbs);
            assert!((own.network_gbps - network_gbps).abs() < 0.01, "{name}: {}", own.network_gbps);
        }
        // Two cards of 100 Gbit/s: a host has its interface on one of them.
        assert_eq!(embedded()["i7ie.48xlarge"].network_gbps, 100.0);
        let disks = ["m7gd.xlarge", "d3.xlarge", "m7g.xlarge"].map(|name| {
            let own = &embedded()[name];
            (own.disks_gb, own.disks, own.disk_gib())
        });
        assert_eq!(disks, [(237, 1, 220), (5940, 3, 1844), (0, 0, 0)]);
        let burstable = ["t4g.small", "t3a.medium", "trn1.2xlarge", "m7g.large"].map(is_burstable);
        assert_eq!(burstable, [true, true, false, false]);
    }

    #[test]
    fn no_row_lacks_a_figure() {
        for (name, limits) in embedded() {
            assert!(is_name(name), "{name}");
            let InstanceLimits { memory_mib, ebs_mbs, ebs_iops, network_gbps, .. } = limits;
            assert!(*memory_mib > 0 && *ebs_mbs > 0.0 && *ebs_iops > 0 && *network_gbps > 0.0, "{name}: {limits:?}");
        }
    }

    #[test]
    fn a_name_is_a_family_and_a_size() {
        for name in ["m7g.large", "c7i-flex.8xlarge", "m8g.metal-24xl", "u7i-12tb.224xlarge", "x9z.large"] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["large", "m7g", "m7g.", ".large", "kafka.m5.large", "M7g.large", "7g.large", "m7g large", "m7g.la,rge"]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
