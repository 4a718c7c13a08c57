//! kstack beside Terraform on the same LocalStack, and at its limits. benches/README.md says how to run it and what it measures.
//!
//! `cargo bench --bench versus -- [PART...] [--repeats N] [--brokers 3,60]`

// The harness prints its progress, and uses a part of what the tests share.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod cold;
mod growth;
mod limit;
mod measure;
mod memory;
mod peers;
mod report;
#[allow(dead_code)]
#[path = "../../tests/suite/support/mod.rs"]
mod support;

/// What is measured, and how often.
pub struct Options {
    parts: Vec<String>,
    pub repeats: usize,
    pub brokers: Vec<usize>,
    /// The sizes at which growth is measured.
    pub sizes: Vec<usize>,
}

const PARTS: [&str; 5] = ["versus", "limit", "growth", "cold", "tables"];

fn options() -> Options {
    let mut options = Options { parts: Vec::new(), repeats: 3, brokers: vec![3, 60], sizes: vec![3, 30, 300, 1000] };
    let numbers = |text: Option<String>| -> Vec<usize> {
        let text = text.unwrap_or_default();
        text.split(',').map(|one| one.parse().unwrap_or_else(|_| panic!("`{text}` is no list of numbers"))).collect()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // Cargo's own.
            "--repeats" => options.repeats = numbers(arguments.next())[0],
            "--brokers" => options.brokers = numbers(arguments.next()),
            "--sizes" => options.sizes = numbers(arguments.next()),
            part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
            other => {
                panic!("`{other}` is not known; parts are {PARTS:?}, options are --repeats, --brokers and --sizes")
            }
        }
    }
    if options.parts.is_empty() {
        options.parts = PARTS.map(str::to_owned).to_vec();
    }
    options
}

fn main() {
    let options = options();
    for part in &options.parts {
        println!("== {part}");
        match part.as_str() {
            "versus" => report::write("versus", &peers::measure(&options)),
            "limit" => report::write("limit", &limit::measure(&options)),
            "growth" => report::write("growth", &growth::measure(&options)),
            "cold" => report::write("cold", &cold::measure(&options)),
            _ => {} // The tables alone.
        }
    }
    report::tables();
}
