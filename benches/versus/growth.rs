//! What a no-op plan and a fresh apply take as a stack grows, and a fleet planned at once.

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{Cost, run};
use crate::replay::Replay;
use crate::support::Account;
use crate::support::proxy::Proxy;

#[derive(Debug, Serialize, Deserialize)]
pub struct Growth {
    pub sizes: Vec<Size>,
    pub fleet: Fleet,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    pub brokers: usize,
    /// Against LocalStack, which is the bottleneck: compare its processor time, which is kstack's.
    pub apply: Cost,
    /// The no-op plan against LocalStack.
    pub plan: Cost,
    /// The no-op plan with the same answers from memory.
    pub plan_from_memory: Cost,
    /// What those answers have in all.
    pub answers_mib: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Fleet {
    pub stacks: usize,
    pub brokers: usize,
    /// The plan of all in one command, nothing being live, against LocalStack, and with the same answers from memory.
    pub plan: Cost,
    pub plan_from_memory: Cost,
}

pub fn measure(options: &Options) -> Growth {
    let sizes = options.sizes.iter().map(|&brokers| size(brokers, options.repeats)).collect();
    Growth { sizes, fleet: fleet(options.repeats) }
}

fn checked(command: &mut std::process::Command) -> Cost {
    let (output, cost) = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cost
}

/// The plan `arguments` from memory: once to fill it, which is the first result, then `repeats` times.
fn from_memory(account: &mut Account, arguments: &[&str], repeats: usize) -> (Cost, f64) {
    let replay = Replay::start();
    let direct = std::mem::replace(&mut account.endpoint, replay.endpoint.clone());
    checked(&mut account.command(arguments));
    replay.hits();
    let once = |_| {
        let cost = checked(&mut account.command(arguments));
        Cost { calls: replay.hits(), ..cost }
    };
    let costs: Vec<Cost> = (0..repeats).map(once).collect();
    account.endpoint = direct;
    (Cost::median(&costs), replay.mib())
}

fn show(what: &str, cost: &Cost) {
    println!(
        "{what:40} {:8.2} s  {:7.2} s CPU  {:6.1} MiB  {:5} calls",
        cost.wall_s, cost.cpu_s, cost.peak_mib, cost.calls
    );
}

fn size(brokers: usize, repeats: usize) -> Size {
    let mut account = Account::new();
    let count = format!("count: {brokers}");
    let file = account.write("prod", &[("count: 6", &count)]);
    let direct = account.endpoint.clone();
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    let apply = checked(&mut account.command(&["apply", &file, "--yes"])).with(&proxy.take());
    show(&format!("{brokers} brokers, fresh apply"), &apply);
    let plan_command = ["plan", file.as_str()];
    let plan = checked(&mut account.command(&plan_command)).with(&proxy.take());
    show(&format!("{brokers} brokers, plan"), &plan);
    account.endpoint = direct;
    let (plan_from_memory, answers_mib) = from_memory(&mut account, &plan_command, repeats);
    show(&format!("{brokers} brokers, plan from memory"), &plan_from_memory);
    // The largest are left to the sandbox, which ends with this program.
    if brokers <= 100 {
        account.destroy(&file);
    }
    Size { brokers, apply, plan, plan_from_memory, answers_mib }
}

fn fleet(repeats: usize) -> Fleet {
    const REGIONS: [&str; 3] = ["ap-northeast-2", "us-east-1", "eu-west-1"];
    let (stacks, brokers) = (27, 6);
    let mut account = Account::new();
    let files: Vec<String> = (0..stacks)
        .map(|number| {
            let (name, region) = (format!("name: team-{number:02}"), format!("region: {}", REGIONS[number % 3]));
            let edits = [("name: prod", name.as_str()), ("region: ap-northeast-2", &region)];
            account.write_as(&format!("team-{number:02}.yaml"), "prod", &edits)
        })
        .collect();
    let arguments: Vec<&str> = std::iter::once("plan").chain(files.iter().map(String::as_str)).collect();
    let proxy = Proxy::counting();
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    let plan = checked(&mut account.command(&arguments)).with(&proxy.take());
    show("a fleet of 27 stacks, plan", &plan);
    account.endpoint = direct;
    let (plan_from_memory, _) = from_memory(&mut account, &arguments, repeats);
    show("a fleet of 27 stacks, plan from memory", &plan_from_memory);
    Fleet { stacks, brokers: stacks * brokers, plan, plan_from_memory }
}
