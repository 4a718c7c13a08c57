//! The version that `kstack --version` prints: with the commit and its date in a release build.
//!
//! A debug build says that it is one: asking git would build kstack anew after each commit.

use std::fs;
use std::path::Path;
use std::process::Command;

#[allow(dead_code, clippy::print_stdout, reason = "this is how a build script speaks; a test includes the rest")]
fn main() {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    let folder = set("CARGO_MANIFEST_DIR");
    let version = version(Path::new(&folder), &set("PROFILE"), &set("CARGO_PKG_VERSION"));
    println!("cargo::rustc-env=KSTACK_VERSION={version}");
    println!("cargo::rerun-if-changed=build.rs");
    if set("PROFILE") == "release" {
        // The commit that is checked out, by its own log: in a worktree it is elsewhere.
        if let Some(path) = git(Path::new(&folder), &["rev-parse", "--git-path", "logs/HEAD"]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// `0.1.0 (7545285 2026-11-27)`; without the rest where no commit is known.
pub fn version(folder: &Path, profile: &str, version: &str) -> String {
    if profile != "release" {
        return format!("{version} (debug build)");
    }
    match own_commit(folder).or_else(|| packed_commit(folder)) {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    }
}

/// The commit that git has of the folder itself: an unpacked archive may lie in somebody else's repository.
fn own_commit(folder: &Path) -> Option<String> {
    let top = git(folder, &["rev-parse", "--show-toplevel"])?;
    let same = fs::canonicalize(top).ok()? == fs::canonicalize(folder).ok()?;
    if same { git(folder, &["log", "-1", "--format=%h %cs"]) } else { None }
}

/// The commit of a crate's archive, as Cargo notes it there. It has no date.
fn packed_commit(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let hash = rest.split('"').nth(1)?;
    hash.get(..7).filter(|start| start.chars().all(|c| c.is_ascii_hexdigit())).map(str::to_owned)
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let run = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(run.stdout).ok()?.trim().to_owned();
    (run.status.success() && !text.is_empty()).then_some(text)
}
