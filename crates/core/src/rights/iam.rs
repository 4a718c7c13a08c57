//! What a user of MSK with IAM may do: the rights of the file in the words of an IAM policy. Kafka's lists do not bind such users.
//!
//! Source: MSK developer guide, "Semantics of IAM authorization policy actions and resources", 2026: each action beside Kafka's own word for
//! it, and what it needs beside itself. What Kafka's operations imply, such as `describe` by `read`, is written out, since IAM implies nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Right, rights};
use crate::file::{Operation, User};
use crate::rights::{EVERY_HOST, ResourceType};

/// The cluster that a policy is for. Its id is not in it: a cluster that is made again under the same name has another one.
#[derive(Debug, Clone, Copy)]
pub struct OfCluster<'a> {
    pub partition: &'a str,
    pub region: &'a str,
    /// The account's number, or `*`.
    pub account: &'a str,
    pub name: &'a str,
}

impl OfCluster<'_> {
    fn arn(&self, word: &str, rest: &str) -> String {
        let OfCluster { partition, region, account, name } = self;
        format!("arn:{partition}:kafka:{region}:{account}:{word}/{name}/*{rest}")
    }

    fn resource(&self, of: ResourceType, pattern: &str) -> String {
        match of {
            ResourceType::Cluster => self.arn("cluster", ""),
            of => self.arn(of.word(), &format!("/{pattern}")),
        }
    }
}

type Actions = &'static [(ResourceType, &'static str)];

/// The actions that `operation` on such a resource is in IAM, its own first; none where IAM has none. One on topics of a right on the
/// cluster is for every topic.
fn actions(of: ResourceType, operation: Operation) -> Actions {
    use Operation as Op;
    use ResourceType::{Cluster, Group, Topic, TransactionalId};
    match (of, operation) {
        (Topic, Op::Read) => &[(Topic, "ReadData"), (Topic, "DescribeTopic")],
        (Topic, Op::Write) => &[(Topic, "WriteData"), (Topic, "DescribeTopic")],
        (Topic, Op::Create) => &[(Topic, "CreateTopic")],
        (Topic, Op::Delete) => &[(Topic, "DeleteTopic"), (Topic, "DescribeTopic")],
        (Topic, Op::Alter) => &[(Topic, "AlterTopic"), (Topic, "DescribeTopic")],
        (Topic, Op::Describe) => &[(Topic, "DescribeTopic")],
        (Topic, Op::DescribeConfigs) => &[(Topic, "DescribeTopicDynamicConfiguration")],
        (Topic, Op::AlterConfigs) => {
            &[(Topic, "AlterTopicDynamicConfiguration"), (Topic, "DescribeTopicDynamicConfiguration")]
        }
        (Topic, Op::All) => &[
            (Topic, "AlterTopic"),
            (Topic, "AlterTopicDynamicConfiguration"),
            (Topic, "CreateTopic"),
            (Topic, "DeleteTopic"),
            (Topic, "DescribeTopic"),
            (Topic, "DescribeTopicDynamicConfiguration"),
            (Topic, "ReadData"),
            (Topic, "WriteData"),
        ],
        (Group, Op::Read) => &[(Group, "AlterGroup"), (Group, "DescribeGroup")],
        (Group, Op::Describe) => &[(Group, "DescribeGroup")],
        (Group, Op::Delete) => &[(Group, "DeleteGroup"), (Group, "DescribeGroup")],
        (Group, Op::All) => &[(Group, "AlterGroup"), (Group, "DeleteGroup"), (Group, "DescribeGroup")],
        (TransactionalId, Op::Describe) => &[(TransactionalId, "DescribeTransactionalId")],
        (TransactionalId, Op::Write | Op::All) => {
            &[(TransactionalId, "AlterTransactionalId"), (TransactionalId, "DescribeTransactionalId")]
        }
        (Cluster, Op::Create) => &[(Topic, "CreateTopic")],
        (Cluster, Op::Describe) => &[(Cluster, "DescribeCluster")],
        (Cluster, Op::Alter) => &[(Cluster, "AlterCluster"), (Cluster, "DescribeCluster")],
        (Cluster, Op::DescribeConfigs) => &[(Cluster, "DescribeClusterDynamicConfiguration")],
        (Cluster, Op::AlterConfigs) => {
            &[(Cluster, "AlterClusterDynamicConfiguration"), (Cluster, "DescribeClusterDynamicConfiguration")]
        }
        (Cluster, Op::IdempotentWrite) => &[(Cluster, "WriteDataIdempotently")],
        (Cluster, Op::All) => &[
            (Topic, "CreateTopic"),
            (Cluster, "AlterCluster"),
            (Cluster, "AlterClusterDynamicConfiguration"),
            (Cluster, "DescribeCluster"),
            (Cluster, "DescribeClusterDynamicConfiguration"),
            (Cluster, "WriteDataIdempotently"),
        ],
        _ => &[],
    }
}

/// Why IAM can't say this right, as a sentence and what helps; `None` where it can.
pub fn unsaid(right: &Right) -> Option<(String, &'static str)> {
    let (of, operation) = (right.resource, right.operation.word());
    let all = actions(of, right.operation);
    if all.is_empty() {
        let message = format!("IAM has no action for `{operation}` on {}", of.what());
        return Some((message, "remove it, or give the user `mechanism: scram`"));
    }
    if right.host != EVERY_HOST {
        let message = "MSK's actions in IAM are for no single address".to_owned();
        return Some((message, "remove `host`, or give the user `mechanism: scram`"));
    }
    if !right.allows && all.iter().any(|(on, _)| *on != of) {
        let message = format!("IAM can't deny `{operation}` on {} and leave topics alone", of.what());
        return Some((message, "deny it on the topics that are meant"));
    }
    // Source: IAM user guide, "IAM and AWS STS quotas", characters of a policy document.
    if let Some(other) = right.name.chars().find(|c| *c > '\u{ff}') {
        let message = format!("an IAM policy can't have the character `{other}`");
        return Some((message, "use another name, or a prefix without it"));
    }
    None
}

/// The IAM policy of `user` on `cluster`.
pub fn policy(user: &User, cluster: OfCluster<'_>) -> Value {
    let all = rights(user);
    let mut given: BTreeMap<(bool, String), BTreeSet<&str>> = BTreeMap::new();
    let of_cluster = cluster.resource(ResourceType::Cluster, "");
    let mut give = |allows: bool, resource: String, action: &'static str| {
        given.entry((!allows, resource)).or_default().insert(action);
    };
    give(true, of_cluster.clone(), "Connect");
    for right in &all {
        let implied = if right.operation == Operation::All || right.allows { usize::MAX } else { 1 };
        for (on, action) in actions(right.resource, right.operation).iter().take(implied) {
            let pattern = if *on == right.resource { pattern(right) } else { "*".to_owned() };
            give(right.allows, cluster.resource(*on, &pattern), action);
            // A producer is idempotent unless it is told otherwise, and one with transactions always is.
            if right.allows && matches!(*action, "WriteData" | "AlterTransactionalId") {
                give(true, of_cluster.clone(), "WriteDataIdempotently");
            }
        }
    }
    // Resources with the same actions share a statement.
    let mut statements: BTreeMap<(bool, BTreeSet<&str>), Vec<String>> = BTreeMap::new();
    for ((denies, resource), actions) in given {
        statements.entry((denies, actions)).or_default().push(resource);
    }
    let statement = |((denies, actions), resources): ((bool, BTreeSet<&str>), Vec<String>)| {
        let actions: Vec<String> = actions.iter().map(|action| format!("kafka-cluster:{action}")).collect();
        json!({"Effect": if denies { "Deny" } else { "Allow" }, "Action": actions, "Resource": resources})
    };
    json!({"Version": "2012-10-17", "Statement": statements.into_iter().map(statement).collect::<Vec<_>>()})
}

/// The names of a right in IAM's patterns, in which `*`, `?` and `$` mean something unless they are escaped.
fn pattern(right: &Right) -> String {
    if right.name == "*" && !right.prefixed {
        return "*".to_owned();
    }
    let each = right.name.chars().map(|c| match c {
        '*' | '?' | '$' => format!("${{{c}}}"),
        c => c.to_string(),
    });
    let name: String = each.collect();
    if right.prefixed { name + "*" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::node::parse;
    use crate::file::read::Read as _;

    const CLUSTER: OfCluster<'_> =
        OfCluster { partition: "aws", region: "us-east-1", account: "123456789012", name: "orders" };

    /// `Allow ACTION on RESOURCE`, one for each pair.
    fn shown(text: &str) -> Vec<String> {
        let user = User::read(&parse(text).expect("YAML"), &mut Vec::new()).expect("a user");
        let policy = policy(&user, CLUSTER);
        let mut shown = Vec::new();
        for statement in policy["Statement"].as_array().expect("statements") {
            let texts = |key: &str| -> Vec<String> {
                let all = statement[key].as_array().expect("a list").iter();
                all.map(|one| one.as_str().expect("a text").to_owned()).collect()
            };
            for action in texts("Action") {
                for resource in texts("Resource") {
                    let resource = resource.strip_prefix("arn:aws:kafka:us-east-1:123456789012:").expect("an ARN");
                    let action = action.strip_prefix("kafka-cluster:").expect("an action of the cluster");
                    shown.push(format!("{} {action} on {resource}", statement["Effect"].as_str().expect("a text")));
                }
            }
        }
        shown.retain(|one| one != "Allow Connect on cluster/orders/*");
        shown.sort();
        shown
    }

    #[test]
    fn grants_are_iams_actions() {
        let table: &[(&str, &[&str])] = &[
            ("{}", &[]),
            (
                "produce: [orders]",
                &[
                    "Allow DescribeTopic on topic/orders/*/orders",
                    "Allow WriteData on topic/orders/*/orders",
                    "Allow WriteDataIdempotently on cluster/orders/*",
                ],
            ),
            (
                "consume: {topics: [pay.*], groups: ['*']}",
                &[
                    "Allow AlterGroup on group/orders/*/*",
                    "Allow DescribeGroup on group/orders/*/*",
                    "Allow DescribeTopic on topic/orders/*/pay.*",
                    "Allow ReadData on topic/orders/*/pay.*",
                ],
            ),
            (
                "transactions: [tx-*]",
                &[
                    "Allow AlterTransactionalId on transactional-id/orders/*/tx-*",
                    "Allow DescribeTransactionalId on transactional-id/orders/*/tx-*",
                    "Allow WriteDataIdempotently on cluster/orders/*",
                ],
            ),
            (
                "acls: [{topic: raw, deny: [read]}, {cluster: true, allow: [create]}]",
                &["Allow CreateTopic on topic/orders/*/*", "Deny ReadData on topic/orders/*/raw"],
            ),
            // What means something in IAM's patterns is itself.
            ("acls: [{group: 'a?b$*', allow: [describe]}]", &["Allow DescribeGroup on group/orders/*/a${?}b${$}*"]),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), *expected, "{text}");
        }
    }

    /// Every operation that Kafka knows is an action, or is told.
    #[test]
    fn what_iam_can_not_say_is_told() {
        let mut told = Vec::new();
        for resource in ResourceType::ALL {
            for operation in resource.operations() {
                let right = Right {
                    resource,
                    name: "a".to_owned(),
                    prefixed: false,
                    host: EVERY_HOST.to_owned(),
                    operation: *operation,
                    allows: true,
                };
                if unsaid(&right).is_some() {
                    told.push(format!("{} on {}", operation.word(), resource.what()));
                }
                assert!(unsaid(&Right { host: "10.0.0.7".to_owned(), ..right.clone() }).is_some());
                assert!(unsaid(&Right { name: "한".to_owned(), ..right }).is_some());
            }
        }
        let expected = [
            "describe-configs on consumer groups",
            "alter-configs on consumer groups",
            "cluster-action on the cluster",
            "describe on delegation tokens",
            "create-tokens on users",
            "describe-tokens on users",
        ];
        assert_eq!(told, expected);
    }
}
