//! What a no-op plan and a fresh apply take as a stack grows, and a fleet planned at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{Cost, run};
use crate::memory::Memory;
use crate::session::Stack;
use crate::support::Account;

#[derive(Debug, Serialize, Deserialize)]
pub struct Growth {
    pub sizes: Vec<Size>,
    pub fleet: Fleet,
}

/// One size, in the model in memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    pub brokers: usize,
    pub apply: Cost,
    /// The no-op plan after it.
    pub plan: Cost,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Fleet {
    pub stacks: usize,
    pub brokers: usize,
    /// The plan of all in one command, nothing being live.
    pub plan: Cost,
}

pub fn measure(options: &Options) -> Growth {
    let sizes = options.brokers.clone().unwrap_or_else(|| vec![3, 30, 300, 999]);
    let sizes = sizes.into_iter().map(|brokers| size(brokers, options.repeats)).collect();
    Growth { sizes, fleet: fleet(options.repeats) }
}

fn checked(command: &mut std::process::Command) -> Cost {
    let (output, cost) = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cost
}

/// The plan `arguments`, `repeats` times, after one for which LocalStack reads its tables.
fn plans(account: &Account, memory: &Memory, arguments: &[&str], repeats: usize) -> Cost {
    checked(&mut account.command(arguments));
    memory.take();
    let once = |_| counted(checked(&mut account.command(arguments)), memory);
    Cost::median(&(0..repeats).map(once).collect::<Vec<_>>())
}

fn counted(cost: Cost, memory: &Memory) -> Cost {
    cost.with(&memory.take())
}

fn show(what: &str, cost: &Cost) {
    println!(
        "{what:40} {:8.2} s  {:7.2} s CPU  {:6.1} MiB  {:5} calls",
        cost.wall_s, cost.cpu_s, cost.peak_mib, cost.calls
    );
}

fn size(brokers: usize, repeats: usize) -> Size {
    let mut account = Account::new();
    let file = "stack.yaml";
    std::fs::write(account.path(file), Stack::Ec2.file(brokers, "")).expect("a file");
    let memory = Memory::start(Duration::ZERO);
    account.endpoint.clone_from(&memory.endpoint);
    account.plan(file); // LocalStack reads its tables when they are first asked for.
    memory.take();
    let apply = counted(checked(&mut account.command(&["apply", file, "--yes"])), &memory);
    show(&format!("{brokers} brokers, fresh apply"), &apply);
    account.assert_converged(file);
    let plan = plans(&account, &memory, &["plan", file], repeats);
    show(&format!("{brokers} brokers, no-op plan"), &plan);
    Size { brokers, apply, plan }
}

fn fleet(repeats: usize) -> Fleet {
    const REGIONS: [&str; 3] = ["ap-northeast-2", "us-east-1", "eu-west-1"];
    let (stacks, brokers) = (27, 6);
    let mut account = Account::new();
    let files: Vec<String> = (0..stacks)
        .map(|number| {
            let (name, region) = (format!("name: team-{number:02}"), format!("region: {}", REGIONS[number % 3]));
            let text = Stack::Ec2.file(brokers, "").replacen("name: prod", &name, 1);
            let file = format!("team-{number:02}.yaml");
            std::fs::write(account.path(&file), text.replacen("region: ap-northeast-2", &region, 1)).expect("a file");
            file
        })
        .collect();
    let arguments: Vec<&str> = std::iter::once("plan").chain(files.iter().map(String::as_str)).collect();
    let memory = Memory::start(Duration::ZERO);
    account.endpoint.clone_from(&memory.endpoint);
    let plan = plans(&account, &memory, &arguments, repeats);
    show("a fleet of 27 stacks, plan", &plan);
    Fleet { stacks, brokers: stacks * brokers, plan }
}
