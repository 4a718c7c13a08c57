//! Plans of a file with many topics, users and rights: what kstack's own part of them takes, without a broker and without AWS.
//! `cargo bench -p kstack-core --bench plans`.

#![allow(clippy::print_stdout)] // The table is what this is run for.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use kstack_core::check;
use kstack_core::choose::{PlanningInput, assumed_facts};
use kstack_core::cloud_init::Overrides;
use kstack_core::expiry::{ExpiryRequest, Lifetime};
use kstack_core::observed::Observed;
use kstack_core::plan::{Plan, applied, make_plan, verify};
use kstack_core::stack::Stack;

const BASE: &str = "apiVersion: kstack/v1\nname: topics\nregion: us-east-1\nnetwork: {cidr: 10.20.0.0/16, nat: single, endpoints: [ssm]}\n\
    workload: {ingress: 1 MiB/s, retention: 1d, replication_factor: 3}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
    listeners: {scram: true, mtls: true}\n    brokers: {count: 3, instance_type: t4g.medium}\n";

/// A stack of three brokers with so many topics and users; each user has four ACLs.
fn stack(topics: usize, users: usize) -> Stack {
    let mut text = format!("{BASE}topics:\n");
    for number in 0..topics {
        let _ = writeln!(text, "  t{number}: {{partitions: 1}}");
    }
    if users > 0 {
        text += "access:\n  users:\n";
    }
    for number in 0..users {
        let _ =
            writeln!(text, "    u{number}: {{produce: [t{}, t{}]}}", 2 * number % topics, (2 * number + 1) % topics);
    }
    check::parse("stack.yaml", &text).unwrap_or_else(|report| panic!("{}", report.render(false))).stack
}

fn plan(stack: &Stack, observed: &Observed) -> Plan {
    let now = "2026-01-31T12:00:00Z".parse().expect("a time");
    let expires = ExpiryRequest { now, ttl: None }.choose(stack, Lifetime::of(observed, None, None));
    let input = PlanningInput { facts: assumed_facts(stack), observed: observed.clone(), record: None, expires };
    let plan = make_plan(stack, &input, &Overrides::new(), false).1;
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    plan
}

/// The middle one of five.
fn timed<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[2]
}

/// The process's high-water mark of memory, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn main() {
    println!("| topics | users | what is there | steps | plan | of it the check | peak memory |");
    println!("|---|---|---|---|---|---|---|");
    let first = stack(1, 1);
    let mut begun = Observed::default();
    applied::apply(&plan(&first, &begun), &mut begun);
    for (topics, users) in [(10, 5), (100, 50), (1_000, 500)] {
        let all = stack(topics, users);
        let mut done = begun.clone();
        applied::apply(&plan(&all, &begun), &mut done);
        for (what, stack, observed) in [
            ("nothing", &all, &Observed::default()),
            ("one of each", &all, &begun),
            ("all", &all, &done),
            ("all, and the users are to go", &stack(topics, 0), &done),
        ] {
            let made = plan(stack, observed);
            let (planned, checked) = (timed(|| plan(stack, observed)), timed(|| verify(&made, observed)));
            println!(
                "| {topics} | {users} | {what} | {} | {:.3} s | {:.3} s | {} MiB |",
                made.steps.len(),
                planned.as_secs_f64(),
                checked.as_secs_f64(),
                peak_mib()
            );
        }
    }
}
