//! The GitHub Action, with a stand-in for `gh`: a plan is one comment that is kept up to date, and what was reviewed is what is applied.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Account, KSTACK, Run};

/// GitHub, as far as the action asks it: comments and the saved plans are files beside it. Whatever else is asked is an error.
const GH: &str = r#"#!/usr/bin/env bash
set -euo pipefail
here=$(dirname "$0")/..
method=GET body=
while [ $# -gt 0 ]; do
    case "$1" in
    --method) method=$2; shift ;;
    --field) body=${2#body=@}; shift ;;
    --header | --jq) shift ;;
    repos/*) path=$1 ;;
    esac
    shift
done
echo "$method $path" >> "$here/asked"
case "$method $path" in
"GET repos/acme/kafka/issues/7/comments") [ ! -e "$here/comment" ] || echo 41 ;;
"POST repos/acme/kafka/issues/7/comments") [ ! -e "$here/comment" ] && cp "$body" "$here/comment" ;;
"PATCH repos/acme/kafka/issues/comments/41") cp "$body" "$here/comment" ;;
"GET repos/acme/kafka/commits/1d2e3f/pulls") echo a1b2c3 ;;
"GET repos/acme/kafka/commits/000000/pulls") ;;
"GET repos/acme/kafka/actions/artifacts?name=kstack-plans-a1b2c3") echo 5 ;;
"GET repos/acme/kafka/actions/artifacts/5/zip") cat "$here/saved.zip" ;;
*) echo "gh: what is this: $method $path" >&2; exit 1 ;;
esac
"#;

struct Repository {
    account: Account,
}

impl Repository {
    fn new() -> Repository {
        let account = Account::new();
        fs::create_dir(account.path("bin")).expect("a folder");
        fs::write(account.path("bin/gh"), GH).expect("a file");
        fs::set_permissions(account.path("bin/gh"), fs::Permissions::from_mode(0o755)).expect("an executable");
        std::os::unix::fs::symlink(KSTACK, account.path("bin/kstack")).expect("a link");
        Repository { account }
    }

    /// Runs the action as a runner would, for the commit `head`.
    fn run(&self, command: &str, files: &str, head: &str) -> Run {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.github/actions/kstack/run");
        let mut run = Command::new(script);
        // The account's own environment.
        for (name, value) in self.account.command(&[]).get_envs() {
            if let Some(value) = value {
                run.env(name, value);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        run.env("PATH", format!("{}:{path}", self.account.path("bin").display()))
            .current_dir(self.account.folder.path());
        run.env("KSTACK_COMMAND", command).env("KSTACK_FILES", files).env("KSTACK_PLANS", self.account.path("plans"));
        run.env("GITHUB_REPOSITORY", "acme/kafka").env("PULL_REQUEST", "7").env("HEAD_SHA", head);
        Run::of(&mut run)
    }

    fn comment(&self) -> String {
        fs::read_to_string(self.account.path("comment")).unwrap_or_default()
    }

    /// What upload-artifact does with the saved plans.
    fn upload(&self) {
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c", "../saved.zip", "."]).current_dir(self.account.path("plans"));
        Run::of(&mut zip).expect(0);
    }
}

#[test]
fn a_pull_request_has_one_comment_and_its_plan_is_what_is_applied() {
    let repository = Repository::new();
    let account = &repository.account;
    fs::create_dir(account.path("stacks")).expect("a folder");
    account.write_as("stacks/dev.yaml", "dev", &[]);
    let files = "stacks/dev.yaml";

    // A file that can't be planned is told in the comment, too, and nothing is saved.
    account.write_as("stacks/bad.yaml", "dev", &[("count: 3", "count: 4")]);
    let run = repository.run("plan", "stacks/bad.yaml", "a1b2c3").expect(1);
    assert!(repository.comment().contains("stacks/bad.yaml"), "{run}\n{}", repository.comment());
    assert!(!account.path("plans").exists(), "{run}");

    repository.run("plan", files, "a1b2c3").expect(0);
    let comment = repository.comment();
    assert!(comment.starts_with("<!-- kstack plan -->\n\n") && comment.contains("31 to create"), "{comment}");
    repository.run("plan", files, "a1b2c3").expect(0);
    assert_eq!(repository.comment(), comment);

    repository.upload();
    let run = repository.run("apply", "", "1d2e3f").expect(0);
    assert!(run.err.contains("31 created") || run.out.contains("31 created"), "{run}");
    account.assert_converged(files);

    // What is live is no longer what the plan was made for.
    let run = repository.run("apply", "", "1d2e3f").expect(1);
    assert!(run.err.contains("have changed since the plan was made"), "{run}");
    let run = repository.run("apply", "", "000000").expect(1);
    assert!(run.err.contains("came from no pull request"), "{run}");
    repository.run("destroy", "", "1d2e3f").expect(1);

    let asked = fs::read_to_string(account.path("asked")).expect("what was asked");
    assert_eq!(asked.matches("POST ").count(), 1, "{asked}");
    account.destroy(files);
}
