//! The keys of a stack file that every engine shares. Each declaration is the reader, the defaults and the JSON Schema at once.

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::dns::Dns;
use super::existing::{AccessRule, Existing, GroupId, Peer};
use super::logs::FlowLogs;
use super::node::{Content, Node};
use super::privatelink::PrivateLink;
use super::problem::Problem;
use super::read::{Read, choices, fields, text};
use super::routes::NamedRoute;
use crate::units::{Percent, Rate, TimeSpan};

fields! {
    /// The VPC: its address block, zones, outbound internet access and endpoints; or the VPC that is there already.
    pub struct Network {
        /// The VPC's address block, from /16 to /22. Not with `existing`.
        cidr: Option<Ipv4Net>,
        /// More address blocks of the VPC, from /16 to /28, for subnets that `private_cidrs` and `public_cidrs` name. A live VPC gets another one in place, and keeps those that it has. Not with `existing`.
        secondary_cidrs: Vec<Ipv4Net> = Vec::new(),
        /// The IPAM pool that `cidr` is allocated from when the VPC is made: IPAM then knows of it, and refuses a block that is somebody's. Not with `existing`.
        ipam_pool: Option<IpamPoolId>,
        /// IPv6 beside IPv4. The stack's VPC gets a block of Amazon's, each subnet a part of it, each host an address that it keeps, and an MSK cluster its dual-stack network type, which it never loses. In an `existing` VPC the subnets must have IPv6 already. A live stack gets it in place, but for brokers on EC2, which roll to listen on it.
        ipv6: bool = false,
        /// A VPC and subnets that are there already, instead of the stack's own. A live stack keeps its network.
        existing: Option<Existing>,
        /// How many zones to use, or a list of zone names or zone ids. A live stack keeps its zones.
        zones: Zones = Zones::Count(3),
        /// NAT gateways, through which hosts in private subnets reach package and Kafka archives. Not with `existing`.
        nat: Nat = Nat::OnePerZone,
        /// AWS services to reach without leaving the VPC: `s3` (a gateway endpoint), and interface endpoints such as `ssm`, `ssmmessages`, `ec2messages`, `logs`, `kms`, `secretsmanager`. In an `existing` VPC those that are there are used, and only the others are made.
        endpoints: Vec<Endpoint> = Vec::new(),
        /// VPC flow logs, which record who connects to what; none when absent. The ARN of an S3 bucket, which may end in a folder and is not kstack's; or a log group of CloudWatch that the stack has for itself, such as `{retention: 30d}`. In an `existing` VPC they record all that is in it.
        flow_logs: Option<FlowLogs>,
        /// From where clients outside the stack's client security group may connect to every listener, but those of `listeners.others`: address blocks, such as a peered VPC's, prefix lists (`pl-...`) and security groups (`sg-...`; of a peered VPC in another account: `ACCOUNT/sg-...`).
        clients: Vec<Peer> = Vec::new(),
        /// From where Prometheus may scrape the brokers' and controllers' exporters: address blocks, prefix lists and security groups, as in `clients`.
        monitors: Vec<Peer> = Vec::new(),
        /// More rules for brokers: who may connect to which listener.
        rules: Vec<AccessRule> = Vec::new(),
        /// Routes of the stack's subnets to other networks. Routes that others make there are left alone. Not with `existing`.
        routes: Vec<NamedRoute> = Vec::new(),
        /// Security groups of your own for each host or broker, beside the stack's. They must be in the stack's VPC. MSK takes them when the cluster is created.
        security_groups: Vec<GroupId> = Vec::new(),
        /// Whether the stack makes security groups of its own, for brokers and for clients. `false` is for an MSK cluster in an `existing` VPC that has the groups in `security_groups` alone, such as an adopted one: who may connect is then said by the rules of those groups.
        own_groups: bool = true,
        /// Names for brokers in a private hosted zone of Route 53; none when absent.
        dns: Option<Dns>,
        /// An interface endpoint for a PrivateLink service of somebody else's, such as a cluster of Confluent Cloud; none when absent.
        privatelink: Option<PrivateLink>,
        /// The private subnets' blocks, one for each zone in the order of the zones' names. Derived when absent.
        private_cidrs: Option<Vec<Ipv4Net>>,
        /// The public subnets' blocks, one for each zone in the order of the zones' names. Derived when absent.
        public_cidrs: Option<Vec<Ipv4Net>>,
    }
}

fields! {
    /// The load that the cluster has to carry.
    pub struct Workload {
        /// Average rate at which producers write, before compression.
        ingress: Rate = Rate(1 << 20),
        /// Peak ingress divided by average ingress.
        peak: f64 = 2.0,
        /// Consumer groups that read everything.
        consumers: u32 = 1,
        /// Size before compression divided by size after it.
        compression: f64 = 1.0,
        /// How long records are kept.
        retention: TimeSpan = TimeSpan(7 * 86_400),
        /// Copies of each partition.
        replication_factor: u32 = 3,
        /// Copies that must have a record before a producer with acks=all gets its acknowledgement.
        min_insync_replicas: u32 = 2,
        /// Partitions of all topics, counted once each; their replicas are counted from the replication factor. Without it those of `topics`, in whole hundreds.
        partitions: u32 = 100,
        /// Growth to plan for: the workload at the end of the planning period divided by today's.
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

choices! {
    /// Which NAT gateways are made.
    pub enum Nat {
        /// One NAT gateway in each zone: the failure of a zone does not affect the others.
        OnePerZone = "one-per-zone",
        /// One NAT gateway for all zones: cheaper, for test clusters.
        Single = "single",
        /// None: hosts reach only the VPC and its endpoints.
        None = "none",
    }
}

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

impl Region {
    /// The partition of AWS that it is in.
    pub fn partition(&self) -> &'static str {
        match &self.0 {
            name if name.starts_with("cn-") => "aws-cn",
            name if name.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// Where the names of AWS's services there end.
    pub fn domain(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        }
    }
}

text!(
    /// An AWS account id.
    Account, "an AWS account id", json!({"type": "string", "pattern": "^[0-9]{12}$"}),
    |text| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit()),
    "is not an AWS account id: write its 12 digits, in quotes"
);
text!(
    /// The last part of a VPC endpoint service's name.
    Endpoint, "an AWS service", json!({"type": "string", "examples": ["s3", "ssm"]}),
    |text| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.'),
    "is not the name of an endpoint service such as `s3` or `ssm`"
);

text!(
    /// The id of a pool of Amazon VPC IPAM.
    IpamPoolId, "an IPAM pool's id", json!({"type": "string", "pattern": "^ipam-pool-[0-9a-f]{17}$"}),
    |text| text.strip_prefix("ipam-pool-").is_some_and(|digits| digits.len() == 17 && digits.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))),
    "is not an IPAM pool: write `ipam-pool-` and 17 hexadecimal digits"
);
text!(
    /// The ARN of an S3 bucket, or of a folder in one.
    BucketArn, "the ARN of an S3 bucket", json!({"type": "string", "pattern": "^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$", "examples": ["arn:aws:s3:::flow-logs/kafka/"]}),
    is_bucket_arn,
    "is not the ARN of an S3 bucket such as `arn:aws:s3:::flow-logs` or `arn:aws:s3:::flow-logs/kafka/`; the folder `AWSLogs` is AWS's own"
);

/// A bucket's name has 3 to 63 characters (S3 user guide, "General purpose bucket naming rules"). AWS keeps the folder `AWSLogs` for
/// itself (EC2 API reference, CreateFlowLogs).
fn is_bucket_arn(text: &str) -> bool {
    let Some((partition, path)) = text.strip_prefix("arn:").and_then(|rest| rest.split_once(":s3:::")) else {
        return false;
    };
    let (bucket, folder) = path.split_once('/').unwrap_or((path, ""));
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    word(partition)
        && partition.starts_with("aws")
        && (3..=63).contains(&bucket.len())
        && bucket.chars().all(|c| part(c) || c == '-' || c == '.')
        && bucket.starts_with(part)
        && bucket.ends_with(part)
        && !folder.split('/').any(|name| name == "AWSLogs")
        && folder.chars().all(|c| c.is_ascii_graphic())
}

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

impl Network {
    /// The NAT gateways that are made: none in a network that is not the stack's.
    pub fn nat_gateways(&self) -> Nat {
        if self.existing.is_some() { Nat::None } else { self.nat }
    }
}
