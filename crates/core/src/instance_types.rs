//! What an EC2 instance type offers a broker: memory, and baseline (not burst) EBS and network bandwidth.
//!
//! The table in `tables/instance_types.csv` is `DescribeInstanceTypes` as shipped in moto 5.2.5; it serves the offline
//! commands. A plan asks AWS itself.

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
    /// Baseline network bandwidth in Gbit/s.
    pub network_gbps: f64,
}

/// Instance types by name.
pub type InstanceTypes = BTreeMap<String, InstanceLimits>;

impl InstanceLimits {
    /// Baseline EBS bandwidth in MiB/s (2^20 bytes).
    pub fn ebs_mibs(&self) -> f64 {
        mibs_of_mbs(self.ebs_mbs)
    }
    /// Baseline network bandwidth in MiB/s.
    pub fn network_mibs(&self) -> f64 {
        mibs_of_gbps(self.network_gbps)
    }
}

const INSTANCE_TYPES: Table =
    Table { file: "tables/instance_types.csv", text: include_str!("tables/instance_types.csv") };

static TABLE: LazyLock<InstanceTypes> = LazyLock::new(|| INSTANCE_TYPES.rows(row).into_iter().collect());

fn row(cells: [&'static str; 13]) -> Option<(String, InstanceLimits)> {
    let [name, _, memory_mib, arch, ebs_mbs, _, ebs_iops, _, network_gbps, ..] = cells;
    let limits = InstanceLimits {
        arch: Arch::parse(arch)?,
        memory_mib: memory_mib.parse().ok()?,
        ebs_mbs: ebs_mbs.parse().ok()?,
        ebs_iops: ebs_iops.parse().ok()?,
        network_gbps: network_gbps.parse().ok()?,
    };
    Some((name.to_owned(), limits))
}

/// The embedded table.
pub fn embedded() -> &'static InstanceTypes {
    &TABLE
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
}
