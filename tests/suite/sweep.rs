//! The sweep: whatever call is the one at which something goes wrong, the work is finished by the next run at the latest, with
//! nothing twice, nothing left over and no data lost.
//!
//! `cargo test` takes a sample, spread over the calls. `KSTACK_SWEEP=all cargo test --test suite sweep` takes every call, and
//! `KSTACK_SWEEP=3/8` those whose number leaves 3 when it is divided by 8. Either prints the table of ARCHITECTURE.md.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use crate::support::aws::DEV;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::stale::Stale;
use crate::support::{Account, Run};

/// What is swept: a stack, what comes before, and the command at which things go wrong.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// The stack file, below `stacks`.
    stack: &'static str,
    /// What is live before the command; nothing when there is none.
    before: Option<Edits>,
    /// What the file has when the command runs.
    after: Edits,
    command: &'static str,
}

type Edits = &'static [(&'static str, &'static str)];

/// A change that rolls brokers and grows their volumes.
const CHANGE: Edits = &[("instance_type: t4g.medium", "instance_type: t4g.large"), ("retention: 1d", "retention: 3d")];

const APPLY: Scenario = Scenario { name: "apply", stack: "dev", before: None, after: &[], command: "apply" };
const ROLL: Scenario =
    Scenario { name: "roll and grow", stack: "dev", before: Some(&[]), after: CHANGE, command: "apply" };
const DESTROY: Scenario = Scenario { name: "destroy", stack: "dev", before: Some(&[]), after: &[], command: "destroy" };

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

/// The numbers out of `count` at which something goes wrong: `samples`, spread, or what `KSTACK_SWEEP` says.
fn chosen(count: usize, samples: usize, offset: usize) -> Vec<usize> {
    match whole().as_deref() {
        None => {
            let step = count.div_ceil(samples).max(1);
            (1 + offset % step..=count).step_by(step).collect()
        }
        Some("all") => (1..=count).collect(),
        Some(slice) => {
            let (rest, of) = slice.split_once('/').expect("KSTACK_SWEEP is `all`, or like 3/8");
            let (rest, of): (usize, usize) = (rest.parse().expect("a number"), of.parse().expect("a number"));
            (1..=count).filter(|number| number % of == rest).collect()
        }
    }
}

impl Scenario {
    fn file(self) -> String {
        format!("{}.yaml", self.stack)
    }

    /// Brings the account to where the command begins.
    fn prepare(self, account: &Account) {
        if let Some(before) = self.before {
            account.write(self.stack, before);
            account.apply(&self.file());
        }
        account.write(self.stack, self.after);
    }

    /// How many calls the command makes when nothing goes wrong, and what is there then.
    fn measure(self, account: &mut Account) -> (usize, BTreeMap<String, Vec<String>>) {
        self.prepare(account);
        let proxy = Proxy::counting();
        through(account, &proxy, &[self.command, &self.file(), "--yes"]).expect(0);
        let there = account.inventory(DEV);
        if self.command != "destroy" {
            account.destroy(&self.file());
        }
        (proxy.take().len(), there)
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
        let file = self.file();
        let command = [self.command, file.as_str(), "--yes"];
        self.prepare(account);
        let before = account.identities(DEV);
        let proxy = Proxy::with(trouble.weather(number));
        let mut told = Vec::new();
        let mut run = through(account, &proxy, &command);
        let mut right = true;
        if trouble.kills() {
            right &= run.code == -1;
            account.run(&["unlock", &file, "--yes"]).expect(0);
            told.push(run);
            run = through(account, &proxy, &command);
        }
        right &= run.code == 0;
        told.push(run);
        let made = account.identities(DEV);
        if trouble.stale {
            // The next look is at what AWS knows by then. A second VPC, gateway or address that was made unseen is deleted.
            std::thread::sleep(UNLISTED);
            account.run(&command).expect(0);
        }
        if self.command != "destroy" {
            right &= account.run(&["plan", &file, "--detailed-exitcode"]).code == 0;
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
        let after = account.identities(DEV);
        let volume = |of: &BTreeMap<String, _>, host: &String| {
            of.get(host).map(|one: &crate::support::aws::Identity| one.volume.clone())
        };
        let lost = before.keys().chain(made.keys()).collect::<std::collections::BTreeSet<_>>();
        let lost = lost.into_iter().filter(|host| {
            let had = volume(&before, host).or_else(|| volume(&made, host));
            self.command != "destroy" && volume(&after, host) != had
        });
        let lost = lost.count();
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
        if self.command != "destroy" {
            account.run(&["destroy", &file, "--yes"]).expect(0);
        }
        account.assert_nothing_left();
    }

    /// Sweeps over the calls with `samples` of `troubles` each; or one after the other, when they are to share the samples.
    fn sweep(self, troubles: &[Trouble], samples: usize, shared: bool) {
        let mut account = Account::new();
        let (calls, there) = self.measure(&mut account);
        let mut tallies: BTreeMap<Trouble, Tally> = BTreeMap::new();
        for (index, number) in chosen(calls, samples, usize::from(shared) * 7).into_iter().enumerate() {
            let these = match whole() {
                None if shared => &troubles[index % troubles.len()..=index % troubles.len()],
                _ => troubles,
            };
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
                .write_all(format!("{} has {calls} calls\n{rows}", self.name).as_bytes())
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
    let troubles = if whole().is_some() { &ANSWERS[..] } else { &ANSWERS[..5] };
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
    ROLL.sweep(&ANSWERS[..4], 4, true);
}

#[test]
fn a_destroy_survives_its_death_at_any_call() {
    DESTROY.sweep(&KILLS, 2, false);
}

#[test]
fn a_destroy_survives_any_answer_that_is_lost() {
    DESTROY.sweep(&ANSWERS[..4], 4, true);
}
