//! The decision: what is wrong, and which one of it is put right.

use std::collections::BTreeSet;

use super::{Asked, Host, Machine, Remedy, Seen, Verdict, Wrong};
use crate::moves::{View, fetching};
use crate::text::first_of;

/// What is the matter with a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    /// In this order: what a start puts right comes before what is made anew.
    Stopped,
    Gone,
    Impaired(String),
    Lost,
    /// Nothing that is done here: what it is, and what helps.
    Other(String, String),
}

/// Why nothing is done about it now, and what helps, as a sentence each.
struct Objection(String, String);

/// What is wrong, and what is done about it.
pub fn decide(seen: &Seen, asked: Asked) -> Verdict {
    let mut verdict = Verdict::default();
    let mut sick: Vec<(Case, &String, &Host)> =
        seen.hosts.iter().filter_map(|(name, host)| Some((case(seen, name, host)?, name, host))).collect();
    // Of a kind controllers come before brokers: without them nothing else comes back.
    sick.sort_by_key(|(case, name, host)| (case.clone(), host.broker, host.node, *name));
    let marked = seen.hosts.iter().filter(|(name, host)| {
        host.lost_since.is_some() && !sick.iter().any(|(case, of, _)| of == name && *case == Case::Lost)
    });
    verdict.unmark = marked.map(|(name, _)| name.clone()).collect();
    // One that does not vote yet is missed by nobody.
    let ill = sick.iter().filter(|(case, _, host)| !(matches!(case, Case::Other(..)) && lacks_vote(seen, host)));
    let ill: BTreeSet<u32> = ill.map(|(_, _, host)| host.node).collect();
    let down: BTreeSet<u32> =
        sick.iter().filter(|(case, ..)| *case <= Case::Gone).map(|(_, _, host)| host.node).collect();
    // What has no instance, or no data, can't get any worse by what is done for another host of its zone.
    let out: Vec<&Host> = sick
        .iter()
        .filter(|(case, ..)| matches!(case, Case::Stopped | Case::Gone | Case::Lost))
        .map(|(_, _, host)| *host)
        .collect();
    verdict.wrong.extend(super::zone::out(seen, &sick.iter().map(|(_, name, _)| name.as_str()).collect()));
    for (case, name, host) in &sick {
        let what = what(case, name, host);
        let then = match objection(seen, asked, (case, host), (&ill, &down, &out)) {
            Some(Objection(why, helps)) => format!("{why} {helps}"),
            None if verdict.remedy.is_some() => {
                "One host is brought back at a time: run it again after that.".to_owned()
            }
            None => match remedy(case, name) {
                Some(remedy) => {
                    let text = remedy.text();
                    verdict.remedy = Some(remedy);
                    text
                }
                None => String::new(),
            },
        };
        if *case == Case::Lost && !host.votes && host.lost_since.is_none() && asked.replace_after.is_some() {
            verdict.mark.push((*name).clone());
        }
        verdict.wrong.push(Wrong { what, then: then.trim().to_owned() });
    }
    verdict.wrong.extend(seen.leaving.iter().map(|name| Wrong {
        what: format!("{name} is stopped, and the stack file has it no more."),
        then: "`kstack apply` goes on with it: it has not left the cluster yet.".to_owned(),
    }));
    // Only once it serves: until then its host is what is wrong. The next host of its zone waits for it.
    let begun = seen.view.as_ref().ok().filter(|view| view.quorum.is_some()).and_then(fetching);
    let host = begun.and_then(|node| seen.hosts.iter().find(|(_, host)| host.node == node && host.broker));
    let host = host.filter(|(name, _)| !seen.interrupted && !sick.iter().any(|(_, of, _)| of == name));
    if let (None, Some((name, _))) = (&verdict.remedy, host) {
        let remedy = Remedy::Fetch(name.clone());
        verdict.wrong.push(Wrong { what: format!("{name} fetches what it had lost."), then: remedy.text() });
        verdict.remedy = Some(remedy);
    }
    verdict
}

fn remedy(case: &Case, name: &str) -> Option<Remedy> {
    let name = name.to_owned();
    match case {
        Case::Stopped => Some(Remedy::Start(name)),
        Case::Gone => Some(Remedy::Anew(name)),
        Case::Impaired(_) => Some(Remedy::Restart(name)),
        Case::Lost => Some(Remedy::Replace(name)),
        Case::Other(..) => None,
    }
}

/// Whether Kafka on the host serves, by the controllers' word.
fn serves(view: &View, host: &Host) -> bool {
    let broker = view.brokers.iter().find(|one| one.id == host.node);
    let votes = !host.votes || view.voters.get(&host.node).copied().unwrap_or_default();
    votes && (!host.broker || broker.is_some_and(crate::moves::Broker::is_fit))
}

/// Whether the host is to vote, runs, and has no vote by the controllers' word.
fn lacks_vote(seen: &Seen, host: &Host) -> bool {
    let told = seen.view.as_ref().ok().filter(|view| view.quorum.is_some());
    host.votes && host.machine == Machine::Runs && told.is_some_and(|view| !view.voters.contains_key(&host.node))
}

fn case(seen: &Seen, name: &str, host: &Host) -> Option<Case> {
    let other = |what: String, then: String| Some(Case::Other(what, then));
    if !host.addressed {
        return other(
            format!("{name} has no network interface any more."),
            "`kstack apply` makes it anew, with the same address.".to_owned(),
        );
    }
    if !host.failed.is_empty() {
        return other(
            format!("EC2 can't read {} of {name} any more: its state is `error`.", first_of(&host.failed)),
            "Delete it in EC2 if there is no snapshot of it to go back to: from then on it counts as lost.".to_owned(),
        );
    }
    if host.machine == Machine::Changes {
        return other(format!("{name} starts or stops: EC2 is at it."), "The next run looks at it again.".to_owned());
    }
    let told = seen.view.as_ref().ok().filter(|view| view.quorum.is_some());
    if host.machine == Machine::Stopped && !host.votes && told.is_some_and(|view| view.is_emptied(host.node)) {
        return None;
    }
    let down = matches!(host.machine, Machine::Stopped | Machine::Gone);
    if !host.lost.is_empty() || host.own_disks && down {
        return Some(Case::Lost);
    }
    match &host.machine {
        Machine::Stopped => Some(Case::Stopped),
        Machine::Gone => Some(Case::Gone),
        Machine::Impaired(how) => Some(Case::Impaired(how.clone())),
        Machine::Changes | Machine::Runs => {
            let view = seen.view.as_ref().ok().filter(|view| view.quorum.is_some())?;
            if serves(view, host) {
                return None;
            }
            if lacks_vote(seen, host) && !host.broker {
                return other(
                    format!("{name} runs, and has no vote among the controllers."),
                    "`kstack apply` lets it join them once it has caught up.".to_owned(),
                );
            }
            let (what, then) = super::disks::out(view, name, host);
            other(what, then)
        }
    }
}

fn what(case: &Case, name: &str, host: &Host) -> String {
    match case {
        Case::Stopped => format!("{name} is stopped."),
        Case::Gone => format!("{name} has no instance any more; its volumes are there."),
        Case::Impaired(how) => format!("{name} {how}."),
        Case::Lost if host.own_disks => format!("{name} has lost its data, which was on disks of its instance."),
        Case::Lost if host.lost == [name] => format!("{name} has lost its data: its volume is gone."),
        Case::Lost => format!("{name} has lost data: its volumes {} are gone.", first_of(&host.lost)),
        Case::Other(what, _) => what.clone(),
    }
}

/// What speaks against the remedy for `case` now. `ill` are the nodes of all hosts with which something is the matter, `down` those that a start
/// brings back, and `out` all hosts that don't run, or have no data.
fn objection(
    seen: &Seen,
    asked: Asked,
    (case, host): (&Case, &Host),
    (ill, down, out): (&BTreeSet<u32>, &BTreeSet<u32>, &[&Host]),
) -> Option<Objection> {
    let no = |why: &str, helps: &str| Some(Objection(why.to_owned(), helps.to_owned()));
    if let Case::Other(_, then) = case {
        return no(then, "");
    }
    if *case == Case::Lost && host.votes {
        let apply = if host.broker { "kstack apply --allow-data-loss" } else { "kstack apply" };
        return no(
            "It votes in the controllers' quorum, and has forgotten what it voted for.",
            &format!(
                "Run `{apply}`: it gives it an empty volume under another directory id, and lets it vote again once it has caught up."
            ),
        );
    }
    if seen.interrupted {
        return no(
            "The last apply did not come to its end.",
            "Run `kstack apply`: it goes on, and brings back hosts that are down.",
        );
    }
    let made = matches!(case, Case::Gone | Case::Lost);
    if let Some(pending) = seen.pending.as_ref().filter(|_| made) {
        return no(
            &format!("The stack file has changes that are not applied: {pending}. A host is brought back as it was."),
            "Run `kstack apply`, which brings it back too; or give the file as it was applied.",
        );
    }
    let view = match &seen.view {
        Ok(view) if view.quorum.is_some() => view,
        Ok(_) => return no("The controllers don't answer.", ASK),
        Err(why) => return Some(Objection(format!("Kafka can't be asked: {why}."), ASK.to_owned())),
    };
    let others = view.voters.iter().filter(|(node, fresh)| **fresh && **node != host.node).count();
    let all = view.voters.len();
    // A quorum of one or two has no voter to spare, and lives by the one that is down.
    let majority = if view.voters.contains_key(&host.node) && all <= 2 { others + 1 } else { others };
    if majority * 2 <= all {
        return no(
            &format!("Only {others} of {all} controllers would be left that are up to date."),
            "See `journalctl --unit kafka` on the controllers.",
        );
    }
    let alone = matches!(case, Case::Impaired(_) | Case::Lost);
    let beside = |node: &u32| out.iter().any(|one| one.node == *node && one.zone == host.zone);
    let mine = |node: &u32| {
        *node == host.node || !alone && down.contains(node) || !matches!(case, Case::Impaired(_)) && beside(node)
    };
    if let Some(other) = ill.iter().find(|node| !mine(node)) {
        return no(
            &format!("Node {other} is not well either, and only one may be out for that."),
            "Bring that back first.",
        );
    }
    let other = view.brokers.iter().find(|broker| !broker.is_fit() && !mine(&broker.id) && !view.is_emptied(broker.id));
    if let Some(out) = other {
        return no(&format!("Broker {} does not serve either.", out.id), "Bring that back first.");
    }
    let behind = view.partitions.iter().find(|(key, one)| {
        let moving = view.moving.get(*key);
        let new = |id: &u32| moving.is_some_and(|moving| moving.adding.contains(id));
        one.replicas.iter().any(|id| !one.in_sync.contains(id) && !mine(id) && !new(id))
    });
    if let Some(((topic, index), _)) = behind {
        return no(
            &format!("{topic}-{index} has a replica out of sync on another broker."),
            "Run it again once that is in sync.",
        );
    }
    match case {
        Case::Impaired(_) if host.own_disks => no(
            "Its data is on disks of the instance, and would be lost by a stop.",
            "Reboot it in EC2; or terminate it: from then on its data counts as lost.",
        ),
        Case::Impaired(_) if serves(view, host) => {
            no("Kafka on it serves all the same, so nothing is done.", "See EC2's checks and the host's console.")
        }
        Case::Lost => lost(view, host, asked),
        _ => None,
    }
}

const ASK: &str = "Nothing is done without its word: run it where the brokers can be reached, or with --via or --proxy; or run `kstack apply`, which brings \
                   hosts back by EC2's word.";

/// What speaks against an empty disk.
fn lost(view: &View, host: &Host, asked: Asked) -> Option<Objection> {
    let only = view
        .partitions
        .iter()
        .filter(|(_, one)| one.replicas.contains(&host.node) && !one.in_sync.iter().any(|id| *id != host.node));
    let topics: BTreeSet<&String> = only.map(|((topic, _), _)| topic).collect();
    if !topics.is_empty() {
        return Some(Objection(
            format!("No other broker has all records of partitions of {}.", first_of(topics)),
            "Restore the volume from a snapshot and tag it as before; or give these records up with `kstack apply --allow-data-loss`."
                .to_owned(),
        ));
    }
    // Until they have noticed, what they say of it is of the broker that was.
    let alive = view.brokers.iter().any(|one| one.id == host.node && one.is_fit());
    if alive && host.machine == Machine::Gone {
        return Some(Objection("The controllers take it for alive still.".to_owned(), "Run it again.".to_owned()));
    }
    let Some(after) = asked.replace_after else {
        return Some(Objection(
            "Every partition of it is in sync elsewhere.".to_owned(),
            "Restore the volume from a snapshot and tag it as before; or run it with `--replace-after 0s`: it gets an empty disk, and fetches its \
             replicas from the others."
                .to_owned(),
        ));
    };
    // The run that marked it may have had a clock that is ahead of this one by a second.
    let since = host.lost_since.map_or(asked.now, |since| since.min(asked.now));
    let due = since.saturating_add(after).unwrap_or(asked.now);
    (due > asked.now).then(|| {
        let due = due.strftime("%F %H:%M UTC");
        Objection(
            format!("It gets an empty disk from {due} on, unless the volume is there again before."),
            String::new(),
        )
    })
}
