//! The stack file as types. Each declaration is the reader, the defaults and the JSON Schema at once.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::msk::Msk;
use super::node::{Content, Node};
use super::problem::Problem;
use super::read::{Read, Scalar, choices, fields};
use super::units::{Percent, Rate, Size, Span};
use crate::cloud_init::Os;

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
        /// How long the stack lives: from then on `kstack reap` destroys it, its data with it. It stays when absent.
        ttl: Option<Span>,
        /// Whether `destroy` and `reap` refuse to touch the stack, by a tag on every resource.
        protected: bool = false,
        /// The VPC and what is in it.
        network: Network,
        /// What the cluster has to carry; sizes are derived from it.
        workload: Workload = Workload::default(),
        /// The Kafka cluster: brokers on EC2, or MSK.
        cluster: Cluster,
    }
}

fields! {
    /// The VPC: its address block, zones, way out and endpoints.
    pub struct Network {
        /// The VPC's address block, from /16 to /22.
        cidr: Ipv4Net,
        /// How many zones to use, or a list of zone names or zone ids. Zones that a live stack uses stay chosen.
        zones: Zones = Zones::Count(3),
        /// NAT gateways, by which hosts in private subnets reach package and Kafka archives.
        nat: Nat = Nat::OnePerZone,
        /// AWS services to reach without leaving the VPC: `s3` (a gateway endpoint), and interface endpoints such as `ssm`, `ssmmessages`, `ec2messages`, `logs`, `kms`, `secretsmanager`.
        endpoints: Vec<Endpoint> = Vec::new(),
        /// Address blocks from which clients outside the stack's client security group may connect, such as a peered VPC's.
        clients: Vec<Ipv4Net> = Vec::new(),
        /// The private subnets' blocks, one for each zone in the order of the zones' names. Derived when absent.
        private_cidrs: Option<Vec<Ipv4Net>>,
        /// The public subnets' blocks, one for each zone in the order of the zones' names. Derived when absent.
        public_cidrs: Option<Vec<Ipv4Net>>,
    }
}

fields! {
    /// What the cluster has to carry.
    pub struct Workload {
        /// Average rate at which producers write, before compression.
        ingress: Rate = Rate(1 << 20),
        /// Peak ingress over average ingress.
        peak: f64 = 2.0,
        /// Consumer groups that read everything.
        consumers: u32 = 1,
        /// Size before compression over size after it.
        compression: f64 = 1.0,
        /// How long records are kept.
        retention: Span = Span(7 * 86_400),
        /// Copies of each partition.
        replication_factor: u32 = 3,
        /// Copies that must have a record before a producer with acks=all hears that it is written.
        min_insync_replicas: u32 = 2,
        /// Partitions of all topics, counted once each; their replicas are counted from the replication factor.
        partitions: u32 = 100,
        /// Growth to plan for: the workload at the end of the planning time over the workload now.
        growth: f64 = 1.0,
        /// The part of every volume's size and throughput that stays free.
        headroom: Percent = Percent(0.2),
    }
}

impl Default for Workload {
    fn default() -> Self {
        let empty = Node { at: super::problem::At::START, content: Content::Map(Vec::new()) };
        Workload::read(&empty, &mut Vec::new()).expect("every key of a workload has a default")
    }
}

fields! {
    /// The Kafka cluster: exactly one of `ec2` and `msk`.
    pub struct Cluster {
        /// Kafka brokers on EC2 instances with EBS volumes.
        ec2: Option<Ec2>,
        /// An Amazon MSK cluster.
        msk: Option<Msk>,
    }
}

fields! {
    /// Kafka brokers, in KRaft mode, on EC2.
    pub struct Ec2 {
        /// The Kafka version, 4.0.0 or newer.
        kafka: Version,
        /// The hosts' operating system.
        os: Os = Os::Al2023,
        /// An image to use instead of the operating system's newest. Without it, hosts of a live stack keep their image.
        image: Option<Image>,
        /// Whether the first three brokers are controllers too. For test clusters; others have `controllers`.
        combined: bool = false,
        /// The brokers.
        brokers: Brokers,
        /// Dedicated controllers.
        controllers: Option<Controllers>,
        /// How brokers and controllers are kept apart from each other within a zone.
        placement: Placement = Placement::Spread,
        /// Kafka settings of every host (server.properties), in addition to those that kstack derives.
        config: BTreeMap<String, String> = BTreeMap::new(),
        /// Where Kafka is fetched from, when not from Apache's archive.
        archive: Option<Archive>,
        /// Base URL of a mirror of the operating system's packages.
        package_mirror: Option<String>,
        /// Folder of cloud-init templates of your own, relative to this file; they take the place of kstack's by file name.
        templates: Option<String>,
        /// KMS key id, alias or ARN for the volumes; the account's default EBS key when absent.
        kms_key: Option<String>,
    }
}

impl Ec2 {
    /// Brokers combined with controllers, with these settings, and every other key as it is when it is not written.
    pub fn plain(brokers: Brokers, config: BTreeMap<String, String>) -> Ec2 {
        Ec2 {
            kafka: Version(4, 1, 1),
            os: Os::Al2023,
            image: None,
            combined: true,
            brokers,
            controllers: None,
            placement: Placement::Spread,
            config,
            archive: None,
            package_mirror: None,
            templates: None,
            kms_key: None,
        }
    }
}

fields! {
    /// The brokers: how many, of which type, with which storage.
    pub struct Brokers {
        /// How many; a multiple of the number of zones.
        count: u32,
        /// The EC2 instance type.
        instance_type: String,
        /// The data volume of each broker.
        storage: Storage = Storage { kind: VolumeType::Gp3, size: None, iops: None, throughput: None },
    }
}

fields! {
    /// Dedicated controllers: how many, of which type.
    pub struct Controllers {
        /// How many: 3 or 5 (1 for test clusters).
        count: u32 = 3,
        /// The EC2 instance type.
        instance_type: String,
        /// The size of each controller's metadata volume.
        storage: Size = Size::gib(20),
    }
}

fields! {
    /// A data volume. What is absent is derived from the workload.
    pub struct Storage {
        /// The EBS volume type.
        kind as "type": VolumeType = VolumeType::Gp3,
        /// The size.
        size: Option<Size>,
        /// Provisioned IOPS, 3000 to 80000.
        iops: Option<u32>,
        /// Provisioned throughput, 125 MiB/s to 2000 MiB/s.
        throughput: Option<Rate>,
    }
}

fields! {
    /// A Kafka archive in the layout of Apache's own, and its checksum.
    pub struct Archive {
        /// The URL of the .tgz file.
        url: String,
        /// The file's SHA-512, in hexadecimal.
        sha512: String,
    }
}

choices! {
    /// Which NAT gateways are made.
    pub enum Nat {
        /// One NAT gateway in each zone: a zone's failure takes no other zone's way out.
        OnePerZone = "one-per-zone",
        /// One NAT gateway for all zones: cheaper, for test clusters.
        Single = "single",
        /// None: hosts reach only the VPC and its endpoints.
        None = "none",
    }
}

choices! {
    /// How instances are placed apart.
    pub enum Placement {
        /// Each instance on its own rack; at most 7 in a zone and group.
        Spread = "spread",
        /// Instances divided over 7 partitions of racks in each zone.
        Partition = "partition",
        /// No placement group.
        None = "none",
    }
}

choices! {
    /// The EBS volume type of data volumes.
    pub enum VolumeType {
        /// General purpose SSD; size, IOPS and throughput are chosen apart.
        Gp3 = "gp3",
    }
}

/// A Kafka version, such as 4.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Scalar for Version {
    const WHAT: &'static str = "a Kafka version";
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(Version(major, minor, patch)),
            _ => Err(format!("`{text}` is not a Kafka version with three parts, such as `4.1.1`")),
        }
    }
    fn schema() -> Value {
        json!({"type": "string", "pattern": r"^\d+\.\d+\.\d+$", "examples": ["4.1.1"]})
    }
}

impl Scalar for Os {
    const WHAT: &'static str = "an operating system";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "al2023" => Ok(Os::Al2023),
            "debian-12" => Ok(Os::Debian12),
            "ubuntu-24.04" => Ok(Os::Ubuntu2404),
            _ => Err(format!("`{text}` is not known here; write one of `al2023`, `debian-12` and `ubuntu-24.04`")),
        }
    }
    fn schema() -> Value {
        json!({"type": "string", "enum": ["al2023", "debian-12", "ubuntu-24.04"]})
    }
}

/// A text with a rule of its own.
macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, $what:literal, $schema:expr, $test:expr, $wrong:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str { &self.0 }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { out.write_str(&self.0) }
        }
        impl Scalar for $name {
            const WHAT: &'static str = $what;
            fn parse(text: &str) -> Result<Self, String> {
                let test: fn(&str) -> bool = $test;
                if test(text) { Ok($name(text.to_owned())) } else { Err(format!(concat!("`{}` ", $wrong), text)) }
            }
            fn schema() -> Value { $schema }
        }
    };
}

pub(super) use text;

fn word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

text!(
    /// The version of the stack file's format.
    ApiVersion, "`kstack/v1`", json!({"const": "kstack/v1"}), |text| text == "kstack/v1",
    "is not a format that this kstack reads; write `kstack/v1`"
);
text!(
    /// A stack's name: the letters that a tag, an IAM name and a parameter's path all take.
    Name, "a name", json!({"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"}),
    |text| word(text) && text.len() <= 30 && text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-'),
    "is not a stack name: use 1 to 30 lower-case letters, digits and hyphens, begin with a letter and do not end with a hyphen"
);
text!(
    /// An AWS region's name.
    Region, "an AWS region", json!({"type": "string", "pattern": "^[a-z]{2,3}(-[a-z]+)+-[0-9]$", "examples": ["ap-northeast-2"]}),
    |text| word(text) && text.split('-').count() >= 3 && text.ends_with(|c: char| c.is_ascii_digit()),
    "is not an AWS region such as `ap-northeast-2`"
);
text!(
    /// An AWS account id.
    Account, "an AWS account id", json!({"type": "string", "pattern": "^[0-9]{12}$"}),
    |text| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit()),
    "is not an AWS account id: write its 12 digits, in quotes"
);
text!(
    /// The id of an Amazon machine image.
    Image, "an image id", json!({"type": "string", "pattern": "^ami-[0-9a-f]+$"}),
    |text| text.strip_prefix("ami-").is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit())),
    "is not an image id such as `ami-0123456789abcdef0`"
);
text!(
    /// The last part of a VPC endpoint service's name.
    Endpoint, "an AWS service", json!({"type": "string", "examples": ["s3", "ssm"]}),
    |text| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.'),
    "is not the name of an endpoint service such as `s3` or `ssm`"
);

/// How many zones, or which.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Zones {
    /// This many of the region's zones.
    Count(u32),
    /// These zones, by name or by id.
    Named(Vec<String>),
}

impl Zones {
    /// The number of zones.
    pub fn count(&self) -> usize {
        match self {
            Zones::Count(count) => *count as usize,
            Zones::Named(names) => names.len(),
        }
    }
}

impl Read for Zones {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::List(_) => Vec::read(node, problems).map(Zones::Named),
            Content::Scalar(ref text) => match text.parse() {
                Ok(count) => Some(Zones::Count(count)),
                Err(_) => {
                    let message = format!("`{text}` is neither a number of zones nor a list of zone names or ids");
                    problems.push(Problem::new(node.at, message));
                    None
                }
            },
            _ => u32::read(node, problems).map(Zones::Count),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [{"type": "integer", "minimum": 1, "maximum": 6}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
    }
}
