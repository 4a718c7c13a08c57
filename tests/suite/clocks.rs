//! Clocks that are wrong: leases and expiries go by AWS's time, whatever the machine believes.

use std::time::Duration;

use jiff::Timestamp;

use crate::ephemeral;
use crate::lease::{leases, write_lease};
use crate::support::aws::DEV;
use crate::support::proxy::{Proxy, Weather};
use crate::support::running::Running;
use crate::support::{Account, Run, poll, text};

const FILE: &str = "dev.yaml";
const LONG: Duration = Duration::from_secs(120);

/// Seconds by which the clock of a machine may be ahead: minutes, days, and behind.
const CLOCKS: [&str; 4] = ["600", "-600", "172800", "-172800"];

/// The binary on a machine whose clock is wrong by so many seconds.
fn on(clock: &str, account: &Account, arguments: &[&str]) -> std::process::Command {
    let mut command = account.command(arguments);
    command.env("KSTACK_TEST_CLOCK", clock);
    command
}

#[test]
fn a_lease_that_is_held_is_respected_whatever_the_clock_says() {
    let account = Account::new();
    account.write("dev", &[]);
    write_lease(&account, 3, Timestamp::now() + Duration::from_secs(100));
    for clock in CLOCKS {
        let run = Run::of(&mut on(clock, &account, &["apply", FILE, "--yes"])).expect(1);
        assert!(run.err.contains("another kstack process is changing the stack `dev`"), "{clock}: {run}");
        let list = Run::of(&mut on(clock, &account, &["list", "--region", DEV])).expect(0);
        assert!(list.out.contains("being changed"), "{clock}: {list}");
    }
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.destroy(FILE);
}

#[test]
fn a_lease_that_has_ended_is_taken_over_whatever_the_clock_says() {
    for clock in CLOCKS {
        let account = Account::new();
        account.write("dev", &[]);
        write_lease(&account, 7, Timestamp::now() - Duration::from_secs(1));
        Run::of(&mut on(clock, &account, &["destroy", FILE, "--yes"])).expect(0);
        account.assert_nothing_left();
    }
}

#[test]
fn two_machines_whose_clocks_differ_are_never_two_writers() {
    for clock in ["-600", "600"] {
        let mut account = Account::new();
        account.write("dev", &[]);
        let direct = account.endpoint.clone();
        let proxy = Proxy::with(Weather { gate: Some("DescribeVpcs"), ..Weather::default() });
        account.endpoint.clone_from(&proxy.endpoint);
        let first = Running::of(on(clock, &account, &["apply", FILE, "--yes", "--json"]));
        account.endpoint = direct;
        poll("its lease", LONG, || (!leases(&account).is_empty()).then_some(()));
        let lease = leases(&account)[&1].clone();
        let [since, expires]: [Timestamp; 2] =
            ["since", "expires"].map(|key| text(&lease[key]).parse().expect("a time"));
        let now = Timestamp::now();
        assert!(since <= now && now < expires, "{clock}: {lease} is not AWS's time, {now}");
        let second = account.run(&["apply", FILE, "--yes"]).expect(1);
        assert!(second.err.contains("another kstack process is changing the stack `dev`"), "{clock}: {second}");
        proxy.open();
        first.end(LONG).expect(0);
        account.assert_converged(FILE);
        account.destroy(FILE);
    }
}

#[test]
fn only_what_has_expired_by_awss_time_is_reaped() {
    let account = ephemeral::account();
    let up = account.run(&["up", ephemeral::FILE, "--name", "pr-1", "--ttl", "4h"]).expect(0);
    assert!(up.out.contains("pr-1"), "{up}");
    // Ten hours ahead.
    let run = Run::of(&mut on("36000", &account, &["reap", "--region", DEV, "--json"])).expect(0);
    assert!(run.events().iter().all(|event| event["event"] != "reaped"), "{run}");
    let list = Run::of(&mut on("36000", &account, &["list", "--region", DEV])).expect(0);
    assert!(list.out.contains("in 3h 59m") || list.out.contains("in 4h"), "{list}");
    // A time to live counts from AWS's time, too.
    let run = Run::of(&mut on("-36000", &account, &["extend", "pr-1", "--ttl", "5h", "--region", DEV])).expect(0);
    assert!(run.out.contains("(in 5h)"), "{run}");
    assert_eq!(ephemeral::reap(&account, 6)["pr-1"], "destroyed");
    account.assert_nothing_left();
}
