//! `kstack diagram`: where the picture goes, and what is asked for a live one. What is drawn is in the core's tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Account, KSTACK, Run};

fn run(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(KSTACK);
    // Nothing that could reach AWS.
    command.env_clear().env("HOME", folder).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").current_dir(folder);
    Run::of(command.args(arguments))
}

#[test]
fn a_picture_goes_to_a_file_or_to_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::copy("stacks/dev.yaml", at("dev.yaml")).expect("a copy");
    let expected = fs::read_to_string("tests/diagram/dev.svg").expect("the fixture");
    assert_eq!(run(folder.path(), &["diagram", "dev.yaml"]).expect(0).out, expected);
    let written = run(folder.path(), &["diagram", "dev.yaml", "--out", "dev.svg"]);
    assert_eq!(written.to_string(), "exit code 0\n--- stdout\n--- stderr\n");
    assert_eq!(fs::read_to_string(at("dev.svg")).expect("the picture"), expected);
    let nowhere = run(folder.path(), &["diagram", "dev.yaml", "--out", "."]).expect(1);
    assert!(nowhere.err.starts_with("error: . can't be written: it is not a plain file"), "{nowhere}");
    fs::write(at("bad.yaml"), "apiVersion: kstack/v1\n").expect("a file");
    let bad = run(folder.path(), &["diagram", "bad.yaml"]).expect(1);
    assert!(bad.err.contains("`name`") && bad.out.is_empty(), "{bad}");
}

#[test]
fn a_live_one_shows_what_runs() {
    let account = Account::new();
    account.write("dev", &[]);
    let nothing = account.run(&["diagram", "dev.yaml", "--live"]).expect(0).out;
    assert!(nothing.contains("Nothing of the cluster is live") && !nothing.contains(">\nrunning\n<"), "{nothing}");
    account.apply("dev.yaml");
    let live = account.run(&["diagram", "dev.yaml", "--live"]).expect(0).out;
    // LocalStack's hosts run no Kafka.
    assert!(live.contains("health is unknown: "), "{live}");
    assert_eq!(live.matches(">\nrunning\n<").count(), 3, "{live}");
    for zone in ["eu-west-1a", "eu-west-1b", "eu-west-1c"] {
        assert!(live.contains(&format!(">\n{zone}\n<")), "{zone}: {live}");
    }
    assert!(live.contains(">\navailable\n<") && !live.contains("not there"), "{live}");
}
