//! What an EC2 instance type offers a broker: memory, and baseline (not burst) EBS and network bandwidth.
//!
//! The table in `tables/instance_types.csv` is `DescribeInstanceTypes` as shipped in moto 5.2.5; it serves the offline
//! commands. A plan asks AWS itself.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

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

static TABLE: LazyLock<InstanceTypes> = LazyLock::new(|| {
    include_str!("tables/instance_types.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            Some((
                cells.first()?.to_string(),
                InstanceLimits {
                    arch: Arch::parse(cells.get(3)?)?,
                    memory_mib: cells.get(2)?.parse().ok()?,
                    ebs_mbs: cells.get(4)?.parse().ok()?,
                    ebs_iops: cells.get(6)?.parse().ok()?,
                    network_gbps: cells.get(8)?.parse().ok()?,
                },
            ))
        })
        .collect()
});

/// The embedded table.
pub fn embedded() -> &'static InstanceTypes {
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("tables/instance_types.csv").lines().count() - 1;
        assert_eq!(embedded().len(), lines);
        let m7g = &embedded()["m7g.xlarge"];
        assert_eq!((m7g.arch, m7g.memory_mib, m7g.ebs_mbs.round()), (Arch::Arm, 16384, 156.0));
    }
}
