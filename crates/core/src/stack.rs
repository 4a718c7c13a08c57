//! The stack file as one type. What an engine adds is in `engines`, the rules are in `check`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::digest::fingerprint;
use crate::effects;
use crate::file::Beginning;

pub use crate::engines::client::Client;
pub use crate::engines::ec2::keys::*;
pub use crate::engines::ec2::listeners::*;
pub use crate::engines::msk::keys::*;
pub use crate::engines::{Cluster, CommonKeys, Engine};
pub use crate::file::PrivateLink;
pub use crate::file::Topic;
use crate::file::read::{Read as _, fields};
pub use crate::file::{Access, Mechanism, Prune, RoleName, User};
pub use crate::file::{
    AccessRule, Destination, Existing, GroupId, ListenerName, NamedRoute, Peer, SubnetChoice, VpcChoice,
};
pub use crate::file::{Account, ApiVersion, Dns, Endpoint, Name, Nat, Network, Region, Scalar, Workload, Zones};
pub use crate::file::{Alarms, AlarmsChoice, TopicArn};
pub use crate::file::{FlowLogs, KmsKeyArn, LogGroupChoice, LogRetention, Logs, OwnLogGroup};
use crate::rights::{self, iam::OfCluster};
use crate::settings::dynamic;
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
        /// Alarms of CloudWatch, which watch hosts and volumes, or MSK's cluster and brokers, and a dashboard beside them: `true`; or `notify`, the ARN of the SNS topic that they tell, and `with_ttl: true` where a stack with a lifetime is to have them, too.
        alarms: AlarmsChoice = AlarmsChoice(None),
        /// The cluster's users and what they may do.
        access: Access = Access::NONE,
        /// Topics, by name. Topics that are not here are left alone.
        topics: BTreeMap<String, Topic> = BTreeMap::new(),
        /// What of the cluster is this file's alone, by how names begin. What is not under one of these is left alone.
        prune: Prune = Prune::NONE,
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

    /// Whether kstack keeps keys, certificates or passwords of the stack, or notes of what its users have from others.
    pub fn has_papers(&self) -> bool {
        let on_msk = self.cluster.msk.is_some();
        let kept = |user: &User| user.secret.is_some() || user.role.is_some();
        self.keeps_secrets() || on_msk && self.access.users.values().any(kept)
    }

    /// Whether something of that is secret, and so encrypted.
    pub fn keeps_secrets(&self) -> bool {
        self.secured() || self.passwords_on_msk() > 0
    }

    /// Of how many users of MSK kstack makes the passwords.
    fn passwords_on_msk(&self) -> usize {
        let on_msk = self.cluster.msk.is_some();
        self.users()
            .filter(|(_, mechanism, user)| on_msk && *mechanism == Mechanism::Scram && user.secret.is_none())
            .count()
    }

    /// The users whose password is in a secret of others, each with the secret's ARN.
    pub fn named_secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.access.users.iter().filter_map(|(name, user)| Some((name.as_str(), user.secret.as_deref()?)))
    }

    /// The users whose rights a role is given, each with that role.
    pub fn named_roles(&self) -> impl Iterator<Item = (&str, &RoleName)> {
        self.access.users.iter().filter_map(|(name, user)| Some((name.as_str(), user.role.as_ref()?)))
    }

    /// The KMS key that the file names for them, and the key of the file that it is below.
    pub fn named_papers_key(&self) -> Option<(&str, &'static str)> {
        let of_hosts = self.cluster.ec2.as_ref().and_then(|ec2| ec2.listeners.kms_key.as_deref());
        let scram = self.cluster.msk.as_ref().and_then(|msk| msk.auth.scram.as_ref());
        let of_users = scram.and_then(|scram| scram.kms_key.as_deref());
        let of_hosts = of_hosts.map(|key| (key, "cluster.ec2.listeners"));
        of_hosts.or(of_users.map(|key| (key, "cluster.msk.auth.scram")))
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
        let default = self.cluster.mechanism();
        self.access.users.iter().map(move |(name, user)| (name.as_str(), user.mechanism.unwrap_or(default), user))
    }

    /// Those of them that Kafka knows by their names. Whoever comes with IAM is none of these: Kafka has no rights of such a user.
    pub fn named_users(&self) -> impl Iterator<Item = (&str, Mechanism, &User)> {
        self.users().filter(|(_, mechanism, _)| *mechanism != Mechanism::Iam)
    }

    /// The IAM policy of the user `name` on the stack's cluster, in this account or in any; `None` where it does not come with IAM.
    pub fn client_policy(&self, name: &str, account: &str) -> Option<Value> {
        let (_, _, user) = self.users().find(|(one, mechanism, _)| *one == name && *mechanism == Mechanism::Iam)?;
        let (partition, region) = (self.region.partition(), &*self.region);
        Some(rights::iam::policy(user, OfCluster { partition, region, account, name: &self.name }))
    }

    /// The keys that every engine asks for.
    pub fn common(&self) -> CommonKeys<'_> {
        let settings = self.cluster.settings(&self.workload);
        CommonKeys {
            region: &self.region,
            network: &self.network,
            workload: &self.workload,
            settings,
            secrets: u32::try_from(self.passwords_on_msk()).unwrap_or(u32::MAX),
            own_key: self.keeps_secrets() && self.named_papers_key().is_none(),
            client: self.client.as_ref(),
            alarms: self.has_alarms(self.ttl.is_some()),
        }
    }

    /// Whether plans move partitions to brokers that are added.
    pub fn balances(&self) -> bool {
        self.cluster.ec2.as_ref().is_none_or(|ec2| ec2.changes.balance == Balance::Auto)
    }

    /// Copies of each partition of a topic that asks for no number of its own.
    pub fn topic_copies(&self) -> u32 {
        self.common().settings.copies
    }

    /// What all brokers on EC2 are to have, while they run, of the settings that Kafka changes then.
    pub fn running(&self) -> BTreeMap<String, String> {
        let Some(ec2) = &self.cluster.ec2 else { return BTreeMap::new() };
        dynamic::wanted(&self.common().settings, &ec2.config, ec2.kafka.numbers(), ec2.templates.is_some())
    }

    /// What of that is in the file's `config`, but for what follows from the workload too.
    pub fn running_config(&self) -> BTreeMap<String, String> {
        let of = |ec2: &Ec2| dynamic::of_config(&ec2.config, ec2.kafka.numbers());
        self.cluster.ec2.as_ref().map(of).unwrap_or_default()
    }

    /// A fingerprint of it.
    pub fn settings_mark(&self) -> String {
        fingerprint(json!(self.running_config()).to_string(), 12)
    }

    /// Whether it has alarms of CloudWatch; `expires` says whether it has a lifetime.
    pub fn has_alarms(&self, expires: bool) -> bool {
        self.alarms.0.as_ref().is_some_and(|alarms| alarms.with_ttl || !expires)
    }

    /// The log groups that the stack has for itself, each with its name in the stack and the key of the file that asks for it.
    pub fn log_groups(&self) -> Vec<(&'static str, &'static str, &OwnLogGroup)> {
        let flow = self.network.flow_logs.as_ref().and_then(FlowLogs::own);
        let msk = self.cluster.msk.as_ref().and_then(|msk| msk.logs.cloudwatch.as_ref()?.own());
        let flow = flow.map(|own| (FLOW_LOGS, "network.flow_logs", own));
        let brokers = msk.map(|own| (BROKERS, "cluster.msk.logs.cloudwatch", own));
        let hosts = self.host_logs().and_then(LogGroupChoice::own);
        let hosts = hosts.map(|own| (HOSTS, "cluster.ec2.logs.cloudwatch", own));
        flow.into_iter().chain(brokers).chain(hosts).collect()
    }

    /// Where the hosts' logs go in CloudWatch.
    pub fn host_logs(&self) -> Option<&LogGroupChoice> {
        self.cluster.ec2.as_ref()?.logs.as_ref().map(|logs| &logs.cloudwatch)
    }

    /// What it has for its logs: for those of hosts, a right of their role at least.
    pub fn logs(&self) -> Logs {
        let groups = self.log_groups();
        match groups.iter().any(|(name, ..)| *name == FLOW_LOGS) {
            true => Logs::FlowLogs,
            false if groups.is_empty() && self.host_logs().is_none() => Logs::None,
            false => Logs::Groups,
        }
    }

    /// Whether the file has anything that only the brokers know: without it no broker is asked for a plan.
    pub fn has_inside(&self) -> bool {
        !self.topics.is_empty() || self.named_users().next().is_some() || !self.prune.is_empty()
    }

    /// How the names begin under which a topic of this name goes, as the file does not have it; `None` where it is left alone.
    pub fn prunes_topic(&self, name: &str) -> Option<&Beginning> {
        self.prune.of_topic(name).filter(|_| !self.topics.contains_key(name))
    }

    /// The same of a user.
    pub fn prunes_user(&self, name: &str) -> Option<&Beginning> {
        self.prune.of_user(name).filter(|_| !self.access.users.contains_key(name))
    }

    /// Whom the file lets in, to whichever listener.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        let others = self.cluster.ec2.iter().flat_map(|ec2| ec2.listeners.others.values());
        let others = others.flat_map(|one| &one.clients);
        let network = &self.network;
        network.clients.iter().chain(&network.monitors).chain(network.rules.iter().map(|rule| &rule.from)).chain(others)
    }
}

/// The names in the stack of the log groups of VPC flow logs, of MSK's brokers and of hosts on EC2.
pub const FLOW_LOGS: &str = "flow-logs";
pub const BROKERS: &str = "brokers";
pub const HOSTS: &str = "hosts";

impl Engine {
    /// The engine of `stack`. A checked file has one.
    pub fn of(stack: &Stack) -> Engine {
        stack.cluster.engine().unwrap_or(Engine::Ec2)
    }
}

/// The JSON Schema of the stack file, made from the types.
pub fn schema() -> Value {
    let mut schema = Stack::schema();
    effects::annotate(&mut schema);
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!("kstack stack file"));
    }
    schema
}
