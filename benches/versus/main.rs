//! kstack beside Terraform and OpenTofu on the same AWS in memory, and at its limits. benches/README.md says how to run it and what it measures.
//!
//! `cargo bench --bench versus -- [PART...] [--repeats N] [--tools kstack,terraform] [--stacks ec2,msk] [--brokers 3,60] [--latency 0,50]`

// The harness prints its progress, and uses a part of what the tests share.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod check;
mod cold;
mod growth;
mod inside;
mod limit;
mod measure;
mod memory;
mod peers;
mod report;
mod roll;
mod session;
#[allow(dead_code)]
#[path = "../../tests/suite/support/mod.rs"]
mod support;

use session::{Stack, Tool};

/// What is measured, and how often. What is not chosen is each part's own choice.
#[derive(Default)]
pub struct Options {
    parts: Vec<String>,
    pub repeats: usize,
    pub tools: Option<Vec<String>>,
    pub stacks: Option<Vec<String>>,
    pub brokers: Option<Vec<usize>>,
    /// Milliseconds.
    pub latency: Option<Vec<u64>>,
}

const PARTS: [&str; 8] = ["check", "versus", "limit", "growth", "inside", "roll", "cold", "tables"];

/// The words of an option, each of which is one of `known`.
fn words(text: Option<String>, known: &[&str]) -> Option<Vec<String>> {
    let text = text.unwrap_or_default();
    let words: Vec<String> = text.split(',').map(str::to_owned).collect();
    let strange = words.iter().find(|word| !known.contains(&word.as_str()));
    assert!(strange.is_none(), "`{text}` has a word that is none of {known:?}");
    Some(words)
}

fn numbers<T: std::str::FromStr>(text: Option<String>) -> Option<Vec<T>> {
    let text = text.unwrap_or_default();
    let one = |one: &str| one.parse().unwrap_or_else(|_| panic!("`{text}` is no list of numbers"));
    Some(text.split(',').map(one).collect())
}

fn options() -> Options {
    let mut options = Options { repeats: 3, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // Cargo's own.
            "--repeats" => options.repeats = numbers(arguments.next()).unwrap_or_default()[0],
            "--tools" => options.tools = words(arguments.next(), &Tool::ALL.map(Tool::name)),
            "--stacks" => options.stacks = words(arguments.next(), &["ec2", "msk"]),
            "--brokers" => options.brokers = numbers(arguments.next()),
            "--latency" => options.latency = numbers(arguments.next()),
            part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
            other => panic!(
                "`{other}` is not known; parts are {PARTS:?}, options are --repeats, --tools, --stacks, --brokers and --latency"
            ),
        }
    }
    if options.parts.is_empty() {
        options.parts = PARTS.map(str::to_owned).to_vec();
    }
    options
}

/// In how many ways the model does not answer as LocalStack does, to each tool that is here.
fn check(options: &Options) -> usize {
    let mut all = 0;
    for tool in [Tool::Kstack, Tool::Terraform, Tool::OpenTofu] {
        for stack in [Stack::Ec2, Stack::Msk] {
            let chosen = |names: &Option<Vec<String>>, name: &str| {
                names.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
            };
            if chosen(&options.tools, tool.name()) && chosen(&options.stacks, stack.name()) {
                match check::compare(tool, stack) {
                    Ok(found) => {
                        println!("{} {}: {} differences", tool.name(), stack.name(), found.len());
                        found.iter().for_each(|line| println!("{line}"));
                        all += found.len();
                    }
                    Err(why) => println!("{} is left out: {why}", tool.name()),
                }
            }
        }
    }
    all
}

fn main() {
    let options = options();
    let mut differences = 0;
    for part in &options.parts {
        println!("== {part}");
        match part.as_str() {
            "check" => differences = check(&options),
            "versus" => {
                let before = serde_json::from_value(report::read("versus")).unwrap_or_default();
                let cases = peers::measure(&options, before);
                if !cases.is_empty() {
                    report::write("versus", &cases);
                }
            }
            "limit" => report::write("limit", &limit::measure(&options)),
            "growth" => report::write("growth", &growth::measure(&options)),
            "inside" => report::write("inside", &inside::measure(&options)),
            "roll" => report::write("roll", &roll::measure(&options)),
            "cold" => report::write("cold", &cold::measure(&options)),
            _ => {} // The tables alone.
        }
    }
    report::tables();
    assert!(differences == 0, "the model differs from LocalStack in {differences} ways");
}
