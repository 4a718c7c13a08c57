//! What `status` says of the listeners that clients come by.

use std::collections::BTreeMap;

use anstyle::AnsiColor;
use kstack_core::cloud_init::{CLIENT_PORT, Phase};
use kstack_core::kinds::{Instance, SecurityGroupRules};
use kstack_core::observed::Observed;

/// What is to be known of clients in plaintext, and of hosts that are on their way to TLS or back; nothing where there are none.
pub fn said(observed: &Observed) -> Option<String> {
    let mut hosts: BTreeMap<Phase, usize> = BTreeMap::new();
    for (_, instance) in observed.of::<Instance>().into_values() {
        *hosts.entry(instance.phase()?).or_default() += 1;
    }
    let mut phases = hosts.keys();
    let text = match (phases.next()?, phases.next()) {
        (_, Some(_)) => {
            let each: Vec<String> = hosts.iter().map(|(phase, count)| format!("{count} {}", phase.word())).collect();
            format!(
                "hosts are on their way between plaintext and TLS: {}; apply the file again to go on",
                each.join(", ")
            )
        }
        (Phase::Plaintext, None) => {
            "hosts and clients speak plaintext: whoever is on the way can read and change what they send".to_owned()
        }
        (Phase::Closed, None) => {
            let port = format!("tcp {CLIENT_PORT}");
            let rules = observed.of::<SecurityGroupRules>();
            let brokers = rules.get("brokers");
            let open = brokers.is_some_and(|(_, rules)| rules.ingress.iter().any(|rule| rule.ports == port));
            open.then(|| format!("clients on port {CLIENT_PORT} speak plaintext, and prove nothing"))?
        }
        (Phase::Open | Phase::Switched, None) => format!(
            "clients may speak plaintext on port {CLIENT_PORT}, and everybody may do everything: no ACL counts before `plaintext: true` goes from the file"
        ),
    };
    let yellow = AnsiColor::Yellow.on_default();
    Some(format!("{yellow}Warning{yellow:#}: {text}\n"))
}
