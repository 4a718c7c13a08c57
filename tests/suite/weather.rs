//! Weather: many things go wrong in one run, by a seed. Every run ends converged, or says clearly why not and the next one does.
//! Ten more seeds for each test: `KSTACK_SWEEP=all cargo test --test suite weather`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::scenario::{APPLY, DESTROY, FILE, MSK_UPDATE, ROLL, Scenario};
use crate::support::Account;
use crate::support::aws::DEV;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::stale::Stale;

/// A number below `below` that `seed` and `place` decide, the same every time.
fn dice(seed: u64, place: u64, below: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) % below
}

/// Half of the calls are throttled; of the others, one in twelve meets something else. What is made is not seen at once.
/// The client's death is about where a run of so many `calls` would be in half of the seeds.
fn storm(seed: u64, calls: usize) -> Weather {
    let calls = u64::try_from(calls).expect("a small number");
    let fault = move |call: &Call| {
        let place = u64::try_from(call.number).expect("a small number");
        match dice(seed, place, 24) {
            0..12 => Some(Fault::Throttled),
            12 => Some(
                [Fault::DropAnswer, Fault::CutBody, Fault::Unavailable]
                    [usize::try_from(dice(seed, place + 10_000, 3)).expect("small")],
            ),
            // Where the first kstack of this weather dies.
            _ if place == calls / 3 + dice(seed, 0, calls) => Some(Fault::KillAfter),
            _ => None,
        }
    };
    let latency =
        move |call: &Call| Duration::from_millis(dice(seed, u64::try_from(call.number).expect("small") + 50_000, 60));
    Weather {
        fault: Some(Box::new(fault)),
        latency: Some(Box::new(latency)),
        stale: Some(Stale::new(UNLISTED, Duration::from_millis(1000))),
        ..Weather::default()
    }
}

/// For how long what is made is in no list.
const UNLISTED: Duration = Duration::from_millis(2500);

/// Whether a line of the errors names the call that failed, or what took too long. The headline "N steps failed" names neither.
fn names_the_cause(line: &str) -> bool {
    let called = |text: &str| {
        let call = text.split_once(" failed: ").or_else(|| text.split_once(" was not sent: "));
        call.is_some_and(|(operation, why)| operation.chars().all(char::is_alphanumeric) && !why.is_empty())
    };
    // A step that failed is a cause of the headline, by its address; a call outside of the steps is the error or its cause.
    let Some(cause) = line.strip_prefix("caused by: ").or_else(|| line.strip_prefix("error: ")) else { return false };
    let (address, step) = cause.split_once(": ").unwrap_or_default();
    called(cause) || address.contains('/') && (called(step) || step.contains(" took longer than "))
}

/// Runs a scenario in each weather, and its command again in fair weather where it did not end well.
fn weather(scenario: Scenario, seeds: std::ops::Range<u64>) {
    let asked = std::env::var_os("KSTACK_SWEEP").is_some();
    let seeds = if asked { seeds.start..seeds.end + 10 } else { seeds };
    let whole = scenario.whole();
    let mut account = scenario.account(whole);
    let (mut well, mut stopped, mut killed) = (0, 0, 0);
    for seed in seeds.clone() {
        scenario.prepare(&account, whole);
        let held = account.data(DEV);
        let proxy = Proxy::with(storm(seed, whole.calls.len()));
        let run = through(&mut account, &proxy, &[scenario.command, FILE, "--yes"]);
        let held = account.data(DEV).into_iter().chain(held).collect();
        match run.code {
            0 => well += 1,
            -1 => killed += 1,
            _ => {
                stopped += 1;
                assert!(
                    run.code == 1 && run.err.lines().any(|line| line.starts_with("error: ")),
                    "seed {seed}: {run:.200}"
                );
                assert!(run.err.lines().any(names_the_cause), "seed {seed}: {run:.200}");
                assert!(run.err.contains("\nhint: "), "seed {seed}: {run:.200}");
            }
        }
        if run.code != 0 {
            // A lease that could not be released in such weather expires; nobody waits for that here.
            account.run(&["unlock", FILE, "--yes"]).expect(0);
            std::thread::sleep(UNLISTED);
            account.run(&[scenario.then, FILE, "--yes"]).expect(0);
        }
        let verdict = scenario.judge(&account, whole, &held);
        assert!(verdict.differences.is_empty(), "seed {seed}: {verdict:#?}\n{run:.200}");
        scenario.clear(&account, whole);
    }
    if asked {
        let row = format!(
            "{} in the weather of seeds {seeds:?}: {well} converged at once, {stopped} stopped with an error, {killed} killed; all converged by the next run\n",
            scenario.name
        );
        std::io::stdout().write_all(row.as_bytes()).expect("a line");
    }
}

#[test]
fn an_apply_in_a_storm_converges_by_the_next_run() {
    weather(APPLY, 1..2);
}

#[test]
fn an_apply_in_another_storm_converges_by_the_next_run() {
    weather(APPLY, 21..22);
}

#[test]
fn a_roll_in_a_storm_converges_by_the_next_run() {
    weather(ROLL, 41..42);
}

#[test]
fn a_destroy_in_a_storm_leaves_nothing_after_the_next_run() {
    weather(DESTROY, 61..62);
}

#[test]
fn the_updates_of_an_msk_cluster_in_a_storm_converge_by_the_next_run() {
    weather(MSK_UPDATE, 81..82);
}

/// Buckets as EC2 has them, but small: `size` calls of an operation at once, then `refill` a second.
fn small_buckets(size: f64, refill: f64) -> Weather {
    let buckets: Mutex<BTreeMap<String, (f64, Instant)>> = Mutex::default();
    let fault = move |call: &Call| {
        let mut buckets = buckets.lock().expect("no panic");
        let (tokens, at) = buckets.entry(call.operation.clone()).or_insert((size, Instant::now()));
        *tokens = (*tokens + at.elapsed().as_secs_f64() * refill).min(size);
        *at = Instant::now();
        if call.writes() && *tokens < 1.0 {
            return Some(Fault::Throttled);
        }
        *tokens -= 1.0;
        None
    };
    Weather { fault: Some(Box::new(fault)), ..Weather::default() }
}

#[test]
fn an_apply_that_is_larger_than_the_buckets_slows_down_and_does_not_fail() {
    const DEV_FILE: &str = "dev.yaml";
    let mut account = Account::new();
    account.write("dev", &[("count: 3", "count: 12")]);
    let proxy = Proxy::with(small_buckets(3.0, 3.0));
    through(&mut account, &proxy, &["apply", DEV_FILE, "--yes"]).expect(0);
    account.assert_converged(DEV_FILE);
    assert_eq!(account.instances(DEV).len(), 12);
    // It learns how fast it may be: what is refused does not grow with what is left to do.
    let calls = proxy.take();
    let made = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    assert!(
        made("CreateVolume") <= 12 * 4 && made("RunInstances") <= 12 * 4,
        "{} and {}",
        made("CreateVolume"),
        made("RunInstances")
    );
    account.destroy(DEV_FILE);
}

#[test]
fn a_rule_that_can_not_be_removed_from_a_group_yet_is_removed_later() {
    let mut account = Account::new();
    account.write("dev", &[]);
    // The group is known again when the rules are added, and was not when AWS's own one was to be removed.
    let known = Duration::from_millis(1500);
    let weather = Weather {
        latency: Some(Box::new(move |call: &Call| {
            if call.operation.starts_with("AuthorizeSecurityGroup") { known * 2 } else { Duration::ZERO }
        })),
        stale: Some(Stale::new(known, known)),
        ..Weather::default()
    };
    through(&mut account, &Proxy::with(weather), &["apply", "dev.yaml", "--yes"]).expect(0);
    account.assert_converged("dev.yaml");
    account.destroy("dev.yaml");
}
