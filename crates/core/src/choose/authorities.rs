//! Which authorities hosts are to trust next, from what the file asks for and what each live host has.

use std::collections::BTreeSet;

use crate::certificates::Authority;
use crate::kinds::{CertificateAuthority, Instance, Kind as _};
use crate::model::Address;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::stack::Stack;
use crate::trust::{Next, Running, Trust, next};

/// The next authorities of the hosts of `stack`; refused where hosts or clients would not know each other.
pub fn choose(stack: &Stack, observed: &Observed, refusals: &mut Vec<Refusal>) -> Next {
    let asked = stack.cluster.ec2.as_ref().map(|ec2| &ec2.authorities).filter(|_| stack.secured());
    let instances = observed.of::<Instance>();
    let secured = instances.values().filter(|(_, one)| one.speaks_tls());
    let running: Vec<Option<Trust>> =
        secured.map(|(_, one)| Trust::parse(one.trust.as_deref().unwrap_or_default())).collect();
    let known = || running.iter().flatten();
    let trusted = |of: Authority| -> BTreeSet<u32> {
        let all = known().flat_map(|one| if of == Authority::Hosts { &one.hosts } else { &one.clients });
        all.copied().collect()
    };
    let wanted = |of: Authority, asked: BTreeSet<u32>, refusals: &mut Vec<Refusal>| {
        let (trusted, live) = (trusted(of), numbers(observed, of));
        if asked.is_empty() {
            // A choice once made stays made.
            let kept = [trusted, live].into_iter().find(|all| !all.is_empty());
            return kept.unwrap_or_else(|| [1].into());
        }
        let gone =
            |one: &&u32| !live.contains(one) && !trusted.contains(one) && live.last().is_some_and(|last| *one < last);
        for number in asked.iter().filter(gone) {
            let next = live.last().map_or(1, |last| last + 1);
            let reason = format!("the authority {number} of the {} is gone: a number is used once", of.word());
            refusals.push(Refusal::at(
                &address(of, *number),
                reason,
                format!("take the next number, {next}, or those that are there"),
            ));
        }
        asked
    };
    let hosts = wanted(Authority::Hosts, asked.map(|one| one.hosts()).unwrap_or_default(), refusals);
    // Those of the user's own CA have none here.
    let clients = match stack.has_own_clients_ca() {
        true => BTreeSet::new(),
        false => wanted(Authority::Clients, asked.map(|one| one.clients()).unwrap_or_default(), refusals),
    };
    let common = Running::of(&known().cloned().map(Some).collect::<Vec<_>>(), &BTreeSet::new());
    let unknown = common.is_some_and(|running| !next(&hosts, &clients, Some(&running)).goes_on_from(&running));
    let cut_off = !trusted(Authority::Clients).is_empty() && trusted(Authority::Clients).is_disjoint(&clients);
    for (of, numbers, refused) in [(Authority::Hosts, &hosts, unknown), (Authority::Clients, &clients, cut_off)] {
        let (Some(old), Some(new)) = (trusted(of).last().copied(), numbers.first().copied()) else { continue };
        if refused {
            let reason = match of {
                Authority::Hosts => {
                    format!("not every host trusts the authority {new} of the hosts, and no client has been told of it")
                }
                Authority::Clients => format!(
                    "no client has a certificate by the authority {new}, and {} are no longer taken",
                    by(&trusted(of))
                ),
            };
            let remedy = format!(
                "write `{}: [{}, {}]` below `cluster.ec2.authorities`, apply it, and give clients new settings with `kstack credentials`; then write `[{new}]`",
                of.word(),
                old.min(new),
                old.max(new)
            );
            refusals.push(Refusal::at(&address(of, new), reason, remedy));
        }
    }
    next(&hosts, &clients, Running::of(&running, &numbers(observed, Authority::Hosts)).as_ref())
}

fn by(numbers: &BTreeSet<u32>) -> String {
    format!("those by {}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))
}

fn address(of: Authority, number: u32) -> Address {
    Address::new(CertificateAuthority::NAME, &of.name(number))
}

/// The numbers of the live ones.
fn numbers(observed: &Observed, of: Authority) -> BTreeSet<u32> {
    let all = observed.of::<CertificateAuthority>();
    all.keys().filter_map(|name| Authority::of(name)).filter(|(one, _)| *one == of).map(|(_, number)| number).collect()
}
