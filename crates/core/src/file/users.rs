//! Users of the cluster and what they may do: the keys of `access`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::read::{Scalar, choices, fields, text};
use crate::units::Rate;

fields! {
    /// Who may do what in the cluster.
    pub struct Access {
        /// The cluster's users by name: letters, digits, `.`, `_` and `-`, at most 64. Each has the rights that are written here and no others.
        users: BTreeMap<String, User> = BTreeMap::new(),
    }
}

impl Access {
    /// What a file without `access` has.
    pub const NONE: Access = Access { users: BTreeMap::new() };
}

fields! {
    /// A user of the cluster.
    pub struct User {
        /// How the user proves who it is. Default: `scram` where brokers have that listener; else `iam` on MSK, and `mtls` on EC2.
        mechanism: Option<Mechanism>,
        /// Of `scram`: the ARN of a secret of your own in Secrets Manager, a JSON object with the user's name as `username` and its `password`, in place of a password that kstack makes. kstack neither changes nor deletes it. For MSK its name begins with `AmazonMSK_`, and its key is a KMS key of your own.
        secret: Option<String>,
        /// Of `iam`: the role that is given the user's rights, by its name or ARN, as an inline policy that kstack keeps. Without it `kstack policy --client USER` prints the policy.
        role: Option<RoleName>,
        /// Topics that the user writes to. A trailing `*` stands for every topic that begins so, `*` alone for all.
        produce: Vec<TopicPattern> = Vec::new(),
        /// What the user reads.
        consume: Consume = Consume { topics: Vec::new(), groups: Vec::new() },
        /// Transactional ids that the user writes with; a trailing `*` as in `produce`.
        transactions: Vec<NamePattern> = Vec::new(),
        /// More rights in Kafka's own words.
        acls: Vec<Acl> = Vec::new(),
        /// The most that each broker takes from the user and gives to it.
        quota: Quota = Quota::NONE,
    }
}

fields! {
    /// Topics and consumer groups that a user reads with.
    pub struct Consume {
        /// Topics; a trailing `*` as in `produce`.
        topics: Vec<TopicPattern> = Vec::new(),
        /// Consumer groups; a trailing `*` as in `produce`.
        groups: Vec<NamePattern> = Vec::new(),
    }
}

fields! {
    /// Rights on one resource: exactly one of `topic`, `group`, `transactional_id` and `cluster`.
    pub struct Acl {
        /// Topics; a trailing `*` stands for every topic that begins so, `*` alone for all.
        topic: Option<TopicPattern>,
        /// Consumer groups.
        group: Option<NamePattern>,
        /// Transactional ids.
        transactional_id: Option<NamePattern>,
        /// The cluster itself.
        cluster: bool = false,
        /// What is allowed.
        allow: Vec<Operation> = Vec::new(),
        /// What is denied, whatever else allows it.
        deny: Vec<Operation> = Vec::new(),
        /// The only address that it counts for; every one when absent.
        host: Option<HostAddress>,
    }
}

fields! {
    /// A user's limits, for each broker.
    pub struct Quota {
        /// What the user may write.
        produce: Option<Rate>,
        /// What the user may read.
        consume: Option<Rate>,
        /// The time of a broker's threads that the user's requests may take: `100%` is one thread.
        request: Option<ThreadShare>,
    }
}

impl Quota {
    pub const NONE: Quota = Quota { produce: None, consume: None, request: None };
}

choices! {
    /// How a user proves who it is.
    pub enum Mechanism {
        /// A name and a password (SCRAM-SHA-512). kstack makes the password and keeps it: in Parameter Store for brokers on EC2, in Secrets Manager for MSK; or takes that of `secret`.
        Scram = "scram",
        /// A certificate by the stack's authority for clients, with the user's name as its common name.
        Mtls = "mtls",
        /// Of MSK: the credentials of an IAM role or user. What it may do is an IAM policy, which `kstack policy --client USER` prints, or which its `role` is given.
        Iam = "iam",
    }
}

choices! {
    /// What Kafka allows or denies.
    pub enum Operation {
        /// Everything.
        All = "all",
        /// Read records, or read as a member of a group.
        Read = "read",
        /// Write records.
        Write = "write",
        /// Make topics.
        Create = "create",
        /// Delete topics, groups or records.
        Delete = "delete",
        /// Change partitions, ACLs or quotas.
        Alter = "alter",
        /// See that it is there, and its offsets.
        Describe = "describe",
        /// What brokers ask of each other.
        ClusterAction = "cluster-action",
        /// See settings.
        DescribeConfigs = "describe-configs",
        /// Change settings.
        AlterConfigs = "alter-configs",
        /// Write with the idempotent producer; since Kafka 2.8 `write` on any topic is enough (KIP-679).
        IdempotentWrite = "idempotent-write",
        /// Make tokens for a user.
        CreateTokens = "create-tokens",
        /// See tokens of a user.
        DescribeTokens = "describe-tokens",
    }
}

/// The longest name of a topic.
const LONGEST_TOPIC: usize = 249;
/// The longest name of a group or a transactional id here. Kafka sets no limit; it keeps names as texts of at most 32 KiB.
const LONGEST_NAME: usize = 255;

text!(
    /// A topic, a prefix of topics, or all: see [`Pattern`].
    TopicPattern, "a topic or a prefix of topics",
    json!({"type": "string", "pattern": r"^([A-Za-z0-9._-]{1,249}\*?|\*)$", "examples": ["orders", "orders.*"]}),
    is_topic_pattern,
    "is neither a topic nor a prefix of topics: use letters, digits, `.`, `_` and `-`, at most 249; `orders.*` is every topic that begins with `orders.`, and `*` every topic"
);
text!(
    /// A name of a group or a transactional id, a prefix of such names, or all: see [`Pattern`].
    NamePattern, "a name or a prefix of names",
    json!({"type": "string", "minLength": 1, "maxLength": 256, "examples": ["orders-api*"]}),
    is_name_pattern,
    "is neither a name nor a prefix of names: use 1 to 255 printable characters; a `*` may only end it, for every name that begins so"
);
text!(
    /// The address of a client, as Kafka compares it.
    HostAddress, "an address", json!({"type": "string", "examples": ["10.40.0.7"]}),
    |text| text.parse::<IpAddr>().is_ok(),
    "is not an IPv4 or IPv6 address: Kafka compares addresses, and knows no names or address blocks"
);

text!(
    /// A role of IAM's by its name or its ARN.
    RoleName, "a role",
    json!({"type": "string", "pattern": "^([A-Za-z0-9+=,.@_-]{1,64}|arn:aws[a-z-]*:iam::[0-9]{12}:role/.+)$", "examples": ["etl", "arn:aws:iam::123456789012:role/etl"]}),
    is_role,
    "is not a role: write its name, such as `etl`, or its ARN, such as `arn:aws:iam::123456789012:role/etl`"
);

/// The partition, the account and the name with its path in the ARN of a role.
fn role_arn(text: &str) -> Option<[&str; 3]> {
    let [partition, "iam", "", account, resource] = text.strip_prefix("arn:")?.splitn(5, ':').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    Some([partition, account, resource.strip_prefix("role/")?])
}

fn is_role(text: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    let name = |text: &str| (1..=64).contains(&text.len()) && text.chars().all(of_name);
    let folder = |text: &str| !text.is_empty() && text.chars().all(of_name);
    let is = |[partition, account, path]: [&str; 3]| {
        let (folders, last) = path.rsplit_once('/').map_or((None, path), |(folders, last)| (Some(folders), last));
        let account = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
        (partition == "aws" || partition.starts_with("aws-"))
            && account
            && name(last)
            && folders.is_none_or(|all| all.len() <= 510 && all.split('/').all(folder))
    };
    name(text) || role_arn(text).is_some_and(is)
}

impl RoleName {
    /// The name, which only one role of an account has, whatever its path.
    pub fn name(&self) -> &str {
        self.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The partition and the account, where an ARN tells them.
    pub fn home(&self) -> Option<[&str; 2]> {
        role_arn(&self.0).map(|[partition, account, _]| [partition, account])
    }
}

fn is_topic_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text == "*" || (1..=LONGEST_TOPIC).contains(&name.len()) && name.chars().all(plain) && name != "." && name != ".."
}

fn is_name_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let plain = |c: char| !c.is_control() && c != '*';
    let edges = name.trim() == name;
    text == "*" || (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(plain) && edges
}

/// Which names something counts for, in Kafka's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern<'a> {
    pub name: &'a str,
    /// Whether it counts for every name that begins so. A name `*` that is none counts for every name.
    pub prefixed: bool,
}

impl<'a> Pattern<'a> {
    /// What `text` of the file means.
    pub fn of(text: &'a str) -> Pattern<'a> {
        match text.strip_suffix('*') {
            Some(name) if !name.is_empty() => Pattern { name, prefixed: true },
            _ => Pattern { name: text, prefixed: false },
        }
    }

    /// Whether it counts for `name`.
    pub fn covers(self, name: &str) -> bool {
        match self.prefixed {
            true => name.starts_with(self.name),
            false => self.name == "*" || self.name == name,
        }
    }
}

impl HostAddress {
    /// The address as Java writes it, which is what Kafka compares: no zeros of an IPv6 address are left out.
    pub fn to_java(&self) -> String {
        match self.0.parse() {
            Ok(IpAddr::V6(address)) => {
                let parts: Vec<String> = address.segments().iter().map(|part| format!("{part:x}")).collect();
                parts.join(":")
            }
            Ok(IpAddr::V4(address)) => address.to_string(),
            Err(_) => self.0.clone(),
        }
    }
}

/// A part of the time of a broker's threads: 1 is one thread. Written `50%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct ThreadShare(pub f64);

impl ThreadShare {
    /// Kafka's number: the percent that are written.
    pub fn percent(self) -> f64 {
        (self.0 * 1e6).round() / 1e4
    }
}

impl Scalar for ThreadShare {
    const WHAT: &'static str = "a percentage";
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let share =
            number.filter(|number| *number > 0.0 && *number <= 100_000.0).map(|number| ThreadShare(number / 100.0));
        share.ok_or_else(|| {
            format!("`{text}` is not a share of threads: write a number above 0 and a percent sign, such as `50%`; `100%` is one thread")
        })
    }
    fn schema() -> Value {
        json!({"type": "string", "pattern": r"^[0-9.]+ ?%$", "examples": ["50%"]})
    }
}

impl fmt::Display for ThreadShare {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", self.percent())
    }
}

impl Serialize for ThreadShare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_ends_a_prefix_or_stands_alone() {
        let long = "a".repeat(249);
        for text in ["orders", "orders.*", "*", "a_b-C.9", "...", &long, &format!("{long}*")] {
            assert!(TopicPattern::parse(text).is_ok(), "{text}");
        }
        let longer = "a".repeat(250);
        for text in ["", ".", "..", "a*b", "**", "a b", "ü", "${env:X}", "\"a\"", "User:x", &longer] {
            assert!(TopicPattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(Pattern::of("orders.*"), Pattern { name: "orders.", prefixed: true });
        assert_eq!(Pattern::of("*"), Pattern { name: "*", prefixed: false });
        let covers = |pattern: &str, name: &str| Pattern::of(pattern).covers(name);
        assert!(covers("*", "a") && covers("a*", "ab") && covers("a*", "a") && covers("a", "a"));
        assert!(!covers("a", "ab") && !covers("ab*", "a"));
    }

    #[test]
    fn a_role_is_named_or_has_an_arn() {
        let named = |text: &str| RoleName::parse(text).map(|role| role.name().to_owned());
        let arn = "arn:aws-cn:iam::123456789012:role/teams/data/etl";
        assert_eq!(named("etl").as_deref(), Ok("etl"));
        assert_eq!(named(arn).as_deref(), Ok("etl"));
        let home = RoleName::parse(arn).expect("a role");
        assert_eq!(home.home(), Some(["aws-cn", "123456789012"]));
        let long = "a".repeat(65);
        for text in [
            "",
            "a/b",
            "*",
            &long,
            "arn:aws:iam::123456789012:user/etl",
            "arn:aws:iam::12345:role/etl",
            "arn:aws:iam::123456789012:role//etl",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::123456789012:assumed-role/etl/x",
        ] {
            assert!(RoleName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_group_may_have_every_printable_character() {
        for text in ["a b", "${env:X}", "User:x", "\"q\"*", "*", "ü"] {
            assert!(NamePattern::parse(text).is_ok(), "{text}");
        }
        for text in ["", "a*b", "**", "a\nb", " a", &"a".repeat(256)] {
            assert!(NamePattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_written_as_java_does() {
        let java = |text: &str| HostAddress::parse(text).map(|host| host.to_java());
        assert_eq!(java("10.40.0.7").as_deref(), Ok("10.40.0.7"));
        assert_eq!(java("2001:DB8::1").as_deref(), Ok("2001:db8:0:0:0:0:0:1"));
        assert!(java("10.40.0.0/16").is_err() && java("client.example.com").is_err() && java("*").is_err());
    }

    #[test]
    fn a_share_may_be_more_than_one_thread() {
        for (text, shown) in [("50%", "50%"), ("12.5 %", "12.5%"), ("400%", "400%"), ("0.01%", "0.01%")] {
            assert_eq!(ThreadShare::parse(text).map(|share| share.to_string()).as_deref(), Ok(shown));
        }
        for text in ["0%", "-1%", "50", "NaN%", "inf%", "100001%"] {
            assert!(ThreadShare::parse(text).is_err(), "{text}");
        }
    }
}
