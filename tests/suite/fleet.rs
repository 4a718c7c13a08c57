//! `kstack plan` of many stack files: all at once, one summary, and no failure that hides another stack.

use std::collections::BTreeMap;

use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, text};

/// `dev.yaml` as the stack `name`.
fn named(account: &Account, name: &str, edits: &[(&str, &str)]) -> String {
    let name_line = format!("name: {name}");
    let edits: Vec<(&str, &str)> =
        [("name: dev", name_line.as_str())].into_iter().chain(edits.iter().copied()).collect();
    account.write_as(&format!("{name}.yaml"), "dev", &edits)
}

#[test]
fn a_summary_has_a_line_for_each_stack_and_failures_hide_nothing() {
    let account = Account::new();
    let live = named(&account, "live", &[]);
    account.apply(&live);
    account.run(&["plan", &live, "--detailed-exitcode"]).expect(0);
    let orders = named(&account, "orders", &[]);
    let clicks = named(&account, "clicks", &[("eu-west-1", "us-east-1")]);
    let all = account.run(&["plan", &live, &orders, &clicks]).expect(0);
    assert_eq!(
        all.to_string(),
        "exit code 0\n--- stdout\n\
         FILE         STACK   REGION     CREATE  CHANGE  ROLL  REPLACE  DELETE  USD A MONTH  RESULT\n\
         live.yaml    live    eu-west-1  0       0       0     0        0       +0.00        unchanged\n\
         orders.yaml  orders  eu-west-1  31      0       0     0        0       +84.24       changes\n\
         clicks.yaml  clicks  us-east-1  31      0       0     0        0       +151.84      changes\n\
         \n\
         3 stacks: 2 with changes, 1 unchanged.\n\
         Plan: 62 to create, 0 to change, 0 to roll, 0 to replace, 0 to delete.\n\
         Monthly cost: 84.24 USD now, +236.09 USD with these plans, without traffic, and without gp3 size in eu-west-1 and nat \
         gateway in eu-west-1, whose prices are unknown.\n\
         --- stderr\n"
    );
    account.run(&["plan", &live, &orders, &clicks, "--detailed-exitcode"]).expect(2);
    let comment = account.run(&["plan", &live, &orders, "--markdown", "--detailed-exitcode"]).expect(2).out;
    let head = "### 2 stacks\n\n\
        | file | create | change | roll | replace | delete | USD a month | |\n|---|--:|--:|--:|--:|--:|--:|---|\n\
        | `live.yaml` | 0 | 0 | 0 | 0 | 0 | +0.00 | unchanged |\n\
        | `orders.yaml` | 31 | 0 | 0 | 0 | 0 | +84.24 | changes |\n\n\
        ### Stack `live` in `eu-west-1`\n\n**Nothing to do.**\n\n";
    assert!(comment.starts_with(head), "{comment}");
    assert!(comment.contains("\n### Stack `orders` in `eu-west-1`\n\n**31 to create, 0 to change"), "{comment}");
    let again = named(&account, "again", &[("name: again", "name: live")]);
    account.run(&["plan", &live, &clicks, "--out", "plan.json"]).expect(1);

    // Each kind of failure, each beside stacks that can be planned.
    let misspelt = named(&account, "misspelt", &[("partitions:", "partitons:")]);
    let moved = account.write_as("moved.yaml", "dev", &[("name: dev", "name: live"), ("10.20.0.0/16", "10.30.0.0/16")]);
    let files = [&orders, &misspelt, &moved, "missing.yaml", &again, &clicks];
    let run = account.run(&[&["plan", "--detailed-exitcode"], &files[..]].concat()).expect(1);
    let rows: BTreeMap<&str, &str> = run.out.lines().filter_map(|line| line.split_once(".yaml ")).collect();
    let result = |name: &str| rows[name].rsplit("  ").next().unwrap_or_default();
    let results: Vec<(&str, &str)> = rows.keys().map(|name| (*name, result(name))).collect();
    let expected = [
        ("again", "failed"),
        ("clicks", "changes"),
        ("missing", "failed"),
        ("misspelt", "failed"),
        ("moved", "refused"),
        ("orders", "changes"),
    ];
    assert_eq!(results, expected, "{run}");
    assert!(
        run.out.contains("6 stacks: 2 with changes, 0 unchanged, 1 refused, 3 failed.\nPlan: 62 to create"),
        "{run}"
    );
    for part in [
        "partitons",
        "missing.yaml can't be read",
        "again.yaml defines the stack live in eu-west-1, which moved.yaml defines already",
        "error: 4 of 6 stacks can't be planned; nothing was changed",
    ] {
        assert!(run.err.contains(part), "`{part}` in\n{run}");
    }
    assert!(run.out.contains("can't be changed on a live resource"), "{run}");

    let comment = account.run(&[&["plan", "--markdown"], &files[..]].concat()).expect(1).out;
    let result =
        |name: &str| comment.lines().find(|line| line.starts_with(&format!("| `{name}.yaml` |"))).unwrap_or("");
    assert!(
        result("misspelt").ends_with("| **failed** |") && result("moved").ends_with("| **refused** |"),
        "{comment}"
    );
    assert!(comment.contains("### `missing.yaml`\n\n**It can't be planned:**\n\n```text\n"), "{comment}");
    account.run(&["plan", &orders, "--markdown", "--json"]).expect(1);

    let json = account.run(&[&["plan", "--json"], &files[..]].concat()).expect(1).json();
    let stacks = json["stacks"].as_array().expect("stacks");
    let shown: Vec<&str> = stacks.iter().map(|stack| text(&stack["file"])).collect();
    assert_eq!(shown, files);
    let errors: Vec<bool> = stacks.iter().map(|stack| stack["error"].is_string()).collect();
    assert_eq!(errors, [false, true, false, true, true, false]);
    assert_eq!((&json["summary"]["counts"]["create"], &json["summary"]["failed"]), (&62.into(), &3.into()));
    assert_eq!(stacks[0]["steps"].as_array().map(Vec::len), Some(31));
    account.destroy(&live);
}

/// Stacks of every sort, the first three of them live: two regions, plaintext and TLS, brokers on EC2 and MSK.
fn mixed(account: &Account) -> Vec<String> {
    let tls = ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true, mtls: true}");
    let live = [named(account, "live", &[]), named(account, "secured", &[tls]), account.write("msk", &[])];
    live.iter().for_each(|file| drop(account.apply(file)));
    // One of them has drifted from its file.
    named(account, "live", &[("t4g.medium", "t4g.large")]);
    let new = [named(account, "orders", &[]), named(account, "clicks", &[("eu-west-1", "us-east-1")])];
    live.into_iter().chain(new).collect()
}

#[test]
fn a_stack_among_many_has_the_plan_that_it_has_alone() {
    let mut account = Account::new();
    let files = mixed(&account);
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let fleet = [&["plan", "--json"], &names[..]].concat();
    let together = account.run(&fleet).expect(0).json();
    for (file, planned) in files.iter().zip(together["stacks"].as_array().expect("stacks")) {
        let alone = account.run(&["plan", file, "--json"]).expect(0).json();
        for part in ["steps", "notes", "refusals"] {
            assert_eq!(planned[part], alone[part], "{part} of {file}");
        }
    }
    // Who may see no list of the whole account, such as one who has the stacks' own policies alone, asks for each.
    let denied = |call: &Call| {
        let of_all = call.operation == "GetParametersByPath" && call.body.contains("\"/kstack\"");
        let denied = of_all || ["ListRoles", "ListInstanceProfiles"].contains(&call.operation.as_str());
        denied.then_some(Fault::Refused("AccessDeniedException"))
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(denied)), ..Weather::default() });
    let again = through(&mut account, &proxy, &fleet).expect(0).json();
    assert_eq!(again["stacks"], together["stacks"]);
    assert!(proxy.take().iter().any(|call| call.operation == "ListRoles"));
    for file in &files[..2] {
        account.run(&["destroy", file, "--yes"]).expect(0);
    }
    account.destroy(&files[2]);
}

#[test]
fn the_stacks_of_a_region_are_described_at_once() {
    let mut account = Account::new();
    let regions = ["eu-west-1", "us-east-1", "ap-northeast-2"];
    let of = |number: usize| named(&account, &format!("team-{number}"), &[("eu-west-1", regions[number % 3])]);
    let files: Vec<String> = (0..27).map(of).collect();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let proxy = Proxy::counting();
    let json = through(&mut account, &proxy, &[&["plan", "--json"], &names[..]].concat()).expect(0).json();
    assert_eq!(json["summary"]["changed"], 27);
    let calls = proxy.take();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    calls.iter().for_each(|call| *counts.entry(call.operation.as_str()).or_default() += 1);
    // One of each for a region, and of what the account has.
    assert!(counts.values().all(|count| *count == 1 || *count == 3), "{counts:?}");
    assert!(calls.len() <= 60, "{}: {counts:?}", calls.len());
}
