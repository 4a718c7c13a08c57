//! Which authorities a stack has: the keys of `cluster.ec2.authorities`, and their rules.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check_listeners::listeners;
use crate::file::read::{Scalar, fields};
use crate::file::{Checker, ListenerName};

fields! {
    /// The stack's own authorities for certificates, by number from 1: a higher one is a new authority. Write two, such as `[1, 2]`, apply, give clients new settings, and then the new one alone. Where a list is absent, a live stack keeps those that it has.
    pub struct Authorities {
        /// Those that hosts trust, and that sign for hosts: of two the one that signs already. Clients verify brokers by them.
        hosts: Vec<Number> = Vec::new(),
        /// Those whose certificates the listener `mtls` takes from clients. `kstack credentials` signs by the newest.
        clients: Vec<Number> = Vec::new(),
    }
}

impl Authorities {
    /// A live stack keeps what it has.
    pub const KEPT: Authorities = Authorities { hosts: Vec::new(), clients: Vec::new() };

    pub fn hosts(&self) -> BTreeSet<u32> {
        self.hosts.iter().map(|one| one.0).collect()
    }

    pub fn clients(&self) -> BTreeSet<u32> {
        self.clients.iter().map(|one| one.0).collect()
    }
}

/// An authority's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Number(pub u32);

impl Scalar for Number {
    const WHAT: &'static str = "an authority's number";
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number @ 1..=999) => Ok(Number(number)),
            _ => Err(format!("`{text}` is not an authority's number: write a whole number from 1 to 999")),
        }
    }
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 1, "maximum": 999})
    }
}

const HOSTS: &str = "cluster.ec2.authorities.hosts";
const CLIENTS: &str = "cluster.ec2.authorities.clients";

/// More than two certificates of each kind don't fit into a host's parameter, which takes 4096 characters.
const MOST: usize = 2;

pub(super) fn check(checker: &mut Checker<'_>) {
    let listeners = listeners(checker);
    let mtls = listeners.ways().iter().any(|way| way.listener == ListenerName::Tls);
    for (path, of) in [(HOSTS, listeners.secured()), (CLIENTS, mtls)] {
        let Some(all) = checker.part::<Vec<Number>>(path) else { continue };
        if all.is_empty() {
            continue;
        }
        if !of && path == HOSTS {
            checker.error(
                path,
                "only hosts that speak TLS have authorities",
                "set `scram: true` or `mtls: true` below `cluster.ec2.listeners`",
            );
        } else if !of {
            checker.error(
                path,
                "no listener takes clients' certificates",
                "set `mtls: true` below `cluster.ec2.listeners`",
            );
        }
        let numbers: BTreeSet<u32> = all.iter().map(|one| one.0).collect();
        if numbers.len() < all.len() {
            checker.error(path, "an authority is there twice", "write each number once");
        } else if numbers.len() > MOST {
            let message = format!("{} authorities are more than a host has room for", numbers.len());
            checker.error(path, message, "write two at most: the one that there is, and the one that takes its place");
        }
    }
}
