//! How fast kstack starts, and how large it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{median, run};
use crate::support::{KSTACK, stack};

/// Medians in milliseconds, and sizes in MiB.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cold {
    pub version_ms: f64,
    pub check_ms: f64,
    pub check_peak_mib: f64,
    /// Of the same file with a thousand topics.
    pub check_topics_ms: f64,
    pub binary_mib: f64,
}

/// The production stack with a thousand topics of one partition each.
fn with_topics() -> String {
    let text = stack("prod", &[("  partitions: 600 ", "  # ")]);
    let (before, after) = text.split_once("\ntopics:\n").expect("topics");
    let topics: String = (0..1000)
        .map(|number| format!("  billing-{number:04}: {{partitions: 1, config: {{retention.ms: 86400000}}}}\n"))
        .collect();
    format!("{before}\ntopics:\n{topics}{after}")
}

pub fn measure(options: &Options) -> Cold {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Without the sampling of the memory, which would be a part of so short a run.
    let time = |arguments: &[&str]| {
        let once = || {
            let start = std::time::Instant::now();
            let output = Command::new(KSTACK).args(arguments).current_dir(root).output().expect("the binary starts");
            assert!(output.status.success(), "{arguments:?}");
            start.elapsed().as_secs_f64() * 1e3
        };
        once();
        median((0..options.repeats * 20).map(|_| once()).collect())
    };
    let check = ["check", "stacks/prod.yaml"];
    let folder = tempfile::tempdir().expect("a folder");
    let topics = folder.path().join("topics.yaml").display().to_string();
    fs::write(&topics, with_topics()).expect("a file");
    let peak = run(Command::new(KSTACK).args(check).current_dir(root)).1.peak_mib;
    let cold = Cold {
        version_ms: time(&["--version"]),
        check_ms: time(&check),
        check_peak_mib: peak,
        check_topics_ms: time(&["check", &topics]),
        binary_mib: fs::metadata(KSTACK).expect("the binary").len() as f64 / 1024.0 / 1024.0,
    };
    println!("{cold:.2?}");
    cold
}
