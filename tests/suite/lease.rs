//! One apply at a time: the lease, who holds it, how it passes on, and how a signal gives it back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, Run, text};

const FILE: &str = "dev.yaml";
/// How long anything may take on a slow machine: what hangs fails, and nothing else.
const LONG: Duration = Duration::from_secs(120);

fn account() -> Account {
    let account = Account::new();
    account.write("dev", &[]);
    account
}

/// Calls of this name take so many seconds longer.
fn slow(account: &Account, operation: &str, seconds: f64) {
    account.choose(&json!({"faults": [{"service": "ec2", "operation": operation, "delay": seconds}]}));
}

/// The leases of the stack, by number.
pub fn leases(account: &Account) -> BTreeMap<u64, Value> {
    let answer = wait(account.ssm(DEV).get_parameters_by_path().path("/kstack/dev/lease").send());
    let parameters = answer.parameters().iter();
    parameters
        .map(|one| {
            let number = one.name().and_then(|name| name.rsplit('/').next()?.parse().ok()).expect("a number");
            (number, serde_json::from_str(one.value().expect("a value")).expect("JSON"))
        })
        .collect()
}

/// Writes lease `number` of somebody else, who has it until `expires`.
pub fn write_lease(account: &Account, number: u64, expires: jiff::Timestamp) {
    let since = "2026-01-02T03:04:05Z";
    let who = "arn:aws:iam::000000000001:user/ann";
    let value = json!({"who": who, "host": "laptop-7", "pid": 4242, "since": since, "expires": expires});
    write_parameter(account, &number.to_string(), &value.to_string());
}

/// Writes the parameter `name` among the leases, whatever its value is.
fn write_parameter(account: &Account, name: &str, value: &str) {
    let call = account.ssm(DEV).put_parameter().name(format!("/kstack/dev/lease/{name}")).value(value);
    wait(call.r#type(aws_sdk_ssm::types::ParameterType::String).send());
}

#[test]
fn an_expired_lease_is_taken_over_by_the_next_number() {
    let account = account();
    write_lease(&account, 7, jiff::Timestamp::now() - Duration::from_secs(1));
    account.apply(FILE);
    let leases = leases(&account);
    assert_eq!(leases.keys().copied().collect::<Vec<_>>(), [7, 8], "all but the last before are cleared away");
    assert_eq!(leases[&8]["released"], true);
    account.destroy(FILE);
}

#[test]
fn a_lease_that_is_held_is_shown_and_ended_by_unlock() {
    let account = account();
    assert_eq!(account.run(&["unlock", FILE, "--yes"]).expect(0).out, "Nobody holds a lease on the stack dev.\n");
    write_lease(&account, 3, jiff::Timestamp::now() + Duration::from_secs(600));
    let held = "arn:aws:iam::000000000001:user/ann on laptop-7 (process 4242), since 2026-01-02 03:04:05 UTC, lease 3";
    for command in ["apply", "destroy"] {
        let run = account.run(&[command, FILE, "--yes"]).expect(1);
        assert!(run.err.contains(held), "{run}");
    }
    let plan = account.run(&["plan", FILE]).expect(0);
    assert!(plan.err.contains("arn:aws:iam::000000000001:user/ann on laptop-7"), "{plan}");
    let list = account.run(&["list", "--region", DEV]).expect(0);
    assert!(list.out.lines().any(|line| line.starts_with("dev ") && line.ends_with("being changed")), "{list}");
    let status = account.run(&["status", FILE, "--json"]).expect(0).json();
    assert_eq!(status["lease"]["host"], "laptop-7");

    let unlock = account.run(&["unlock", "--name", "dev", "--region", DEV, "--yes"]).expect(0);
    let told = "Lease 3 of arn:aws:iam::000000000001:user/ann on laptop-7 (process 4242) was ended.\n";
    assert_eq!(unlock.out, told);
    account.apply(FILE);
    assert_eq!(leases(&account).keys().copied().collect::<Vec<_>>(), [4, 5]);
    account.destroy(FILE);
}

#[test]
fn a_lease_that_cannot_be_read_is_respected_and_ended_by_unlock() {
    for value in ["not JSON", "{}", r#"{"who": 4}"#] {
        let account = account();
        write_lease(&account, 4, jiff::Timestamp::now() - Duration::from_secs(60));
        write_parameter(&account, "5", value);
        let run = account.run(&["apply", FILE, "--yes"]).expect(1);
        assert!(run.err.contains("an unknown caller, whose lease can't be read, on an unknown machine"), "{run}");
        let unlock = account.run(&["unlock", FILE, "--yes"]).expect(0);
        assert!(unlock.out.starts_with("Lease 5 of an unknown caller"), "{unlock}");
        account.run(&["destroy", FILE, "--yes"]).expect(0);
        account.assert_nothing_left();
    }
}

#[test]
fn hostile_numbers_of_leases_neither_stop_kstack_for_good_nor_crash_it() {
    let account = account();
    // What is no number, or no number of kstack's, is no lease.
    for name in ["x", "007", "18446744073709551616", "-1", "1.5"] {
        write_parameter(&account, name, "{}");
    }
    write_lease(&account, u64::MAX - 1, jiff::Timestamp::now() - Duration::from_secs(1));
    account.apply(FILE);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    let told = "the lease 18446744073709551615 on the stack `dev` has the largest number, so that none can follow it";
    assert!(run.err.contains(told) && run.err.contains("hint: `kstack unlock` deletes it"), "{run}");
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    let left = wait(account.ssm(DEV).get_parameters_by_path().path("/kstack/dev").recursive(true).send());
    let mut left: Vec<&str> = left.parameters().iter().filter_map(|one| one.name()?.rsplit('/').next()).collect();
    left.sort_unstable();
    assert_eq!(left, ["-1", "007", "1.5", "18446744073709551616", "x"], "what is not kstack's stays");
}

#[test]
fn a_lease_that_may_not_be_deleted_is_given_back_and_the_next_destroy_deletes_it() {
    for operation in ["DeleteParameters", "GetParametersByPath"] {
        let mut account = account();
        account.apply(FILE);
        // The last look of a destroy, at the stack's parameters, and their deletion.
        let deleted = std::sync::atomic::AtomicBool::new(false);
        let fault = move |call: &Call| {
            let gone = deleted.fetch_or(call.operation == "DeleteVpc", std::sync::atomic::Ordering::SeqCst);
            (gone && call.operation == operation).then_some(Fault::Refused("AccessDeniedException"))
        };
        let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
        let run = through(&mut account, &proxy, &["destroy", FILE, "--yes"]).expect(1);
        assert!(run.err.contains(&format!("{operation} failed")), "{run}");
        let held: Vec<Value> = leases(&account).into_values().filter(|lease| lease["released"] != true).collect();
        assert!(held.is_empty(), "{held:?}");
        account.destroy(FILE);
    }
}

#[test]
fn an_apply_that_fails_after_it_made_something_says_until_when_that_may_not_be_listed() {
    let account = account();
    account.choose(&json!({"faults": [{"service": "ec2", "operation": "CreateVpc", "error": "VpcLimitExceeded"}]}));
    account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(leases(&account)[&1]["settled"].is_string(), "{:?}", leases(&account));
    account.choose(&json!({"faults": [{"service": "ec2", "operation": "Describe*", "error": "UnauthorizedOperation", "status": 403}]}));
    account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(leases(&account)[&2]["settled"].is_null(), "nothing was made: {:?}", leases(&account));
    account.choose(&json!({}));
    account.destroy(FILE);
}

/// Starts an apply, sends `signal` when the step of `address` begins, and sees that it ends well and without waiting for that.
#[track_caller]
fn interrupted(account: &Account, signal: Signal, address: &str) -> Run {
    let mut apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
    assert!(apply.until(|event| starts(event, address)), "the apply ended before");
    apply.signal(signal);
    let run = apply.end(LONG).expect(130);
    let last = run.events().last().cloned().expect("events");
    assert_eq!((&last["event"], &last["complete"]), (&json!("finished"), &json!(false)), "{run}");
    let left = last["left"].as_array().expect("a list");
    assert!(left.iter().any(|one| one == address), "it waited for {address}: {last}");
    let left = left.len();
    assert!(left > 0 && left + usize::try_from(last["done"].as_u64().expect("a number")).expect("few") == 31, "{last}");
    let told = format!("error: stopped by a signal with {left} step{} left: ", if left == 1 { "" } else { "s" });
    assert!(run.err.starts_with(&told), "{told}\n{run}");
    assert!(run.err.ends_with("hint: run the command again to finish the work\n"), "{run}");
    let leases = leases(account);
    assert!(leases.values().all(|lease| lease["released"] == true), "{leases:?}");
    run
}

/// Running again finishes the work, and nothing is there twice.
#[track_caller]
fn finishes(account: &Account) {
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(account.run(&["status", FILE, "--json"]).expect(0).json()["resources"], 31);
    assert_eq!((account.identities(DEV).len(), account.instances(DEV).len()), (3, 3));
    account.destroy(FILE);
}

fn starts(event: &Value, address: &str) -> bool {
    event["event"] == "started" && text(&event["address"]) == address
}

#[test]
fn sigint_while_instances_come_up_ends_soon_and_running_again_finishes() {
    let account = account();
    account.choose(&json!({"times": {"instance_start": 6}}));
    let run = interrupted(&account, Signal::INT, "instance/broker-1");
    assert!(run.err.contains("instance/broker-1"), "{run}");
    account.choose(&json!({}));
    finishes(&account);
}

#[test]
fn sigterm_while_a_call_is_under_way_ends_soon_and_the_call_counts_once() {
    let account = account();
    // The calls go on in AWS after their caller has gone, and are done after the next run has made the same ones. Only
    // their tokens tell AWS that they are the same.
    slow(&account, "CreateVolume", 10.0);
    let late = Instant::now() + Duration::from_secs(12);
    interrupted(&account, Signal::TERM, "volume/broker-3");
    account.choose(&json!({}));
    account.apply(FILE);
    let hosts = account.identities(DEV);
    std::thread::sleep(late.saturating_duration_since(Instant::now()));
    account.assert_converged(FILE);
    assert_eq!(account.identities(DEV), hosts, "the late calls made nothing");
    finishes(&account);
}

#[test]
fn a_signal_before_anything_is_changed_says_so() {
    let account = account();
    slow(&account, "DescribeVpcs", 8.0);
    let apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
    crate::support::poll("the lease", LONG, || (!leases(&account).is_empty()).then_some(()));
    apply.signal(Signal::INT);
    let run = apply.end(LONG).expect(130);
    assert_eq!(run.err, "error: a signal came; nothing was changed\n");
    assert!(leases(&account).values().all(|lease| lease["released"] == true));
    account.choose(&json!({}));
    finishes(&account);
}

#[test]
fn a_second_signal_ends_at_once() {
    let account = account();
    account.choose(&json!({"times": {"instance_start": 6}}));
    let mut apply = account.spawn(&["apply", FILE, "--yes", "--json"]);
    assert!(apply.until(|event| starts(event, "instance/broker-1")));
    apply.signal(Signal::INT);
    assert!(apply.until(|event| event["event"] == "interrupted"));
    apply.signal(Signal::INT);
    let run = apply.end(LONG).expect(130);
    // At once is without the goodbye of the first one: neither the last event, nor the release of the lease.
    assert!(run.events().iter().all(|event| event["event"] != "finished"), "{run}");
    assert!(leases(&account).values().any(|lease| lease["released"] != true), "{run}");
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.choose(&json!({}));
    finishes(&account);
}
