//! Stack files with problems and what `kstack check` says of them: `tests/bad/NAME.yaml` and, to the letter, `NAME.txt`.
//!
//! A new case is a new file. `KSTACK_UPDATE=1 cargo test bad_files` writes the expectations anew; read them before committing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of `kstack check` in `folder` prints, and its exit code.
fn check(folder: &Path, files: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_kstack"))
        .arg("check")
        .args(files)
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("kstack runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("kstack prints UTF-8");
    // The layout pads the lines of a snippet; editors would strip that from the expectations.
    let printed = format!("{}{}", text(&run.stdout), text(&run.stderr));
    let trimmed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    format!("{}\nexit code {}\n", trimmed.join("\n"), run.status.code().expect("an exit code, not a signal"))
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
fn each_bad_file_has_its_message() {
    let wrong: Vec<String> = yaml_files(&bad())
        .iter()
        .filter_map(|file| {
            let printed = check(&bad(), &[file]);
            assert!(printed.ends_with("exit code 1\n"), "{file} is not refused:\n{printed}");
            expect(file.trim_end_matches(".yaml"), &printed).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}\nKSTACK_UPDATE=1 takes the new outputs over.", wrong.join("\n"));
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
        let start = std::time::Instant::now();
        expect(&format!("generated-{name}"), &check(folder.path(), &[&file])).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(start.elapsed().as_secs() < 10, "{name} takes {:?}", start.elapsed());
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
        assert_eq!(check(&folder, &[&file]), format!("{file}: no problems\nexit code 0\n"));
    }
}
