//! The keys of `cluster.ec2`: Kafka on EC2 instances with EBS volumes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::authorities::Authorities;
pub use super::iam::{Iam, IamPath, InstanceProfileName, PolicyArn};
use super::listeners::Listeners;
use crate::cloud_init::{CLIENT_PORT, Os};
use crate::file::LogGroupChoice;
use crate::file::read::{Scalar, choices, fields, text};
use crate::settings::KafkaVersion;
use crate::units::{Rate, Size};

/// How many combined brokers are controllers too. More would slow the quorum, and adding brokers must not change it.
const COMBINED_VOTERS: u32 = 3;

fields! {
    /// Kafka brokers, in KRaft mode, on EC2.
    pub struct Ec2 {
        /// The Kafka version, 4.0.0 or newer.
        kafka: Version,
        /// The hosts' operating system.
        os: Os = Os::Al2023,
        /// An image to use instead of the operating system's newest. Without it, hosts of a live stack keep theirs.
        image: Option<Image>,
        /// Whether the first three brokers are controllers too. For test clusters; others have `controllers`.
        combined: bool = false,
        /// The brokers.
        brokers: Brokers,
        /// Dedicated controllers.
        controllers: Option<Controllers>,
        /// How brokers and controllers are placed on different hardware within a zone.
        placement: Placement = Placement::Spread,
        /// Kafka settings of every host (server.properties), in addition to those that kstack derives. Those that Kafka changes while it runs change without a roll. Sizes count on them; one that differs from what `workload` says is an error.
        config: BTreeMap<String, String> = BTreeMap::new(),
        /// Settings that Kafka changes while it runs and that live brokers keep as they are, whoever changed them. The plan says which differ.
        ignore_drift: Vec<String> = Vec::new(),
        /// Where hosts download Kafka, instead of Apache's archive.
        archive: Option<Archive>,
        /// Base URL of a mirror of the operating system's packages.
        package_mirror: Option<String>,
        /// HTTP proxy through which hosts download packages and Kafka, such as `http://proxy.example.net:3128`.
        proxy: Option<String>,
        /// How clients reach brokers; by users with passwords, over TLS, when absent (`scram`).
        listeners: Listeners = Listeners::DEFAULT,
        /// Which of its own authorities for certificates the stack has; those that it has, or the first ones, when absent.
        authorities: Authorities = Authorities::KEPT,
        /// A folder with your own cloud-init templates, relative to this file. A template replaces kstack's with the same file name.
        templates: Option<String>,
        /// KMS key id, alias or ARN for the volumes; the account's default EBS key when absent.
        kms_key: Option<String>,
        /// Exporters for Prometheus on the hosts. When absent, a new stack has them, unless it has an `archive` of its own; and a live stack stays as it is.
        monitoring: Option<Ec2Monitoring>,
        /// Where hosts send the logs of Kafka's and kstack's units, beside their own journal; nowhere, when absent.
        logs: Option<Ec2Logs>,
        /// How partitions move in a live cluster.
        changes: Changes = Changes::DEFAULT,
        /// The hosts' IAM role where a company has rules for roles, or an instance profile that is there already.
        iam: Option<Iam>,
    }
}

impl Ec2 {
    /// Brokers combined with controllers, and every other key at its default.
    pub fn combined(brokers: Brokers) -> Ec2 {
        Ec2 {
            kafka: Version(4, 1, 1),
            os: Os::Al2023,
            image: None,
            combined: true,
            brokers,
            controllers: None,
            placement: Placement::Spread,
            config: BTreeMap::new(),
            ignore_drift: Vec::new(),
            archive: None,
            package_mirror: None,
            proxy: None,
            listeners: Listeners::DEFAULT,
            authorities: Authorities::KEPT,
            templates: None,
            kms_key: None,
            monitoring: None,
            logs: None,
            changes: Changes::DEFAULT,
            iam: None,
        }
    }

    /// The instance profile of others that the hosts take; `None` where kstack makes one.
    pub fn instance_profile(&self) -> Option<&InstanceProfileName> {
        self.iam.as_ref()?.instance_profile.as_ref()
    }

    /// Where clients reach a broker by the first of the ways that there are.
    pub fn client_port(&self) -> u16 {
        self.listeners.ways().first().map_or(CLIENT_PORT, |way| way.port)
    }

    /// How many controllers vote.
    pub fn voters(&self) -> u32 {
        match &self.controllers {
            Some(controllers) if !self.combined => controllers.count,
            // Two voters survive no failure that one does not: an even count drops its last.
            _ if self.brokers.count == 2 => 1,
            _ => self.brokers.count.min(COMBINED_VOTERS),
        }
    }
}

fields! {
    /// How partitions move in a live cluster.
    pub struct Changes {
        /// Whether plans move partitions to brokers that are added.
        balance: Balance = Balance::Auto,
        /// Bytes a second that each broker may use for moves; half of what its type has left over the workload's peak, and up to all of it where that is not enough, when absent.
        throttle: Option<Rate>,
    }
}

impl Changes {
    /// Every key at its default.
    pub const DEFAULT: Changes = Changes { balance: Balance::Auto, throttle: None };
}

choices! {
    /// Whether plans move partitions to brokers that are added.
    pub enum Balance {
        /// They get their share.
        Auto = "auto",
        /// They are filled by new topics only. What is on brokers that leave moves all the same, and so does what `kstack rebalance` is asked for.
        Off = "off",
    }
}

fields! {
    /// Where hosts send their logs.
    pub struct Ec2Logs {
        /// The name of a log group of CloudWatch that exists; or one that the stack has for itself, such as `{retention: 30d}`.
        cloudwatch: LogGroupChoice,
    }
}

fields! {
    /// The brokers: how many, of which type, with which storage.
    pub struct Brokers {
        /// How many; a multiple of the number of zones.
        count: u32,
        /// The EC2 instance type.
        instance_type: String,
        /// The data volumes of each broker.
        storage: Storage = Storage::DERIVED,
        /// Which set of brokers it is. A higher number is another set beside the live one, with names and addresses of its own: partitions move to it, and the old set goes.
        generation: u32 = 0,
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
    /// The data volumes of each broker. What is absent is derived from the workload.
    pub struct Storage {
        /// The EBS volume type; or `instance-store`, the instance's own disks: each roll, stop or failure of an instance loses its replicas, and the new one fetches them from the others.
        kind as "type": VolumeType = VolumeType::Gp3,
        /// How many each broker has, all alike: 1 to 11. Kafka puts each new partition on the one with the fewest.
        volumes: u32 = 1,
        /// The size of each.
        size: Option<Size>,
        /// Provisioned IOPS: 3000 to 80000 of gp3, 100 to 256000 of io2.
        iops: Option<u32>,
        /// Provisioned throughput of gp3, 125 MiB/s to 2000 MiB/s. That of io2 follows from the IOPS, and that of st1 from the size.
        throughput: Option<Rate>,
    }
}

impl Storage {
    /// All of it follows from the workload.
    pub const DERIVED: Storage =
        Storage { kind: VolumeType::Gp3, volumes: 1, size: None, iops: None, throughput: None };
}

fields! {
    /// Exporters for Prometheus, as MSK has them: Kafka's metrics at port 11001 of each host, the host's own at 11002. `network.monitors` says who may scrape them. A live stack gets or loses them by a roll.
    pub struct Ec2Monitoring {
        /// Whether the hosts have them.
        prometheus: bool = true,
        /// The JMX exporter's agent, a .jar file, and its checksum, instead of the one on Maven Central.
        agent: Option<Archive>,
        /// Node exporter's .tar.gz file, and its checksum, instead of the system's package, or of the project's own release on Amazon Linux.
        node: Option<Archive>,
    }
}

fields! {
    /// A Kafka archive in the layout of Apache's own, and its checksum.
    pub struct Archive {
        /// The file's URL.
        url: String,
        /// The file's SHA-512, in hexadecimal.
        sha512: String,
    }
}

choices! {
    /// How instances are placed on different hardware.
    pub enum Placement {
        /// Each instance on a rack of its own; at most 7 in each zone and group.
        Spread = "spread",
        /// Instances divided over 7 partitions of racks in each zone.
        Partition = "partition",
        /// No placement group.
        None = "none",
    }
}

choices! {
    /// What data volumes are.
    pub enum VolumeType {
        /// General purpose SSD; size, IOPS and throughput are set independently.
        Gp3 = "gp3",
        /// Provisioned IOPS SSD: lower and steadier latency, and a higher price.
        Io2 = "io2",
        /// Throughput optimized disks: half of gp3's price for large logs that are read and written in order. 40 MiB/s for each TiB.
        St1 = "st1",
        /// No EBS: the disks of the instance itself, all of them. What is on them is lost whenever the instance is stopped or replaced.
        InstanceStore = "instance-store",
    }
}

/// A Kafka version, such as 4.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// As Kafka's definitions are found by it.
    pub fn numbers(self) -> KafkaVersion {
        (self.0, self.1, self.2)
    }
}

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

text!(
    /// The id of an Amazon machine image.
    Image, "an image id", json!({"type": "string", "pattern": "^ami-[0-9a-f]+$"}),
    |text| text.strip_prefix("ami-").is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit())),
    "is not an image id such as `ami-0123456789abcdef0`"
);
