//! What a stack is to be, with every choice made: plain data, from which the kinds take what is wanted of them.

mod client;
mod listeners;
mod msk;
mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cloud_init::{self, Course, HostRole, UserData};
use crate::endpoint_services::EndpointService;
use crate::engines::ec2::EbsVolume;
use crate::file::bootstrap_name;
use crate::instance_types::InstanceTypes;
use crate::model::{Address, Ref};
use crate::stack::{NamedRoute, Stack};
use crate::trust::Next;

pub use client::{ClientDesign, ClientListener, client_listeners};
pub use listeners::{Listener, listeners};
pub use msk::{MskDesign, Provisioned};
pub use network::{
    EndpointFacts, ExistingNetwork, HostedZoneFacts, NetworkFacts, PrivateLinkDesign, SubnetFacts, VpcFacts,
};

/// Node ids of dedicated controllers follow this one; brokers have 1 to 1000, and of later generations 2001 to 3000 and so on
/// ([`crate::engines::ec2::generation`]). They share one space.
pub const CONTROLLER_IDS: u32 = 1000;

/// What must be asked of AWS before anything can be planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The account id.
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    /// Availability zones that can be used, by name.
    pub zones: BTreeMap<String, String>,
    /// The instance types that the file names.
    pub types: InstanceTypes,
    /// The zones that offer each of those types.
    pub offers: BTreeMap<String, BTreeSet<String>>,
    /// The newest image of the file's operating system, by architecture.
    pub images: BTreeMap<String, String>,
    /// The endpoint services that the file names, as far as the region has them and this account sees them: AWS's by the last part of their
    /// names, one of others by its whole name.
    #[serde(default)]
    pub endpoints: BTreeMap<String, EndpointService>,
    /// The Kafka versions that a new MSK cluster can have, where the file asks for one.
    pub msk_versions: BTreeSet<String>,
    /// What the file names of others' networks.
    pub network: NetworkFacts,
    /// The managed policies that the file names, and IAM does not have.
    #[serde(default)]
    pub missing_policies: BTreeSet<String>,
    /// The document of the permissions boundary that the file names.
    #[serde(default)]
    pub boundary: Option<Value>,
    /// The KMS key that the file names for its hosts' keys and certificates, where KMS knows it.
    #[serde(default)]
    pub papers_key: Option<KeyFacts>,
    /// The secrets of users that the file names and that give no password, by ARN.
    #[serde(default)]
    pub bad_secrets: BTreeMap<String, SecretFault>,
    /// The roles of users that the file names, and IAM does not have.
    #[serde(default)]
    pub missing_roles: BTreeSet<String>,
}

/// Why a secret that the file names can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretFault {
    /// There is none.
    Missing,
    /// It waits for its deletion.
    Deleted,
    /// AWS's own key encrypts it, which MSK does not take.
    AwsKey,
}

/// A KMS key as KMS describes it, in its words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyFacts {
    pub arn: String,
    /// `Enabled`, or why it can't be used.
    pub state: String,
    /// `ENCRYPT_DECRYPT`, or what else it is for.
    pub usage: String,
    /// `SYMMETRIC_DEFAULT`, or which other key it is.
    pub spec: String,
}

/// A zone of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The name, such as `ap-northeast-2a`, as this account sees it.
    pub name: String,
    /// The id, such as `apne2-az1`, the same in every account; Kafka's rack.
    pub id: String,
    /// The letter at the name's end, as a part of addresses.
    pub key: String,
    pub private: Ipv4Net,
    /// As `private` where others made the network.
    pub public: Ipv4Net,
    /// The numbers of the parts of the VPC's IPv6 block that the stack's own two subnets have, where they have any.
    pub private_ipv6: Option<u8>,
    pub public_ipv6: Option<u8>,
}

/// A host's place in a placement group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The placement group's name in the stack.
    pub group: String,
    /// The partition in it, of a partition group.
    pub partition: Option<u32>,
}

/// A broker or controller: an identity and the instance that it runs on now.
#[derive(Debug, Clone)]
pub struct HostDesign {
    /// `broker-1`, `controller-1`.
    pub name: String,
    /// Its place among the chosen zones.
    pub zone: usize,
    /// The subnet that it is in: that of its zone; in a network of others the one where it was made, whichever the file names since.
    pub subnet: Ref,
    pub address: Ipv4Addr,
    /// Whether it has the IPv6 address that follows from it, too.
    pub ipv6: bool,
    pub instance_type: String,
    pub image: String,
    /// Each of its data volumes.
    pub volume: EbsVolume,
    pub placement: Option<Seat>,
    pub cloud: Arc<cloud_init::Host>,
    /// Of a controller that joins a quorum that is there: which directory it replaces, or that it is new. See the volume's field.
    pub joins: Option<String>,
    /// Which controllers it is started with as those to ask, where these are others than the quorum's first: see the instance's field.
    pub asks: Option<String>,
    /// What its instance starts with.
    pub user_data: UserData,
    /// Names everything that the host is configured with, but what Kafka can change while it runs.
    pub config: String,
    /// Whether its live instance has other settings of that kind in its own file than brokers are to have.
    pub behind: bool,
}

impl HostDesign {
    /// Whether clients' data is on it: a broker, combined or not.
    pub fn broker(&self) -> bool {
        self.cloud.role != HostRole::Controller
    }
    /// The names of its data volumes in the stack: `broker-1`, `broker-1-2`; none where it has the disks of its instance.
    pub fn volumes(&self) -> Vec<String> {
        if self.cloud.own_disks.is_some() {
            return Vec::new();
        }
        let count = 1 + self.cloud.more_volumes.len() as u32;
        (1..=count).map(|number| volume_name(&self.name, number)).collect()
    }
    /// Whether it is a voter of the controllers' quorum.
    pub fn votes(&self) -> bool {
        self.cloud.role != HostRole::Broker
    }
}

/// A setting that is kept as it is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub address: Address,
    pub setting: String,
    /// Its live value; `None` where nothing is set.
    pub live: Option<String>,
    /// What the file has.
    pub file: String,
}

/// What the stack is to be, with every choice made.
#[derive(Debug, Clone)]
pub struct Design {
    pub stack: Stack,
    pub account: String,
    /// The network, where it is not the stack's own.
    pub existing: Option<ExistingNetwork>,
    /// The routes to other networks whose gateways are attached to the VPC, or that are there already.
    pub routes: Vec<NamedRoute>,
    /// The other ones of the file.
    pub later_routes: Vec<NamedRoute>,
    pub zones: Vec<Zone>,
    /// The endpoint of a PrivateLink service, where there is one.
    pub privatelink: Option<PrivateLinkDesign>,
    pub hosts: Vec<HostDesign>,
    /// Where the hosts are on their way between plaintext and TLS.
    pub course: Course,
    /// Whether the live role lets hosts read papers, of which there are to be none.
    pub papers_left: bool,
    /// The log group that hosts write to; none where they write to none.
    pub host_log_group: Ref,
    /// What all brokers are to have of the settings that Kafka changes while it runs; `None` where they have no others.
    pub running: Option<BTreeMap<String, String>>,
    /// Settings that differ from the file and stay, by `ignore_drift`.
    pub kept: Vec<Kept>,
    /// The MSK cluster, where there is one.
    pub msk: Option<MskDesign>,
    /// The client host, where there is one.
    pub client: Option<ClientDesign>,
    /// Which authorities hosts trust next, where they speak TLS.
    pub authorities: Next,
    pub cluster_id: String,
    /// The ARN of the KMS key that the file names for its hosts' keys and certificates.
    pub papers_key: Option<String>,
    /// When the stack expires; never, when absent.
    pub expires: Option<Timestamp>,
}

impl Design {
    /// The prefix of names that are unique in an account or VPC.
    pub fn prefix(&self) -> String {
        format!("kstack-{}", self.stack.name)
    }
    /// The name in DNS that stands for all brokers, where they have names.
    pub fn bootstrap_name(&self) -> Option<String> {
        self.stack.network.dns.as_ref().map(|dns| bootstrap_name(&dns.domain(&self.stack.name)))
    }
    /// Whether a host has keys and certificates, or is to have some.
    pub fn has_papers(&self) -> bool {
        self.course.tls()
    }
    /// Whether brokers let everyone use what no ACL is for, against the file, until its users have their rights.
    pub fn open_until_rights(&self) -> bool {
        self.course.waits() || self.msk.as_ref().is_some_and(|msk| msk.open_until_rights)
    }
    /// Whether it has alarms of CloudWatch.
    pub fn has_alarms(&self) -> bool {
        self.stack.has_alarms(self.expires.is_some())
    }
    /// Whether every host is to speak TLS, so that kstack reaches brokers by it.
    pub fn speaks_tls(&self) -> bool {
        self.hosts.iter().all(|host| host.cloud.phase().tls()) && self.has_papers()
    }
    /// Whether the stack has dedicated controllers.
    pub fn dedicated(&self) -> bool {
        self.stack.cluster.ec2.as_ref().is_some_and(|ec2| !ec2.combined)
    }
}

/// The name of the data volume with this number, from 1 on, of the host `host`.
pub fn volume_name(host: &str, number: u32) -> String {
    if number == 1 { host.to_owned() } else { format!("{host}-{number}") }
}

/// The host and the number of the data volume `name`.
pub fn host_of_volume(name: &str) -> (&str, u32) {
    let further = name.rsplit_once('-').filter(|(host, _)| host.contains('-'));
    further.and_then(|(host, number)| Some((host, number.parse().ok()?))).unwrap_or((name, 1))
}

/// Kafka's node id of the host with this name.
pub fn node_id(host: &str) -> Option<u32> {
    let (role, number) = host.rsplit_once('-')?;
    let number: u32 = number.parse().ok()?;
    match role {
        "broker" => Some(number),
        "controller" => number.checked_add(CONTROLLER_IDS),
        _ => None,
    }
}
