//! The keys of kstack's own tags.

/// The stack's name.
pub const STACK: &str = "kstack:stack";
/// The name that AWS's console shows.
pub const NAME: &str = "Name";
/// The resource's address inside the stack.
pub const ADDRESS: &str = "kstack:address";
/// Kafka's cluster id.
pub const CLUSTER_ID: &str = "kstack:cluster-id";
/// An instance's Kafka version.
pub const KAFKA: &str = "kstack:kafka";
/// An instance's operating system.
pub const OS: &str = "kstack:os";
/// The fingerprint of an instance's configuration.
pub const CONFIG: &str = "kstack:config";
/// The retention that an instance was started with.
pub const RETENTION: &str = "kstack:retention";
/// The first controllers of the quorum.
pub const VOTERS: &str = "kstack:voters";
/// That what is on a volume joined the quorum later, by Kafka's own id of its directory: the id of the one that it replaces, or `new`.
pub const JOINS: &str = "kstack:joins";
/// The controllers that an instance was started with as those to ask, where they are others than the quorum's first.
pub const CONTROLLERS: &str = "kstack:controllers";
/// The minimum of in-sync replicas that an instance was started with.
pub const MIN_INSYNC: &str = "kstack:min-insync-replicas";
/// The fingerprint of the other settings that an instance was started with and that running brokers change.
pub const SETTINGS: &str = "kstack:settings";
/// The IPAM pool that a VPC's first address block was allocated from.
pub const IPAM_POOL: &str = "kstack:ipam-pool";
/// The destinations, beside everywhere, whose routes in a route table are the stack's.
pub const ROUTES: &str = "kstack:routes";
/// What of a network of others a resource was made in, the VPC or subnets, by their ids with spaces between: it is at home there.
pub const NETWORK: &str = "kstack:network";
/// That others made the resource, and kstack adopted it: its tag `Name` stays as they have it.
pub const ADOPTED: &str = "kstack:adopted";
/// The engine, on the VPC: `msk`; absent for brokers on EC2.
pub const ENGINE: &str = "kstack:engine";
/// The prefix of the tags that name the SCRAM secrets which the stack has associated.
pub const SCRAM: &str = "kstack:scram";
/// The inline policy of kstack's own, on the hosts' role; absent where an earlier kstack attached AWS's managed one.
pub const ROLE_POLICY: &str = "kstack:role-policy";
/// What stands for the managed policies that kstack has attached, on the hosts' role.
pub const ROLE_POLICIES: &str = "kstack:role-policies";
/// That the permissions boundary is one that the file named, on the hosts' role.
pub const ROLE_BOUNDARY: &str = "kstack:role-boundary";
/// What stands for the resource policy that the stack has put, on an MSK cluster.
pub const CLUSTER_POLICY: &str = "kstack:cluster-policy";
/// When the stack expires: RFC 3339, UTC.
pub const EXPIRES: &str = "kstack:expires-at";
/// Whether `destroy` and `reap` refuse to delete the stack.
pub const PROTECTED: &str = "kstack:protected";
/// Where an instance has its data, where that is on its own disks.
pub const STORAGE: &str = "kstack:storage";
/// Which listeners an instance was started with for other hosts, where these are not plaintext.
pub const LISTENERS: &str = "kstack:listeners";
/// When kstack last rebooted an instance: RFC 3339, UTC. EC2 does not tell.
pub const REBOOTED: &str = "kstack:rebooted";
/// Since when the data of a host is known to be lost, on its network interface: RFC 3339, UTC.
pub const LOST_SINCE: &str = "kstack:lost-since";
/// What leaves the zone of a broker, and that zone, on the network interface of its host: `leaders eu-west-1a`, or `replicas` of it.
pub const EVACUATED: &str = "kstack:evacuated";
/// That an instance has exporters for Prometheus.
pub const MONITORING: &str = "kstack:monitoring";
/// How many data volumes an instance has been made for, where there are several.
pub const VOLUMES: &str = "kstack:volumes";
/// That kstack protected an instance against termination.
pub const TERMINATION_PROTECTION: &str = "kstack:termination-protection";
/// The KMS key that was asked for, on a volume.
pub const KMS_KEY: &str = "kstack:kms-key";
/// The keys of the file's tags that were set, separated by spaces.
pub const KEYS: &str = "kstack:tags";
/// The reserved prefixes: kstack's own, and AWS's.
pub const OURS: [&str; 2] = ["kstack:", "aws:"];
