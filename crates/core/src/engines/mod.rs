//! What runs Kafka in a stack. Each engine has a folder with all that kstack knows of it: the keys of the file, their rules,
//! sizing, prices, limits. An engine is added by a folder and an entry in the list below; no other engine's folder changes.

pub mod alarms;
pub mod client;
pub mod ec2;
pub mod graphs;
pub(crate) mod kafka_settings;
pub mod moves;
pub mod msk;
pub(crate) mod rules;
pub(crate) mod secret_arn;

pub use rules::arn;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::file::read::fields;
use crate::file::{Checker, Mechanism, Network, Region, Workload};
use crate::instance_types::InstanceTypes;
use crate::pricing::{Bill, COMMON_ITEMS, Choice, CountingMethod, Market, PriceListItems, Prices, Reads, Unfit};
use crate::settings::Settings;
use crate::sizing::{Demand, Misfit};

/// The keys of a stack file that every engine works with.
#[derive(Debug, Clone, Copy)]
pub struct CommonKeys<'a> {
    pub region: &'a Region,
    pub network: &'a Network,
    pub workload: &'a Workload,
    /// What counts of Kafka's settings.
    pub settings: Settings,
    /// How many secrets kstack keeps in Secrets Manager, and whether under a key of the stack's own.
    pub secrets: u32,
    pub own_key: bool,
    /// The client host, where there is one.
    pub client: Option<&'a client::Client>,
    /// Whether there are alarms.
    pub alarms: bool,
}

impl CommonKeys<'_> {
    /// What the workload asks of a cluster in the file's zones.
    pub fn demand(&self) -> Demand {
        Demand::of(self.workload, self.settings, self.network.zones.count())
    }
}

/// A sizing for people and for scripts.
#[derive(Debug, Clone, PartialEq)]
pub struct SizingReport {
    /// The arithmetic and its result as text; ends with a newline.
    pub text: String,
    /// The same as JSON.
    pub json: Value,
    /// What does not fit.
    pub misfits: Vec<Misfit>,
}

impl SizingReport {
    fn new(text: String, sizing: &impl Serialize, misfits: Vec<Misfit>) -> Self {
        SizingReport { text, json: serde_json::to_value(sizing).unwrap_or_default(), misfits }
    }
}

/// What a comparison asks of each engine.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonRequest<'a> {
    pub common: CommonKeys<'a>,
    /// The file's cluster: an engine offers its own brokers' settings where the file has them.
    pub cluster: &'a Cluster,
    pub market: Market<'a>,
    pub method: CountingMethod,
    pub reads: Reads,
}

/// One engine as plain data: its key below `cluster`, and what it answers. A function over a cluster gives `None` where the
/// cluster has another engine.
pub struct EngineEntry {
    pub engine: Engine,
    pub key: &'static str,
    /// Notes what is wrong with the engine's part of a file, when there is one.
    pub(crate) check: fn(&mut Checker<'_>),
    /// What counts of Kafka's settings.
    pub(crate) settings: fn(&Cluster, &Workload) -> Option<Settings>,
    /// The sizes for the workload.
    pub(crate) size: fn(&Cluster, CommonKeys<'_>, &InstanceTypes) -> Option<SizingReport>,
    /// What the cluster costs in a month.
    pub(crate) cost: fn(&Cluster, CommonKeys<'_>, &InstanceTypes, &Prices, Reads) -> Option<Bill>,
    /// What its prices are in the AWS Price List.
    pub(crate) price_list: PriceListItems,
    /// The engine's ways to run the workload, whatever engine the file has.
    pub(crate) candidates: fn(&ComparisonRequest<'_>) -> Vec<Result<Choice, Unfit>>,
    /// What the engine's candidates assume beyond the file, in one sentence.
    pub(crate) assumption: fn(&ComparisonRequest<'_>) -> Option<String>,
}

/// Declares the engines: the type of each one's keys, and a module with its functions.
macro_rules! engines {
    ($cluster_doc:literal: $($(#[doc = $doc:literal])* $engine:ident, $key:ident: $keys:ty, $words:literal;)*) => {
        fields! {
            #[doc = $cluster_doc]
            pub struct Cluster { $($(#[doc = $doc])* $key: Option<$keys>,)* }
        }

        /// What runs Kafka. A stack has one of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Engine { $($(#[doc = $doc])* $engine,)* }

        /// Every engine.
        pub const ENGINES: [EngineEntry; [$(Engine::$engine),*].len()] = [$(EngineEntry {
            engine: Engine::$engine,
            key: stringify!($key),
            check: $key::check,
            settings: |cluster, workload| cluster.$key.as_ref().map(|keys| $key::settings_of(keys, workload)),
            size: |cluster, common, types| $key::size_report(cluster.$key.as_ref()?, common, types),
            cost: |cluster, common, types, prices, reads| $key::cost(cluster.$key.as_ref()?, common, types, prices, reads),
            price_list: $key::price_list::ITEMS,
            candidates: $key::candidates,
            assumption: $key::assumption,
        }),*];

        impl Engine {
            /// Its key below `cluster`, and its word in tags.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Engine::$engine => stringify!($key),)*
                }
            }

            /// What a stack with it has, in words.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Engine::$engine => $words,)*
                }
            }
        }

        impl Cluster {
            /// The engine of the cluster; a file that is checked has exactly one.
            pub fn engine(&self) -> Option<Engine> {
                $(if self.$key.is_some() { return Some(Engine::$engine); })*
                None
            }
        }
    };
}

engines! {
    "The Kafka cluster: exactly one of `ec2` and `msk`.":
    /// Kafka brokers on EC2 instances with EBS volumes.
    Ec2, ec2: ec2::keys::Ec2, "brokers on EC2";
    /// An Amazon MSK cluster.
    Msk, msk: msk::keys::Msk, "an MSK cluster";
}

impl Engine {
    /// The engine's tag on the VPC. Brokers on EC2 have none: stacks from before there was another engine are theirs.
    pub fn tag(self) -> Option<&'static str> {
        (self != Engine::Ec2).then(|| self.key())
    }

    /// The engine that a VPC's tag names.
    pub fn of_tag(tag: Option<&str>) -> Engine {
        let named = ENGINES.iter().find(|entry| entry.engine.tag() == tag);
        named.map_or(Engine::Ec2, |entry| entry.engine)
    }
}

impl Cluster {
    /// How a user proves who it is, of whom the file does not say it.
    pub fn mechanism(&self) -> Mechanism {
        match (&self.ec2, &self.msk) {
            (Some(ec2), _) if !ec2.listeners.scram() => Mechanism::Mtls,
            (None, Some(msk)) if !msk.access().scram => Mechanism::Iam,
            _ => Mechanism::Scram,
        }
    }

    /// What counts of Kafka's settings in this cluster under `workload`.
    pub fn settings(&self, workload: &Workload) -> Settings {
        let own = ENGINES.iter().find_map(|engine| (engine.settings)(self, workload));
        own.unwrap_or_else(|| Settings::of(workload, &BTreeMap::new()))
    }

    /// The sizes for the workload, as the cluster's engine calculates them, with the limits of `types`. `None` when the type of
    /// the brokers is not known.
    pub fn size(&self, common: CommonKeys<'_>, types: &InstanceTypes) -> Option<SizingReport> {
        ENGINES.iter().find_map(|engine| (engine.size)(self, common, types))
    }

    /// What the cluster costs in a month, with sizes from `size`. `None` when the type of the brokers is not known.
    pub fn cost(&self, common: CommonKeys<'_>, types: &InstanceTypes, prices: &Prices, reads: Reads) -> Option<Bill> {
        ENGINES.iter().find_map(|engine| (engine.cost)(self, common, types, prices, reads))
    }
}

/// What the prices of every engine are in the AWS Price List.
pub fn price_list() -> Vec<PriceListItems> {
    ENGINES.iter().map(|engine| engine.price_list).chain([COMMON_ITEMS]).collect()
}

#[cfg(test)]
mod tests;
