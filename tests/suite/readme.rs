//! What the documents say: their commands are run in order, their stack files are the real ones. The tutorial's are run by `tests/hosts/tutorial.rs`.

use std::process::{Command, Stdio};

use crate::support::{Run, sandbox_command};

/// The documents whose every command is run: each begins and ends without a stack.
const RUN: [&str; 6] =
    ["README.md", "docs/existing-vpc.md", "docs/msk.md", "docs/cost.md", "docs/sizing.md", "docs/test-clusters.md"];

/// The text of each fenced block in `language` of a document.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(document).expect("the document");
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn their_commands_run() {
    // A sandbox of its own, since some commands stop it. It ends with this process's stand-in in any case.
    let mut owner = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    for document in RUN {
        let text = blocks(document, "console").concat();
        let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        assert!(!commands.is_empty(), "{document} has no commands");
        for command in commands.iter().filter(|command| **command != "cargo test") {
            let arguments = ["cargo run -- ", "kstack "].iter().find_map(|start| command.strip_prefix(start));
            let arguments = arguments.unwrap_or_else(|| panic!("`{command}` of {document} is not run by this test"));
            Run::of(sandbox_command(owner.id()).args(arguments.split_whitespace())).expect(0);
        }
    }
    owner.kill().unwrap();
    owner.wait().unwrap();
}

#[test]
fn their_stack_files_are_the_real_ones() {
    for (document, file) in [("README.md", "stacks/prod.yaml"), ("docs/msk.md", "stacks/msk.yaml")] {
        let whole: Vec<String> =
            blocks(document, "yaml").into_iter().filter(|block| block.contains("apiVersion:")).collect();
        assert_eq!(whole, [std::fs::read_to_string(file).unwrap()], "{document}");
    }
}
