//! Checkov over what is live: each thing that it finds in a shipped stack file's resources is listed with its reason, and nothing more.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::aws::PROD;
use crate::support::{Account, Run, cache, text};
use crate::terraform::configuration;

const REQUIREMENTS: &str = "tests/checkov/requirements.txt";
const LIST: &str = "tests/checkov/findings.txt";

/// Checkov in a virtual environment of its own, made once for its lock file. It takes its name when it is whole: another run may be
/// doing the same.
fn checkov() -> PathBuf {
    let python = crate::localstack_package::python();
    let mut hash = DefaultHasher::new();
    (&python, std::fs::read(REQUIREMENTS).expect("a lock file")).hash(&mut hash);
    let folder = cache().join(format!("checkov-{:016x}", hash.finish()));
    if !folder.exists() {
        let made = tempfile::tempdir_in(cache()).expect("a folder");
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
        install.args(["--only-binary", ":all:", "--target"]).arg(made.path()).args(["-r", REQUIREMENTS]);
        Run::of(&mut install).expect(0);
        // Who comes second keeps what the first has made.
        if std::fs::rename(made.path(), &folder).is_ok() {
            let _ = made.keep();
        }
    }
    folder
}

/// What Checkov finds in the configuration in `folder`: each check with the kind of resource that fails it.
fn findings(checkov: &Path, folder: &Path) -> BTreeSet<String> {
    let mut scan = Command::new(crate::localstack_package::python());
    scan.env("PYTHONPATH", checkov).env("PYTHONDONTWRITEBYTECODE", "1").env("LOG_LEVEL", "ERROR");
    scan.args(["-m", "checkov.main", "--framework", "terraform_json", "--skip-download", "--compact", "--quiet"]);
    let run = Run::of(scan.args(["--soft-fail", "-o", "json", "-d"]).arg(folder)).expect(0);
    let report = run.json();
    assert!(report["summary"]["passed"].as_u64().is_some_and(|passed| passed > 20), "it saw little: {run}");
    let failed = report["results"]["failed_checks"].as_array().expect("findings");
    let kind = |resource: &str| {
        let name = resource.rsplit('.').next().unwrap_or(resource);
        name.split("__").next().unwrap_or(name).to_owned()
    };
    failed.iter().map(|one| format!("{} {}", text(&one["check_id"]), kind(text(&one["resource"])))).collect()
}

/// The lines of the list: the stack file, the check, the kind of resource, and the reason.
fn listed() -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(LIST).expect("a list");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.splitn(4, ' ').map(str::to_owned);
            [(); 4].map(|()| parts.next().unwrap_or_else(|| panic!("a stack, a check, a kind and a reason: {line}")))
        })
        .collect()
}

#[track_caller]
fn assert_listed(base: &str, region: &str) {
    let account = Account::new();
    let file = account.write(base, &[]);
    account.apply(&file);
    let folder = tempfile::tempdir().expect("a folder");
    let live = configuration(&account, region, &account.look(region));
    std::fs::write(folder.path().join("live.tf.json"), live.to_string()).expect("a file");
    let found = findings(&checkov(), folder.path());
    let known: BTreeSet<String> = listed()
        .into_iter()
        .filter(|[stack, _, _, reason]| stack == base && !reason.trim().is_empty())
        .map(|[_, check, kind, _]| format!("{check} {kind}"))
        .collect();
    let (new, gone): (Vec<_>, Vec<_>) =
        (found.difference(&known).collect::<Vec<_>>(), known.difference(&found).collect::<Vec<_>>());
    assert!(new.is_empty() && gone.is_empty(), "{base}: new findings: {new:#?}\nlisted and not found: {gone:#?}");
    account.run(&["destroy", &file, "--yes"]).expect(0);
}

#[test]
fn what_checkov_finds_in_a_production_stack_is_listed_with_its_reason() {
    assert_listed("prod", PROD);
}

#[test]
fn what_checkov_finds_in_a_stack_on_msk_is_listed_with_its_reason() {
    assert_listed("msk", "us-east-1");
}
