//! The keys of managed VPC connections, and their rules.

use std::collections::BTreeSet;

use serde_json::json;

use super::keys::{Msk, MskVpcConnectivity};
use crate::file::read::{choices, fields, text};
use crate::file::{Checker, GroupId, SubnetId, VpcId};
use crate::text::many;

const PATH: &str = "cluster.msk.vpc_connections";
/// Subnets of a connection. Source: MSK, "Create a managed VPC connection": one in each zone of the brokers, of which there are three at most.
const MOST_SUBNETS: usize = 3;

fields! {
    /// How clients of another VPC come in.
    pub struct ConnectionKeys {
        /// A name inside the stack. With another name it is another connection.
        name: ConnectionName,
        /// The clients' VPC, of this account and region.
        vpc: VpcId,
        /// Subnets of that VPC, one in each zone that the brokers are in.
        subnets: Vec<SubnetId>,
        /// Security groups of that VPC, which say who reaches the connection.
        security_groups: Vec<GroupId>,
        /// How its clients authenticate.
        auth: ConnectionAuth = ConnectionAuth::Iam,
    }
}

choices! {
    /// How the clients of a connection authenticate.
    pub enum ConnectionAuth {
        /// With IAM.
        Iam = "iam",
        /// With names and passwords (SASL/SCRAM).
        Scram = "scram",
        /// With certificates (mutual TLS).
        Tls = "tls",
    }
}

text!(
    /// The name of a connection.
    ConnectionName, "a name", json!({"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"}),
    |text| text.len() <= 30
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
    "is not a name for a connection: use 1 to 30 lower-case letters, digits and hyphens, begin with a letter and do not end with a hyphen"
);

/// Checks the connections by themselves, and that the cluster lets each in.
pub(super) fn check(checker: &mut Checker<'_>) {
    let Some(Some(msk)) = checker.part::<Option<Msk>>("cluster.msk") else { return };
    let off = MskVpcConnectivity { iam: false, scram: false, tls: false };
    let ways = msk.vpc_connectivity.as_ref().unwrap_or(&off);
    let (mut names, mut vpcs) = (BTreeSet::new(), BTreeSet::new());
    for (index, one) in msk.vpc_connections.iter().enumerate() {
        let (path, word) = (format!("{PATH}.{index}"), one.auth.word());
        if !names.insert(&*one.name) {
            checker.error(
                &format!("{path}.name"),
                format!("two connections are named `{}`", one.name),
                "give each its own name",
            );
        }
        if !vpcs.insert((&*one.vpc, word)) {
            let message = format!("{} has two connections with `{word}`, and one serves all its clients", one.vpc);
            checker.error(&format!("{path}.vpc"), message, "keep one of them");
        }
        let on = match one.auth {
            ConnectionAuth::Iam => ways.iam,
            ConnectionAuth::Scram => ways.scram,
            ConnectionAuth::Tls => ways.tls,
        };
        if !on {
            let message = format!("the cluster lets nobody in from other VPCs with `{word}`");
            checker.error(&path, message, format!("write `vpc_connectivity: {{{word}: true}}` below `msk`"));
        }
        let subnets: BTreeSet<&str> = one.subnets.iter().map(|id| &**id).collect();
        if subnets.is_empty() || subnets.len() < one.subnets.len() || subnets.len() > MOST_SUBNETS {
            let message = format!("a connection can't be in {}", many(one.subnets.len(), "subnet"));
            let message =
                if subnets.len() < one.subnets.len() { "a subnet is listed twice".to_owned() } else { message };
            checker.error(&format!("{path}.subnets"), message, "name one subnet in each zone that the brokers are in");
        }
        if one.security_groups.is_empty() {
            checker.error(
                &format!("{path}.security_groups"),
                "nobody would reach the connection",
                "name a security group of that VPC",
            );
        }
    }
}
