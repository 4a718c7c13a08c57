//! The sweep: whatever call is the one at which kstack dies, or whose answer is lost, the work is finished, with nothing
//! twice and no data lost. Sampled, spread over the calls; whole with `KSTACK_SWEEP=all cargo test --test suite sweep`.

use crate::support::aws::DEV;
use crate::support::proxy::{Fault, Proxy};
use crate::support::{Account, Run};

const FILE: &str = "dev.yaml";

/// A change that rolls brokers and grows their volumes.
const CHANGE: [(&str, &str); 2] =
    [("instance_type: t4g.medium", "instance_type: t4g.large"), ("retention: 1d", "retention: 3d")];

/// The calls out of `count` at which something goes wrong: all of them, or `samples`, spread.
fn chosen(count: usize, samples: usize) -> Vec<usize> {
    let step = if std::env::var_os("KSTACK_SWEEP").is_some() { 1 } else { count.div_ceil(samples).max(1) };
    (1..=count).step_by(step).collect()
}

/// How many calls `command` makes when nothing goes wrong; it is done after this.
fn count(account: &mut Account, command: &str) -> usize {
    let direct = account.endpoint.clone();
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    account.run(&[command, FILE, "--yes"]).expect(0);
    account.endpoint = direct;
    proxy.take().len()
}

/// Runs `command` with one fault.
fn run_with(account: &mut Account, command: &str, call: usize, fault: Fault) -> Run {
    let direct = account.endpoint.clone();
    let proxy = Proxy::with_fault(call, fault);
    account.endpoint.clone_from(&proxy.endpoint);
    let mut command = account.command(&[command, FILE, "--yes"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    proxy.aim(child.id());
    let run = Run::from(child.wait_with_output().expect("the binary ends"));
    proxy.wait_until_quiet();
    account.endpoint = direct;
    run
}

/// After the fault: the next run, which finishes the work. A killed holder's lease is ended first.
fn finish(account: &Account, command: &str) {
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.run(&[command, FILE, "--yes"]).expect(0);
}

const KILLS: [Fault; 2] = [Fault::KillBefore, Fault::KillAfter];
const ANSWERS: [Fault; 3] = [Fault::DropAnswer, Fault::Unavailable, Fault::Throttled];

#[test]
fn an_apply_survives_its_death_at_any_call() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let calls = count(&mut account, "apply");
    let whole = account.run(&["status", FILE, "--json"]).json()["resources"].clone();
    account.destroy(FILE);
    for call in chosen(calls, 4) {
        for fault in KILLS {
            let run = run_with(&mut account, "apply", call, fault);
            assert_eq!(run.code, -1, "call {call} of {calls}, {fault:?}: {run}");
            finish(&account, "apply");
            account.assert_converged(FILE);
            let status = account.run(&["status", FILE, "--json"]).expect(0).json();
            assert_eq!(status["resources"], whole, "call {call} of {calls}, {fault:?}");
            assert_eq!((account.identities(DEV).len(), account.instances(DEV).len()), (3, 3));
            account.destroy(FILE);
        }
    }
}

#[test]
fn an_apply_survives_any_answer_that_is_lost() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let calls = count(&mut account, "apply");
    let whole = account.run(&["status", FILE, "--json"]).json()["resources"].clone();
    account.destroy(FILE);
    for (index, call) in chosen(calls, 6).into_iter().enumerate() {
        let faults =
            if std::env::var_os("KSTACK_SWEEP").is_some() { &ANSWERS[..] } else { &ANSWERS[index % 3..=index % 3] };
        for fault in faults {
            // One lost answer is no reason to stop.
            run_with(&mut account, "apply", call, *fault).expect(0);
            account.assert_converged(FILE);
            let status = account.run(&["status", FILE, "--json"]).expect(0).json();
            assert_eq!(status["resources"], whole, "call {call} of {calls}, {fault:?}");
            account.destroy(FILE);
        }
    }
}

#[test]
fn a_roll_that_grows_volumes_survives_its_death_at_any_call() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    account.write("dev", &CHANGE);
    let calls = count(&mut account, "apply");
    account.destroy(FILE);
    for call in chosen(calls, 4) {
        for fault in KILLS {
            account.write("dev", &[]);
            account.apply(FILE);
            let identities = account.identities(DEV);
            account.write("dev", &CHANGE);
            assert_eq!(run_with(&mut account, "apply", call, fault).code, -1, "call {call} of {calls}, {fault:?}");
            finish(&account, "apply");
            account.assert_converged(FILE);
            assert_eq!(account.identities(DEV), identities, "volumes and addresses, call {call} of {calls}, {fault:?}");
            account.destroy(FILE);
        }
    }
}

#[test]
fn a_destroy_survives_its_death_at_any_call() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let calls = count(&mut account, "destroy");
    for call in chosen(calls, 3) {
        for fault in KILLS {
            account.apply(FILE);
            assert_eq!(run_with(&mut account, "destroy", call, fault).code, -1, "call {call} of {calls}, {fault:?}");
            finish(&account, "destroy");
            account.assert_nothing_left();
        }
    }
}
