//! What a user may do, as Kafka keeps it: from the words of the file to Kafka's access control lists, and back. Pure.

pub mod iam;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::file::{Acl, Consume, HostAddress, NamePattern, Operation, Pattern, Scalar as _, TopicPattern, User};

/// Every address, in Kafka's words.
pub const EVERY_HOST: &str = "*";
/// Kafka's name of the cluster as a resource.
const CLUSTER: &str = "kafka-cluster";

/// The type of what a right is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    Topic,
    Group,
    Cluster,
    TransactionalId,
    DelegationToken,
    User,
}

impl ResourceType {
    pub const ALL: [ResourceType; 6] = [
        ResourceType::Topic,
        ResourceType::Group,
        ResourceType::Cluster,
        ResourceType::TransactionalId,
        ResourceType::DelegationToken,
        ResourceType::User,
    ];

    /// The words for one of them, and for those whose names begin in the same way.
    const fn words(self) -> [&'static str; 2] {
        match self {
            ResourceType::Topic => ["topic", "topics"],
            ResourceType::Group => ["group", "groups"],
            ResourceType::Cluster => ["cluster", "clusters"],
            ResourceType::TransactionalId => ["transactional-id", "transactional-ids"],
            ResourceType::DelegationToken => ["delegation-token", "delegation-tokens"],
            ResourceType::User => ["user", "users"],
        }
    }

    /// The word for one of them.
    pub const fn word(self) -> &'static str {
        self.words()[0]
    }

    /// Many of them, in words.
    pub const fn what(self) -> &'static str {
        match self {
            ResourceType::Topic => "topics",
            ResourceType::Group => "consumer groups",
            ResourceType::Cluster => "the cluster",
            ResourceType::TransactionalId => "transactional ids",
            ResourceType::DelegationToken => "delegation tokens",
            ResourceType::User => "users",
        }
    }

    /// What may be allowed or denied on it, beside everything. Source: Kafka, `AclEntry.supportedOperations`, 4.1.
    pub const fn operations(self) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs,
            DescribeTokens, IdempotentWrite, Read, Write,
        };
        match self {
            ResourceType::Topic => &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs],
            ResourceType::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
            ResourceType::Cluster => {
                &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe]
            }
            ResourceType::TransactionalId => &[Describe, Write],
            ResourceType::DelegationToken => &[Describe],
            ResourceType::User => &[CreateTokens, DescribeTokens],
        }
    }
}

/// One of Kafka's access control lists, but for its user. As a text: `allow write on topic orders`, `allow read on groups billing-*`
/// for a prefix, `deny all from 10.0.0.7 on topic *`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub resource: ResourceType,
    pub name: String,
    /// Whether it is for every name that begins so.
    pub prefixed: bool,
    /// The only address that it counts for, or [`EVERY_HOST`].
    pub host: String,
    pub operation: Operation,
    /// Whether it allows; else it denies.
    pub allows: bool,
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, many] = self.resource.words();
        let (word, star) = if self.prefixed { (many, "*") } else { (one, "") };
        let host = if self.host == EVERY_HOST { String::new() } else { format!(" from {}", self.host) };
        let allows = if self.allows { "allow" } else { "deny" };
        write!(out, "{allows} {}{host} on {word} {}{star}", self.operation.word(), self.name)
    }
}

impl Right {
    /// Reads what is shown.
    pub fn parse(text: &str) -> Option<Right> {
        let (allows, rest) = match text.strip_prefix("allow ") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("deny ")?),
        };
        let (operation, rest) = rest.split_once(' ')?;
        let operation = Operation::parse(operation).ok()?;
        let (host, rest) = match rest.strip_prefix("from ") {
            Some(rest) => rest.split_once(' ')?,
            None => (EVERY_HOST, rest),
        };
        let (word, name) = rest.strip_prefix("on ")?.split_once(' ')?;
        let (resource, prefixed) = ResourceType::ALL.into_iter().find_map(|resource| {
            let [one, many] = resource.words();
            (word == one).then_some((resource, false)).or((word == many).then_some((resource, true)))
        })?;
        let name = if prefixed { name.strip_suffix('*')? } else { name };
        Some(Right { resource, name: name.to_owned(), prefixed, host: host.to_owned(), operation, allows })
    }

    fn allowed(resource: ResourceType, pattern: &str, operation: Operation) -> Right {
        let Pattern { name, prefixed } = Pattern::of(pattern);
        Right { resource, name: name.to_owned(), prefixed, host: EVERY_HOST.to_owned(), operation, allows: true }
    }

    /// Its names as the file writes them; `None` where the file has no words for them.
    fn pattern(&self) -> Option<String> {
        let text = if self.prefixed { format!("{}*", self.name) } else { self.name.clone() };
        let reads = match self.resource {
            ResourceType::Topic => TopicPattern::parse(&text).is_ok(),
            ResourceType::Group | ResourceType::TransactionalId => NamePattern::parse(&text).is_ok(),
            ResourceType::Cluster => text == CLUSTER,
            ResourceType::DelegationToken | ResourceType::User => false,
        };
        let same = Pattern::of(&text) == Pattern { name: &self.name, prefixed: self.prefixed };
        let fits = self.operation == Operation::All || self.resource.operations().contains(&self.operation);
        (reads && same && fits).then_some(text)
    }

    /// Its address as the file writes it, `None` for every one; an error where the file can't say it.
    fn written_host(&self) -> Result<Option<String>, ()> {
        if self.host == EVERY_HOST {
            return Ok(None);
        }
        let address = HostAddress::parse(&self.host).map_err(drop)?;
        // One that Java writes in another way counts for nobody.
        if address.to_java() == self.host { Ok(Some(self.host.clone())) } else { Err(()) }
    }
}

impl Serialize for Right {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Right {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Right::parse(&text).ok_or_else(|| serde::de::Error::custom("no right of a user"))
    }
}

/// What each word of a grant allows. The idempotent producer needs nothing beside: since Kafka 2.8 `write` on any topic is enough
/// (KIP-679). The groups of a consumer need no `describe`, which `read` has in it.
const PRODUCE: [Operation; 2] = [Operation::Write, Operation::Describe];
const CONSUME: [Operation; 2] = [Operation::Read, Operation::Describe];
const IN_GROUP: [Operation; 1] = [Operation::Read];
const IN_TRANSACTIONS: [Operation; 2] = [Operation::Write, Operation::Describe];

/// What a pattern allows in the list of a user with this key.
pub fn granted(list: &str, pattern: &str) -> Vec<Right> {
    let (resource, operations): (_, &[Operation]) = match list {
        "produce" => (ResourceType::Topic, &PRODUCE),
        "consume.topics" => (ResourceType::Topic, &CONSUME),
        "consume.groups" => (ResourceType::Group, &IN_GROUP),
        _ => (ResourceType::TransactionalId, &IN_TRANSACTIONS),
    };
    operations.iter().map(|operation| Right::allowed(resource, pattern, *operation)).collect()
}

/// Everything that an ACL of the file allows and denies.
pub fn of_acl(acl: &Acl) -> Vec<Right> {
    let host = acl.host.as_ref().map_or_else(|| EVERY_HOST.to_owned(), HostAddress::to_java);
    let mut all = Vec::new();
    for (resource, pattern) in resources(acl) {
        for (allows, operations) in [(true, &acl.allow), (false, &acl.deny)] {
            let of = |operation: &Operation| Right {
                host: host.clone(),
                allows,
                ..Right::allowed(resource, pattern, *operation)
            };
            all.extend(operations.iter().map(of));
        }
    }
    all
}

/// Everything that `user` may do and must not, each once.
pub fn rights(user: &User) -> BTreeSet<Right> {
    let mut all: BTreeSet<Right> = user.acls.iter().flat_map(of_acl).collect();
    let topics = |list: &'static str, all: &[TopicPattern]| -> Vec<Right> {
        all.iter().flat_map(|topic| granted(list, topic)).collect()
    };
    let names = |list: &'static str, all: &[NamePattern]| -> Vec<Right> {
        all.iter().flat_map(|name| granted(list, name)).collect()
    };
    all.extend(topics("produce", &user.produce));
    all.extend(topics("consume.topics", &user.consume.topics));
    all.extend(names("consume.groups", &user.consume.groups));
    all.extend(names("transactions", &user.transactions));
    all
}

/// What is done one after another to bring a user's rights from `live` to `wanted`: each right is given or taken. What is denied is denied
/// first, and what is allowed is allowed last: so at no moment may the user do what it may do neither before nor afterwards.
pub fn in_order<'a>(live: &'a BTreeSet<Right>, wanted: &'a BTreeSet<Right>) -> [Vec<&'a Right>; 4] {
    let new = |allows: bool| wanted.difference(live).filter(move |right| right.allows == allows).collect();
    let old = |allows: bool| live.difference(wanted).filter(move |right| right.allows == allows).collect();
    [new(false), old(true), old(false), new(true)]
}

/// Whether each of the four of [`in_order`] gives or takes.
pub const GIVES: [bool; 4] = [true, false, false, true];

/// What `acl` is for: one resource, where the file has been checked.
pub fn resources(acl: &Acl) -> Vec<(ResourceType, &str)> {
    let topic = acl.topic.iter().map(|name| (ResourceType::Topic, &**name));
    let group = acl.group.iter().map(|name| (ResourceType::Group, &**name));
    let id = acl.transactional_id.iter().map(|name| (ResourceType::TransactionalId, &**name));
    let cluster = acl.cluster.then_some((ResourceType::Cluster, CLUSTER));
    topic.chain(group).chain(id).chain(cluster).collect()
}

/// What the file says of a user with just these rights, and those that the file has no words for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written {
    pub produce: Vec<TopicPattern>,
    pub consume: Consume,
    pub transactions: Vec<NamePattern>,
    pub acls: Vec<Acl>,
    /// In the order of their texts.
    pub unsaid: Vec<Right>,
}

#[allow(clippy::derivable_impls)] // Its declaration is a macro's, beside the file.
impl Default for Consume {
    fn default() -> Self {
        Consume { topics: Vec::new(), groups: Vec::new() }
    }
}

/// The way back of [`rights`]: grants where they fit, ACLs for the rest.
pub fn written(rights: &BTreeSet<Right>) -> Written {
    let mut out = Written::default();
    // By what and for which address, the operations that are allowed and denied.
    let mut all: BTreeMap<(ResourceType, String, Option<String>), [BTreeSet<Operation>; 2]> = BTreeMap::new();
    for right in rights {
        match (right.pattern(), right.written_host()) {
            (Some(pattern), Ok(host)) => {
                let operations = all.entry((right.resource, pattern, host)).or_default();
                operations[usize::from(!right.allows)].insert(right.operation);
            }
            _ => out.unsaid.push(right.clone()),
        }
    }
    for ((resource, pattern, host), [mut allow, deny]) in all {
        let has = |operations: &[Operation]| host.is_none() && operations.iter().all(|one| allow.contains(one));
        let mut granted: Vec<Operation> = Vec::new();
        match resource {
            ResourceType::Topic => {
                if has(&PRODUCE) {
                    out.produce.push(TopicPattern(pattern.clone()));
                    granted.extend(PRODUCE);
                }
                if has(&CONSUME) {
                    out.consume.topics.push(TopicPattern(pattern.clone()));
                    granted.extend(CONSUME);
                }
            }
            ResourceType::Group if has(&IN_GROUP) => {
                out.consume.groups.push(NamePattern(pattern.clone()));
                granted.extend(IN_GROUP);
            }
            ResourceType::TransactionalId if has(&IN_TRANSACTIONS) => {
                out.transactions.push(NamePattern(pattern.clone()));
                granted.extend(IN_TRANSACTIONS);
            }
            _ => {}
        }
        allow.retain(|operation| !granted.contains(operation));
        if !allow.is_empty() || !deny.is_empty() {
            let name = |wanted: ResourceType| (resource == wanted).then(|| NamePattern(pattern.clone()));
            out.acls.push(Acl {
                topic: (resource == ResourceType::Topic).then(|| TopicPattern(pattern.clone())),
                group: name(ResourceType::Group),
                transactional_id: name(ResourceType::TransactionalId),
                cluster: resource == ResourceType::Cluster,
                allow: allow.into_iter().collect(),
                deny: deny.into_iter().collect(),
                host: host.map(HostAddress),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests;
