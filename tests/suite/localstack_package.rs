//! The provider package's own tests, which drive it through boto3 alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::support::{Run, sandbox};

/// The sandbox's virtual environment: the one that was made last.
fn environment(cache: &Path) -> PathBuf {
    let made = |entry: &PathBuf| {
        entry.join("ready").metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let entries = std::fs::read_dir(cache.join("sandbox"))
        .expect("it can be read")
        .map(|entry| entry.expect("it can be read").path());
    let homes = entries.filter(|path| path.join("ready").exists());
    homes.max_by_key(made).expect("a virtual environment").join("venv")
}

#[test]
fn the_packages_own_tests_pass() {
    sandbox();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("kstack-test");
    let python = environment(&cache).join("bin/python");
    // pytest is installed beside the environment, so that the sandbox's own stays what its lock file says.
    let beside = cache.join("pytest");
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--upgrade",
        "--target",
    ]);
    Run::of(install.arg(&beside).args(["-r", "localstack/requirements-test.txt"])).expect(0);
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "localstack/tests"]);
    tests.env("PYTHONPATH", &beside).env("PYTHONDONTWRITEBYTECODE", "1");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        tests.env_remove(name);
    }
    let run = Run::of(&mut tests).expect(0);
    assert!(run.out.contains(" passed"), "{run}");
}
