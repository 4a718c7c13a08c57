//! What a plan says where one authority takes the place of another.

use std::collections::BTreeSet;

use super::{Note, Plan};
use crate::certificates::Authority;
use crate::design::Design;
use crate::kinds::{CertificateAuthority, Instance, Kind as _};
use crate::model::Address;
use crate::observed::Observed;
use crate::trust::Trust;

/// Says what clients need before and after the steps.
pub fn say(design: &Design, observed: &Observed, plan: &mut Plan) {
    let next = &design.authorities;
    let live = observed.of::<Instance>();
    let signed = live.values().filter_map(|(_, one)| Trust::parse(one.trust.as_deref()?)).map(|one| one.signer);
    if signed.collect::<BTreeSet<u32>>().iter().any(|one| *one != next.trust.signer) {
        let address = Address::new(CertificateAuthority::NAME, &Authority::Hosts.name(next.trust.signer));
        let text = "certificates of hosts are by it from now on: clients that do not trust it can't connect any more";
        plan.notes.push(Note { warning: true, ..Note::of(&address, text.to_owned()) });
    }
    let taken = live.values().filter_map(|(_, one)| Trust::parse(one.trust.as_deref()?)).flat_map(|one| one.clients);
    let refused: BTreeSet<u32> = taken.filter(|one| !next.trust.clients.contains(one)).collect();
    if let (false, Some(newest)) = (refused.is_empty(), next.trust.clients.last()) {
        let numbers: Vec<String> = refused.iter().map(ToString::to_string).collect();
        let text = format!("clients' certificates by the authority {} are refused from now on", numbers.join(" and "));
        let address = Address::new(CertificateAuthority::NAME, &Authority::Clients.name(*newest));
        plan.notes.push(Note { warning: true, ..Note::of(&address, text) });
    }
    let lists = [(Authority::Hosts, &next.trust.hosts), (Authority::Clients, &next.trust.clients)];
    for (of, numbers) in lists.into_iter().filter(|(_, numbers)| next.then.is_empty() && numbers.len() > 1) {
        let Some(newest) = numbers.last() else { continue };
        let what = match of {
            Authority::Hosts => "so that they trust both",
            Authority::Clients => "with certificates by the newest",
        };
        let text = format!(
            "it takes another's place: give each client new settings with `kstack credentials`, {what}; then write `{}: [{newest}]` below `cluster.ec2.authorities`",
            of.word()
        );
        plan.notes.push(Note::of(&Address::new(CertificateAuthority::NAME, &of.name(*newest)), text));
    }
}
