//! Where the hosts are on their way between plaintext and TLS. What is live decides: the tags of the instances, and, where there are
//! none of them, what else is left of the stack.

use std::collections::BTreeSet;

use super::{open, unsaid};
use crate::cloud_init::{CLIENT_PORT, CONTROLLER_PORT, Course, Overrides, Phase};
use crate::engines::Engine;
use crate::engines::ec2::reaches_ssm;
use crate::kinds::vpc_endpoint::PRIVATELINK;
use crate::kinds::{HostCertificate, Instance, SecurityGroupRules, Volume};
use crate::model::{Address, tag};
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Stack;

/// The template that says which listeners a host uses.
const TEMPLATE: &str = "server.properties.hbs";

/// The course of `stack`; notes why it can't be taken.
pub fn choose(stack: &Stack, observed: &Observed, overrides: &Overrides, refusals: &mut Vec<Refusal>) -> Course {
    let Some(ec2) = stack.cluster.ec2.as_ref().filter(|_| Engine::of(stack) == Engine::Ec2) else {
        return Course::rest(Phase::Plaintext);
    };
    let mut live = BTreeSet::new();
    for (name, (_, instance)) in observed.of::<Instance>() {
        match instance.phase() {
            Some(phase) => drop(live.insert(phase)),
            None => refusals.push(Refusal::at(
                &Address::new("instance", name),
                format!("its tag `{}` says which listeners it has, and kstack does not know `{}`", tag::LISTENERS, instance.listeners.as_deref().unwrap_or_default().escape_debug()),
                "set the tag to `open`, `switched` or `closed`, as the host's server.properties are; remove it from a host that speaks plaintext alone",
            )),
        }
    }
    if live.is_empty() {
        live.extend(of_what_is_left(observed));
    }
    let listeners = &ec2.listeners;
    if listeners.unsaid() {
        refusals.extend(unsaid::refusal(observed, &live));
        return Course::rest(Phase::Closed);
    }
    let goal = match (listeners.secured(), listeners.in_plaintext()) {
        (false, _) => Phase::Plaintext,
        (true, true) if live.iter().any(|phase| phase.plain()) => Phase::Switched,
        (true, _) => Phase::Closed,
    };
    if goal == Phase::Plaintext && !stack.access.users.is_empty() {
        refusals.push(Refusal::general(
            "the live stack speaks plaintext, where brokers ask nobody who it is, so users have no rights there",
            "write `listeners: {scram: true, plaintext: true}` below `cluster.ec2`, which brings listeners with TLS; or leave `access.users` out",
        ));
    }
    let mut course = Course::to(goal, live.iter().copied());
    if open::stays(course.now, course.next, stack, observed) {
        course.next = course.now;
    }
    if course.rests() {
        return course;
    }
    let (lowest, highest) = (live.first().copied().unwrap_or(goal), live.last().copied().unwrap_or(goal));
    if goal == Phase::Closed && lowest < Phase::Switched {
        refusals.push(Refusal::general(
            "clients of the live stack speak plaintext on port 9092, and the file has that port no more: they would lose the brokers",
            "write `plaintext: true` beside the other listeners, and apply: then brokers have both; have all clients come by the others; then remove `plaintext`, and apply again",
        ));
    }
    if goal == Phase::Plaintext && highest == Phase::Closed && has_port(observed, CLIENT_PORT) == Some(false) {
        refusals.push(Refusal::general(
            "clients of the live stack come by TLS, and have no port 9092 yet: they would lose the brokers",
            "write `plaintext: true` beside the live listeners, and apply; have all clients come by port 9092; then write `listeners: {plaintext: true}` alone, and apply again",
        ));
    }
    if goal == Phase::Plaintext && !reaches_ssm(&stack.network) {
        refusals.push(Refusal::general(
            "until the last roll the hosts fetch certificates from Systems Manager, which they can't reach with `nat: none`",
            "keep the endpoint `ssm` until the hosts speak plaintext",
        ));
    }
    if overrides.get(TEMPLATE).is_some_and(|text| !text.contains("tls.controllers")) {
        refusals.push(Refusal::general(
            format!("your own template {TEMPLATE} does not say by which listeners hosts reach each other while they go from plaintext to TLS, or back"),
            "take over from kstack's own template what it has of `tls.controllers`, `tls.between_brokers` and `tls.open_to_all`, or remove yours",
        ));
    }
    course
}

/// The phase in which hosts were of which nothing but volumes is left; `None` where there is nothing that a host has written to.
pub(super) fn of_what_is_left(observed: &Observed) -> Option<Phase> {
    if observed.of::<Volume>().is_empty() {
        return None;
    }
    match (has_port(observed, CONTROLLER_PORT) == Some(true), observed.of::<HostCertificate>().is_empty()) {
        (true, true) => Some(Phase::Plaintext),
        // From plaintext on, until they are closed: a quorum that comes from any of these starts so.
        (true, false) => Some(Phase::Open),
        (false, false) => Some(Phase::Closed),
        // Nothing has been started yet, or the rules are not the stack's own.
        (false, true) => None,
    }
}

/// Whether live rules of the stack's own let somebody in to a host at `port`; `None` where it has no rules.
pub(super) fn has_port(observed: &Observed, port: u16) -> Option<bool> {
    let (rules, ports) = (observed.of::<SecurityGroupRules>(), format!("tcp {port}"));
    let has = |rules: &SecurityGroupRules| rules.ingress.iter().any(|rule| rule.ports == ports);
    // Another cluster, by PrivateLink, has ports of Kafka too.
    let hosts = || rules.iter().filter(|(name, _)| **name != PRIVATELINK);
    (!rules.is_empty()).then(|| hosts().any(|(_, (_, rules))| has(rules)))
}
