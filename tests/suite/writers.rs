//! One writer: many pairs at once, a holder that sleeps past its lease, and signals at any moment.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::lease::leases;
use crate::support::aws::DEV;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::{Running, through};
use crate::support::stale::Stale;
use crate::support::{Account, poll, text};

const FILE: &str = "dev.yaml";
const LONG: Duration = Duration::from_secs(120);

/// How many pairs of kstacks meet.
const PAIRS: u64 = 50;

#[test]
fn of_two_applies_at_once_one_works_and_the_other_says_who_fifty_times() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let direct = account.endpoint.clone();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for pair in 1..=PAIRS {
        // Who has the lease looks next, and waits for that until the other has ended.
        let proxy = Proxy::with(Weather { gate: Some("DescribeVpcs"), ..Weather::default() });
        account.endpoint.clone_from(&proxy.endpoint);
        let mut both = [(); 2].map(|()| account.spawn(&["apply", FILE, "--yes", "--json"]));
        let loser = poll("one that gives up", LONG, || both.iter_mut().position(Running::ended));
        proxy.open();
        let pids = [both[0].pid(), both[1].pid()];
        let mut ends: Vec<_> = both.into_iter().map(|one| one.end(LONG)).collect();
        let (other, done) = (ends.remove(loser), ends.remove(0));
        let done = done.expect(0);
        assert_eq!(done.events().last().expect("events")["complete"], true, "pair {pair}: {done}");
        let other = other.expect(1);
        assert_eq!(other.out, "", "the other has not even planned");
        // Lease 1 was the first apply's.
        let expected = format!(
            "error: another kstack process is changing the stack `dev`: arn:aws:iam::{}:root on {host} (process {}), since 20",
            account.id,
            pids[1 - loser]
        );
        assert!(other.err.starts_with(&expected), "pair {pair}: {expected}\n{other}");
        assert!(other.err.contains(&format!(" UTC, lease {} until ", pair + 1)), "pair {pair}: {other}");
        assert!(other.err.contains("hint: wait for it to end; if it has crashed"), "{other}");
        account.endpoint.clone_from(&direct);
    }
    let leases = leases(&account);
    assert_eq!(leases.keys().copied().collect::<Vec<_>>(), [PAIRS, PAIRS + 1], "each pair took one number");
    assert_eq!(leases[&(PAIRS + 1)]["released"], true);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// The leases are read while the caller is asked for. Where that takes long, others come and go meanwhile, and delete the lease whose number
/// would be next.
#[test]
fn leases_that_were_read_a_while_ago_are_read_again() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let direct = account.endpoint.clone();
    let proxy = Proxy::with(Weather { gate: Some("GetCallerIdentity"), ..Weather::default() });
    account.endpoint.clone_from(&proxy.endpoint);
    let slow = account.spawn(&["apply", FILE, "--yes", "--json"]);
    account.endpoint = direct;
    poll("its look at the leases", LONG, || {
        proxy.take().iter().any(|call| call.operation == "GetParametersByPath").then_some(())
    });
    // It is answered, and no longer fresh.
    std::thread::sleep(Duration::from_millis(1100));
    (0..3).for_each(|_| drop(account.apply(FILE)));
    proxy.open();
    let pid = slow.pid();
    slow.end(LONG).expect(0);
    let leases = leases(&account);
    assert_eq!(leases.keys().copied().collect::<Vec<_>>(), [4, 5], "it took the next number: {leases:?}");
    assert_eq!(leases[&5]["pid"], pid, "{leases:?}");
    account.destroy(FILE);
}

#[test]
fn a_holder_that_sleeps_past_its_lease_is_followed_and_writes_nothing_more() {
    // Long enough for a slow machine to renew it in time.
    const LEASE: u64 = 15;
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    account.write("dev", &[("instance_type: t4g.medium", "instance_type: t4g.large")]);
    account.choose(&json!({"times": {"instance_start": 20}}));
    let direct = account.endpoint.clone();
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    let mut command = account.command(&["apply", FILE, "--yes", "--json"]);
    command.env("KSTACK_TEST_LEASE", LEASE.to_string());
    let mut sleeper = Running::of(command);
    account.endpoint = direct;
    // It waits for the first new instance, and would end the second old one next.
    poll("a new instance", LONG, || proxy.take().iter().any(|call| call.operation == "RunInstances").then_some(()));
    poll("its answer", LONG, || (account.instances(DEV).len() == 2 && account.started(DEV) == 3).then_some(()));
    sleeper.signal(Signal::STOP);
    let number = *leases(&account).keys().next_back().expect("a lease");

    let early = account.run(&["apply", FILE, "--yes"]);
    assert!(early.code == 1 && early.err.contains(&format!("(process {})", sleeper.pid())), "{early}");
    let holder = leases(&account)[&number].clone();
    let expires: jiff::Timestamp = text(&holder["expires"]).parse().expect("a time");
    // AWS's clock is read in whole seconds.
    let ended = expires + jiff::SignedDuration::from_secs(1);
    poll("the lease's end", LONG, || (jiff::Timestamp::now() > ended).then_some(()));
    account.choose(&json!({}));
    account.apply(FILE);
    account.assert_converged(FILE);
    let (now, instances) = (leases(&account), account.instances(DEV));
    assert_eq!(now.keys().copied().collect::<Vec<_>>(), [number, number + 1], "{now:?}");

    proxy.take();
    sleeper.signal(Signal::CONT);
    let mut written = Vec::new();
    poll("its end, or a write", LONG, || {
        written.extend(proxy.take().into_iter().filter(Call::writes).map(|call| call.operation));
        (sleeper.ended() || !written.is_empty()).then_some(())
    });
    assert!(written.is_empty(), "{written:?}");
    let run = sleeper.end(LONG).expect(1);
    // Before a stop it looks at the other hosts, and sees that they are no longer those that it knows; the fence would come next.
    let ends = ["the lease on the stack has ended", "broker-2 was not stopped, because another host is down"];
    assert!(ends.iter().any(|end| run.err.contains(end)), "{run:.200}");
    assert_eq!((leases(&account), account.instances(DEV)), (now, instances));
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn a_holder_that_sleeps_past_its_lease_does_not_write_the_record_of_what_another_has_destroyed() {
    const LEASE: u64 = 15;
    let mut account = Account::new();
    account.write("dev", &[]);
    // All is there but the word in the record, which is all that the next apply has to write.
    let last = |call: &Call| call.operation == "PutParameter" && call.body.contains("\\\"resources\\\":");
    let killed = Proxy::with(Weather {
        fault: Some(Box::new(move |call| last(call).then_some(Fault::KillBefore))),
        ..Weather::default()
    });
    through(&mut account, &killed, &["apply", FILE, "--yes"]).expect(-1);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.assert_converged(FILE);

    // The last two calls of its look get their answers when it sleeps.
    let proxy = Proxy::with(Weather { gate: Some("DescribeVpcAttribute"), ..Weather::default() });
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    let mut command = account.command(&["apply", FILE, "--yes", "--json"]);
    command.env("KSTACK_TEST_LEASE", LEASE.to_string());
    let sleeper = Running::of(command);
    account.endpoint = direct;
    let mut last = 0;
    poll("the end of its look", LONG, || {
        last += proxy.take().iter().filter(|call| call.operation == "DescribeVpcAttribute").count();
        (last == 2).then_some(())
    });
    sleeper.signal(Signal::STOP);
    proxy.open();
    proxy.wait_until_quiet();
    let lease = leases(&account).into_values().next_back().expect("a lease");
    let expires: jiff::Timestamp = text(&lease["expires"]).parse().expect("a time");
    // AWS's clock is read in whole seconds.
    let ended = expires + jiff::SignedDuration::from_secs(1);
    poll("the lease's end", LONG, || (jiff::Timestamp::now() > ended).then_some(()));
    account.destroy(FILE);
    sleeper.signal(Signal::CONT);
    let run = sleeper.end(LONG).expect(1);
    assert!(run.err.contains("the lease on the stack has ended"), "{run:.200}");
    account.assert_nothing_left();
}

/// Kills an apply whose first call of `operation` is still on its way, ends its lease, runs `then`, and only now lets the call arrive.
fn late(account: &mut Account, operation: &'static str, then: impl FnOnce(&Account)) {
    let direct = account.endpoint.clone();
    let proxy = Proxy::with(Weather { gate: Some(operation), ..Weather::default() });
    account.endpoint.clone_from(&proxy.endpoint);
    let apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
    account.endpoint = direct;
    poll("the call", LONG, || proxy.take().iter().any(|call| call.operation == operation).then_some(()));
    apply.signal(Signal::KILL);
    apply.end(LONG).expect(-1);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    then(account);
    proxy.open();
    proxy.wait_until_quiet();
}

#[test]
fn the_last_call_of_a_dead_kstack_does_not_take_the_lease() {
    let mut account = Account::new();
    account.write("dev", &[]);
    late(&mut account, "PutParameter", |_| {});
    account.apply(FILE);
    account.destroy(FILE);
}

#[test]
fn a_vpc_that_a_dead_kstack_makes_late_is_deleted_by_the_next_plan() {
    let mut account = Account::new();
    account.write("dev", &[]);
    late(&mut account, "CreateVpc", |account| drop(account.apply(FILE)));
    let (used, steps) = (account.inventory(DEV), account.plan(FILE).steps());
    assert_eq!(used["vpc/main"].len(), 2, "{used:?}");
    assert!(steps.len() == 1 && steps[0].starts_with("delete vpc/main-vpc-"), "{steps:?}");
    account.apply(FILE);
    account.assert_converged(FILE);
    let left = account.inventory(DEV)["vpc/main"].clone();
    assert!(left.len() == 1 && steps[0] != format!("delete vpc/main-{}", left[0]), "{left:?} after {steps:?}");
    // The same, when nobody comes before the end of the stack.
    account.destroy(FILE);
    late(&mut account, "CreateVpc", |account| drop(account.apply(FILE)));
    account.destroy(FILE);
}

#[test]
fn after_a_death_the_next_kstack_waits_until_what_it_made_is_listed() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let proxy = Proxy::with(Weather {
        fault: Some(Box::new(|call| (call.operation == "CreateVpc").then_some(Fault::KillAfter))),
        stale: Some(Stale::new(Duration::from_secs(4), Duration::from_secs(4))),
        ..Weather::default()
    });
    account.lag = 15;
    through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(-1);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    // A signal ends the waiting, and the lease is free; who comes next still waits.
    let apply = account.spawn(&["apply", FILE, "--yes"]);
    poll("its lease", LONG, || {
        leases(&account).values().next_back().is_some_and(|lease| lease["released"] == false).then_some(())
    });
    apply.signal(Signal::TERM);
    let run = apply.end(LONG).expect(130);
    assert!(run.err.contains("nothing was changed"), "{run}");
    let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(0);
    assert!(run.err.contains("for AWS to list what the previous, interrupted run created"), "{run}");
    assert_eq!(account.inventory(DEV)["vpc/main"].len(), 1);
    // Who comes after one that ended in peace waits for nothing.
    let run = account.run(&["destroy", FILE, "--yes"]).expect(0);
    assert!(!run.err.contains("Waiting"), "{run}");
    account.assert_nothing_left();
}

#[test]
fn what_an_interrupted_apply_made_last_is_deleted_by_a_destroy_at_once() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let (unlisted, latency) = (Duration::from_secs(12), |call: &Call| {
        Duration::from_millis(if call.operation == "CreateVpc" { 500 } else { 0 })
    });
    let proxy = Proxy::with(Weather {
        latency: Some(Box::new(latency)),
        stale: Some(Stale::new(unlisted, unlisted)),
        ..Weather::default()
    });
    account.lag = 13;
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    let apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
    poll("a VPC", LONG, || proxy.take().iter().any(|call| call.operation == "CreateVpc").then_some(()));
    apply.signal(Signal::TERM);
    apply.end(LONG).expect(130);
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    account.endpoint = direct;
    account.assert_nothing_left();
}

#[test]
fn of_two_that_saw_the_lease_free_one_has_it() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let direct = account.endpoint.clone();
    // Both have looked at the leases when the first of them writes its own.
    let proxy = Proxy::with(Weather { gate: Some("PutParameter"), ..Weather::default() });
    account.endpoint.clone_from(&proxy.endpoint);
    let pair = [account.spawn(&["apply", FILE, "--yes"]), account.spawn(&["apply", FILE, "--yes"])];
    account.endpoint = direct;
    let mut writes = 0;
    poll("two leases written", LONG, || {
        writes += proxy.take().iter().filter(|call| call.operation == "PutParameter").count();
        (writes == 2).then_some(())
    });
    proxy.open();
    let mut ended = pair.map(|one| one.end(LONG));
    ended.sort_by_key(|run| run.code);
    let [winner, loser] = ended;
    winner.expect(0);
    let loser = loser.expect(1);
    assert!(loser.err.contains("another kstack process is changing the stack `dev`"), "{loser}");
    let numbers: Vec<u64> = leases(&account).into_keys().collect();
    assert_eq!(numbers, [1, 2], "only one of them took a number");
    account.destroy(FILE);
}

/// Sends `signal` to a command when it has made so many calls, and sees how it ends.
fn interrupt(account: &mut Account, command: &str, signal: Signal, calls: usize) {
    if command == "destroy" {
        account.apply(FILE);
    }
    let direct = account.endpoint.clone();
    let proxy = Proxy::with(Weather { latency: Some(Box::new(|_| Duration::from_millis(25))), ..Weather::default() });
    account.endpoint.clone_from(&proxy.endpoint);
    let mut work = account.spawn(&[command, FILE, "--yes", "--json"]);
    poll("so many calls", LONG, || (proxy.count() >= calls || work.ended()).then_some(()));
    work.signal(signal);
    let run = work.end(LONG);
    proxy.wait_until_quiet();
    account.endpoint = direct;
    let case = format!("{command}, {signal:?} at call {calls}: {run:.200}");
    match run.code {
        0 => {}
        130 if run.err.contains("nothing was changed") => {}
        130 => {
            let last = run.events().last().cloned().unwrap_or_default();
            assert_eq!((&last["event"], &last["complete"]), (&json!("finished"), &json!(false)), "{case}");
            let left = last["left"].as_array().map(Vec::len).expect("what is left");
            assert!(run.err.starts_with(&format!("error: stopped by a signal with {left} step")), "{case}");
        }
        // Before it listens to signals, it has changed nothing, and the system ends it.
        -1 => assert!(calls <= 2, "{case}"),
        _ => panic!("{case}"),
    }
    let held: Vec<Value> = leases(account).into_values().filter(|lease| lease["released"] != true).collect();
    assert!(held.is_empty(), "{held:?}, {case}");
    if command == "destroy" {
        return account.destroy(FILE);
    }
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!((account.identities(DEV).len(), account.instances(DEV).len()), (3, 3), "{case}");
    account.destroy(FILE);
}

#[test]
fn signals_at_any_moment_end_it_soon_with_its_lease_given_back() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let more = std::env::var_os("KSTACK_SWEEP").is_some();
    // Spread over the calls of an apply, which are about a hundred; a different offset for each signal.
    for (signal, first) in [(Signal::INT, 29), (Signal::TERM, 50)] {
        for calls in (first..=80).step_by(if more { 4 } else { 60 }) {
            interrupt(&mut account, "destroy", signal, calls);
        }
    }
    for (signal, first) in [(Signal::INT, 3), (Signal::TERM, 19)] {
        for calls in (first..=100).step_by(if more { 4 } else { 40 }) {
            interrupt(&mut account, "apply", signal, calls);
        }
    }
}
