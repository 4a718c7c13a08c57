//! Rules of a file that several engines have in common.

use crate::file::Checker;
use crate::text::many;

/// The number of zones that a network can have.
pub const POSSIBLE_ZONES: std::ops::RangeInclusive<usize> = 1..=6;
/// The replication factors that a workload can have.
const POSSIBLE_FACTORS: std::ops::RangeInclusive<u32> = 1..=10;

/// Every copy of a partition is on a broker of its own. `count_path` is where the file has the `count` of brokers.
pub fn check_factor(factor: u32, count: u32, count_path: &str, checker: &mut Checker<'_>) {
    if POSSIBLE_FACTORS.contains(&factor) && factor > count {
        let there = if count == 1 { "there is 1".to_owned() } else { format!("there are {count}") };
        checker.error(
            checker.written(&["workload.replication_factor", count_path]),
            format!("a replication factor of {factor} needs {} or more, and {there}", many(factor, "broker")),
            format!("use {factor} brokers or more, or write `replication_factor: {count}` below `workload`"),
        );
    }
}

/// Each zone has as many brokers as every other.
pub fn check_spread(count: u32, zones: usize, count_path: &str, checker: &mut Checker<'_>) {
    let count = count as usize;
    if !count.is_multiple_of(zones) {
        let up = count.div_ceil(zones) * zones;
        let such = if up == zones { format!("`{up}`") } else { format!("`{}` or `{up}`", up - zones) };
        let message = format!("{count} brokers can't be spread evenly over {zones} zones");
        checker.error(count_path, message, format!("use a multiple of {zones}, such as {such}"));
    }
}

/// A type that is slowed down once its credits are used.
pub fn warn_burstable(instance_type: &str, type_path: &str, better: &str, checker: &mut Checker<'_>) {
    let message = format!("`{instance_type}` drops to its baseline performance once its burst credits are used up");
    checker.warning(type_path, message, format!("use {better} for brokers that carry a production load"));
}
