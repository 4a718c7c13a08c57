//! Rules of an MSK cluster. Limits that AWS may raise, such as quotas and the list of versions, are warnings here, and the plan
//! asks AWS. What AWS can never accept is an error.

mod brokers;
mod security;
mod settings;

use super::keys::{Msk, MskVersion, Policy};
use super::limits::serverless;
use crate::engines::rules::{self, workload};
use crate::file::problem::At;
use crate::file::{Checker, ListenerName, Nat, Network};
use crate::sizing::Demand;
use crate::text::{many, quoted_list};

const MSK: &str = "cluster.msk";
/// Source: MSK developer guide, "Configure dual-stack network type for an Amazon MSK cluster", 2026.
const FIRST_WITH_IPV6: (u32, u32) = (3, 6);

pub(crate) fn check(checker: &mut Checker<'_>) {
    if !checker.is_mapping(MSK) {
        return;
    }
    let message = "`iam` is for the role of hosts, and an MSK cluster has no hosts in your account";
    checker.explain_unknown(MSK, "iam", message, "remove it; clients sign in with IAM by `auth: {iam: true}`");
    check_network(checker);
    check_listeners(checker);
    check_rules(checker);
    check_policy(checker);
    match checker.part::<Option<bool>>("cluster.msk.serverless") {
        Some(Some(true)) => check_serverless(checker),
        Some(_) => {
            settings::check(checker);
            brokers::check(checker);
            security::check(checker);
            super::connections::check(checker);
        }
        None => {}
    }
}

/// The release and whether it is KRaft's, when the version reads.
fn version(checker: &Checker<'_>) -> Option<MskVersion> {
    checker.part::<Option<MskVersion>>("cluster.msk.kafka").flatten()
}

fn check_network(checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network") else { return };
    // A client host downloads what it needs.
    if net.nat_gateways() != Nat::None && checker.given("client").is_none() {
        checker.warning(
            "network.nat",
            "an MSK cluster needs no NAT gateways, and each costs money by the hour",
            "write `nat: none` below `network`, unless other hosts in the private subnets need them",
        );
    }
    if let Some(version) = version(checker).filter(|version| net.ipv6 && version.release() < FIRST_WITH_IPV6) {
        checker.error(
            "network.ipv6",
            format!("MSK's brokers with Kafka {version} have no IPv6"),
            "use Kafka 3.6 or newer, or remove `ipv6`",
        );
    }
}

/// The key of EC2 that MSK can't have.
fn check_listeners(checker: &mut Checker<'_>) {
    let keys = checker.entries(MSK).iter().filter(|(key, _)| key.name == "listeners");
    for at in keys.map(|(key, _)| key.at).collect::<Vec<At>>() {
        // Instead of what is said of any unknown key.
        checker.problems.retain(|problem| problem.at != at);
        let message = "MSK makes its brokers' listeners itself, so that a file can declare none";
        let help = "remove `listeners`: `auth` and `encryption` turn MSK's own on, and `vpc_connectivity` lets clients of other networks in";
        checker.error_at(at, message, help);
    }
}

/// A rule opens a listener that the cluster has.
fn check_rules(checker: &mut Checker<'_>) {
    let (Some(net), Some(Some(msk))) = (checker.part::<Network>("network"), checker.part::<Option<Msk>>(MSK)) else {
        return;
    };
    for (index, rule) in net.rules.iter().enumerate().filter(|(_, rule)| !msk.listens(rule.listener)) {
        const ALL: [ListenerName; 6] = {
            use ListenerName::{Iam, Jmx, Node, Plaintext, Scram, Tls};
            [Iam, Scram, Tls, Plaintext, Jmx, Node]
        };
        let on: Vec<&str> = ALL.into_iter().filter(|one| msk.listens(*one)).map(ListenerName::word).collect();
        checker.error(
            &format!("network.rules.{index}.listener"),
            format!("the cluster has no listener `{}`", rule.listener.word()),
            format!("it has {}; `auth`, `encryption` and `monitoring` turn others on", quoted_list(&on)),
        );
    }
}

/// What AWS asks of every policy document.
fn check_policy(checker: &mut Checker<'_>) {
    let path = "cluster.msk.policy";
    let Some(Some(Policy(document))) = checker.part::<Option<Policy>>(path) else { return };
    let statements = match &document["Statement"] {
        serde_json::Value::Array(items) => items.as_slice(),
        one @ serde_json::Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    };
    if statements.is_empty() {
        return checker.error(
            path,
            "the policy has no statement",
            "write a `Statement` list, each with `Effect`, `Principal`, `Action` and `Resource`",
        );
    }
    for (index, statement) in statements.iter().enumerate() {
        let missing: Vec<&str> = ["Effect", "Principal", "Action", "Resource"]
            .into_iter()
            .filter(|key| statement.get(key).is_none() && statement.get(format!("Not{key}")).is_none())
            .collect();
        if !missing.is_empty() {
            let message = format!("statement {} of the policy has no {}", index + 1, quoted_list(&missing));
            checker.error(path, message, "AWS requires `Effect`, `Principal`, `Action` and `Resource`");
        } else if !["Allow", "Deny"].iter().any(|word| statement["Effect"] == *word) {
            let message = format!("the effect of statement {} of the policy is neither `Allow` nor `Deny`", index + 1);
            checker.error(path, message, "write `Allow` or `Deny`");
        }
    }
}

/// A serverless cluster has IAM, subnets and a policy, and AWS chooses the rest.
fn check_serverless(checker: &mut Checker<'_>) {
    let others: Vec<(At, &str)> = checker
        .entries(MSK)
        .iter()
        .map(|(key, _)| (key.at, key.name.as_str()))
        .filter(|(_, name)| !["serverless", "auth", "policy"].contains(name))
        .collect();
    for (at, name) in others {
        // A key that is not known has been noted.
        if !checker.problems.iter().any(|problem| problem.at == at) {
            let message = format!("`{name}` can't be set for a serverless cluster");
            checker.error_at(at, message, "remove it, or remove `serverless: true` to choose the brokers yourself");
        }
    }
    let others: Vec<At> = checker
        .entries("cluster.msk.auth")
        .iter()
        .filter(|(key, _)| key.name != "iam")
        .map(|(key, _)| key.at)
        .collect();
    for at in others {
        if !checker.problems.iter().any(|problem| problem.at == at) {
            checker.error_at(at, "a serverless cluster supports only IAM authentication", "remove `auth`");
        }
    }
    if checker.part::<Option<bool>>("cluster.msk.auth.iam").flatten() == Some(false) {
        checker.error("cluster.msk.auth.iam", "a serverless cluster supports only IAM authentication", "remove `auth`");
    }
    if let Some(net) = checker.part::<Network>("network") {
        let (zones, possible) = (net.zones.count(), serverless::ZONES);
        if (1..=6).contains(&zones) && !possible.contains(zones) {
            let message = format!("a serverless cluster can't be in {}", many(zones, "zone"));
            checker.error("network.zones", message, format!("use {} to {} zones", possible.least, possible.most));
        }
    }
    check_quotas(checker);
}

/// Quotas of a serverless cluster: AWS slows down what is above them, and refuses partitions.
fn check_quotas(checker: &mut Checker<'_>) {
    let (Some(load), Some(settings)) = (workload(checker), rules::settings("cluster.msk.config", checker)) else {
        return;
    };
    // How many zones there are does not matter here.
    let demand = Demand::of(&load, settings, 1);
    let (peak, out) = (demand.peak_mibs, demand.peak_out_mibs());
    for (rate, most, direction) in [(peak, serverless::IN_MIBS, "in"), (out, serverless::OUT_MIBS, "out")] {
        if rate > most {
            let message = format!(
                "{rate:.1} MiB/s {direction} at the peak exceed the quota of {most} MiB/s of a serverless cluster"
            );
            checker.warning(
                "workload",
                message,
                "AWS throttles clients above it; use provisioned brokers, or several stacks",
            );
        }
    }
    if load.partitions > serverless::PARTITIONS {
        let message = format!("{} partitions exceed the quota of a serverless cluster", load.partitions);
        let help = format!("use at most {}, or provisioned brokers", serverless::PARTITIONS);
        checker.warning("workload.partitions", message, help);
    }
}
