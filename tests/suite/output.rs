//! JSON output matches the schemas that `kstack schema --output` prints, and every printed key stands in them.

use serde_json::Value;

use crate::support::schema::{assert_matches, mismatch, schema};
use crate::support::{Account, Run};

#[track_caller]
fn assert_events_match(run: &Run) {
    let schema = schema("events");
    let events = run.events();
    assert!(!events.is_empty(), "{run}");
    for event in events {
        assert!(
            mismatch(&event, &schema, &schema, "$").is_none(),
            "{:?}\n{event:#}",
            mismatch(&event, &schema, &schema, "$")
        );
    }
}

#[test]
fn the_walker_sees_what_is_missing_unknown_and_of_another_type() {
    let schema = serde_json::json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
    let wrong = |value: Value| mismatch(&value, &schema, &schema, "$");
    assert_eq!(wrong(serde_json::json!({"a": 1})), None);
    assert_eq!(wrong(serde_json::json!({})).as_deref(), Some("$ has no `a`"));
    assert_eq!(wrong(serde_json::json!({"a": "1"})).as_deref(), Some("$.a is \"1\", not \"integer\""));
    assert_eq!(wrong(serde_json::json!({"a": 1, "b": 2})).as_deref(), Some("$.b is not in the schema"));
}

#[test]
fn sizes_costs_and_comparisons_match_their_schemas() {
    let stacks = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    let mut files = 0;
    for entry in std::fs::read_dir(stacks).expect("the folder can be read").flatten() {
        for output in ["size", "cost", "compare"] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kstack"));
            assert_matches(&Run::of(command.arg(output).arg(entry.path()).arg("--json")).expect(0).json(), output);
        }
        files += 1;
    }
    assert!(files > 5, "{files}");
}

#[test]
fn plans_events_and_what_is_live_match_their_schemas() {
    const FILE: &str = "dev.yaml";
    let account = Account::new();
    account.write("dev", &[]);
    let other = account.write_as("other.yaml", "dev", &[("name: dev", "name: other")]);
    assert_matches(&account.run(&["plan", FILE, "--json"]).expect(0).json(), "plan");
    assert_matches(&account.run(&["plan", FILE, &other, "missing.yaml", "--json"]).expect(1).json(), "plan");
    assert_matches(&account.run(&["status", FILE, "--json"]).expect(0).json(), "status");
    assert_events_match(&account.run(&["apply", FILE, "--yes", "--json"]).expect(0));
    assert_matches(&account.run(&["status", FILE, "--json"]).expect(0).json(), "status");
    assert_matches(&account.run(&["list", "--region", "eu-west-1", "--json"]).expect(0).json(), "list");
    let both = ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true, plaintext: true}");
    let staged = account.run(&["plan", &account.write_as("tls.yaml", "dev", &[both]), "--json"]).expect(0).json();
    assert!(staged["then"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{staged:#}");
    assert_matches(&staged, "plan");
    let refused = account.write_as("moved.yaml", "dev", &[("10.20.0.0/16", "10.30.0.0/16")]);
    let plan = account.run(&["plan", &refused, "--json"]).expect(1).json();
    assert!(plan["refusals"].as_array().is_some_and(|all| !all.is_empty()), "{plan:#}");
    assert_matches(&plan, "plan");
    account.choose(&serde_json::json!({"faults": [{"service": "ec2", "operation": "DeleteVolume", "error": "UnauthorizedOperation", "status": 403, "count": 1}]}));
    assert_events_match(&account.run(&["destroy", FILE, "--yes", "--json"]).expect(1));
    assert_events_match(&account.run(&["destroy", FILE, "--yes", "--json"]).expect(0));
    let up = account.run(&["up", FILE, "--name", "pr-1", "--ttl", "1h", "--json"]).expect(0);
    assert_events_match(&up);
    let mut reap = account.command(&["reap", "--region", "eu-west-1", "--json"]);
    reap.env("KSTACK_NOW", (jiff::Timestamp::now() + std::time::Duration::from_secs(7200)).to_string());
    let reap = Run::of(&mut reap).expect(0);
    assert!(reap.out.contains("\"destroyed\""), "{reap}");
    assert_events_match(&reap);
}
