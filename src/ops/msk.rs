//! An MSK cluster: waiting until it is ACTIVE, and how clients connect to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Failure, msk_sandbox};
use crate::aws::Aws;
use crate::aws::kinds::{MskStatus, Servers, msk_status};
use crate::error::{DELETE_FAILED_CLUSTER, StepError};
use crate::health::{self, KafkaHealth};
use crate::kafka::{Link, Roots, Sasl, Security, Server, Via, Way};
use crate::session::Session;
use crate::wait::{Backoff, Look, poll};
use kstack_core::engines::msk::client_properties::{AuthMethod, client_properties};

/// Waits until the cluster is ACTIVE.
///
/// # Errors
/// That it is not within `limit`, or failed; AWS's answer.
pub async fn wait(aws: &Aws, limit: Duration, notes: &dyn Fn(&str)) -> Result<(), Failure> {
    notes("Waiting until the cluster is ACTIVE ...");
    poll("the cluster becoming ACTIVE", limit, Backoff::SECOND, async || {
        aws.begin_round();
        let (state, why) = match msk_status(aws).await? {
            Some(cluster) => (cluster.state, cluster.reason.unwrap_or_default()),
            None => ("absent".to_owned(), String::new()),
        };
        let told = format!("the cluster is {state}");
        match state.as_str() {
            "ACTIVE" => Ok(Look::Ready(())),
            "FAILED" => Err(StepError::Ended { what: told, why, remedy: Some(DELETE_FAILED_CLUSTER) }),
            _ if why.is_empty() => Ok(Look::Missing(told)),
            _ => Ok(Look::Missing(format!("{told}: {why}"))),
        }
    })
    .await
    .map_err(Failure::from)
}

/// The properties of a client that connects by `method`.
///
/// # Errors
/// That the cluster can't be reached that way.
pub fn properties(method: AuthMethod, cluster: Option<&MskStatus>) -> Result<String, Failure> {
    Ok(client_properties(method, &servers(method, cluster)?))
}

/// Where such a client begins.
///
/// # Errors
/// As [`properties`].
pub fn servers(method: AuthMethod, cluster: Option<&MskStatus>) -> Result<String, Failure> {
    let cluster = cluster.ok_or_else(|| Failure::new("the stack has no live MSK cluster"))?;
    let one = cluster.provisioned.as_ref();
    let (listener, on) = match method {
        AuthMethod::Iam => ("iam", true),
        AuthMethod::Scram => ("scram", true),
        AuthMethod::Tls => ("tls", one.is_some_and(|one| !one.certificate_authorities.is_empty())),
        AuthMethod::Unauthenticated => ("tls", one.is_some_and(|one| one.unauthenticated)),
        AuthMethod::Plaintext => ("plaintext", true),
    };
    let found = cluster.listeners.iter().find(|one| one.method == listener && !one.public).filter(|_| on);
    let servers = found.filter(|one| !one.bootstrap_servers.is_empty()).ok_or_else(|| {
        let word = method.word();
        Failure::new(format!("the cluster ({}) has no listener for `{word}`", cluster.state))
            .hint("turn it on in the stack file, or ask again once the cluster is ACTIVE")
    })?;
    Ok(servers.bootstrap_servers.join(","))
}

/// One way to the brokers of a cluster.
pub struct Reached {
    pub servers: Vec<Server>,
    /// Each by its id; empty for a serverless cluster, which has no brokers of its own.
    pub nodes: BTreeMap<u32, Server>,
    pub link: Link,
}

/// Where and as whom the brokers of a cluster are asked, the easiest way first: as the caller where IAM is on, or as nobody. In the sandbox
/// processes stand for the brokers of a cluster with a listener in plaintext; they agree then with what MSK has.
///
/// # Errors
/// Why they can't be asked.
pub async fn links(session: &Session, cluster: &MskStatus, via: &Via) -> Result<Vec<Reached>, String> {
    let clients = &session.aws.clients;
    if clients.emulated() {
        return msk_sandbox::links(cluster, via).await.map(|reached| vec![reached]);
    }
    let nobody = cluster.provisioned.as_ref().is_some_and(|one| one.unauthenticated);
    let security = |method: &str| match method {
        "iam" => {
            let caller = clients.msk_iam().ok_or("there are no AWS credentials");
            caller
                .map_err(str::to_owned)
                .and_then(|iam| Ok(Security::tls_by(&Roots::Public, None)?.with_sasl(Sasl::Iam(iam))))
        }
        "tls" => Security::tls_by(&Roots::Public, None),
        _ => Ok(Security::default()),
    };
    let usable = |one: &&Servers| match one.method {
        "iam" | "plaintext" => true,
        "tls" => nobody,
        _ => false,
    };
    let mut links = Vec::new();
    // What is reached inside of the network first; within that, in the order of the listeners, IAM first.
    for public in [false, true] {
        for one in cluster.listeners.iter().filter(|one| one.public == public).filter(usable) {
            let servers: Vec<Server> = one.bootstrap_servers.iter().filter_map(|one| Server::parse(one)).collect();
            if servers.is_empty() {
                continue;
            }
            // They are in the order of the brokers that have a name.
            let named = cluster.brokers.iter().filter(|broker| broker.endpoint.is_some()).map(|broker| broker.id);
            let nodes = named.zip(servers.iter().cloned()).collect();
            let link = Link { security: security(one.method)?, way: Way::new(via.clone(), None) };
            links.push(Reached { servers, nodes, link });
        }
    }
    match links.is_empty() {
        true => {
            Err("kstack can ask as an AWS caller or as nobody, and the cluster has a listener for neither".to_owned())
        }
        false => Ok(links),
    }
}

/// Kafka's own word on a cluster, by the first way that works.
///
/// # Errors
/// Why there is none: by each way that was tried.
pub async fn health(session: &Session, cluster: &MskStatus, via: &Via) -> Result<KafkaHealth, String> {
    let mut reasons: Vec<String> = Vec::new();
    for Reached { servers, link, .. } in links(session, cluster, via).await? {
        match health::ask(&servers, &link).await {
            Ok(health) => return Ok(health),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    reasons.dedup();
    Err(reasons.join("; "))
}

/// The brokers' addresses, and a client's properties, for the authentication method that asks the least of a client.
pub fn easiest(cluster: &MskStatus) -> Option<(Vec<String>, String)> {
    let methods =
        [AuthMethod::Unauthenticated, AuthMethod::Plaintext, AuthMethod::Iam, AuthMethod::Scram, AuthMethod::Tls];
    methods.into_iter().find_map(|method| {
        let text = properties(method, Some(cluster)).ok()?;
        let servers = text.lines().find_map(|line| line.strip_prefix("bootstrap.servers="))?;
        Some((servers.split(',').map(str::to_owned).collect(), text))
    })
}
