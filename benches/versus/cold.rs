//! How fast kstack starts, and how large it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{median, run};
use crate::support::KSTACK;

/// Medians in milliseconds, and sizes in MiB.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cold {
    pub version_ms: f64,
    pub check_ms: f64,
    pub check_peak_mib: f64,
    pub binary_mib: f64,
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
    let peak = run(Command::new(KSTACK).args(check).current_dir(root)).1.peak_mib;
    let cold = Cold {
        version_ms: time(&["--version"]),
        check_ms: time(&check),
        check_peak_mib: peak,
        binary_mib: fs::metadata(KSTACK).expect("the binary").len() as f64 / 1024.0 / 1024.0,
    };
    println!("{cold:.2?}");
    cold
}
