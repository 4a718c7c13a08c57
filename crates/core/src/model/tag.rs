//! Tag keys of kstack's own.

pub const STACK: &str = "kstack:stack";
pub const ADDRESS: &str = "kstack:address";
pub const CLUSTER_ID: &str = "kstack:cluster-id";
pub const KAFKA: &str = "kstack:kafka";
pub const OS: &str = "kstack:os";
pub const CONFIG: &str = "kstack:config";
pub const RETENTION: &str = "kstack:retention";
pub const VOTERS: &str = "kstack:voters";
pub const MIN_INSYNC: &str = "kstack:min-insync-replicas";
/// What runs Kafka in a VPC: `msk`; absent where it is brokers on EC2.
pub const ENGINE: &str = "kstack:engine";
/// What the keys of tags begin with that say which SCRAM secrets the stack has associated.
pub const SCRAM: &str = "kstack:scram";
/// When the stack goes by itself: RFC 3339, UTC.
pub const EXPIRES: &str = "kstack:expires-at";
pub const PROTECTED: &str = "kstack:protected";
pub const KMS_KEY: &str = "kstack:kms-key";
/// The keys of the file's tags that were set, separated by spaces.
pub const KEYS: &str = "kstack:tags";
/// All of them begin with this; AWS's own begin with `aws:`.
pub const OURS: [&str; 2] = ["kstack:", "aws:"];
