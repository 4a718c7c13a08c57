//! When brokers stop letting everyone use what no ACL is for (`allow.everyone.if.no.acl.found`): once the users of the file have their rights.
//! Before that nobody would have any.

use std::collections::BTreeSet;

use super::msk::configuration_fingerprint;
use crate::cloud_init::Phase;
use crate::design::Provisioned;
use crate::kinds::{MskConfiguration, UserRights};
use crate::model::Address;
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::rights::rights;
use crate::stack::{ACL, Msk, Stack};

/// Whether every user of `stack` has what the file gives it. Not where that is not known.
fn has_rights(stack: &Stack, observed: &Observed) -> bool {
    let live = observed.of::<UserRights>();
    let has = |name: &str, wanted: BTreeSet<String>| {
        let of = live.get(name).map(|(_, live)| &live.rights);
        wanted.is_empty() || of.is_some_and(|of| wanted.iter().all(|right| of.contains(right)))
    };
    let mut users = stack.named_users().map(|(name, _, user)| (name, rights(user)));
    users.all(|(name, wanted)| has(name, wanted.iter().map(ToString::to_string).collect()))
}

/// Whether hosts on EC2 stay in the phase `now`, in which no ACL counts, for a while.
pub fn stays(now: Phase, next: Phase, stack: &Stack, observed: &Observed) -> bool {
    (now, next) == (Phase::Switched, Phase::Closed) && !has_rights(stack, observed)
}

/// What ends it in a configuration of MSK.
fn closes(name: &str, value: &str) -> bool {
    name == ACL && value.trim().eq_ignore_ascii_case("false")
}

/// Whether the `live` cluster of MSK uses a configuration of the stack's that ends it.
fn is_closed(live: &Provisioned, observed: &Observed) -> bool {
    let own = observed.of::<MskConfiguration>().remove("main").map(|(_, own)| &own.properties);
    let used = own.filter(|own| live.server_properties.as_ref() == Some(&configuration_fingerprint(own)));
    used.is_some_and(|lines| {
        lines.iter().filter_map(|line| line.split_once('=')).any(|(name, value)| closes(name, value))
    })
}

/// The server properties without what ends it, for as long as users lack their rights; `None` where nothing has to wait.
pub fn held_back(
    msk: &Msk,
    live: Option<&Provisioned>,
    stack: &Stack,
    observed: &Observed,
    all: &[String],
) -> Option<Vec<String>> {
    let live = live?;
    let ends = msk.configuration.is_none() && msk.config.get(ACL).is_some_and(|value| closes(ACL, value));
    if !ends || is_closed(live, observed) || has_rights(stack, observed) {
        return None;
    }
    let own = observed.of::<MskConfiguration>().remove("main").map(|(_, own)| own.properties.clone());
    let of_acl =
        |line: &str| line.split_once('=').filter(|(name, _)| *name == ACL).map(|(_, value)| closes(ACL, value));
    // It stays as it is; MSK's own default is `true`.
    let stays = own.into_iter().flatten().find(|line| of_acl(line) == Some(false));
    let kept = |line: &String| if of_acl(line).is_some() { stays.clone() } else { Some(line.clone()) };
    Some(all.iter().filter_map(kept).collect())
}

/// Refuses what MSK allows a closed cluster alone, for as long as this one is held open.
pub fn check(wanted: &Provisioned, live: Option<&Provisioned>, refusals: &mut Vec<Refusal>) {
    let Some(live) = live else { return };
    let reach = |one: &Provisioned| [one.public_access, one.vpc_iam, one.vpc_scram, one.vpc_tls];
    if reach(wanted).into_iter().zip(reach(live)).any(|(wanted, live)| wanted && !live) {
        refusals.push(Refusal::at(
            &Address::new("msk_cluster", "main"),
            format!("MSK lets others in from outside of the VPC once `{ACL}` is `false`, and that waits until the users have their rights"),
            "leave `public_access` and `vpc_connectivity` as they are live, and apply; then change them, and apply again",
        ));
    }
}
