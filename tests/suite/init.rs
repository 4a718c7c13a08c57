//! `kstack init`: the file that it writes, and what it says where it can't. What is in files is in the core's tests.

use std::fs;
use std::process::Command;

use crate::support::{KSTACK, Run};

#[test]
fn a_first_file_is_written_once_and_has_no_problems() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(KSTACK);
        command.env_clear().env("HOME", folder.path()).env("KSTACK_CACHE_DIR", folder.path()).current_dir(&folder);
        Run::of(command.args(arguments))
    };
    // Standard input is no terminal here.
    assert_eq!(
        run(&["init", "orders.yaml", "--region", "us-east-1", "--engine", "ec2"]).to_string(),
        "exit code 1\n--- stdout\n--- stderr\nerror: standard input is not a terminal, where questions could be asked; add --environment, \
         --ingress, --retention\nhint: kstack init orders.yaml --region us-east-1 --engine ec2 --environment test --ingress \"1 MiB/s\" \
         --retention 1d\n"
    );
    let answers = [
        "--region",
        "us-east-1",
        "--engine",
        "ec2",
        "--environment",
        "test",
        "--ingress",
        "1 MiB/s",
        "--retention",
        "1d",
    ];
    let all = |file| [&["init", file][..], &answers].concat();
    assert!(!folder.path().join("orders.yaml").exists());
    let written = run(&all("orders.yaml")).expect(0);
    assert!(written.out.starts_with("Wrote orders.yaml: 3 × t4g.medium, about "), "{written}");
    // The sum is the one that `cost` says, and what it is without is said with it.
    let sum = run(&["cost", "orders.yaml", "--json"]).expect(0).json()["usd"].as_f64().expect("a sum");
    assert!(
        written.out.contains(&format!("about {sum:.0} USD a month with its traffic (`kstack cost orders.yaml`).\n")),
        "{written}"
    );
    let elsewhere = [&["init", "far.yaml", "--region", "eu-west-1"][..], &answers[2..]].concat();
    let elsewhere = run(&elsewhere).expect(0).out;
    assert!(elsewhere.contains("`kstack cost far.yaml`), without gp3 size in eu-west-1"), "{elsewhere}");
    let text = fs::read_to_string(folder.path().join("orders.yaml")).expect("the file");
    assert_eq!(text, fs::read_to_string("tests/init/ec2-test.yaml").expect("the fixture"));
    assert_eq!(
        run(&["check", "orders.yaml"]).to_string(),
        "exit code 0\n--- stdout\norders.yaml: no problems\n--- stderr\n"
    );
    let again = run(&all("orders.yaml")).expect(1);
    assert_eq!(
        again.err,
        "error: orders.yaml is there already; nothing was written\nhint: name another file, or remove this one first\n"
    );
    assert_eq!(fs::read_to_string(folder.path().join("orders.yaml")).expect("the file"), text);
    let unnamed = run(&all("Orders of 2026.yaml")).expect(1);
    assert!(unnamed.err.ends_with("hint: give one with --name\n"), "{unnamed}");
    let large = [&["init", "large.yaml"][..], &answers[..7], &["5 GiB/s"], &answers[8..]].concat();
    assert!(run(&large).expect(1).err.contains("no brokers that `init` tries carry 5 GiB/s for 1d"));
}
