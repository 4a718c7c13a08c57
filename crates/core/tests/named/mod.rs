//! Fixtures as tests, each with the name of its file: `cargo test -p kstack-core --test plans NAME`.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

/// What a test says when it does not pass.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Runs `case` for each of the `files` in a folder of the repository, as tests of their names, and ends the process.
pub fn run(folder: &str, files: impl Fn(&Path) -> Vec<PathBuf>, case: fn(&Path) -> Outcome) -> ! {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let trial = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        Trial::test(name, move || case(&path).map_err(|error| Failed::from(error.to_string())))
    };
    let mut files = files(&root);
    files.sort();
    assert!(!files.is_empty(), "{folder} has no case");
    libtest_mimic::run(&Arguments::from_args(), files.into_iter().map(trial).collect()).exit()
}

/// What is directly in `folder`.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("a readable entry").path()).collect()
}
