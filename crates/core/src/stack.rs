//! The stack file as one type. What an engine adds is in `engines`, the rules are in `check`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use crate::engines::client::Client;
pub use crate::engines::ec2::keys::*;
pub use crate::engines::ec2::listeners::*;
pub use crate::engines::msk::keys::*;
pub use crate::engines::{Cluster, CommonKeys, Engine};
pub use crate::file::Topic;
use crate::file::read::{Read as _, fields};
pub use crate::file::{Access, Mechanism, User};
pub use crate::file::{
    AccessRule, Destination, Existing, GroupId, ListenerName, NamedRoute, Peer, SubnetChoice, VpcChoice,
};
pub use crate::file::{Account, ApiVersion, Dns, Endpoint, Name, Nat, Network, Region, Scalar, Workload, Zones};
pub use crate::units::{Percent, Rate, Size, TimeSpan};

fields! {
    /// A Kafka cluster on AWS with its network, sized from its workload.
    pub struct Stack {
        /// The version of this format: `kstack/v1`.
        api_version as "apiVersion": ApiVersion,
        /// The stack's name: lower-case letters, digits and hyphens, at most 30. Every resource is tagged with it.
        name: Name,
        /// The AWS region, such as `ap-northeast-2`.
        region: Region,
        /// The only AWS account in which this file may be applied: 12 digits, in quotes.
        account: Option<Account>,
        /// Tags for every resource of the stack.
        tags: BTreeMap<String, String> = BTreeMap::new(),
        /// The stack's lifetime: once it has expired, `kstack reap` destroys the stack and its data. Without it the stack does not expire.
        ttl: Option<TimeSpan>,
        /// Whether `destroy` and `reap` refuse to delete the stack. A tag on every resource marks it.
        protected: bool = false,
        /// The VPC and what is in it.
        network: Network,
        /// The load that the cluster has to carry; sizes are derived from it.
        workload: Workload = Workload::default(),
        /// The Kafka cluster: brokers on EC2, or MSK.
        cluster: Cluster,
        /// A small host inside the network with Kafka's tools, which `kstack shell` opens; `{}` for one as it is by default.
        client: Option<Client>,
        /// The cluster's users and what they may do.
        access: Access = Access::NONE,
        /// Topics, by name. Topics that are not here are left alone.
        topics: BTreeMap<String, Topic> = BTreeMap::new(),
    }
}

impl Stack {
    /// Whether kstack makes a role and an instance profile for the stack's hosts.
    pub fn has_own_role(&self) -> bool {
        (self.cluster.ec2.is_some() || self.client.is_some()) && self.instance_profile().is_none()
    }

    /// What the file says of the role of the stack's hosts, the client host among them.
    pub fn iam(&self) -> Option<&Iam> {
        match &self.cluster.ec2 {
            Some(ec2) => ec2.iam.as_ref(),
            None => self.client.as_ref()?.iam.as_ref(),
        }
    }

    /// The instance profile of others that the stack's hosts take; `None` where kstack makes one.
    pub fn instance_profile(&self) -> Option<&InstanceProfileName> {
        self.iam()?.instance_profile.as_ref()
    }

    /// Whether the stack's hosts speak TLS.
    pub fn secured(&self) -> bool {
        self.cluster.ec2.as_ref().is_some_and(|ec2| ec2.listeners.secured())
    }

    /// Whether the file leaves it to what is live by which listeners clients come.
    pub fn leaves_listeners(&self) -> bool {
        self.cluster.ec2.as_ref().is_some_and(|ec2| ec2.listeners.unsaid())
    }

    /// Whether clients have certificates of a CA of the user's own.
    pub fn has_own_clients_ca(&self) -> bool {
        self.cluster.ec2.as_ref().is_some_and(|ec2| ec2.listeners.clients_ca().is_some())
    }

    /// Takes `pem` for what is in the file of the user's own CAs of clients, where the stack file names one.
    pub fn trust(&mut self, pem: &str) {
        if let Some(ec2) = &mut self.cluster.ec2 {
            ec2.listeners.trust(pem);
        }
    }

    /// The cluster's users, each with how it proves who it is. A checked file has a listener for each.
    pub fn users(&self) -> impl Iterator<Item = (&str, Mechanism, &User)> {
        let scram = self.cluster.ec2.as_ref().is_some_and(|ec2| ec2.listeners.scram());
        self.access.users.iter().map(move |(name, user)| (name.as_str(), user.mechanism(scram), user))
    }

    /// The keys that every engine asks for.
    pub fn common(&self) -> CommonKeys<'_> {
        let settings = self.cluster.settings(&self.workload);
        CommonKeys {
            region: &self.region,
            network: &self.network,
            workload: &self.workload,
            settings,
            client: self.client.as_ref(),
        }
    }

    /// Copies of each partition of a topic that asks for no number of its own.
    pub fn topic_copies(&self) -> u32 {
        self.common().settings.copies
    }

    /// Whether the file has anything that only the brokers know: without it no broker is asked for a plan.
    pub fn has_inside(&self) -> bool {
        !self.topics.is_empty() || !self.access.users.is_empty()
    }

    /// Whom the file lets in, to whichever listener.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        let others = self.cluster.ec2.iter().flat_map(|ec2| ec2.listeners.others.values());
        let others = others.flat_map(|one| &one.clients);
        let network = &self.network;
        network.clients.iter().chain(&network.monitors).chain(network.rules.iter().map(|rule| &rule.from)).chain(others)
    }
}

impl Engine {
    /// The engine of `stack`. A checked file has one.
    pub fn of(stack: &Stack) -> Engine {
        stack.cluster.engine().unwrap_or(Engine::Ec2)
    }
}

/// The JSON Schema of the stack file, made from the types.
pub fn schema() -> Value {
    let mut schema = Stack::schema();
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!("kstack stack file"));
    }
    schema
}
