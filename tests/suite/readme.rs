//! What the README says: its commands are run in order, its stack files are the real ones.

use std::process::{Command, Stdio};

use crate::support::{Run, sandbox_command};

fn readme() -> String {
    std::fs::read_to_string("README.md").expect("the README")
}

/// The text of each fenced block in `language`.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn its_commands_run() {
    // A sandbox of its own, since the last command stops it. It ends with this process's stand-in in any case.
    let mut owner = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let text = blocks("console").concat();
    let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() >= 6, "the README has fewer commands than it had: {commands:?}");
    let mut ran = 0;
    for command in commands.iter().filter(|command| **command != "cargo test") {
        let arguments =
            command.strip_prefix("cargo run -- ").unwrap_or_else(|| panic!("`{command}` is not run by this test"));
        Run::of(sandbox_command(owner.id()).args(arguments.split_whitespace())).expect(0);
        ran += 1;
    }
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_eq!(ran, commands.len() - 1, "`cargo test` is the one command that can't be run from a test");
}

#[test]
fn its_stack_files_are_the_real_ones() {
    let real = |file| std::fs::read_to_string(file).unwrap();
    // The third is a workflow of GitHub Actions.
    let blocks: Vec<String> = blocks("yaml").into_iter().filter(|block| block.contains("apiVersion:")).collect();
    assert_eq!(blocks, ["stacks/prod.yaml", "stacks/msk.yaml"].map(real));
}
