//! What a file means that does not say by which listeners clients come. A new stack has that for users with passwords, over TLS; a live one
//! keeps what it has, and is never moved by what kstack takes for the best of new ones.

use std::collections::BTreeSet;

use super::course::{has_port, of_what_is_left};
use crate::cloud_init::{CLIENT_PORT, CONTROLLER_PORT, MTLS_PORT, OAUTH_PORT, Phase};
use crate::engines::Engine;
use crate::kinds::{HostCertificate, Instance};
use crate::model::Record;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Stack;

/// `stack` with what its file leaves to what is live: one that speaks plaintext stays so. The `record` tells it where no host is left.
pub fn settle(stack: &Stack, observed: &Observed, record: Option<&Record>) -> Stack {
    let mut stack = stack.clone();
    if let Some(ec2) = stack.cluster.ec2.as_mut().filter(|ec2| ec2.listeners.unsaid())
        && in_plaintext(observed, record)
    {
        ec2.listeners = ec2.listeners.clone().kept_in_plaintext();
    }
    stack
}

/// Whether the live stack, or what is left of it, speaks plaintext and nothing else.
fn in_plaintext(observed: &Observed, record: Option<&Record>) -> bool {
    let hosts = observed.of::<Instance>();
    if !hosts.is_empty() {
        return hosts.values().all(|(_, host)| host.phase() == Some(Phase::Plaintext));
    }
    if let Some(phase) = of_what_is_left(observed) {
        return phase == Phase::Plaintext;
    }
    let certificates = !observed.of::<HostCertificate>().is_empty();
    // The record is the first that is written.
    let begun = record.is_some_and(|record| !record.papers && !record.has_others(Engine::Ec2, false));
    !certificates && (has_port(observed, CONTROLLER_PORT) == Some(true) || begun)
}

/// Why a file that does not say by which listeners clients come can't be followed: hosts in the phases `live` have others than a new stack.
pub(super) fn refusal(observed: &Observed, live: &BTreeSet<Phase>) -> Option<Refusal> {
    if live.iter().any(|phase| *phase != Phase::Closed) {
        return Some(Refusal::general(
            "the live hosts speak plaintext beside TLS, and the file does not say by which listeners clients come",
            "write the live `listeners` below `cluster.ec2`; or `listeners: {plaintext: true}` to have the hosts go back to plaintext",
        ));
    }
    let others = [("mtls", MTLS_PORT), ("oauth", OAUTH_PORT), ("plaintext", CLIENT_PORT)];
    let others = others.into_iter().filter(|(_, port)| has_port(observed, *port) == Some(true));
    let others: Vec<String> = others.map(|(word, port)| format!("`{word}` on port {port}")).collect();
    (!others.is_empty()).then(|| {
        Refusal::general(
            format!("the live brokers have {}, and the file does not say by which listeners clients come", others.join(" and ")),
            "write the live `listeners` below `cluster.ec2`; or `listeners: {scram: true}` for users with passwords alone",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::stack::Listeners;

    fn listeners(said: &str, record: Option<&str>) -> Listeners {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16}}\n\
             cluster: {{ec2: {{kafka: 4.1.1, combined: true, {said}brokers: {{count: 3, instance_type: m7g.large}}}}}}\n"
        );
        let stack = check::parse("t.yaml", &text).expect("a stack").stack;
        let record = record.map(|more| {
            let text = format!(r#"{{"cluster_id": "", "made_at": "2026-01-31T12:00:00Z", "made_by": ""{more}}}"#);
            serde_json::from_str::<Record>(&text).expect("a record")
        });
        settle(&stack, &Observed::default(), record.as_ref()).cluster.ec2.expect("brokers").listeners
    }

    #[test]
    fn what_is_left_to_kstack_is_tls_but_for_a_stack_that_was_begun_in_plaintext() {
        let kept = Listeners::DEFAULT.kept_in_plaintext();
        let others = "listeners: {others: {vpn: {port: 9192, clients: [10.60.0.0/16]}}}, ";
        for said in ["", "listeners: {}, ", "listeners: {mtls: false}, ", others] {
            let new = listeners(said, None);
            assert!(new.scram() && !new.in_plaintext() && new.unsaid(), "{said}");
            assert_eq!(listeners(said, Some(r#", "papers": true"#)), new, "{said}");
            assert_eq!(listeners(said, Some(r#", "engine": "msk""#)), new, "{said}: what is left of another cluster");
            for record in ["", r#", "engine": "ec2""#] {
                let live = listeners(said, Some(record));
                assert_eq!((live.scram(), live.in_plaintext(), live.secured()), (false, true, false), "{said}");
                assert_eq!((live.scram, live.others), (kept.scram, new.others.clone()), "{said}");
            }
        }
        // Whoever says it means it.
        for said in [
            "{plaintext: true}",
            "{plaintext: false}",
            "{scram: true}",
            "{mtls: true}",
            "{scram: true, plaintext: true}",
        ] {
            let said = format!("listeners: {said}, ");
            assert_eq!(listeners(&said, Some("")), listeners(&said, None));
        }
        assert!(listeners("listeners: {plaintext: false}, ", Some("")).scram());
    }
}
