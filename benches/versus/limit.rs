//! An apply and the destroy after it against their critical paths, with a latency on every call.
//!
//! The path is computed from the recorded trace. A step's need is what, going back from its end, its own calls cover: the call
//! that ended last before it, the one that ended last before that one began, and so on. What is made is ready at once. Between two of them is kstack's own time: what it computes, and what it sleeps or
//! waits for others without need. The critical path is the longest sum of needs along the plan's dependencies, with
//! the calls before the first step and after the last. Nothing else can make a command shorter than this but fewer calls or a
//! plan with fewer dependencies; the number of calls on the path is shown for that.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Options;
use crate::measure::median;
use crate::memory::Memory;
use crate::session::Stack;
use crate::support::proxy::Call;
use crate::support::{Account, text};

const LATENCY: Duration = Duration::from_millis(50);
/// What the clocks of the events and of the calls may differ by, since events come through a pipe.
const SLACK: Duration = Duration::from_millis(4);

/// One size's medians.
#[derive(Debug, Serialize, Deserialize)]
pub struct Limit {
    pub brokers: usize,
    /// `apply` or `destroy`.
    pub command: String,
    pub wall_s: f64,
    pub critical_s: f64,
    pub ratio: f64,
    /// Calls on the critical path.
    pub calls_on_path: usize,
    pub calls: usize,
    /// The steps of the path with the seconds that each took, and those that it needed.
    pub path: Vec<(String, f64, f64)>,
}

pub fn measure(options: &Options) -> Vec<Limit> {
    let sizes = options.brokers.clone().unwrap_or_else(|| vec![3, 60, 300]);
    let sizes = sizes.into_iter().flat_map(|brokers| {
        let runs = (0..options.repeats.min(3)).map(|_| one(brokers));
        let (applies, destroys): (Vec<Limit>, Vec<Limit>) = runs.unzip();
        [applies, destroys].map(middle)
    });
    sizes.collect()
}

/// The run whose ratio is in the middle.
fn middle(mut runs: Vec<Limit>) -> Limit {
    let middle = median(runs.iter().map(|run| run.ratio).collect());
    let index = runs.iter().position(|run| run.ratio == middle).unwrap_or_default();
    runs.swap_remove(index)
}

/// What a kind asks for while it waits.
const ASKS: [(&str, &[&str]); 8] = [
    ("volume", &["DescribeVolumes"]),
    ("instance", &["DescribeNetworkInterfaces", "DescribeInstances", "DescribeVolumes"]),
    ("nat_gateway", &["DescribeNatGateways"]),
    ("vpc_endpoint", &["DescribeVpcEndpoints"]),
    ("route_table", &["DescribeRouteTables", "DisassociateRouteTable"]),
    ("security_group_rules", &["DescribeSecurityGroups"]),
    ("instance_profile", &["GetInstanceProfile"]),
    ("vpc", &["DescribeVpcs", "DescribeVpcAttribute"]),
];

/// A step as its events tell of it.
#[derive(Debug, Clone)]
struct Step {
    began: Instant,
    ended: Instant,
    id: String,
    after: Vec<String>,
}

/// Something that must be over before what comes next.
#[derive(Debug, Clone, Copy)]
struct Span {
    began: Instant,
    ended: Instant,
}

fn one(brokers: usize) -> (Limit, Limit) {
    let mut account = Account::new();
    let memory = Memory::start(LATENCY);
    account.endpoint.clone_from(&memory.endpoint);
    let file = "stack.yaml";
    std::fs::write(account.path(file), Stack::Ec2.file(brokers, "")).expect("a file");
    // LocalStack reads its tables of instance types and images when they are first asked for.
    account.plan(file);
    (run(&account, &memory, brokers, "apply"), run(&account, &memory, brokers, "destroy"))
}

fn run(account: &Account, memory: &Memory, brokers: usize, command: &str) -> Limit {
    memory.take();
    let began = Instant::now();
    let mut child = account.command(&[command, "stack.yaml", "--yes", "--json"]);
    let mut child = child.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let events: Vec<(Instant, Value)> =
        lines.map(|line| (Instant::now(), serde_json::from_str(&line).expect("JSON"))).collect();
    assert!(child.wait().expect("a process").success(), "{command} failed: {events:?}");
    let ended = Instant::now();
    let calls = memory.take();
    let limit = analyse(brokers, command, (began, ended), &events, &calls);
    println!(
        "{brokers:4} brokers, {command}: {:.2} s, critical path {:.2} s ({} calls), ratio {:.3}",
        limit.wall_s, limit.critical_s, limit.calls_on_path, limit.ratio
    );
    for (step, took, needed) in &limit.path {
        println!("    {step:32} {took:7.3} s, needed {needed:7.3} s, {:6.3} s over", took - needed);
    }
    limit
}

fn analyse(
    brokers: usize,
    command: &str,
    (began, ended): (Instant, Instant),
    events: &[(Instant, Value)],
    calls: &[Call],
) -> Limit {
    let steps = steps(events);
    let first = steps.values().map(|step| step.began).min().expect("steps");
    let last = steps.values().map(|step| step.ended).max().expect("steps");
    let all: Vec<Span> = calls.iter().filter_map(span).collect();
    let (before, before_calls) = need(began, first, &all);
    let (after, after_calls) = need(last, ended, &all);
    // Needs by address, then the longest sum of them, in the plan's order: what a step waits for comes before it.
    // What a step does when others have gone on is on nobody's way.
    let usable = |address: &String, step: &Step| {
        let others = steps.values().filter(|other| other.after.contains(address)).map(|other| other.began);
        others.min().map_or(step.ended, |began| began.min(step.ended))
    };
    let needs: BTreeMap<&String, (f64, usize)> = steps
        .iter()
        .map(|(address, step)| (address, need(step.began, usable(address, step), &own(address, step, calls))))
        .collect();
    let mut finish: BTreeMap<&String, (f64, usize, Option<&String>)> = BTreeMap::new();
    let mut left: Vec<&String> = steps.keys().collect();
    while !left.is_empty() {
        left.retain(|address| {
            let step = &steps[*address];
            if !step.after.iter().all(|one| !steps.contains_key(one) || finish.contains_key(one)) {
                return true;
            }
            let known = step.after.iter().filter_map(|one| finish.get_key_value(one));
            let longest = known.max_by(|one, other| one.1.0.total_cmp(&other.1.0));
            let (sum, count, from) =
                longest.map_or((0.0, 0, None), |(name, (sum, count, _))| (*sum, *count, Some(*name)));
            let (own, own_calls) = needs[*address];
            finish.insert(address, (sum + own, count + own_calls, from));
            false
        });
    }
    let (mut at, (longest, count, _)) = finish
        .iter()
        .max_by(|one, other| one.1.0.total_cmp(&other.1.0))
        .map(|(name, value)| (Some(*name), *value))
        .expect("steps");
    let mut path = vec![("after the last step".to_owned(), seconds(last, ended), after)];
    while let Some(address) = at {
        path.push((address.clone(), seconds(steps[address].began, steps[address].ended), needs[address].0));
        at = finish[address].2;
    }
    path.push(("before the first step".to_owned(), seconds(began, first), before));
    path.reverse();
    let (wall_s, critical_s) = (seconds(began, ended), before + longest + after);
    let calls_on_path = before_calls + count + after_calls;
    let (command, ratio, calls) = (command.to_owned(), wall_s / critical_s, calls.len());
    Limit { brokers, command, wall_s, critical_s, ratio, calls_on_path, calls, path }
}

fn steps(events: &[(Instant, Value)]) -> BTreeMap<String, Step> {
    let plan = events.iter().find_map(|(_, event)| event["plan"]["steps"].as_array()).expect("a plan");
    let at = |address: &Value, kind: &str| {
        let mut found = events.iter().filter(|(_, event)| event["event"] == kind && event["address"] == *address);
        found.next().unwrap_or_else(|| panic!("{address} was not {kind}"))
    };
    let one = |step: &Value| {
        let (began, ended) = (at(&step["address"], "started"), at(&step["address"], "done"));
        let mut after: Vec<String> =
            step["after"].as_array().into_iter().flatten().map(|one| text(one).to_owned()).collect();
        // A stack that is made has no step that takes something away, and what Kafka has waits for all else.
        if step["after_all"] == "cluster" {
            after.extend(
                plan.iter().filter(|one| one["after_all"].is_null()).map(|one| text(&one["address"]).to_owned()),
            );
        }
        let id = text(&ended.1["id"]).trim_end_matches("/rules").to_owned();
        (text(&step["address"]).to_owned(), Step { began: began.0, ended: ended.0, id, after })
    };
    plan.iter().map(one).collect()
}

fn span(call: &Call) -> Option<Span> {
    Some(Span { began: call.began, ended: call.ended? })
}

/// The calls of a step. A call is a step's by the address among the tags that it
/// gives, by the id that it names, or because it is what the step's kind asks for while it waits.
fn own(address: &str, step: &Step, calls: &[Call]) -> Vec<Span> {
    let kind = address.split('/').next().unwrap_or_default();
    let asks = ASKS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, asks)| asks);
    let tag = address.replace('/', "%2F");
    let words = |call: &Call| call.body.split(['&', '=']).any(|word| word == tag || word == step.id);
    let within =
        |call: &&Call| call.began + SLACK >= step.began && call.ended.is_some_and(|end| end <= step.ended + SLACK);
    let mine = calls.iter().filter(within).filter(|call| asks.contains(&call.operation.as_str()) || words(call));
    mine.filter_map(span).collect()
}

/// What `spans` cover of the time from `began` to `ended`, going back from the end, and how many calls that takes.
fn need(began: Instant, ended: Instant, spans: &[Span]) -> (f64, usize) {
    let (mut at, mut sum, mut calls) = (ended, 0.0, 0);
    loop {
        let inside = |one: &&Span| one.began < at && one.began + SLACK >= began && one.ended <= at + SLACK;
        let Some(next) = spans.iter().filter(inside).max_by_key(|one| (one.ended.min(at), one.began)) else {
            return (sum, calls);
        };
        let start = next.began.max(began);
        sum += seconds(start, next.ended.min(at));
        calls += 1;
        if next.began <= began {
            return (sum, calls);
        }
        at = next.began;
    }
}

fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}
