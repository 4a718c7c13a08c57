//! `kstack --version`: the commit that a release was built from, wherever its source lies.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{KSTACK, Run};

#[path = "../../build.rs"]
mod build;

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=test", "-c", "user.email=test@example.com"]);
    // Nothing of the machine's own settings.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_AUTHOR_DATE", "2026-01-31T12:00:00Z").env("GIT_COMMITTER_DATE", "2026-01-31T12:00:00Z");
    assert!(command.args(arguments).output().expect("git starts").status.success(), "{arguments:?}");
}

#[test]
fn a_release_says_its_commit_and_a_debug_build_that_it_is_one() {
    let run = Run::of(Command::new(KSTACK).arg("--version")).expect(0);
    assert_eq!(run.out, format!("kstack {} (debug build)\n", env!("CARGO_PKG_VERSION")));

    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path();
    let release = |folder: &Path| build::version(folder, "release", "0.1.0");
    assert_eq!(release(top), "0.1.0", "no commit is known");
    git(top, &["init", "--quiet"]);
    git(top, &["commit", "--quiet", "--allow-empty", "--message", "first"]);
    let version = release(top);
    let commit = version.strip_prefix("0.1.0 (").and_then(|rest| rest.strip_suffix(" 2026-01-31)"));
    assert!(commit.is_some_and(|one| one.len() >= 7 && one.chars().all(|c| c.is_ascii_hexdigit())), "{version}");
    // An unpacked archive in somebody else's repository.
    let unpacked = top.join("kstack-0.1.0");
    fs::create_dir(&unpacked).expect("a folder");
    assert_eq!(release(&unpacked), "0.1.0");
    let info = r#"{"git": {"sha1": "75452851aa0c7f2ee0cb31b77a8bf5e0e0a0a0a0"}, "path_in_vcs": ""}"#;
    fs::write(unpacked.join(".cargo_vcs_info.json"), info).expect("a file");
    assert_eq!(release(&unpacked), "0.1.0 (7545285)");
}
