//! `cluster.msk` as types: provisioned clusters with standard or Express brokers, and serverless ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use super::configuration::{ConfigurationChoice, OthersConfiguration};
pub use super::connections::{ConnectionAuth, ConnectionKeys, ConnectionName};
use super::limits::has_vpc_connectivity;
use crate::file::node::{Content, Node};
use crate::file::problem::{At, Problem};
use crate::file::read::{Read, choices, fields, text};
use crate::file::{ListenerName, LogGroupChoice};
use crate::settings::KafkaVersion;
use crate::units::{Rate, Size};

/// The Kafka setting that, when `false`, lets clients only do what an ACL allows them.
pub const ACL: &str = "allow.everyone.if.no.acl.found";

/// What the names of the secrets begin with that kstack keeps for users of MSK.
pub const OWN_SECRETS: &str = "AmazonMSK_kstack/";

fields! {
    /// An Amazon MSK cluster: provisioned, with standard (`kafka.*`) or Express (`express.*`) brokers; or serverless.
    pub struct Msk {
        /// Whether the cluster is serverless. Its only other key is `policy`: it supports only IAM authentication, and AWS chooses the rest.
        serverless: bool = false,
        /// The Kafka version as `aws kafka list-kafka-versions` names it, such as `3.9.x` or `4.1.x.kraft`. Required for a provisioned cluster.
        kafka: Option<MskVersion>,
        /// The brokers. Required for a provisioned cluster.
        brokers: Option<MskBrokers>,
        /// How clients authenticate. Only IAM, when absent or empty.
        auth: MskAuth = MskAuth { iam: None, scram: None, tls: None, unauthenticated: false },
        /// Encryption on the wire and of the volumes.
        encryption: MskEncryption = MskEncryption { in_transit: InTransit::Tls, in_cluster: true, kms_key: None },
        /// Metrics in CloudWatch, and exporters for Prometheus.
        monitoring: MskMonitoring = MskMonitoring { level: MonitoringLevel::Default, prometheus: Prometheus(Exporters { jmx: false, node: false }) },
        /// Where brokers' logs are delivered; nowhere, when nothing is given.
        logs: MskLogs = MskLogs { cloudwatch: None, s3: None, firehose: None },
        /// Kafka settings of the cluster's MSK configuration (server.properties), in addition to those that kstack derives from the workload. Sizes count on them; one that differs from what `workload` says is an error.
        config: BTreeMap<String, String> = BTreeMap::new(),
        /// A configuration of MSK that is there already, `{arn: ..., revision: 3}`, or `default` for AWS's own settings, in the place of the stack's own. It is used as it is: nothing of `workload` becomes a setting, and `config` can't be given beside it. Without this key, the cluster gets the stack's own configuration, with `config`; there is no way back to `default`.
        configuration: Option<ConfigurationChoice>,
        /// Whether brokers have public addresses besides their private ones. The cluster is then created in the public subnets, and an update afterwards turns public access on.
        public_access: bool = false,
        /// Ways in from other VPCs and accounts by AWS PrivateLink (MSK's multi-VPC private connectivity). An update after the cluster's creation turns them on. Left as it is when absent, as others may have turned it on; `{}` turns all off.
        vpc_connectivity: Option<MskVpcConnectivity>,
        /// Managed VPC connections: the ways in of clients in other VPCs of this account and region, by a way to authenticate that `vpc_connectivity` has on. Other accounts make their own.
        vpc_connections: Vec<ConnectionKeys> = Vec::new(),
        /// Whether MSK moves partitions among Express brokers automatically as load and broker count change. Express only; AWS's default, on, when absent.
        rebalancing: Option<bool>,
        /// The cluster's resource policy: a JSON document, written as YAML or as text. It takes the place of a policy that is there. Without this key, a policy that others have put is left alone; one that the file once named goes.
        policy: Option<Policy>,
    }
}

fields! {
    /// The brokers: how many, of which type, with which storage.
    pub struct MskBrokers {
        /// How many; a multiple of the number of zones, at most 60 with KRaft and 30 with ZooKeeper.
        count: u32,
        /// The MSK broker type: `kafka.*` is standard, `express.*` is Express. A cluster can't be changed from one to the other.
        instance_type: String,
        /// The volume of each standard broker. Express brokers have no storage settings.
        storage: MskStorage = MskStorage { size: None, max: None, throughput: None, tiered: false },
    }
}

fields! {
    /// The storage of standard brokers.
    pub struct MskStorage {
        /// The size of each broker's volume when the cluster is made, 1 GiB to 16 TiB; derived from the workload when absent. A minimum later: volumes grow and never shrink.
        size: Option<Size>,
        /// The size up to which MSK may grow each volume automatically. Without it, volumes grow only when the file changes.
        max: Option<Size>,
        /// Provisioned throughput of each volume, from 250 MiB/s; for 4xlarge brokers and larger.
        throughput: Option<Rate>,
        /// Whether closed segments of topics that ask for it move to tiered storage, from Kafka 3.6 on. Once on, it can't be turned off.
        tiered: bool = false,
    }
}

fields! {
    /// How clients authenticate. IAM is on when nothing else is chosen.
    pub struct MskAuth {
        /// IAM access control. On when none of the other keys is given; off otherwise, unless `true`.
        iam: Option<bool>,
        /// Names and passwords (SASL/SCRAM) from Secrets Manager.
        scram: Option<MskScram>,
        /// Client certificates (mutual TLS).
        tls: Option<MskTls>,
        /// Whether clients may connect without authentication.
        unauthenticated: bool = false,
    }
}

fields! {
    /// Ways in from other VPCs, one for each authentication method that `auth` has on.
    pub struct MskVpcConnectivity {
        /// For clients with IAM.
        iam: bool = false,
        /// For clients with names and passwords (SASL/SCRAM).
        scram: bool = false,
        /// For clients with certificates (mutual TLS).
        tls: bool = false,
    }
}

fields! {
    /// Names and passwords (SASL/SCRAM).
    pub struct MskScram {
        /// The ARNs of secrets in Secrets Manager, one for each user. Their names begin with `AmazonMSK_`, and their key is a KMS key of your own. Secrets that others have associated are left alone.
        secrets: Vec<String> = Vec::new(),
        /// The KMS key of the passwords that kstack makes for `access.users`: a symmetric key of your own, by its ARN, its id or an alias. Default: a key of the stack's own.
        kms_key: Option<String>,
    }
}

fields! {
    /// Client certificates (mutual TLS).
    pub struct MskTls {
        /// The ARNs of the AWS Private CA authorities whose certificates are accepted.
        certificate_authorities: Vec<String>,
    }
}

fields! {
    /// Encryption on the wire and of the volumes.
    pub struct MskEncryption {
        /// Between clients and brokers. `tls-or-plaintext` and `plaintext` open port 9092 to unauthenticated clients.
        in_transit: InTransit = InTransit::Tls,
        /// Between brokers. It can't be changed later.
        in_cluster: bool = true,
        /// KMS key id, alias or ARN for the volumes; AWS's own key for MSK when absent. It can't be changed later.
        kms_key: Option<String>,
    }
}

fields! {
    /// Metrics in CloudWatch, and exporters for Prometheus.
    pub struct MskMonitoring {
        /// The detail of the metrics in CloudWatch. Levels above `default` cost money for each metric.
        level: MonitoringLevel = MonitoringLevel::Default,
        /// Exporters on the brokers: `true` for both, or one by one as in `{jmx: true, node: false}`. JMX is on port 11001, node on 11002.
        prometheus: Prometheus = Prometheus(Exporters { jmx: false, node: false }),
    }
}

fields! {
    /// The exporters one by one.
    pub struct Exporters {
        /// Kafka's own metrics, on port 11001.
        jmx: bool = false,
        /// The host's metrics, on port 11002.
        node: bool = false,
    }
}

fields! {
    /// Where brokers' logs are delivered.
    pub struct MskLogs {
        /// The name of a log group of CloudWatch that exists; or one that the stack has for itself, such as `{retention: 30d}`.
        cloudwatch: Option<LogGroupChoice>,
        /// An S3 bucket that exists.
        s3: Option<MskLogBucket>,
        /// The name of a Firehose delivery stream that exists.
        firehose: Option<String>,
    }
}

fields! {
    /// An S3 bucket for logs.
    pub struct MskLogBucket {
        /// The bucket's name.
        bucket: String,
        /// The prefix of object names.
        prefix: Option<String>,
    }
}

choices! {
    /// Encryption between clients and brokers.
    pub enum InTransit {
        /// TLS alone.
        Tls = "tls",
        /// TLS, and plaintext for unauthenticated clients.
        TlsOrPlaintext = "tls-or-plaintext",
        /// Plaintext alone: every client is unauthenticated.
        Plaintext = "plaintext",
    }
}

choices! {
    /// The detail of the metrics in CloudWatch.
    pub enum MonitoringLevel {
        /// Free.
        Default = "default",
        /// Each broker's own metrics.
        PerBroker = "per-broker",
        /// Each topic's metrics on each broker, too.
        PerTopicPerBroker = "per-topic-per-broker",
        /// Each partition's lag, too.
        PerTopicPerPartition = "per-topic-per-partition",
    }
}

text!(
    /// A Kafka version as MSK names it.
    MskVersion, "a Kafka version of MSK",
    json!({"type": "string", "pattern": r"^\d+\.\d+\.(x|\d+(\.\d+)?)(\.kraft|\.tiered)?$", "examples": ["3.9.x", "4.1.x.kraft"]}),
    |text| {
        let numbers = text.strip_suffix(".kraft").or_else(|| text.strip_suffix(".tiered")).unwrap_or(text);
        let parts: Vec<&str> = numbers.split('.').collect();
        let number = |part: &&str| !part.is_empty() && part.len() < 4 && part.chars().all(|c| c.is_ascii_digit());
        let last = parts.last().is_some_and(|part| number(part) || (*part == "x" && parts.len() == 3));
        (3..=4).contains(&parts.len()) && parts[..parts.len() - 1].iter().all(number) && last
    },
    "is not a Kafka version of MSK such as `3.9.x` or `4.1.x.kraft`; `aws kafka list-kafka-versions` names them all"
);

impl MskVersion {
    /// Its first two numbers: (3, 9) of `3.9.x`.
    pub fn release(&self) -> (u32, u32) {
        let mut numbers = self.0.split('.').map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
    /// As Kafka's definitions are found by it: the last of a release for `3.9.x`.
    pub fn numbers(&self) -> KafkaVersion {
        let patch = self.0.split('.').nth(2).and_then(|part| part.parse().ok());
        let (major, minor) = self.release();
        (major, minor, patch.unwrap_or(u32::MAX))
    }
    /// Whether metadata are kept by KRaft controllers, and not by ZooKeeper.
    pub fn is_kraft(&self) -> bool {
        self.0.ends_with(".kraft")
    }
}

/// The authentication methods of clients, with every default resolved: also what an absent or empty `auth` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub iam: bool,
    pub scram: bool,
    pub tls: bool,
    /// Over TLS, over plaintext, or both, as the encryption in transit has it.
    pub unauthenticated: bool,
}

impl Msk {
    /// A cluster with every key at its default.
    pub(super) fn empty() -> Msk {
        let empty = Node { at: At::START, content: Content::Map(Vec::new()) };
        Msk::read(&empty, &mut Vec::new()).expect("every key of an MSK cluster is optional or has a default")
    }

    /// The authentication methods of clients. Serverless clusters have only IAM.
    pub fn access(&self) -> Access {
        let MskAuth { iam, scram, tls, unauthenticated } = &self.auth;
        let (scram, tls, unauthenticated) = (scram.is_some(), tls.is_some(), *unauthenticated);
        let alone = !(scram || tls || unauthenticated);
        let access = Access { iam: iam.unwrap_or(alone), scram, tls, unauthenticated };
        if self.serverless { Access { iam: true, scram: false, tls: false, unauthenticated: false } } else { access }
    }
    /// Whether its brokers are standard ones: their partitions stay where they are until somebody moves them.
    pub fn standard(&self) -> bool {
        !self.serverless && !self.express()
    }
    /// The ways in from other VPCs that AWS can turn on for such a cluster: see the rules in `check/security.rs`.
    pub fn possible_from_vpcs(&self) -> MskVpcConnectivity {
        let access = self.access();
        let any = !access.unauthenticated
            && self.brokers.as_ref().is_some_and(|brokers| has_vpc_connectivity(&brokers.instance_type));
        // What a configuration of others says is not known.
        let acl = self.config.get(ACL).is_some_and(|value| value == "false") || self.configuration.is_some();
        let by_acl = any && acl;
        MskVpcConnectivity { iam: any && access.iam, scram: by_acl && access.scram, tls: by_acl && access.tls }
    }
    /// Whether a cluster with these keys listens on `listener`.
    pub fn listens(&self, listener: ListenerName) -> bool {
        let (access, word) = (self.access(), self.encryption.in_transit);
        let encrypted = word != InTransit::Plaintext || self.serverless;
        let exporters = &self.monitoring.prometheus.0;
        match listener {
            ListenerName::Oauth => false,
            ListenerName::Iam => access.iam && encrypted,
            ListenerName::Scram => access.scram && encrypted,
            ListenerName::Tls => (access.tls || access.unauthenticated) && encrypted,
            ListenerName::Plaintext => access.unauthenticated && word != InTransit::Tls && !self.serverless,
            ListenerName::Jmx => exporters.jmx && !self.serverless,
            ListenerName::Node => exporters.node && !self.serverless,
        }
    }
    /// Whether its brokers are Express brokers.
    pub fn express(&self) -> bool {
        self.brokers.as_ref().is_some_and(|brokers| brokers.instance_type.starts_with("express."))
    }
}

/// Prometheus's exporters: written as one switch for both, or one by one.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct Prometheus(pub Exporters);

impl Read for Prometheus {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.content {
            Content::Map(_) => Exporters::read(node, problems).map(Prometheus),
            _ => bool::read(node, problems).map(|on| Prometheus(Exporters { jmx: on, node: on })),
        }
    }
    fn schema() -> Value {
        json!({"oneOf": [<bool as Read>::schema(), Exporters::schema()]})
    }
}

/// A resource policy as a JSON document. Written as YAML, its scalars are texts, as policies take them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct Policy(pub Value);

impl Read for Policy {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let value = match &node.content {
            Content::Map(_) => Ok(document(node)),
            Content::Scalar(text) => serde_json::from_str(text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                format!("this text is not JSON: it goes wrong at its line {line}, column {column}")
            }),
            _ => Err(format!("expected a policy as a mapping or as JSON text, found {}", node.what())),
        };
        match value {
            Ok(value @ Value::Object(_)) => return Some(Policy(value)),
            Ok(_) => problems.push(Problem::new(node.at, "this JSON is not a policy document, which is an object")),
            Err(message) => problems.push(Problem::new(node.at, message)),
        }
        None
    }
    fn schema() -> Value {
        json!({"oneOf": [{"type": "object"}, {"type": "string"}]})
    }
}

/// What is written at `node` as JSON.
fn document(node: &Node) -> Value {
    match &node.content {
        Content::Null => Value::Null,
        Content::Scalar(text) => Value::String(text.clone()),
        Content::List(items) => Value::Array(items.iter().map(document).collect()),
        Content::Map(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.name.clone(), document(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parse;
    use crate::file::read::Scalar as _;

    fn access(auth: &str) -> Access {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
             cluster:\n  msk:\n    kafka: 3.9.x\n    brokers: {{count: 3, instance_type: kafka.m7g.large}}\n{auth}"
        );
        parse("t.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).stack.cluster.msk.expect("msk").access()
    }

    /// hashicorp/terraform-provider-aws#24914: an empty block planned nothing and failed on apply. Here it has a meaning.
    #[test]
    fn an_empty_auth_block_is_iam_alone() {
        let iam = Access { iam: true, scram: false, tls: false, unauthenticated: false };
        for auth in ["", "    auth: {}\n", "    auth: {iam: true}\n"] {
            assert_eq!(access(auth), iam, "{auth}");
        }
        assert_eq!(access("    auth: {scram: {}}\n"), Access { iam: false, scram: true, ..iam });
        assert_eq!(access("    auth: {iam: true, scram: {}}\n"), Access { scram: true, ..iam });
        assert_eq!(access("    auth: {unauthenticated: true}\n"), Access { iam: false, unauthenticated: true, ..iam });
    }

    #[test]
    fn versions_are_those_that_msk_names() {
        let named = ["2.8.2.tiered", "3.6.0", "3.6.0.1", "3.9.x", "3.9.x.kraft", "4.1.x.kraft"];
        for text in named {
            assert_eq!(MskVersion::parse(text).expect("a version").0, text);
        }
        for text in
            ["3.9", "3.x", "x.9.0", "3.9.x.", "3.9.x.zookeeper", ".kraft", "3..x", "3.9.x.1", "3.9.0.1.2", "", "３.9.0"]
        {
            assert!(MskVersion::parse(text).is_err(), "{text}");
        }
        let version = MskVersion::parse("4.1.x.kraft").expect("a version");
        assert_eq!((version.release(), version.is_kraft()), ((4, 1), true));
    }

    #[test]
    fn a_policy_is_the_same_as_yaml_and_as_text() {
        let policy = |written: &str| {
            let text = format!(
                "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
                 cluster:\n  msk:\n    serverless: true\n    policy:{written}"
            );
            parse("t.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).stack.cluster.msk.expect("msk").policy
        };
        let yaml = policy(
            "\n      Version: 2012-10-17\n      Statement:\n        - Effect: Allow\n          Principal: {AWS: 012345678901}\n          \
             Action: [kafka:GetBootstrapBrokers]\n          Resource: '*'\n",
        );
        let text = policy(
            " |\n      {\"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Allow\",\n       \
             \"Principal\": {\"AWS\": \"012345678901\"}, \"Action\": [\"kafka:GetBootstrapBrokers\"], \"Resource\": \"*\"}]}\n",
        );
        assert_eq!(yaml, text);
    }
}
