//! The tutorial, as a new user would go through it: every command of `docs/tutorial.md`, in order, in a shell with a clean home folder, with what the
//! page shows of their output.

use std::fs;
use std::process::Command;

use crate::processes::kstack_command;
use crate::room::{beside, block};
use crate::support::{KSTACK, Run};

/// What the page has one do: a command with lines of its output, or lines to add to the stack file.
enum Act {
    Run(String, Vec<String>),
    Write(String),
}

/// The acts of a page. Its blocks of `sh` are what comes before kstack is there.
fn acts(page: &str) -> Vec<Act> {
    let mut acts = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a block has a language");
        match language {
            "yaml" => acts.push(Act::Write(text.to_owned())),
            "console" => {
                for line in text.lines() {
                    match (line.strip_prefix("$ "), acts.last_mut()) {
                        (Some(command), _) => acts.push(Act::Run(command.to_owned(), Vec::new())),
                        (None, Some(Act::Run(_, shown))) => shown.push(line.to_owned()),
                        (None, _) => panic!("`{line}` is no command's output"),
                    }
                }
            }
            _ => {}
        }
    }
    acts
}

/// A text without differences of columns.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_tutorial_goes_as_it_says() {
    let Some((_room, kafka)) = beside() else { return };
    let page = fs::read_to_string("docs/tutorial.md").expect("the page");
    // Other tests have brokers at the page's addresses.
    let block = block();
    let own = |text: &str| text.replace("127.40.", &format!("127.{block}.")).replace("10.40.", &format!("10.{block}."));
    let home = tempfile::tempdir().expect("a folder");
    let bin = home.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink(KSTACK, bin.join("kstack")).expect("a link");
    let file = home.path().join("orders.yaml");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut exported = String::new();
    let mut ran = 0;
    for act in acts(&page) {
        let (command, shown) = match act {
            Act::Write(text) => {
                let before = fs::read_to_string(&file).expect("the stack file");
                fs::write(&file, before + &text).expect("the stack file");
                continue;
            }
            Act::Run(command, shown) => (own(&command), shown),
        };
        // What a shell keeps from one line to the next.
        if command.starts_with("export ") {
            exported += &format!("{command}\n");
            continue;
        }
        let mut shell = Command::new("bash");
        shell.args(["-e", "-o", "pipefail", "-c", &format!("{exported}{command}")]).current_dir(home.path());
        // The sandbox of this test, and its Kafka.
        for (name, value) in kstack_command(&kafka, &[]).get_envs().filter_map(|(name, value)| Some((name, value?))) {
            shell.env(name, value);
        }
        let run = Run::of(shell.env("HOME", home.path()).env("PATH", &path)).expect(0);
        let said = plain(&format!("{}{}", run.out, run.err));
        for line in shown {
            assert!(said.contains(&plain(&own(&line))), "`{command}` does not say `{line}`:\n{run}");
        }
        if command.starts_with("kstack init") {
            let text = fs::read_to_string(&file).expect("the stack file");
            fs::write(&file, own(&text)).expect("the stack file");
        }
        ran += 1;
    }
    assert!(ran > 15, "only {ran} commands of the page were run");
}
