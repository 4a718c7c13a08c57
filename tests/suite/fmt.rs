//! `kstack fmt`: what it writes, prints, and ends with. What is in files is in the core's tests.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{KSTACK, Run};

const MESSY: &str = "name:  orders   # short\napiVersion: kstack/v1\nregion: eu-west-1\n";
const TIDY: &str = "apiVersion: kstack/v1\nname: orders    # short\nregion: eu-west-1\n";

fn kstack(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(KSTACK);
    // Nothing that could reach AWS.
    command.env_clear().env("HOME", folder).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").current_dir(folder);
    command.args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    Run::of(&mut kstack(folder, arguments))
}

#[test]
fn files_are_formatted_in_place_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("messy.yaml"), MESSY).expect("a file");
    fs::write(at("tidy.yaml"), TIDY).expect("a file");
    fs::set_permissions(at("messy.yaml"), fs::Permissions::from_mode(0o640)).expect("its mode");
    symlink("messy.yaml", at("link.yaml")).expect("a link");
    let checked = run(folder.path(), &["fmt", "--check", "link.yaml", "tidy.yaml"]);
    let expected = "exit code 1\n--- stdout\nlink.yaml\n--- link.yaml\n+++ link.yaml (formatted)\n@@ -1,3 +1,3 @@\n\
        -name:  orders   # short\n apiVersion: kstack/v1\n+name: orders    # short\n region: eu-west-1\n--- stderr\n";
    assert_eq!(checked.to_string(), expected);
    assert_eq!(fs::read_to_string(at("messy.yaml")).expect("the file"), MESSY, "a check writes nothing");
    let formatted = run(folder.path(), &["fmt", "link.yaml", "tidy.yaml"]);
    assert_eq!(formatted.to_string(), "exit code 0\n--- stdout\nlink.yaml\n--- stderr\n");
    assert_eq!(fs::read_to_string(at("messy.yaml")).expect("the file"), TIDY);
    assert_eq!(fs::metadata(at("messy.yaml")).expect("the file").permissions().mode() & 0o777, 0o640);
    assert!(at("link.yaml").is_symlink() && fs::read_dir(&folder).expect("the folder").count() == 3);
    run(folder.path(), &["fmt", "--check", "link.yaml", "tidy.yaml"]).expect(0);
    let upgraded = run(folder.path(), &["fmt", "--upgrade", "tidy.yaml"]);
    assert_eq!(
        upgraded.to_string(),
        "exit code 0\n--- stdout\n--- stderr\ntidy.yaml is of the newest version of the format, kstack/v1: there is nothing to upgrade.\n"
    );
}

#[test]
fn one_that_can_not_be_formatted_keeps_no_other_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("new.yaml"), "apiVersion: kstack/v2\nname:  a\n").expect("a file");
    fs::write(at("messy.yaml"), MESSY).expect("a file");
    let mixed = run(folder.path(), &["fmt", "--upgrade", "missing.yaml", "new.yaml", "messy.yaml"]).expect(1);
    assert!(mixed.err.contains("missing.yaml can't be read"), "{mixed}");
    assert!(mixed.err.contains("`kstack/v2` is not a format that this kstack reads; write `kstack/v1`"), "{mixed}");
    assert!(mixed.err.contains("--> new.yaml:1:13"), "{mixed}");
    assert_eq!(mixed.out, "messy.yaml\n");
    assert_eq!(fs::read_to_string(at("messy.yaml")).expect("the file"), TIDY);
    assert_eq!(fs::read_to_string(at("new.yaml")).expect("the file"), "apiVersion: kstack/v2\nname:  a\n");
}

#[test]
fn standard_input_goes_to_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let piped = |arguments: &[&str]| {
        let mut command = kstack(folder.path(), arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("its input").write_all(MESSY.as_bytes()).expect("it is read");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(piped(&["fmt", "-"]), (Some(0), TIDY.to_owned()));
    let (code, shown) = piped(&["fmt", "--check", "-"]);
    assert!(code == Some(1) && shown.starts_with("-\n--- -\n"), "{shown}");
}
