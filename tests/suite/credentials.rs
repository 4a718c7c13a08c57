//! Credentials that end during a run, or before it would: one answer ends all calls, in its own words.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::aws::DEV;
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::{through, through_with};
use crate::support::{Account, Run};

const FILE: &str = "dev.yaml";

/// How many calls are refused at most: those that are under way at the same time, and one that gives the lease back.
const MOST_REFUSED: usize = 30;

/// A proxy that refuses every call with `code` from the one on of which `ends` is true.
fn ended(code: &'static str, ends: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Proxy {
    let over = AtomicBool::new(false);
    let fault = move |call: &Call| {
        let over = over.fetch_or(ends(call), Ordering::SeqCst) || ends(call);
        over.then_some(Fault::Refused(code))
    };
    Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() })
}

#[test]
fn credentials_that_expire_in_a_run_end_it_at_once_and_the_next_run_goes_on() {
    let cases: [(&'static str, usize); 3] =
        [("RequestExpired", 40), ("ExpiredTokenException", 60), ("InvalidClientTokenId", 50)];
    for (code, calls) in cases {
        let mut account = Account::new();
        account.write("dev", &[]);
        let proxy = ended(code, move |call| call.number > calls);
        let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(1);
        let refused = proxy.count() - calls;
        assert!(refused <= MOST_REFUSED, "{code}: {refused} calls were made in vain: {run}");
        assert!(run.err.contains("error: AWS takes no more calls, with "), "{code}: {run}");
        assert!(run.err.contains("get new credentials and run the command again"), "{code}: {run}");
        assert!(!run.err.contains("check the network"), "{code}: {run}");
        let own = if code == "InvalidClientTokenId" { "a test" } else { "the AWS credentials have expired" };
        assert!(run.err.contains(&format!("{own} ({code})")), "{code}: {run}");
        account.run(&["unlock", FILE, "--yes"]).expect(0);
        account.apply(FILE);
        account.assert_converged(FILE);
        assert_eq!((account.identities(DEV).len(), account.instances(DEV).len()), (3, 3), "{code}");
        account.destroy(FILE);
    }
}

#[test]
fn credentials_that_expire_while_aws_works_end_the_waiting_too() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.choose(&json!({"times": {"instance_start": 60}}));
    let started = AtomicBool::new(false);
    let proxy = ended("RequestExpired", move |call| {
        started.fetch_or(call.operation == "RunInstances", Ordering::SeqCst);
        started.load(Ordering::SeqCst) && call.operation == "DescribeInstances"
    });
    let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(1);
    let all = proxy.take();
    let first = all.iter().rposition(|call| call.operation == "RunInstances").expect("instances");
    assert!(all.len() - first <= MOST_REFUSED, "{} calls after the instances", all.len() - first);
    assert!(run.err.contains("the AWS credentials have expired (RequestExpired)"), "{run}");
    account.choose(&json!({}));
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.destroy(FILE);
}

#[test]
fn credentials_that_were_never_valid_are_told_by_the_first_look() {
    let mut account = Account::new();
    account.write("dev", &[]);
    for command in [&["plan", FILE][..], &["apply", FILE, "--yes"], &["destroy", FILE, "--yes"], &["status", FILE]] {
        let proxy = ended("ExpiredToken", |_| true);
        let run = through(&mut account, &proxy, command).expect(1);
        assert!(run.err.contains("the AWS credentials have expired (ExpiredToken)"), "{command:?}: {run}");
        assert!(run.err.contains("hint: get new credentials"), "{command:?}: {run}");
        assert!(proxy.count() <= MOST_REFUSED, "{command:?}: {} calls", proxy.count());
    }
    account.assert_nothing_left();
}

/// `apply` of a plan that takes about five minutes, with credentials that end in so many.
fn ending_in(account: &Account, minutes: i64, of_process: bool) -> Run {
    let end = (Timestamp::now() + SignedDuration::from_mins(minutes)).to_string();
    let mut command = account.command(&["apply", FILE, "--yes", "--verbose"]);
    if of_process {
        let credentials = json!({
            "Version": 1, "AccessKeyId": account.id, "SecretAccessKey": "test", "SessionToken": "test", "Expiration": end,
        });
        std::fs::create_dir_all(account.path(".aws")).expect("a folder");
        std::fs::write(account.path("credentials.json"), credentials.to_string()).expect("a file");
        let process = format!("[default]\ncredential_process = cat {}\n", account.path("credentials.json").display());
        std::fs::write(account.path(".aws/config"), process).expect("a file");
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    } else {
        command.env("AWS_CREDENTIAL_EXPIRATION", end);
    }
    Run::of(&mut command).expect(0)
}

#[test]
fn credentials_that_end_before_the_plan_does_are_told_before_it_runs() {
    for of_process in [false, true] {
        let account = Account::new();
        account.write("dev", &[]);
        let run = ending_in(&account, 3, of_process);
        let told = run.err.find("The AWS credentials end at ").unwrap_or_else(|| panic!("not told: {run}"));
        let begun = run.err.find("created ").unwrap_or_else(|| panic!("no step: {run}"));
        assert!(told < begun && run.err.contains("and this plan takes about 5m."), "{run}");
        account.destroy(FILE);
        let run = ending_in(&account, 60, of_process);
        assert!(!run.err.contains("credentials"), "{run}");
        // Nothing to do takes no time.
        let run = ending_in(&account, 1, of_process);
        assert!(!run.err.contains("credentials"), "{run}");
        account.destroy(FILE);
    }
}

#[test]
fn a_wrong_clock_is_told_from_credentials_that_have_expired() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let cases = [
        ("RequestExpired", "720", "12m ahead of"),
        ("AuthFailure", "-3600", "59m"),
        ("SignatureDoesNotMatch", "7205", "2h ahead of"),
    ];
    for (code, clock, text) in cases {
        let proxy = ended(code, |call| call.operation.starts_with("DescribeVpc"));
        let run = through_with(&mut account, &proxy, &["plan", FILE], &[("KSTACK_TEST_CLOCK", clock)]).expect(1);
        assert!(run.err.contains(&format!("this machine's clock is {text}")), "{code}: {run}");
        assert!(run.err.contains("hint: set this machine's clock"), "{code}: {run}");
    }
    account.assert_nothing_left();
}
