//! Reading a stack file: from YAML to a tree with places, from the tree to typed values, and problems to be shown.
//!
//! `node` is the tree, `read` the typed reader and the JSON Schema from one declaration, `keys` what every engine
//! shares, `existing` what a file names of others' networks, `routes` the ways to them, `users` who may do what in the cluster, `prune` what of it is the file's alone, `dns` the stack's names, `privatelink` a way to a service of others, `alarms` whom
//! CloudWatch tells, `logs` where logs go, `checker` what rules between fields
//! work with, `problem` how a problem is shown, `syntax` and `secret` what its
//! words are and what they must not have.

mod alarms;
pub(crate) mod checker;
mod dns;
mod existing;
pub(crate) mod keys;
mod logs;
pub(crate) mod node;
mod privatelink;
pub(crate) mod problem;
mod prune;
pub mod read;
mod routes;
pub(crate) mod secret;
mod syntax;
mod topics;
mod users;

pub use alarms::{Alarms, AlarmsChoice, TopicArn};
pub use checker::Checker;
pub use dns::{Dns, ZoneName, bootstrap_name};
pub use existing::{AccessRule, Existing, GroupId, ListenerName, Peer, SubnetChoice, SubnetId, VpcChoice, VpcId};
pub use keys::{Account, ApiVersion, Endpoint, Name, Nat, Network, Region, Workload, Zones};
pub use logs::{FlowLogs, KmsKeyArn, LogGroupChoice, LogRetention, Logs, OwnLogGroup};
pub use privatelink::{Port, PrivateLink, ServiceName};
pub use problem::{Problem, Report, Severity};
pub use prune::{Beginning, INTERNAL, Prune};
pub use read::Scalar;
pub use routes::{Destination, Gateway, NamedRoute};
pub use topics::Topic;
pub use users::{
    Access, Acl, Consume, HostAddress, Mechanism, NamePattern, Operation, Pattern, Quota, RoleName, ThreadShare,
    TopicPattern, User,
};
