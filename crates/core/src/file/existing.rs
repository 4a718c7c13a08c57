//! What a stack file names of a network that is not the stack's: a VPC and its subnets, security groups, prefix lists.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::node::{Content, Node};
use super::problem::Problem;
use super::read::{Read, Scalar, choices, fields, text};

fields! {
    /// A VPC and subnets that are there already. kstack changes and deletes nothing of them.
    pub struct Existing {
        /// The VPC: its id, or tags that only it has in the region.
        vpc: VpcChoice,
        /// Private subnets for the hosts or brokers, at least one in each zone: their ids, or tags that they all have.
        subnets: SubnetChoice,
    }
}

fields! {
    /// One more rule: who may connect to which listener.
    pub struct AccessRule {
        /// Who: an address block, a prefix list (`pl-...`), or a security group (`sg-...`; of a peered VPC in another account: `ACCOUNT/sg-...`).
        from: Peer,
        /// The listener: `plaintext`, `scram`, `oauth` or `tls` (that is `mtls`) of brokers on EC2; `iam`, `scram`, `tls` or `plaintext` of MSK, and `jmx` or `node` of its Prometheus exporters.
        listener: ListenerName,
        /// Why, for whoever reads the rule in AWS: at most 200 characters.
        description: Option<RuleDescription>,
    }
}

choices! {
    /// What clients connect to.
    pub enum ListenerName {
        /// Kafka without encryption: port 9092.
        Plaintext = "plaintext",
        /// TLS: port 9094. On EC2 it is `mtls`.
        Tls = "tls",
        /// User names and passwords: port 9096.
        Scram = "scram",
        /// Tokens of brokers on EC2: port 9097.
        Oauth = "oauth",
        /// MSK with IAM: port 9098.
        Iam = "iam",
        /// MSK's Kafka metrics for Prometheus: port 11001.
        Jmx = "jmx",
        /// MSK's metrics of the hosts for Prometheus: port 11002.
        Node = "node",
    }
}

/// Whether `text` is an id of EC2's: `prefix`, and 8 or 17 hexadecimal digits.
pub(super) fn id(prefix: &str, text: &str) -> bool {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    [8, 17].contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

fn id_schema(prefix: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{prefix}([0-9a-f]{{8}}|[0-9a-f]{{17}})$")})
}

text!(
    /// A VPC's id.
    VpcId, "a VPC's id", id_schema("vpc-"), |text| id("vpc-", text),
    "is not a VPC's id: write `vpc-` and 8 or 17 hexadecimal digits, or a mapping of the VPC's tags"
);
text!(
    /// A subnet's id.
    SubnetId, "a subnet's id", id_schema("subnet-"), |text| id("subnet-", text),
    "is not a subnet's id: write `subnet-` and 8 or 17 hexadecimal digits"
);
text!(
    /// A security group's id.
    GroupId, "a security group's id", id_schema("sg-"), |text| id("sg-", text),
    "is not a security group's id: write `sg-` and 8 or 17 hexadecimal digits"
);
// Source of the characters: EC2's API reference, IpRange, 2026: at most 255 of these.
text!(
    /// A security group rule's description.
    RuleDescription, "a text", json!({"type": "string", "maxLength": 200}),
    |text| !text.is_empty() && text.len() <= 200 && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c)),
    "can't be a rule's description: EC2 takes ASCII letters, digits, spaces and `._-:/()#,@[]+=&;{{}}!$*`, and this at most 200 of them"
);

/// Which VPC.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum VpcChoice {
    /// The one with this id.
    Id(VpcId),
    /// The only one that has all these tags.
    Tags(BTreeMap<String, String>),
}

/// Which subnets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum SubnetChoice {
    /// Those with these ids.
    Ids(Vec<SubnetId>),
    /// Those of the VPC that have all these tags.
    Tags(BTreeMap<String, String>),
}

/// Tags to look for: at least one, without the characters that EC2's filters take for a pattern.
fn tags(node: &Node, problems: &mut Vec<Problem>) -> Option<BTreeMap<String, String>> {
    let tags = BTreeMap::<String, String>::read(node, problems)?;
    let pattern = tags.iter().any(|(key, value)| format!("{key}{value}").contains(['*', '?', '\\']));
    let message = match (tags.is_empty(), pattern) {
        (true, _) => "no tag is named here, and every VPC and subnet would have all of none",
        (_, true) => "`*`, `?` and `\\` have a meaning in EC2's filters and can't be looked for in tags",
        _ => return Some(tags),
    };
    problems.push(Problem::new(node.at, message).help("write tags in full, such as `{Name: platform}`; or use ids"));
    None
}

impl Read for VpcChoice {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => tags(node, problems).map(VpcChoice::Tags),
            _ => VpcId::read(node, problems).map(VpcChoice::Id),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [<VpcId as Read>::schema(), BTreeMap::<String, String>::schema()]})
    }
}

impl Read for SubnetChoice {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => tags(node, problems).map(SubnetChoice::Tags),
            _ => Vec::read(node, problems).map(SubnetChoice::Ids),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [Vec::<SubnetId>::schema(), BTreeMap::<String, String>::schema()]})
    }
}

/// Who connects from outside of the stack's groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// An address block.
    Block(Ipv4Net),
    /// An address block of IPv6.
    Block6(Ipv6Net),
    /// A prefix list, by its id.
    PrefixList(String),
    /// A security group by its id; with the account before a slash where it is another account's, in a peered VPC.
    Group(String),
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Block(block) => block.fmt(out),
            Peer::Block6(block) => block.fmt(out),
            Peer::PrefixList(id) | Peer::Group(id) => out.write_str(id),
        }
    }
}

impl serde::Serialize for Peer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Scalar for Peer {
    const WHAT: &'static str = "a CIDR block, a prefix list or a security group";
    fn parse(text: &str) -> Result<Self, String> {
        let group = text.rsplit_once('/').map_or(text, |(_, group)| group);
        if group.starts_with("sg-") {
            let account = text.strip_suffix(group).unwrap_or_default().trim_end_matches('/');
            let of_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            return match id("sg-", group) && (text == group || of_account) {
                true => Ok(Peer::Group(text.to_owned())),
                false => Err(format!(
                    "`{text}` is not a security group: write `sg-` and 8 or 17 hexadecimal digits, and before it the 12 digits of its account and a slash where that is another"
                )),
            };
        }
        if text.starts_with("pl-") {
            return match id("pl-", text) {
                true => Ok(Peer::PrefixList(text.to_owned())),
                false => Err(format!("`{text}` is not a prefix list: write `pl-` and 8 or 17 hexadecimal digits")),
            };
        }
        let other = format!(
            "`{text}` is neither a CIDR block such as `10.40.0.0/16`, nor a prefix list (`pl-...`), nor a security group (`sg-...`)"
        );
        match (text.contains(':'), text.contains('.')) {
            (true, _) => Ipv6Net::parse(text).map(Peer::Block6),
            (false, true) => Ipv4Net::parse(text).map(Peer::Block),
            (false, false) => Err(other),
        }
    }
    fn schema() -> Value {
        json!({"type": "string", "examples": ["10.40.0.0/16", "2001:db8:40::/56", "pl-0123456789abcdef0", "sg-0123456789abcdef0"]})
    }
}
