//! The sweep: whatever call is the one at which something goes wrong, the work is finished by the next run at the latest, with
//! nothing twice, nothing left over and no data lost.
//!
//! `cargo test` takes a sample, spread over the calls. `KSTACK_SWEEP=all cargo test --test suite sweep` takes every call, and
//! `KSTACK_SWEEP=3/8` those whose number leaves 3 when it is divided by 8. Either prints the table of ARCHITECTURE.md.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use crate::msk::orders;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::stale::Stale;
use crate::support::{Account, Run, stack};

/// What is swept: a stack, what comes before, and the command at which things go wrong.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// The stack file with edits.
    text: fn(Edits) -> String,
    /// What is live before the command; nothing when there is none.
    before: Option<Edits>,
    /// What the file has when the command runs.
    after: Edits,
    command: &'static str,
    /// The command after a death.
    then: &'static str,
}

type Edits = &'static [(&'static str, &'static str)];

/// A change that rolls brokers and grows their volumes.
const CHANGE: Edits = &[("instance_type: t4g.medium", "instance_type: t4g.large"), ("retention: 1d", "retention: 3d")];

const APPLY: Scenario = Scenario::apply("apply", dev, None, &[]);
const ROLL: Scenario = Scenario::apply("roll and grow", dev, Some(&[]), CHANGE);
const DESTROY: Scenario = Scenario::destroy("destroy", dev);
const UNDO: Scenario = Scenario { name: "apply, then destroy", then: "destroy", ..APPLY };

fn dev(edits: Edits) -> String {
    stack("dev", edits)
}

/// Three operations of a cluster, one after the other.
const UPDATES: Edits = &[
    ("size: 200 GiB", "size: 300 GiB"),
    ("level: default", "level: per-broker"),
    ("enable: \"false\"", "enable: \"true\""),
];

const MSK_APPLY: Scenario = Scenario::apply("MSK apply", orders, None, &[]);
const MSK_UPDATE: Scenario = Scenario::apply("MSK updates", orders, Some(&[]), UPDATES);
const MSK_DESTROY: Scenario = Scenario::destroy("MSK destroy", orders);

const FILE: &str = "stack.yaml";

/// How AWS lags: for so long what is made is in no list, and can't be used.
const UNLISTED: Duration = Duration::from_secs(4);
const UNUSABLE: Duration = Duration::from_secs(2);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Trouble {
    fault: Fault,
    /// Whether AWS lags besides.
    stale: bool,
}

const fn only(fault: Fault) -> Trouble {
    Trouble { fault, stale: false }
}
const fn lagging(fault: Fault) -> Trouble {
    Trouble { fault, stale: true }
}

const KILLS: [Trouble; 2] = [only(Fault::KillBefore), only(Fault::KillAfter)];
const ANSWERS: [Trouble; 6] = [
    only(Fault::DropAnswer),
    only(Fault::CutBody),
    only(Fault::Unavailable),
    only(Fault::Throttled),
    only(Fault::SilenceAfter),
    only(Fault::Silence),
];
const LAGS: [Trouble; 2] = [lagging(Fault::DropAnswer), lagging(Fault::KillAfter)];

/// Those lost answers that are noticed at once; in a whole sweep, silence too.
fn quick() -> &'static [Trouble] {
    if whole().is_some() { &ANSWERS } else { &ANSWERS[..4] }
}

impl Trouble {
    fn name(self) -> String {
        let fault = match self.fault {
            Fault::KillBefore => "killed before a call",
            Fault::KillAfter => "killed after a call",
            Fault::DropAnswer => "no answer to a call that was done",
            Fault::CutBody => "a cut answer",
            Fault::Silence => "silence, the call not done",
            Fault::SilenceAfter => "silence, the call done",
            Fault::Unavailable => "503 ServiceUnavailable",
            Fault::Throttled => "503 RequestLimitExceeded",
        };
        format!("{fault}{}", if self.stale { ", stale describes" } else { "" })
    }
    fn kills(self) -> bool {
        matches!(self.fault, Fault::KillBefore | Fault::KillAfter)
    }
    fn weather(self, number: usize) -> Weather {
        Weather {
            fault: Some(Box::new(move |call: &Call| (call.number == number).then_some(self.fault))),
            stale: self.stale.then(|| Stale::new(UNLISTED, UNUSABLE)),
            ..Weather::default()
        }
    }
}

/// What came of the runs with one trouble.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    converged: usize,
    orphans: usize,
    duplicates: usize,
    volumes_lost: usize,
    wrong: Vec<String>,
}

fn whole() -> Option<String> {
    std::env::var("KSTACK_SWEEP").ok()
}

/// The numbers out of `calls` at which something goes wrong: `samples` of those that change something, spread, or what
/// `KSTACK_SWEEP` says.
fn chosen(calls: &[Call], samples: usize) -> Vec<usize> {
    let count = calls.len();
    match whole().as_deref() {
        None => {
            let writes: Vec<usize> = calls.iter().filter(|call| call.writes()).map(|call| call.number).collect();
            let samples = samples.min(writes.len());
            (0..samples).map(|sample| writes[(2 * sample + 1) * writes.len() / (2 * samples)]).collect()
        }
        Some("all") => (1..=count).collect(),
        Some(slice) => {
            let (rest, of) = slice.split_once('/').expect("KSTACK_SWEEP is `all`, or like 3/8");
            let (rest, of): (usize, usize) = (rest.parse().expect("a number"), of.parse().expect("a number"));
            (1..=count).filter(|number| number % of == rest).collect()
        }
    }
}

/// What holds data, by host or name, with its id: volumes and clusters.
fn data(account: &Account) -> BTreeMap<String, String> {
    let volumes = account.identities(DEV).into_iter().map(|(host, one)| (host, one.volume));
    let clusters = wait(account.kafka(DEV).list_clusters_v2().send());
    let clusters = clusters
        .cluster_info_list()
        .iter()
        .filter_map(|one| Some((one.cluster_name.clone()?, one.cluster_arn.clone()?)));
    volumes.chain(clusters).filter(|(_, id)| !id.is_empty()).collect()
}

impl Scenario {
    const fn apply(name: &'static str, text: fn(Edits) -> String, before: Option<Edits>, after: Edits) -> Scenario {
        Scenario { name, text, before, after, command: "apply", then: "apply" }
    }
    const fn destroy(name: &'static str, text: fn(Edits) -> String) -> Scenario {
        Scenario { name, text, before: Some(&[]), after: &[], command: "destroy", then: "destroy" }
    }

    fn write(self, account: &Account, edits: Edits) {
        std::fs::write(account.path(FILE), (self.text)(edits)).expect("a file");
    }

    /// Brings the account to where the command begins.
    fn prepare(self, account: &Account) {
        if let Some(before) = self.before {
            self.write(account, before);
            account.apply(FILE);
        }
        self.write(account, self.after);
    }

    /// The calls that the command makes when nothing goes wrong, and what is there then.
    fn measure(self, account: &mut Account) -> (Vec<Call>, BTreeMap<String, Vec<String>>) {
        self.prepare(account);
        let proxy = Proxy::counting();
        through(account, &proxy, &[self.command, FILE, "--yes"]).expect(0);
        if self.then != self.command {
            account.run(&[self.then, FILE, "--yes"]).expect(0);
        }
        let there = account.inventory(DEV);
        if self.then != "destroy" {
            account.destroy(FILE);
        }
        (proxy.take(), there)
    }

    /// One run with `trouble` at call `number`, and what came of it.
    fn run(
        self,
        account: &mut Account,
        trouble: Trouble,
        number: usize,
        whole: &BTreeMap<String, Vec<String>>,
        tally: &mut Tally,
    ) {
        self.prepare(account);
        let before = data(account);
        account.lag = if trouble.stale { UNLISTED.as_secs() } else { 0 };
        let proxy = Proxy::with(trouble.weather(number));
        let mut told = Vec::new();
        let mut run = through(account, &proxy, &[self.command, FILE, "--yes"]);
        if proxy.count() < number {
            // It looked less often while it waited, and was done before that call.
            run.expect(0);
            if self.command != "destroy" {
                account.run(&["destroy", FILE, "--yes"]).expect(0);
            }
            return account.assert_nothing_left();
        }
        let made = data(account);
        let mut right = true;
        if trouble.kills() {
            right &= run.code == -1;
            account.run(&["unlock", FILE, "--yes"]).expect(0);
            told.push(run);
            run = through(account, &proxy, &[self.then, FILE, "--yes"]);
        }
        right &= run.code == 0;
        told.push(run);
        if trouble.stale {
            // The next look is at what AWS knows by then.
            std::thread::sleep(UNLISTED);
        }
        if self.then != "destroy" {
            right &= account.run(&["plan", FILE, "--detailed-exitcode"]).code == 0;
        }
        let there = account.inventory(DEV);
        for (name, ids) in &there {
            match whole.get(name) {
                None => tally.orphans += ids.len(),
                Some(expected) => tally.duplicates += ids.len().saturating_sub(expected.len()),
            }
        }
        right &= whole.iter().all(|(name, ids)| there.get(name).is_some_and(|found| found.len() == ids.len()))
            && there.len() == whole.len();
        let after = data(account);
        let lost = before.iter().chain(made.iter().filter(|(host, _)| !before.contains_key(*host)));
        let lost =
            if self.then == "destroy" { 0 } else { lost.filter(|(host, id)| after.get(*host) != Some(id)).count() };
        tally.volumes_lost += lost;
        tally.runs += 1;
        if right && lost == 0 {
            tally.converged += 1;
        } else {
            let last = |run: &Run| {
                let lines: Vec<&str> = run.err.lines().collect();
                format!("exit code {}: ...{}\n", run.code, lines[lines.len().saturating_sub(5)..].join("\n"))
            };
            let differs = |one: &BTreeMap<String, Vec<String>>, other: &BTreeMap<String, Vec<String>>| {
                let here = one.iter().filter(|(name, ids)| other.get(*name).map(Vec::len) != Some(ids.len()));
                here.map(|(name, ids)| format!("{name}: {}", ids.join(" "))).collect::<Vec<_>>()
            };
            let (more, less) = (differs(&there, whole), differs(whole, &there));
            let told: String = told.iter().map(last).collect();
            tally.wrong.push(format!(
                "{}, call {number}, {}:\n{told}there: {more:?}\nexpected: {less:?}",
                self.name,
                trouble.name()
            ));
        }
        if self.then != "destroy" {
            account.run(&["destroy", FILE, "--yes"]).expect(0);
        }
        account.assert_nothing_left();
    }

    /// Sweeps over the calls with `samples` of `troubles` each; or one after the other, when they are to share the samples.
    fn sweep(self, troubles: &[Trouble], samples: usize, shared: bool) {
        let mut account = crate::msk::account();
        let (calls, there) = self.measure(&mut account);
        let mut tallies: BTreeMap<Trouble, Tally> = BTreeMap::new();
        for (index, number) in chosen(&calls, samples).into_iter().enumerate() {
            let these = match whole() {
                None if shared => &troubles[index % troubles.len()..=index % troubles.len()],
                _ => troubles,
            };
            // What is deleted stays in an account's lists for a while, and makes every describe longer.
            if index % 8 == 7 {
                account = crate::msk::account();
            }
            for trouble in these {
                self.run(&mut account, *trouble, number, &there, tallies.entry(*trouble).or_default());
            }
        }
        let mut rows = String::new();
        for (trouble, tally) in &tallies {
            rows += &format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                self.name,
                trouble.name(),
                tally.runs,
                tally.converged,
                tally.orphans,
                tally.duplicates,
                tally.volumes_lost
            );
        }
        if whole().is_some() {
            // Past the test harness, which shows only what failed.
            std::io::stdout()
                .write_all(format!("{} has {} calls\n{rows}", self.name, calls.len()).as_bytes())
                .expect("a table");
        }
        let wrong: Vec<&String> = tallies.values().flat_map(|tally| &tally.wrong).collect();
        let wrong: String = wrong.into_iter().map(|one| format!("\n{one}\n")).collect();
        assert!(wrong.is_empty(), "{rows}{wrong}");
        assert!(tallies.values().all(|tally| tally.orphans + tally.duplicates == 0), "{rows}");
    }
}

#[test]
fn an_apply_survives_its_death_at_any_call() {
    APPLY.sweep(&KILLS, 3, false);
}

#[test]
fn an_apply_survives_any_answer_that_is_lost() {
    // The last kind of silence waits for half a minute like the one before it: only in a whole sweep.
    let troubles = if whole().is_some() { &ANSWERS } else { &ANSWERS[..5] };
    APPLY.sweep(troubles, 5, true);
}

#[test]
fn an_apply_survives_describes_that_lag_behind() {
    APPLY.sweep(&LAGS, 4, true);
}

#[test]
fn a_roll_that_grows_volumes_survives_its_death_at_any_call() {
    ROLL.sweep(&KILLS, 2, false);
}

#[test]
fn a_roll_that_grows_volumes_survives_any_answer_that_is_lost() {
    ROLL.sweep(quick(), 4, true);
}

#[test]
fn a_destroy_survives_its_death_at_any_call() {
    DESTROY.sweep(&KILLS, 2, false);
}

#[test]
fn a_destroy_survives_any_answer_that_is_lost() {
    DESTROY.sweep(quick(), 4, true);
}

#[test]
fn a_destroy_after_an_apply_that_died_leaves_nothing_that_was_not_listed_yet() {
    UNDO.sweep(&LAGS[1..], 2, true);
}

#[test]
fn the_creation_of_an_msk_cluster_survives_its_death_at_any_call() {
    MSK_APPLY.sweep(&KILLS, 2, true);
}

#[test]
fn the_creation_of_an_msk_cluster_survives_any_answer_that_is_lost() {
    MSK_APPLY.sweep(quick(), 3, true);
}

#[test]
fn the_creation_of_an_msk_cluster_survives_lists_that_lag_behind() {
    MSK_APPLY.sweep(&LAGS, 2, true);
}

#[test]
fn the_updates_of_an_msk_cluster_survive_their_death_at_any_call() {
    MSK_UPDATE.sweep(&KILLS, 2, true);
}

#[test]
fn the_updates_of_an_msk_cluster_survive_any_answer_that_is_lost() {
    MSK_UPDATE.sweep(quick(), 3, true);
}

#[test]
fn the_destruction_of_an_msk_cluster_survives_its_death_at_any_call() {
    MSK_DESTROY.sweep(&KILLS, 2, true);
}
