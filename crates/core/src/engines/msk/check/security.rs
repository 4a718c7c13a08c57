//! Rules of authentication, encryption and public access.

use std::collections::BTreeSet;

use super::version;
use crate::engines::msk::keys::{
    ACL, Access, InTransit, Msk, MskAuth, MskBrokers, MskEncryption, MskMonitoring, MskScram, MskTls,
    MskVpcConnectivity,
};
use crate::engines::msk::limits::{has_vpc_connectivity, is_express};
use crate::engines::rules::{arn, check_key};
use crate::engines::secret_arn::check_secret;
use crate::file::node::Content;
use crate::file::{Checker, Network};

const AUTH: &str = "cluster.msk.auth";
const VPC: &str = "cluster.msk.vpc_connectivity";
const TRANSIT: &str = "cluster.msk.encryption.in_transit";

/// Checks authentication, encryption and public access.
pub fn check(checker: &mut Checker<'_>) {
    for key in ["scram", "tls"] {
        let path = format!("{AUTH}.{key}");
        if checker.tree.get(&path).is_some_and(|node| node.content == Content::Null) {
            let help = match key {
                "scram" => {
                    "write `scram: {secrets: [...]}`, `scram: {}` if the secrets are associated elsewhere, or remove it"
                }
                _ => "write `tls: {certificate_authorities: [...]}`, or remove it",
            };
            checker.error(&path, format!("`{key}` is empty, so it is neither on nor off"), help);
        }
    }
    if let Some(scram) = checker.part::<MskScram>("cluster.msk.auth.scram") {
        check_secrets(&scram.secrets, checker);
    }
    if let Some(tls) = checker.part::<MskTls>("cluster.msk.auth.tls") {
        check_authorities(&tls.certificate_authorities, checker);
    }
    if let Some(Some(key)) = checker.part::<Option<String>>("cluster.msk.encryption.kms_key") {
        check_key("cluster.msk.encryption.kms_key", &key, "MSK", checker);
    }
    let (Some(auth), Some(encryption)) =
        (checker.part::<Option<MskAuth>>(AUTH), checker.part::<Option<MskEncryption>>("cluster.msk.encryption"))
    else {
        return;
    };
    check_access(auth, encryption, checker);
}

/// Whether the methods and the encryption go together, and whether that is meant.
fn check_access(auth: Option<MskAuth>, encryption: Option<MskEncryption>, checker: &mut Checker<'_>) {
    // Only what the file says of access matters here.
    let mut msk = Msk::empty();
    msk.auth = auth.unwrap_or(msk.auth);
    msk.encryption = encryption.unwrap_or(msk.encryption);
    let (access, transit) = (msk.access(), msk.encryption.in_transit);
    let proven = access.iam || access.scram || access.tls;
    if !proven && !access.unauthenticated {
        let help = "remove `auth` to use IAM, or choose `scram`, `tls`, or `unauthenticated: true`";
        return checker.error(AUTH, "no client can connect: every authentication method is off", help);
    }
    if transit == InTransit::Plaintext && proven {
        let what =
            if checker.tree.get(AUTH).is_some() { "`auth` requires it" } else { "without `auth`, IAM is required" };
        checker.error(
            TRANSIT,
            format!("clients can't authenticate over plaintext, and {what}"),
            "write `in_transit: tls`; or, for plaintext alone, `auth: {unauthenticated: true}`",
        );
    } else if transit == InTransit::TlsOrPlaintext && !access.unauthenticated {
        let help = "write `in_transit: tls`, or `unauthenticated: true` below `auth`";
        checker.warning(TRANSIT, "plaintext serves only unauthenticated clients, and they are not allowed", help);
    }
    if access.unauthenticated {
        let path = "cluster.msk.auth.unauthenticated";
        let message = "EVERY client that reaches the brokers can read and write every topic without authentication";
        checker.warning(path, message, "use `iam`, `scram` or `tls`; to migrate, allow both for a while");
        if transit != InTransit::Tls {
            let message = "records cross the network UNENCRYPTED on port 9092";
            checker.warning(TRANSIT, message, "write `in_transit: tls`");
        }
    }
    if !msk.encryption.in_cluster {
        let message = "records cross the network between brokers UNENCRYPTED, and this can't be changed later";
        checker.warning("cluster.msk.encryption.in_cluster", message, "remove it");
    }
    if checker.part::<Option<bool>>("cluster.msk.public_access").flatten() == Some(true) {
        check_public(&msk, checker);
    }
    if let Some(Some(ways)) = checker.part::<Option<MskVpcConnectivity>>(VPC) {
        check_from_vpcs(&ways, access, checker);
    }
}

/// What AWS asks of a cluster before clients of other VPCs come in by PrivateLink. Source: MSK, "Multi-VPC private connectivity in a
/// single Region", requirements and limitations, 2026.
fn check_from_vpcs(ways: &MskVpcConnectivity, access: Access, checker: &mut Checker<'_>) {
    let methods = [("iam", ways.iam, access.iam), ("scram", ways.scram, access.scram), ("tls", ways.tls, access.tls)];
    for (method, wanted, on) in methods {
        if wanted && !on {
            let help = match method {
                "iam" => "write `iam: true` below `auth`, or remove it here",
                "scram" => "write `scram: {secrets: [...]}` below `auth`, or remove it here",
                _ => "write `tls: {certificate_authorities: [...]}` below `auth`, or remove it here",
            };
            let message = format!("clients of other VPCs can't use `{method}`, which `auth` does not have on");
            checker.error(&format!("{VPC}.{method}"), message, help);
        }
    }
    if methods.iter().all(|(_, wanted, _)| !wanted) {
        return;
    }
    if access.unauthenticated {
        let message = "clients of other VPCs can't reach brokers that allow unauthenticated clients";
        checker.error(VPC, message, "remove `unauthenticated` below `auth`");
    }
    let brokers = checker.part::<Option<MskBrokers>>("cluster.msk.brokers").flatten();
    if let Some(kind) = brokers.map(|one| one.instance_type).filter(|kind| !has_vpc_connectivity(kind)) {
        let message = format!("clients of other VPCs can't reach brokers of the type `{kind}`");
        checker.error(VPC, message, "use a larger type");
    }
    // MSK names 2.7.1, and no 2.7.0 is left among its versions of that release but for clusters that have it.
    let (path, text) = ("cluster.msk.kafka", checker.text_of("cluster.msk", "kafka").to_owned());
    if version(checker).is_some_and(|version| version.release() < (2, 7)) || text == "2.7.0" {
        let message = format!("clients of other VPCs can't reach brokers with Kafka {text}");
        checker.error(path, message, "use Kafka 2.7.1 or newer");
    }
    if (ways.scram || ways.tls) && !closed_by_acl(checker) {
        let message = format!(
            "brokers that clients of other VPCs reach with SCRAM or certificates must have `{ACL}` set to `false`"
        );
        let help = format!(
            "write `{ACL}: false` below `config`, once the topics have ACLs: without ACLs, clients lose access"
        );
        checker.error(VPC, message, help);
    }
}

/// What AWS asks of a cluster before its brokers get public addresses. Source: MSK, turn on public access, 2026.
fn check_public(msk: &Msk, checker: &mut Checker<'_>) {
    let (access, path) = (msk.access(), "cluster.msk.public_access");
    let mut refuse = |message: &str, help: &str| checker.error(path, message, help);
    if access.unauthenticated {
        refuse("brokers that allow unauthenticated clients can't be public", "remove `unauthenticated` below `auth`");
    }
    if msk.encryption.in_transit != InTransit::Tls {
        refuse("brokers that accept plaintext can't be public", "write `in_transit: tls` below `encryption`");
    }
    if !msk.encryption.in_cluster {
        refuse(
            "brokers without encryption between them can't be public",
            "remove `in_cluster: false` below `encryption`",
        );
    }
    if version(checker).is_some_and(|version| version.release() < (2, 6)) {
        checker.error(path, "brokers with Kafka older than 2.6.0 can't be public", "use Kafka 2.6.0 or newer");
    }
    if (access.scram || access.tls) && !closed_by_acl(checker) {
        let message = format!("public brokers with SCRAM or certificates must have `{ACL}` set to `false`");
        let help = format!(
            "write `{ACL}: false` below `config`, once the topics have ACLs: without ACLs, clients lose access"
        );
        checker.error(path, message, help);
    }
    let monitoring = checker.part::<Option<MskMonitoring>>("cluster.msk.monitoring").flatten();
    let exporters = monitoring.is_some_and(|monitoring| monitoring.prometheus.0.jmx || monitoring.prometheus.0.node);
    let express = checker.part::<String>("cluster.msk.brokers.instance_type").is_some_and(|kind| is_express(&kind));
    if exporters && (express || version(checker).is_some_and(|version| version.is_kraft())) {
        // Source: MSK developer guide, "Monitor an MSK Provisioned cluster with Prometheus", note, 2026.
        let what = if express { "Express brokers" } else { "brokers with KRaft" };
        let message = format!("{what} can't be public and have exporters for Prometheus");
        checker.error(path, message, "remove `public_access`, or `prometheus` below `monitoring`");
    }
    if checker.part::<Network>("network").is_some_and(|net| net.clients.is_empty() && net.own_groups) {
        let message = "no client outside the VPC can reach the public brokers";
        checker.warning(path, message, "list your clients' CIDR blocks in `network.clients`");
    }
}

/// Whether clients may only do what an ACL allows them; what a configuration of others says of it is not known.
fn closed_by_acl(checker: &Checker<'_>) -> bool {
    checker.given("cluster.msk.configuration").is_some() || checker.text_of("cluster.msk.config", ACL) == "false"
}

fn check_secrets(secrets: &[String], checker: &mut Checker<'_>) {
    let mut seen = BTreeSet::new();
    for (index, secret) in secrets.iter().enumerate() {
        let path = format!("cluster.msk.auth.scram.secrets.{index}");
        if !seen.insert(secret) {
            checker.error(&path, "this secret is listed twice", "list each secret once");
            continue;
        }
        check_secret(secret, checker.tree.nearest(&path).at, true, checker);
    }
}

fn check_authorities(authorities: &[String], checker: &mut Checker<'_>) {
    let list = "cluster.msk.auth.tls.certificate_authorities";
    if authorities.is_empty() {
        checker.error(list, "client certificates need an authority that signs them", "add the ARN of a private CA");
    }
    let mut seen = BTreeSet::new();
    for (index, authority) in authorities.iter().enumerate() {
        let path = format!("{list}.{index}");
        let is_authority = |parts: &[&str; 5]| parts[1] == "acm-pca" && parts[4].starts_with("certificate-authority/");
        if !seen.insert(authority) {
            checker.error(&path, "this authority is listed twice", "list each authority once");
        } else if arn(authority).filter(is_authority).is_none() {
            let help = "such as `arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/11111111-2222-...`";
            checker.error(&path, format!("`{authority}` is not the ARN of a private certificate authority"), help);
        }
    }
}
