//! The provider package's own tests, which drive it through boto3 alone.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, cache, sandbox_command};

const REQUIREMENTS: &str = "localstack/requirements-test.txt";

/// The interpreter of the sandbox of this process, as that was started.
pub fn python() -> PathBuf {
    crate::support::sandbox();
    let status = Run::of(sandbox_command(std::process::id()).args(["sandbox", "status", "--json"])).expect(0).json();
    let line = std::fs::read(format!("/proc/{}/cmdline", status["pid"])).expect("a process");
    let program = line.split(|byte| *byte == 0).next().expect("a program");
    PathBuf::from(String::from_utf8(program.to_vec()).expect("UTF-8"))
}

/// The folder of pytest and what it needs, beside the virtual environment, so that this stays what its lock file says. It is made
/// in a folder of its own and takes its name when it is whole: another run may be doing the same.
fn pytest(python: &Path) -> PathBuf {
    let mut hash = DefaultHasher::new();
    (python, std::fs::read(REQUIREMENTS).expect("a lock file")).hash(&mut hash);
    let folder = cache().join(format!("pytest-{:016x}", hash.finish()));
    if !folder.exists() {
        let made = tempfile::tempdir_in(cache()).expect("a folder");
        let mut install = Command::new(python);
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--target",
        ]);
        Run::of(install.arg(made.path()).args(["-r", REQUIREMENTS])).expect(0);
        // Who comes second keeps what the first has made.
        if std::fs::rename(made.path(), &folder).is_ok() {
            let _ = made.keep();
        }
    }
    folder
}

#[test]
fn the_packages_own_tests_pass() {
    let python = python();
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "localstack/tests"]);
    tests.env("PYTHONPATH", pytest(&python)).env("PYTHONDONTWRITEBYTECODE", "1");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        tests.env_remove(name);
    }
    let run = Run::of(&mut tests).expect(0);
    assert!(run.out.contains(" passed"), "{run}");
}
