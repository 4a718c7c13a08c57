//! Stack files with problems, each a test of its name: `tests/bad/NAME.yaml` and, to the letter, what is said of it, `NAME.txt`.
//!
//! A new case is a new file. `KSTACK_UPDATE=1 cargo test -p kstack-core --test bad` writes the expectations anew; read them before
//! committing. That the command prints the same is a test of the suite.

mod named;

use std::path::{Path, PathBuf};

use kstack_core::check;
use kstack_core::file::Report;
use kstack_core::text::many;

/// What `kstack check` prints of a report, and its exit code.
fn printed(report: &Report) -> String {
    let (errors, warnings) = report.counts();
    let warned = if warnings == 0 { String::new() } else { format!(", {}", many(warnings, "warning")) };
    let text = format!("{}{}: {}{warned}", report.render(false), report.file, many(errors, "error"));
    // The layout pads the lines of a snippet; editors would strip that from the expectations.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\nexit code 1\n", lines.join("\n"))
}

fn case(path: &Path) -> named::Outcome {
    let file = path.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
    let Err(report) = check::parse(file, &text) else { return Err("it is not refused".into()) };
    let (printed, expectation) = (printed(&report), path.with_extension("txt"));
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        std::fs::write(&expectation, &printed)?;
    }
    let expected = std::fs::read_to_string(&expectation).unwrap_or_default();
    if printed == expected {
        return Ok(());
    }
    Err(format!("expected\n{expected}\n== but it was\n{printed}\nKSTACK_UPDATE=1 takes the new text over.").into())
}

fn main() {
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    named::run("tests/bad", |root| named::entries(root).into_iter().filter(yaml).collect(), case)
}
