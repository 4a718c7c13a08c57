//! AWS: clients, tags, describes that are shared, and the context in which a kind writes. The SDK is named here and in `kinds`.

mod account;
mod alarms;
mod checks;
mod clients;
mod date;
pub mod declared;
mod error;
mod facts;
mod fence;
mod iam;
pub mod kinds;
mod logs;
mod msk_iam;
pub mod names;
mod network_facts;
pub mod papers;
mod params;
mod price_list;
mod rate_limit;
pub mod restart;
mod secrets;
mod sessions;
mod snapshot;
mod surroundings;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use aws_sdk_cloudwatch::types::MetricAlarm;
use aws_sdk_ec2::types::{
    Address, Filter, Instance, NatGateway, NetworkInterface, ResourceType, SecurityGroup, Tag, TagSpecification,
    Volume, VpcEndpoint,
};
use aws_sdk_kafka::types::{Cluster, Configuration};
use aws_sdk_route53::types::{HostedZone, ResourceRecordSet};

use crate::driver::Ctx;
use crate::error::StepError;
use kstack_core::model::{Tags, account_name, tag};
use kstack_core::stack::{Logs, Name};

pub use crate::error::{Class, CloudError};
pub use crate::wait::jitter;
pub use clients::{Clients, Place, default_region};
pub use error::{Done, failed};
pub use fence::{Fence, LEASE_ENDED};
pub use msk_iam::MskIam;
pub use price_list::region_prices;
pub use sessions::PortSession;
pub use snapshot::{Snapshot, by_id, sorted};
pub use surroundings::{neighbours, surroundings};
pub use together::{AT_MOST, Asked, Together};

/// How long a resource may take to come up or to go, unless its kind says otherwise.
pub const READY_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Which stacks are worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Stack(Name),
    /// Every stack of the account and region: for discovery only.
    All,
}

/// What is known of a stack's keys and certificates before they are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Papers {
    /// There are none, as far as is known.
    #[default]
    None,
    /// The file asks for some.
    Wanted,
    /// The record tells of some: whatever a run has made of them that died is looked for.
    Begun,
}

/// AWS, limited to one stack or for a discovery of all of them.
#[derive(Debug)]
pub struct Aws {
    pub clients: Clients,
    pub scope: Scope,
    /// Whether the MSK cluster with the stack's name is seen as the stack's, although others made it: to plan its adoption.
    pub adopting: bool,
    pub addresses: Snapshot<Address>,
    pub instances: Snapshot<Instance>,
    pub volumes: Snapshot<Volume>,
    pub interfaces: Snapshot<NetworkInterface>,
    pub nat_gateways: Snapshot<NatGateway>,
    pub endpoints: Snapshot<VpcEndpoint>,
    pub groups: Snapshot<SecurityGroup>,
    pub clusters: Snapshot<Cluster>,
    pub configurations: Snapshot<Configuration>,
    pub zones: Snapshot<HostedZone>,
    /// The records of the stack's own zones, each with its zone's id.
    pub records: Snapshot<(String, ResourceRecordSet)>,
    /// The same of zones of others in which stacks may have names.
    pub others_records: Snapshot<(String, ResourceRecordSet)>,
    /// The zones that stacks may have names in, by stack; see [`Aws::expect_names`].
    names: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// The parameters of their keys and certificates.
    pub parameters: Snapshot<papers::Paper>,
    /// The authorities that this process has, to sign with.
    pub signers: papers::Signers,
    /// What is known of the keys and certificates of stacks; see [`Aws::expect_papers`].
    papers: Mutex<Papers>,
    /// The alarms of the stack, or of all.
    alarms: Snapshot<MetricAlarm>,
    /// Those that are to be deleted.
    leaving: alarms::Leaving,
    /// Whether the stack may have alarms; see [`Aws::expect_alarms`].
    alarms_expected: AtomicBool,
    /// What the stack may have for its logs; see [`Aws::expect_logs`].
    logs: Mutex<Logs>,
    /// Server properties by configuration and revision: a revision never changes.
    pub revisions: tokio::sync::Mutex<BTreeMap<(String, i64), String>>,
    /// When the discovery under way began: describes since then are shared between kinds.
    round: Mutex<Instant>,
}

impl Aws {
    /// AWS for the stack `name`.
    pub fn new(clients: Clients, name: &Name) -> Self {
        Self::of(clients, Scope::Stack(name.clone()))
    }

    /// AWS for a discovery of every stack at once.
    pub fn of_all(clients: Clients) -> Self {
        Self::of(clients, Scope::All)
    }

    fn of(clients: Clients, scope: Scope) -> Self {
        Aws {
            clients,
            scope,
            adopting: false,
            addresses: Snapshot::default(),
            instances: Snapshot::default(),
            volumes: Snapshot::default(),
            interfaces: Snapshot::default(),
            nat_gateways: Snapshot::default(),
            endpoints: Snapshot::default(),
            groups: Snapshot::default(),
            clusters: Snapshot::default(),
            configurations: Snapshot::default(),
            zones: Snapshot::default(),
            records: Snapshot::default(),
            others_records: Snapshot::default(),
            names: Mutex::default(),
            parameters: Snapshot::default(),
            signers: papers::Signers::default(),
            papers: Mutex::default(),
            alarms: Snapshot::default(),
            leaving: alarms::Leaving::default(),
            alarms_expected: AtomicBool::default(),
            logs: Mutex::default(),
            revisions: tokio::sync::Mutex::default(),
            round: Mutex::new(Instant::now()),
        }
    }

    /// The stack's name; in a discovery of every stack a text that is nobody's name, neither in the file nor in AWS.
    pub fn stack(&self) -> &str {
        match &self.scope {
            Scope::Stack(name) => name,
            Scope::All => "*",
        }
    }

    /// Whether this is a discovery of every stack.
    pub fn all(&self) -> bool {
        self.scope == Scope::All
    }

    /// Says what is known of keys and certificates: from now on they are asked for. Whether that was less.
    pub fn expect_papers(&self, known: Papers) -> bool {
        let mut papers = self.papers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let more = *papers < known;
        *papers = known.max(*papers);
        more
    }

    /// Says that there are none after all: from now on they are not asked for.
    pub fn expect_no_papers(&self) {
        *self.papers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Papers::None;
    }

    /// What is known of them.
    pub fn papers(&self) -> Papers {
        *self.papers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Begins a discovery: what was described before is not used for it.
    pub fn begin_round(&self) {
        *self.round.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
    }

    /// When the discovery under way began.
    pub fn round(&self) -> Instant {
        *self.round.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The filter for what is tagged with this stack, or with any.
    pub fn mine(&self) -> Filter {
        match &self.scope {
            Scope::All => Filter::builder().name("tag-key").values(tag::STACK).build(),
            Scope::Stack(name) => Filter::builder().name(format!("tag:{}", tag::STACK)).values(&**name).build(),
        }
    }

    /// The prefix of names that are unique in an account, not only in a region.
    pub fn global_name(&self, suffix: &str) -> String {
        account_name(self.stack(), &self.clients.region, suffix)
    }

    /// The tags that a name of [`Aws::global_name`] stands for, where AWS lists it without its tags; `None` for another name.
    pub fn tags_of_name(&self, name: &str, suffix: &str, address: &str) -> Option<Tags> {
        let stack = name.strip_prefix("kstack-")?.strip_suffix(&format!("-{}-{suffix}", self.clients.region))?;
        Some(
            [(tag::STACK, stack), (tag::ADDRESS, address)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        )
    }
}

/// Tags from EC2's list.
pub fn tags_of(tags: Option<&[Tag]>) -> Tags {
    let pairs = tags.unwrap_or_default().iter();
    pairs.map(|tag| (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned())).collect()
}

impl Ctx<'_, Aws> {
    /// The tags for the creating call of an EC2 resource.
    pub fn tag_spec(&self, of: ResourceType) -> TagSpecification {
        TagSpecification::builder().resource_type(of).set_tags(Some(ec2_tags(self.tags))).build()
    }

    /// Sets and removes tags of EC2 resources, all in one call.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn retag_ec2(&self, ids: &[&str], set: &Tags, unset: &[String]) -> Result<(), StepError> {
        if let Some(batch) = self.batch {
            let mut noted = batch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            noted.extend(ids.iter().map(|id| (*id).to_owned()));
            return Ok(());
        }
        let ids: Option<Vec<String>> = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        let ec2 = &self.system.clients.ec2;
        if !set.is_empty() {
            ec2.create_tags()
                .set_resources(ids.clone())
                .set_tags(Some(ec2_tags(set)))
                .send()
                .await
                .map_err(failed("CreateTags"))?;
        }
        if !unset.is_empty() {
            let keys = unset.iter().map(|key| Tag::builder().key(key).build()).collect();
            ec2.delete_tags().set_resources(ids).set_tags(Some(keys)).send().await.map_err(failed("DeleteTags"))?;
        }
        Ok(())
    }
}

fn ec2_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
