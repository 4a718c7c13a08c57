//! `kstack diff` and its honesty: what a change of a file would do, without AWS, without credentials.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{KSTACK, Run};

/// The command in a folder with `dev.yaml` as it is, and `changed.yaml` with an edit of it.
fn diff(edit: (&str, &str), arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string("stacks/dev.yaml").expect("the stack file");
    assert!(text.contains(edit.0), "`{}` is not in the file", edit.0);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    write("dev.yaml", &text);
    write("changed.yaml", &text.replace(edit.0, edit.1));
    run(folder.path(), &[&["diff", "dev.yaml", "changed.yaml"], arguments].concat())
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(KSTACK);
    // Nothing that could reach AWS.
    command.env_clear().env("HOME", folder).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").current_dir(folder);
    Run::of(command.args(arguments))
}

const UNKNOWN: &str = "\nPlanned without AWS, as if nothing but the first file had been applied. Not known here: what was changed by hand \
    or grew by itself, what the region has of zones, instance types and endpoint services, other people's networks, and own templates. \
    `kstack plan` asks AWS.\n";

#[test]
fn a_change_is_planned_without_aws() {
    let run = diff(("instance_type: t4g.medium", "instance_type: t4g.large"), &["--detailed-exitcode"]);
    let expected = "exit code 2\n--- stdout\nStack dev in eu-west-1\n\n\
        -/+ instance/broker-1  roll\n-/+ instance/broker-2  roll\n-/+ instance/broker-3  roll\n      \
        the host is replaced while the others run; its volume and address are kept\n      \
        instance_type: t4g.medium -> t4g.large\n      config: the host's settings differ\n\n\
        Warning: security_group/clients:\n      \
        hosts and clients speak plaintext: whoever is on the way can read and change what they send;\n      \
        `scram: true` beside `plaintext: true` brings listeners with TLS beside port 9092\n\n\
        Plan: 0 to create, 0 to change, 3 to roll, 0 to replace, 0 to delete.\n\
        Monthly cost: 84.24 USD now, +80.59 USD with this plan, without traffic, and without gp3 size in eu-west-1 and nat gateway \
        in eu-west-1, whose prices are unknown.\n";
    assert_eq!(run.to_string(), format!("{expected}{UNKNOWN}--- stderr\n"));
}

#[test]
fn nothing_changed_is_nothing_to_do() {
    let run = diff(("kstack/v1", "kstack/v1 # the same"), &["--detailed-exitcode"]).expect(0);
    assert!(run.out.starts_with("Nothing would change.\n"), "{run}");
    assert!(run.out.ends_with(UNKNOWN), "{run}");
}

#[test]
fn what_can_not_be_changed_is_refused() {
    let run = diff(("10.20.0.0/16", "10.30.0.0/16"), &[]).expect(1);
    assert!(run.out.contains("! vpc/main: the VPC's address block can't be changed on a live resource"), "{run}");
    assert!(run.err.contains("error: the plan is refused for"), "{run}");
}

#[test]
fn two_stacks_and_bad_files_are_errors() {
    let run = diff(("name: dev", "name: other"), &[]);
    assert_eq!(
        run.to_string(),
        "exit code 1\n--- stdout\n--- stderr\n\
         error: dev.yaml is the stack dev in eu-west-1, and changed.yaml the stack other in eu-west-1: two stacks, of which neither changes\n\
         hint: compare two versions of the same stack's file\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let run = self::run(folder.path(), &["diff", "one.yaml", "other.yaml"]).expect(1);
    assert!(run.err.contains("one.yaml can't be read") && run.err.contains("other.yaml can't be read"), "{run}");
}

#[test]
fn as_markdown_it_says_the_same() {
    let run = diff(("instance_type: t4g.medium", "instance_type: t4g.large"), &["--markdown"]).expect(0);
    assert!(run.out.starts_with("### Stack `dev` in `eu-west-1`\n\n**0 to create, 0 to change, 3 to roll"), "{run}");
    assert!(run.out.ends_with(&format!("\n</details>\n{UNKNOWN}")), "{run}");
}
