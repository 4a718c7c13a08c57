//! Kafka brokers on EC2 instances with volumes: all that kstack knows of this engine.

pub mod alarms;
pub mod archive;
pub mod authorities;
mod candidates;
pub(super) mod check;
pub(crate) mod check_listeners;
mod check_monitoring;
mod check_oauth;
pub mod ebs;
pub(crate) mod eks;
pub mod generation;
pub mod graphs;
pub mod iam;
pub mod keys;
pub mod listeners;
mod price;
pub mod price_list;
mod settings;
mod sizing;
mod steps;
#[cfg(test)]
mod tests;
mod tls;
mod warnings;

pub use check_listeners::reaches_ssm;
pub use ebs::EbsVolume;
pub use price::{Ec2Hosts, ROOT_GIB, charge_bare_machines};
pub use sizing::{Ec2Sizing, size, spare_mibs};

use super::{CommonKeys, SizingReport, client};
use crate::file::Workload;
use crate::file::problem::nearest;
use crate::instance_types::{InstanceTypes, embedded};
use crate::pricing::{Bill, Market, Prices, Reads, note_flow_logs, note_privatelink};
use crate::settings::Settings;
use keys::Ec2;

pub(crate) use candidates::{assumption, candidates};
pub(crate) use check::check;

/// What counts of Kafka's settings: the file's own, and what follows from the workload.
pub(crate) fn settings_of(ec2: &Ec2, workload: &Workload) -> Settings {
    Settings::of(workload, &ec2.config)
}

/// The instance type of the embedded table whose name is most like `name`.
pub fn nearest_type(name: &str) -> &'static str {
    nearest(name, embedded().keys().map(String::as_str)).unwrap_or("m7g.xlarge")
}

pub(crate) fn size_report(ec2: &Ec2, common: CommonKeys<'_>, types: &InstanceTypes) -> Option<SizingReport> {
    let sizing = size(ec2, common, types)?;
    Some(SizingReport::new(sizing.render(), &sizing, sizing.warnings.clone()))
}

pub(crate) fn cost(
    ec2: &Ec2,
    common: CommonKeys<'_>,
    types: &InstanceTypes,
    prices: &Prices,
    reads: Reads,
) -> Option<Bill> {
    let volume = size(ec2, common, types).map(|sizing| sizing.volume);
    let mut bill = price::cost(ec2, common, volume, prices, reads);
    let market = Market { prices, region: common.region };
    client::charge(&mut bill, market, common.client);
    super::alarms::charge(&mut bill, market, if common.alarms { alarms::metrics(ec2) } else { 0 });
    super::graphs::charge(&mut bill, market, common.alarms);
    note_flow_logs(&mut bill, market, common.network);
    note_privatelink(&mut bill, market, common.network);
    Some(bill)
}
