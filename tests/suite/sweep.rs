//! The sweep: whatever call is the one at which something goes wrong, the work is finished by the next run at the latest, with
//! nothing twice, nothing left over and no data lost.
//!
//! `cargo test` takes a sample, spread over the calls. `KSTACK_SWEEP=all cargo test --test suite sweep` takes every call, and
//! `KSTACK_SWEEP=3/8` those whose number leaves 3 when it is divided by 8. Either prints the table of ARCHITECTURE.md.
//!
//! A call is known by its operation and the how manieth of that it is: calls go out at once, and come in another order each time.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::scenario::{
    ALARMS_APPLY, ALARMS_REMOVE, ALARMS_ROLL, ALARMS_UNDO, APPLY, CLIENT_APPLY, CLIENT_REMOVE, CLIENT_REPLACE, DESTROY,
    DUAL_APPLY, DUAL_ON, FILE, LINK_APPLY, LINK_REMOVE, LOGS_APPLY, LOGS_DESTROY, MSK_ALARMS, MSK_APPLY, MSK_DESTROY,
    MSK_LOGS, MSK_UPDATE, MSK_USERS, MSK_USERS_DESTROY, NAMES_APPLY, NAMES_REMOVE, OTHERS_APPLY, OTHERS_DESTROY, ROLL,
    SECURED_APPLY, SECURED_ROTATE, SECURED_UNDO, Scenario, TO_PLAINTEXT, TO_TLS, UNDO, Whole,
};
use crate::support::aws::DEV;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::stale::Stale;
use crate::support::{Account, Run};

/// How AWS lags: for so long what is made is in no list, and can't be used.
const UNLISTED: Duration = Duration::from_secs(4);
const UNUSABLE: Duration = Duration::from_secs(2);

/// After how many seconds of silence a call is given up, where silence is what goes wrong.
const SILENCE: u64 = 6;

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
    if asked().is_some() { &ANSWERS } else { &ANSWERS[..4] }
}

/// The same with a dead run's call that comes late, for changes and deletions. Of creating calls some have no token at AWS, and then
/// make two: for those, a run after one that died pauses first.
fn quick_or_late() -> Vec<Trouble> {
    let (first, last) = quick().split_at(2);
    [first, &[only(Fault::Twice)], last].concat()
}

impl Trouble {
    fn name(self) -> String {
        let fault = match self.fault {
            Fault::KillBefore => "killed before a call",
            Fault::KillAfter => "killed after a call",
            Fault::DropAnswer => "no answer to a call that was done",
            Fault::CutBody => "a cut answer",
            Fault::Twice => "a dead run's same call, done right before",
            Fault::Silence => "silence, the call not done",
            Fault::SilenceAfter => "silence, the call done",
            Fault::Unavailable => "503 ServiceUnavailable",
            Fault::Throttled => "503 RequestLimitExceeded",
            Fault::Refused(code) => code,
        };
        format!("{fault}{}", if self.stale { ", stale describes" } else { "" })
    }
    fn kills(self) -> bool {
        matches!(self.fault, Fault::KillBefore | Fault::KillAfter)
    }
    fn silent(self) -> bool {
        matches!(self.fault, Fault::Silence | Fault::SilenceAfter)
    }
    /// The trouble at `target`, and whether it has come.
    fn weather(self, target: Target) -> (Weather, Arc<AtomicBool>) {
        let (seen, come) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&come);
        let fault = move |call: &Call| {
            let strikes = call.operation == target.operation && seen.fetch_add(1, Ordering::SeqCst) == target.before;
            told.fetch_or(strikes, Ordering::SeqCst);
            strikes.then_some(self.fault)
        };
        let stale = self.stale.then(|| Stale::new(UNLISTED, UNUSABLE));
        (Weather { fault: Some(Box::new(fault)), stale, ..Weather::default() }, come)
    }
}

/// The call at which something goes wrong.
#[derive(Debug, Clone)]
struct Target {
    operation: String,
    /// How many of that operation come before it.
    before: usize,
}

impl Target {
    /// Call `number` of those.
    fn of(calls: &[Call], number: usize) -> Target {
        let operation = &calls[number - 1].operation;
        let before = calls[..number - 1].iter().filter(|call| call.operation == *operation).count();
        Target { operation: operation.clone(), before }
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

fn asked() -> Option<String> {
    std::env::var("KSTACK_SWEEP").ok()
}

/// The numbers out of `calls` at which something goes wrong: `samples` of those that change something, spread, or what
/// `KSTACK_SWEEP` says.
fn chosen(calls: &[Call], samples: usize) -> Vec<usize> {
    let count = calls.len();
    match asked().as_deref() {
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

impl Scenario {
    /// One run with `trouble` at call `number`, and what came of it. Whether that call came: who waits asks less often when a machine is busy.
    fn run(self, account: &mut Account, trouble: Trouble, number: usize, whole: &Whole, tally: &mut Tally) -> bool {
        self.prepare(account, whole);
        let mut held = account.data(DEV);
        // Twice as long: a dead process's last call may still be under way, and what it makes is unlisted only from then on.
        account.lag = if trouble.stale { 2 * UNLISTED.as_secs() } else { 0 };
        account.silence = trouble.silent().then_some(SILENCE);
        let target = Target::of(&whole.calls, number);
        let (weather, come) = trouble.weather(target.clone());
        let proxy = Proxy::with(weather);
        let mut told = Vec::new();
        let mut run = through(account, &proxy, &[self.command, FILE, "--yes"]);
        if !come.load(Ordering::SeqCst) {
            run.expect(0);
            self.clear(account, whole);
            return false;
        }
        let mut right = true;
        if trouble.kills() {
            right &= run.code == -1;
            // What it made before its death is kept, too.
            held = account.data(DEV).into_iter().chain(held).collect();
            account.run(&["unlock", FILE, "--yes"]).expect(0);
            told.push(run);
            run = through(account, &proxy, &[self.then, FILE, "--yes"]);
        }
        right &= run.code == 0;
        told.push(run);
        let verdict = self.judge(account, whole, &held);
        tally.orphans += verdict.orphans;
        tally.duplicates += verdict.duplicates;
        tally.volumes_lost += verdict.lost;
        tally.runs += 1;
        if right && verdict.differences.is_empty() {
            tally.converged += 1;
            self.clear(account, whole);
        } else {
            let last = |run: &Run| {
                let lines: Vec<&str> = run.err.lines().collect();
                format!("exit code {}: ...{}\n", run.code, lines[lines.len().saturating_sub(5)..].join("\n"))
            };
            let told: String = told.iter().map(last).collect();
            tally.wrong.push(format!(
                "{}, {}, number {} of them, {}:\n{told}{}",
                self.name,
                target.operation,
                target.before + 1,
                trouble.name(),
                verdict.differences.join("\n")
            ));
        }
        true
    }

    /// Sweeps over the calls with `samples` of `troubles` each; or one after the other, when they are to share the samples.
    fn sweep(self, troubles: &[Trouble], samples: usize, shared: bool) {
        let whole = self.whole();
        let mut account = self.account(whole);
        let mut tallies: BTreeMap<Trouble, Tally> = BTreeMap::new();
        for (index, number) in chosen(&whole.calls, samples).into_iter().enumerate() {
            let these = match asked() {
                None if shared => &troubles[index % troubles.len()..=index % troubles.len()],
                _ => troubles,
            };
            for trouble in these {
                let tally = tallies.entry(*trouble).or_default();
                // Of a sample each has its run: another call near it is as good.
                let near = (number..=whole.calls.len()).filter(|one| whole.calls[one - 1].writes() || *one == number);
                for number in near.take(if asked().is_none() { 5 } else { 1 }) {
                    if self.run(&mut account, *trouble, number, whole, tally) {
                        break;
                    }
                }
            }
        }
        let mut rows = String::new();
        for (trouble, tally) in &tallies {
            let Tally { runs, converged, orphans, duplicates, volumes_lost, .. } = tally;
            let (name, trouble) = (self.name, trouble.name());
            rows +=
                &format!("| {name} | {trouble} | {runs} | {converged} | {orphans} | {duplicates} | {volumes_lost} |\n");
        }
        if asked().is_some() {
            // Past the test harness, which shows only what failed.
            std::io::stdout()
                .write_all(format!("{} has {} calls\n{rows}", self.name, whole.calls.len()).as_bytes())
                .expect("a table");
        }
        assert!(tallies.values().map(|tally| tally.runs).sum::<usize>() > 0, "nothing went wrong in any run: {rows}");
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
    // Either silence is waited for: the last only in a whole sweep.
    let troubles = if asked().is_some() { &ANSWERS } else { &ANSWERS[..5] };
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
    ROLL.sweep(&quick_or_late(), 5, true);
}

#[test]
fn a_destroy_survives_its_death_at_any_call() {
    DESTROY.sweep(&KILLS, 2, false);
}

#[test]
fn a_destroy_survives_any_answer_that_is_lost() {
    DESTROY.sweep(&quick_or_late(), 5, true);
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

#[test]
fn users_of_an_msk_cluster_survive_a_death_at_any_call() {
    MSK_USERS.sweep(&KILLS, 3, true);
}

#[test]
fn users_of_an_msk_cluster_survive_any_answer_that_is_lost() {
    MSK_USERS.sweep(quick(), 3, true);
}

#[test]
fn the_destruction_of_an_msk_cluster_with_users_survives_its_death_at_any_call() {
    MSK_USERS_DESTROY.sweep(&KILLS, 2, true);
}

#[test]
fn an_apply_in_a_network_of_others_touches_nothing_of_it_whatever_goes_wrong() {
    OTHERS_APPLY.sweep(&KILLS, 2, true);
    OTHERS_APPLY.sweep(quick(), 2, true);
    OTHERS_APPLY.sweep(&LAGS, 1, true);
}

#[test]
fn a_destroy_in_a_network_of_others_leaves_it_as_it_was_whatever_goes_wrong() {
    OTHERS_DESTROY.sweep(&KILLS, 2, true);
    OTHERS_DESTROY.sweep(quick(), 3, true);
}

#[test]
fn a_run_with_names_that_is_cut_short_is_finished_by_the_next() {
    NAMES_APPLY.sweep(&KILLS, 2, true);
    NAMES_APPLY.sweep(quick(), 2, true);
    NAMES_REMOVE.sweep(&KILLS, 2, true);
}

#[test]
fn an_endpoint_of_a_privatelink_service_and_its_names_are_made_and_go_whatever_goes_wrong() {
    LINK_APPLY.sweep(&KILLS, 2, true);
    LINK_APPLY.sweep(quick(), 2, true);
    LINK_APPLY.sweep(&LAGS, 1, true);
    LINK_REMOVE.sweep(&KILLS, 2, true);
}

#[test]
fn a_run_with_keys_and_certificates_survives_its_death_at_any_call() {
    SECURED_APPLY.sweep(&KILLS, 3, false);
}

#[test]
fn a_run_with_keys_and_certificates_survives_any_answer_that_is_lost() {
    SECURED_APPLY.sweep(quick(), 4, true);
}

#[test]
fn a_run_in_which_another_authority_signs_is_finished_by_the_next_wherever_it_dies() {
    SECURED_ROTATE.sweep(&KILLS, 2, true);
}

#[test]
fn a_destroy_after_an_apply_that_died_leaves_no_key_and_no_certificate() {
    SECURED_UNDO.sweep(&KILLS, 3, false);
}

#[test]
fn hosts_come_to_tls_and_back_to_plaintext_wherever_a_run_dies() {
    TO_TLS.sweep(&KILLS, 2, true);
    TO_PLAINTEXT.sweep(&KILLS, 2, true);
}

#[test]
fn a_client_host_is_made_once_whatever_goes_wrong() {
    CLIENT_APPLY.sweep(&KILLS, 2, true);
    CLIENT_APPLY.sweep(quick(), 2, true);
    CLIENT_APPLY.sweep(&LAGS, 1, true);
}

#[test]
fn a_client_host_is_replaced_and_removed_whatever_goes_wrong() {
    CLIENT_REPLACE.sweep(&KILLS, 2, true);
    CLIENT_REPLACE.sweep(quick(), 1, true);
    CLIENT_REMOVE.sweep(&KILLS, 2, true);
}

#[test]
fn a_run_with_ipv6_that_is_cut_short_is_finished_by_the_next() {
    DUAL_APPLY.sweep(&KILLS, 2, true);
    DUAL_APPLY.sweep(&LAGS, 1, true);
    DUAL_ON.sweep(&KILLS, 2, true);
    DUAL_ON.sweep(quick(), 2, true);
}

#[test]
fn alarms_are_made_whatever_goes_wrong_and_follow_a_roll() {
    ALARMS_APPLY.sweep(&KILLS, 2, true);
    ALARMS_APPLY.sweep(quick(), 2, true);
    ALARMS_ROLL.sweep(&KILLS, 2, true);
    ALARMS_ROLL.sweep(quick(), 1, true);
}

#[test]
fn alarms_go_whatever_goes_wrong() {
    ALARMS_REMOVE.sweep(&KILLS, 2, true);
    ALARMS_REMOVE.sweep(quick(), 2, true);
    ALARMS_UNDO.sweep(&KILLS, 1, true);
}

#[test]
fn alarms_of_an_msk_cluster_are_made_whatever_goes_wrong() {
    MSK_ALARMS.sweep(&KILLS, 2, true);
    MSK_ALARMS.sweep(quick(), 2, true);
}

#[test]
fn log_groups_are_made_and_go_whatever_goes_wrong() {
    LOGS_APPLY.sweep(&KILLS, 2, true);
    LOGS_APPLY.sweep(quick(), 2, true);
    LOGS_DESTROY.sweep(&KILLS, 2, true);
    MSK_LOGS.sweep(&KILLS, 1, true);
    MSK_LOGS.sweep(quick(), 2, true);
}
