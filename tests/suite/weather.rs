//! Weather: many things go wrong in one run, by a seed. Every run ends converged, or says clearly why not and the next one does.
//! Ten more seeds for each test: `KSTACK_SWEEP=all cargo test --test suite weather`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::Account;
use crate::support::aws::DEV;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::stale::Stale;

const FILE: &str = "dev.yaml";

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
fn storm(seed: u64) -> Weather {
    let fault = move |call: &Call| {
        let place = u64::try_from(call.number).expect("a small number");
        match dice(seed, place, 24) {
            0..12 => Some(Fault::Throttled),
            12 => Some(
                [Fault::DropAnswer, Fault::CutBody, Fault::Unavailable]
                    [usize::try_from(dice(seed, place + 10_000, 3)).expect("small")],
            ),
            // Where the first kstack of this weather dies.
            _ if place == 40 + dice(seed, 0, 120) => Some(Fault::KillAfter),
            _ => None,
        }
    };
    let latency =
        move |call: &Call| Duration::from_millis(dice(seed, u64::try_from(call.number).expect("small") + 50_000, 60));
    Weather {
        fault: Some(Box::new(fault)),
        latency: Some(Box::new(latency)),
        stale: Some(Stale::new(Duration::from_millis(2500), Duration::from_millis(1000))),
        ..Weather::default()
    }
}

/// Runs an apply in each weather, and a second in fair weather; tells how many of the first ones ended well.
fn weather(seeds: std::ops::Range<u64>) {
    let seeds = if std::env::var_os("KSTACK_SWEEP").is_some() { seeds.start..seeds.end + 10 } else { seeds };
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    let whole: BTreeMap<String, usize> =
        account.inventory(DEV).into_iter().map(|(name, ids)| (name, ids.len())).collect();
    account.destroy(FILE);
    let (mut well, mut stopped, mut killed) = (0, 0, 0);
    for seed in seeds.clone() {
        let proxy = Proxy::with(storm(seed));
        let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]);
        let made = account.identities(DEV);
        match run.code {
            0 => well += 1,
            -1 => {
                killed += 1;
                account.run(&["unlock", FILE, "--yes"]).expect(0);
            }
            _ => {
                stopped += 1;
                assert!(
                    run.code == 1 && run.err.lines().any(|line| line.starts_with("error: ")),
                    "seed {seed}: {run:.200}"
                );
                assert!(run.err.contains("AWS did not do ") && run.err.contains("\nhint: "), "seed {seed}: {run:.200}");
                // A lease that could not be given back in such weather ends by itself; nobody waits for that here.
                account.run(&["unlock", FILE, "--yes"]).expect(0);
            }
        }
        std::thread::sleep(Duration::from_millis(2500));
        account.apply(FILE);
        account.assert_converged(FILE);
        let there: BTreeMap<String, usize> =
            account.inventory(DEV).into_iter().map(|(name, ids)| (name, ids.len())).collect();
        assert_eq!(there, whole, "seed {seed}: {run:.200}");
        let after = account.identities(DEV);
        assert!(
            made.iter().all(|(host, one)| one.volume.is_empty() || after[host].volume == one.volume),
            "seed {seed}: {run:.200}"
        );
        account.destroy(FILE);
    }
    if std::env::var_os("KSTACK_SWEEP").is_some() {
        let row = format!(
            "weather, seeds {seeds:?}: {well} converged at once, {stopped} stopped with an error, {killed} killed; all converged by the next run\n"
        );
        std::io::stdout().write_all(row.as_bytes()).expect("a line");
    }
}

#[test]
fn an_apply_in_a_storm_converges_by_the_next_run() {
    weather(1..2);
}

#[test]
fn an_apply_in_another_storm_converges_by_the_next_run() {
    weather(21..22);
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
    let mut account = Account::new();
    account.write("dev", &[("count: 3", "count: 12")]);
    let proxy = Proxy::with(small_buckets(3.0, 3.0));
    through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(0);
    account.assert_converged(FILE);
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
    account.destroy(FILE);
}
