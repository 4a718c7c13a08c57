//! The same stack made, planned, changed and destroyed by kstack, Terraform and OpenTofu, each with an AWS in memory of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{Cost, run};
use crate::memory::Memory;
use crate::session::{PHASES, Session, Stack, Tool};

/// A tool's costs by phase.
pub type Phases = BTreeMap<String, Cost>;

/// The tools that were measured with one stack of one size, at one latency.
#[derive(Debug, Serialize, Deserialize)]
pub struct Case {
    pub stack: String,
    pub brokers: usize,
    /// How much longer each call takes.
    pub latency_ms: u64,
    pub tools: BTreeMap<String, Phases>,
}

/// What is measured where nothing is chosen: tool, stack, brokers, milliseconds. What takes minutes each is measured where it says most.
fn cases() -> Vec<(Tool, Stack, usize, u64)> {
    let mut all = Vec::new();
    for tool in Tool::ALL {
        for brokers in [3, 60, 300] {
            for latency in [0, 10, 50] {
                let wanted = match tool {
                    Tool::Kstack => true,
                    Tool::Terraform => brokers < 300 || latency == 50,
                    Tool::Terraform64 => brokers == 60 && latency == 50,
                    Tool::OpenTofu => brokers <= 60 && latency == 50,
                };
                all.extend(wanted.then_some((tool, Stack::Ec2, brokers, latency)));
                let msk = brokers == 3 && (tool == Tool::Kstack || tool == Tool::Terraform && latency != 10);
                all.extend(msk.then_some((tool, Stack::Msk, brokers, latency)));
            }
        }
    }
    all
}

/// Measures the cases that the options choose, and gives them with those of `before` that were not measured again.
pub fn measure(options: &Options, before: Vec<Case>) -> Vec<Case> {
    let mut all = before;
    let chosen = |(tool, stack, brokers, latency): &(Tool, Stack, usize, u64)| {
        options.tools.as_ref().is_none_or(|names| names.iter().any(|name| name == tool.name()))
            && options.stacks.as_ref().is_none_or(|names| names.iter().any(|name| name == stack.name()))
            && options.brokers.as_ref().is_none_or(|sizes| sizes.contains(brokers))
            && options.latency.as_ref().is_none_or(|each| each.contains(latency))
    };
    // A size and a latency that are asked for, of a tool that is, are measured even where they are not by themselves.
    let mut cases = cases();
    if let (Some(tools), Some(sizes), Some(each)) = (&options.tools, &options.brokers, &options.latency) {
        for tool in Tool::ALL.into_iter().filter(|tool| tools.iter().any(|name| name == tool.name())) {
            let stacks = [Stack::Ec2, Stack::Msk].into_iter().filter(|stack| match &options.stacks {
                Some(names) => names.iter().any(|name| name == stack.name()),
                None => *stack == Stack::Ec2,
            });
            for stack in stacks {
                let more = sizes.iter().flat_map(|size| each.iter().map(|latency| (tool, stack, *size, *latency)));
                cases.extend(more.collect::<Vec<_>>());
            }
        }
    }
    let mut done = Vec::new();
    for case in cases.into_iter().filter(chosen) {
        if done.contains(&case) {
            continue;
        }
        done.push(case);
        let (tool, stack, brokers, latency_ms) = case;
        let Some(phases) = one(tool, stack, brokers, latency_ms, options.repeats) else { continue };
        let same =
            |one: &&mut Case| one.stack == stack.name() && one.brokers == brokers && one.latency_ms == latency_ms;
        match all.iter_mut().find(same) {
            Some(one) => drop(one.tools.insert(tool.name().to_owned(), phases)),
            None => all.push(Case {
                stack: stack.name().to_owned(),
                brokers,
                latency_ms,
                tools: BTreeMap::from([(tool.name().to_owned(), phases)]),
            }),
        }
        // What was measured is not lost where a later case fails.
        crate::report::write("versus", &all);
    }
    all.sort_by_key(|one| (one.stack.clone(), one.brokers, one.latency_ms));
    all
}

/// Runs every phase, as often as `repeats` says and as that takes no longer than a minute in all, and at least once.
fn one(tool: Tool, stack: Stack, brokers: usize, latency_ms: u64, repeats: usize) -> Option<Phases> {
    let memory = Memory::start(Duration::from_millis(latency_ms));
    let session = Session::new(tool, stack, brokers, &memory.endpoint);
    let session = session.inspect_err(|why| println!("{} is left out: {why}", tool.name())).ok()?;
    let mut all: BTreeMap<String, Vec<Cost>> = BTreeMap::new();
    let began = Instant::now();
    for round in 0..repeats {
        for phase in PHASES {
            memory.take();
            let (output, cost) = run(&mut session.command(phase));
            let (shown, out) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
            let calls = memory.take();
            assert!(output.status.success(), "{}, {phase}: {shown}{out}", tool.name());
            let nothing = ["Nothing to do", "No changes."].iter().any(|words| out.contains(words));
            assert!(phase != "no-op plan" || nothing, "{}: not all is there: {out}", tool.name());
            let cost = cost.with(&calls);
            println!(
                "{:12} {} {brokers:4} brokers {latency_ms:3} ms  {phase:18} {:8.2} s  {:7.2} s CPU  {:6.1} MiB  {:5} calls",
                tool.name(),
                stack.name(),
                cost.wall_s,
                cost.cpu_s,
                cost.peak_mib,
                cost.calls
            );
            all.entry(phase.to_owned()).or_default().push(cost);
        }
        let spent = began.elapsed().as_secs_f64();
        if spent + spent / (round + 1) as f64 > 60.0 {
            break;
        }
    }
    Some(all.into_iter().map(|(phase, costs)| (phase, Cost::median(&costs))).collect())
}
