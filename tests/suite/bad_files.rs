//! What `kstack check` prints of stack files with problems. Each file of `tests/bad` is a case of the core's own test of that
//! name; here are the command, and files that are made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::KSTACK;
use crate::support::running::Running;

/// What a run of `kstack check` in `folder` prints, and its exit code.
fn check(folder: &Path, files: &[&str]) -> String {
    let mut command = Command::new(KSTACK);
    command.arg("check").args(files).current_dir(folder).env_clear();
    // What would go on without end fails here.
    let run = Running::of(command).end(Duration::from_secs(120));
    // The layout pads the lines of a snippet; editors would strip that from the expectations.
    let printed = format!("{}{}", run.out, run.err);
    let trimmed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    format!("{}\nexit code {}\n", trimmed.join("\n"), run.code)
}

/// Compares `printed` with the expectation `NAME.txt`, or writes it.
fn expect(name: &str, printed: &str) -> Result<(), String> {
    let path = bad().join(format!("{name}.txt"));
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(&path, printed).expect("the expectation can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if printed == expected {
        Ok(())
    } else {
        Err(format!("== {name}: expected\n{expected}\n== but it was\n{printed}\n"))
    }
}

fn bad() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

/// The names of the YAML files in `folder`, sorted.
fn yaml_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("a readable entry"));
    let names = entries.map(|entry| entry.file_name().into_string().expect("a UTF-8 name"));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    assert!(!names.is_empty(), "{} has no YAML files", folder.display());
    names
}

#[test]
fn the_command_prints_of_each_bad_file_what_is_expected() {
    let files = yaml_files(&bad());
    let expected = files.iter().map(|file| {
        let text = fs::read_to_string(bad().join(file).with_extension("txt")).expect("an expectation");
        text.strip_suffix("exit code 1\n").expect("it is refused").to_owned()
    });
    let expected = format!("{}exit code 1\n", expected.collect::<String>());
    assert_eq!(check(&bad(), &files.iter().map(String::as_str).collect::<Vec<_>>()), expected);
}

#[test]
fn generated_files_are_refused_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = "apiVersion: kstack/v1\nname: big\n";
    let deep = format!("{start}tags: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    let cases = [
        ("two-megabytes", format!("{start}{}", "# nothing but comments\n".repeat(2 * 1024 * 1024 / 23)).into_bytes()),
        ("too-deep", deep.into_bytes()),
        ("many-problems", (0..100).map(|number| format!("key{number}: 1\n")).collect::<String>().into_bytes()),
        ("not-utf8", [start.as_bytes(), b"region: \xff\xfe\n"].concat()),
        ("nul-byte", [start.as_bytes(), b"region: eu\0west\n"].concat()),
    ];
    for (name, bytes) in cases {
        let file = format!("{name}.yaml");
        fs::write(folder.path().join(&file), bytes).expect("a written file");
        expect(&format!("generated-{name}"), &check(folder.path(), &[&file])).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

#[test]
fn several_files_are_reported_each() {
    let printed = check(&bad(), &["retention-of-zero.yaml", "no-such-file.yaml", "../../stacks/dev.yaml", "."]);
    expect("several-files", &printed).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn every_stack_file_of_the_project_checks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    for file in yaml_files(&folder) {
        let printed = check(&folder, &[&file]);
        if ["dev.yaml", "ephemeral.yaml"].contains(&file.as_str()) {
            let only = printed.contains(&format!("{file}: 0 errors, 1 warning\n"));
            assert!(only && printed.contains("clients on port 9092 prove nothing"), "{printed}");
            continue;
        }
        assert_eq!(printed, format!("{file}: no problems\nexit code 0\n"));
    }
}
