//! Amazon MSK: all that kstack knows of this engine. Provisioned clusters with standard or Express brokers, and serverless ones.

pub mod alarms;
mod candidates;
mod check;
pub mod client_properties;
pub mod configuration;
mod connections;
pub mod graphs;
pub mod keys;
pub mod limits;
mod price;
pub mod price_list;
mod serverless;
pub mod settings;
mod sizing;
#[cfg(test)]
mod tests;
mod warnings;

pub use price::{MskBrokerGroup, bill};
pub use sizing::{MskSizing, first_volume_gib, size, spare_mibs, unknown_type_misfit};

use super::{CommonKeys, SizingReport};
use crate::file::Workload;
use crate::instance_types::InstanceTypes;
use crate::pricing::{Bill, Prices, Reads};
use crate::settings::Settings;
use keys::Msk;

pub(crate) use candidates::{assumption, candidates};
pub(crate) use check::check;

/// What counts of Kafka's settings: the file's own, and what follows from the workload.
pub(crate) fn settings_of(msk: &Msk, workload: &Workload) -> Settings {
    with_own_copies(msk.express(), Settings::of(workload, &msk.config))
}

/// The same `settings` with Express's own copies, for `express` brokers.
fn with_own_copies(express: bool, settings: Settings) -> Settings {
    match express {
        true => Settings { copies: limits::EXPRESS_COPIES, min_insync: limits::EXPRESS_MIN_INSYNC, ..settings },
        false => settings,
    }
}

pub(crate) fn size_report(msk: &Msk, common: CommonKeys<'_>, _: &InstanceTypes) -> Option<SizingReport> {
    let sizing = size(msk, common)?;
    Some(SizingReport::new(sizing.render(), &sizing, sizing.warnings.clone()))
}

pub(crate) fn cost(
    msk: &Msk,
    common: CommonKeys<'_>,
    _: &InstanceTypes,
    prices: &Prices,
    reads: Reads,
) -> Option<Bill> {
    price::cost(msk, common, prices, reads)
}
