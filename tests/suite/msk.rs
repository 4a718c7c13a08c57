//! MSK clusters on the sandbox: each change, many at once, a death in the middle of each, and how many calls it takes.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, Run, poll, text};

pub const FILE: &str = "orders.yaml";

/// A cluster with something of everything that can change.
pub const ORDERS: &str = "\
apiVersion: kstack/v1
name: orders
region: eu-west-1
tags: {team: orders}
network: {cidr: 10.50.0.0/16, nat: none}
workload: {retention: 3d}
cluster:
  msk:
    kafka: 3.8.x
    brokers: {count: 3, instance_type: kafka.m5.large, storage: {size: 200 GiB}}
    auth: {iam: true}
    encryption: {in_transit: tls}
    monitoring: {level: default}
    config: {auto.create.topics.enable: \"false\"}
";

const AUTHORITY: &str =
    "arn:aws:acm-pca:eu-west-1:000000000000:certificate-authority/6c0e7b1a-0d65-4b8f-9e0a-1f2d3c4b5a69";

/// [`ORDERS`] with `edits`, each of which finds its text once.
#[track_caller]
pub fn orders(edits: &[(&str, &str)]) -> String {
    let mut file = ORDERS.to_owned();
    for (old, new) in edits {
        assert_eq!(file.matches(old).count(), 1, "`{old}` in:\n{file}");
        file = file.replacen(old, new, 1);
    }
    file
}

/// Writes them.
#[track_caller]
pub fn write(account: &Account, edits: &[(&str, &str)]) {
    std::fs::write(account.path(FILE), orders(edits)).expect("a file");
}

/// An account in which storage can change as often as a test likes.
pub fn account() -> Account {
    let account = Account::new();
    choose(&account);
    account
}

/// Lets the storage of the account's clusters change as often as a test likes.
pub fn choose(account: &Account) {
    account.choose(&json!({"times": {"storage_cooling_off": 0}}));
}

/// The operations of a run, as `ACTION ADDRESS:OPERATION`, in the order in which they ended; each began after the one before
/// had ended.
#[track_caller]
fn operations(events: &[Value]) -> Vec<String> {
    let mut done = Vec::new();
    let mut open: Option<&str> = None;
    for event in events.iter().filter(|event| text(&event["address"]).starts_with("msk_cluster/")) {
        let address = text(&event["address"]);
        match text(&event["event"]) {
            "started" => assert_eq!(open.replace(address), None, "{address} began while another was under way"),
            "done" => {
                assert_eq!(open.take(), Some(address));
                done.push(address.trim_start_matches("msk_cluster/main").trim_start_matches(':').to_owned());
            }
            _ => {}
        }
    }
    done
}

/// Every change that one operation makes, and that operation's name.
const CHANGES: [(&str, &str, &str); 11] = [
    ("storage", "size: 200 GiB", "size: 300 GiB"),
    ("kafka-version", "kafka: 3.8.x", "kafka: 3.9.x"),
    ("broker-type", "kafka.m5.large", "kafka.m7g.4xlarge"),
    ("throughput", "size: 300 GiB", "size: 300 GiB, throughput: 300 MiB/s"),
    ("tiered-storage", "throughput: 300 MiB/s", "throughput: 300 MiB/s, tiered: true"),
    ("configuration", "enable: \"false\"", "enable: \"true\""),
    ("security", "{iam: true}", "{iam: true, unauthenticated: true}"),
    ("security", "in_transit: tls", "in_transit: tls-or-plaintext"),
    ("broker-count", "count: 3", "count: 6"),
    ("monitoring", "level: default", "level: per-broker, prometheus: true"),
    ("tags", "team: orders", "team: payments"),
];

#[test]
fn each_change_is_one_operation_and_leaves_nothing_to_do() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    let mut file = ORDERS.to_owned();
    for (operation, old, new) in CHANGES {
        assert_eq!(file.matches(old).count(), 1, "`{old}` in:\n{file}");
        file = file.replacen(old, new, 1);
        std::fs::write(account.path(FILE), &file).expect("a file");
        let steps = account.plan(FILE).steps();
        let of_cluster: Vec<&String> = steps.iter().filter(|step| step.contains("msk_cluster/")).collect();
        assert_eq!(of_cluster, ["update msk_cluster/main"], "{operation}: {steps:#?}");
        let events = account.apply(FILE);
        // Tags alone need no operation of the cluster.
        let name = if operation == "tags" { "" } else { operation };
        assert_eq!(operations(&events), [name], "{new}");
        account.assert_converged(FILE);
    }
    account.destroy(FILE);
}

/// Ten changed fields and more.
pub const TEN: [(&str, &str); 9] = [
    ("team: orders", "team: payments"),
    ("kafka: 3.8.x", "kafka: 3.9.x"),
    ("count: 3", "count: 6"),
    ("kafka.m5.large", "kafka.m7g.4xlarge"),
    ("size: 200 GiB", "size: 400 GiB, max: 2 TiB, throughput: 300 MiB/s, tiered: true"),
    ("{iam: true}", "{iam: true, unauthenticated: true}"),
    ("in_transit: tls", "in_transit: tls-or-plaintext"),
    ("level: default", "level: per-topic-per-broker, prometheus: true"),
    ("enable: \"false\"", "enable: \"true\""),
];

/// The operations of [`TEN`], in the order in which they work.
const IN_ORDER: [&str; 8] =
    ["tags", "kafka-version", "broker-type", "throughput", "tiered-storage", "security", "broker-count", "monitoring"];

#[test]
fn ten_changes_in_one_file_are_made_in_one_run_one_after_the_other() {
    let account = account();
    write(&account, &[]);
    account.apply(FILE);
    write(&account, &TEN);
    let plan = account.plan(FILE);
    let cluster = plan.0["steps"].as_array().expect("steps").iter().filter(|step| step["operation"].is_string());
    let fields: usize = cluster.map(|step| step["changes"].as_array().map_or(0, Vec::len)).sum();
    assert!(fields >= 10, "{fields} fields: {:#}", plan.0);
    assert_eq!(operations(&account.apply(FILE)), IN_ORDER);
    account.assert_converged(FILE);
    // And back again, as far as anything goes back.
    write(&account, &[TEN[1], TEN[2], TEN[3], ("size: 200 GiB", "size: 400 GiB, tiered: true"), TEN[0]]);
    assert_eq!(operations(&account.apply(FILE)), ["storage", "configuration", "security", "monitoring"]);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// Runs `command` until it says that it waits for `operation`, and kills it there.
fn kill_in(account: &Account, command: &str, operation: &str) {
    let log = account.path("killed.log");
    let out = std::fs::File::create(&log).expect("a file");
    let mut child = account
        .command(&[command, FILE, "--yes", "--json"])
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let address =
        if operation.is_empty() { "msk_cluster/main".to_owned() } else { format!("msk_cluster/main:{operation}") };
    let waits = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        event["event"] == "waiting" && event["address"] == address.as_str()
    };
    poll(&format!("waiting for {address}"), Duration::from_secs(60), || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if let Ok(Some(status)) = child.try_wait() {
            panic!("it ended with {status} before it waited for {address}:\n{text}");
        }
        text.lines().any(&waits).then_some(())
    });
    child.kill().expect("it is running");
    child.wait().expect("it ends");
    account.run(&["unlock", FILE, "--yes"]).expect(0);
}

#[test]
fn a_run_that_dies_in_the_middle_of_any_operation_is_gone_on_with() {
    let account = account();
    // Long enough to be met in the middle of.
    account.choose(
        &json!({"times": {"storage_cooling_off": 0, "cluster_create": 2, "cluster_update": 2, "cluster_delete": 2}}),
    );
    write(&account, &[]);
    kill_in(&account, "apply", "");
    account.apply(FILE);
    account.assert_converged(FILE);
    write(&account, &TEN);
    for operation in IN_ORDER.iter().filter(|operation| **operation != "tags") {
        kill_in(&account, "apply", operation);
    }
    account.apply(FILE);
    account.assert_converged(FILE);
    kill_in(&account, "destroy", "");
    account.destroy(FILE);
}

#[test]
fn a_cluster_that_is_being_created_or_updated_is_waited_for_before_it_is_destroyed() {
    let account = account();
    account.choose(&json!({"times": {"cluster_create": 2, "cluster_update": 2}}));
    write(&account, &[]);
    kill_in(&account, "apply", "");
    account.destroy(FILE);
    write(&account, &[]);
    account.apply(FILE);
    write(&account, &[("size: 200 GiB", "size: 300 GiB")]);
    kill_in(&account, "apply", "storage");
    account.destroy(FILE);
}

#[test]
fn public_access_comes_after_what_it_needs_and_goes_before_what_it_forbids() {
    let account = account();
    let public = [("    auth: {iam: true}\n", "    auth: {iam: true}\n    public_access: true\n")];
    write(&account, &public);
    account.apply(FILE);
    account.assert_converged(FILE);
    let status = account.run(&["status", FILE, "--json"]).expect(0).json();
    let listeners = status["msk"]["listeners"].as_array().expect("listeners");
    assert_eq!(listeners.len(), 2, "{status:#}");
    assert!(text(&listeners[1]["bootstrap_servers"][0]).contains("-public."), "{status:#}");
    assert!(text(&listeners[1]["bootstrap_servers"][0]).ends_with(":9198"), "{status:#}");
    // Off, on again with what it needs, and off with what it forbids: the cluster stays where it is.
    let open = ("    auth: {iam: true}\n", "    auth: {iam: true, unauthenticated: true}\n");
    write(&account, &[open]);
    assert_eq!(operations(&account.apply(FILE)), ["public-access-off", "security"]);
    account.assert_converged(FILE);
    write(&account, &public);
    assert_eq!(operations(&account.apply(FILE)), ["security", "public-access"]);
    account.assert_converged(FILE);
    account.destroy(FILE);
    // A cluster in private subnets can't be public.
    write(&account, &[]);
    account.apply(FILE);
    write(&account, &public);
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains("subnets of an MSK cluster"), "{refusals}");
    write(&account, &[]);
    account.destroy(FILE);
}

/// As of a file of the stacks.
const OF_VPCS: (&str, &str) = (
    "    vpc_connectivity:          # turned on once the cluster is there, which may take an hour or more\n      iam: true\n",
    "    vpc_connectivity: {scram: true}\n    config: {allow.everyone.if.no.acl.found: \"false\"}\n",
);

#[test]
fn clients_of_other_vpcs_come_in_after_what_they_need_and_go_before_what_forbids_them() {
    let account = account();
    let apply = |edits: &[(&str, &str)]| {
        let file = account.write("msk-private-link", edits);
        let done = operations(&account.apply(&file));
        account.assert_converged(&file);
        done
    };
    // MSK refuses it with the creation, so that it follows, within the step.
    assert_eq!(apply(&[]), [""]);
    // What the file says nothing of stays, and is found when it is asked for.
    assert_eq!(apply(&[(OF_VPCS.0, "")]), Vec::<String>::new());
    assert_eq!(apply(&[]), Vec::<String>::new());
    // From one way to another: MSK would refuse a way in whose authentication is off.
    let auth = ("    auth:\n      iam: true\n", "    auth: {scram: {}}\n");
    assert_eq!(apply(&[auth, OF_VPCS]), ["vpc-connectivity-off", "configuration", "security", "vpc-connectivity"]);
    let open = ("    auth:\n      iam: true\n", "    auth: {iam: true, unauthenticated: true}\n");
    let none = (OF_VPCS.0, "    vpc_connectivity: {}\n    config: {allow.everyone.if.no.acl.found: \"false\"}\n");
    assert_eq!(apply(&[open, none]), ["vpc-connectivity-off", "security"]);
    assert_eq!(apply(&[]), ["configuration", "security", "vpc-connectivity"]);
    account.destroy("msk-private-link.yaml");
}

#[test]
fn a_run_that_dies_while_the_way_from_other_vpcs_is_turned_on_or_off_is_gone_on_with() {
    let account = account();
    account.choose(&json!({"times": {"cluster_update": 2}}));
    write(&account, &[]);
    account.apply(FILE);
    for (ways, operation) in [("iam: true", "vpc-connectivity"), ("iam: false", "vpc-connectivity-off")] {
        let way = format!("    auth: {{iam: true}}\n    vpc_connectivity: {{{ways}}}\n");
        write(&account, &[("    auth: {iam: true}\n", &way)]);
        kill_in(&account, "apply", operation);
        account.apply(FILE);
        account.assert_converged(FILE);
    }
    account.destroy(FILE);
}

#[test]
fn serverless_and_express_clusters_come_and_go() {
    let account = account();
    for base in ["msk-serverless", "msk-express"] {
        let file = account.write(base, &[]);
        account.apply(&file);
        account.assert_converged(&file);
        let status = account.run(&["status", &file, "--json"]).expect(0).json();
        assert_eq!(status["msk"]["state"], "ACTIVE", "{status:#}");
        // Nobody says of brokers that do not run how they are.
        assert_eq!(status["kafka"]["reachable"], false, "{status:#}");
        assert_eq!(status["kafka"]["problems"], serde_json::json!(["the sandbox runs no brokers of MSK"]));
        let lag = account.run(&["lag", &file]).expect(1);
        assert!(lag.err.contains("the lag is not known: the sandbox runs no brokers of MSK"), "{lag}");
        assert!(text(&status["bootstrap_servers"][0]).ends_with(":9098"), "{status:#}");
        account.destroy(&file);
    }
}

/// The calls of a plan that finds nothing to do, of a cluster with so many brokers.
fn calls(brokers: usize) -> Vec<String> {
    let mut account = account();
    let count = format!("count: {brokers}");
    // With an endpoint, whose service is asked for.
    let endpoints = ("nat: none}", "nat: none, endpoints: [s3]}");
    write(&account, &[("count: 3", &count), ("size: 200 GiB", "size: 200 GiB, max: 1 TiB"), endpoints]);
    account.apply(FILE);
    let direct = account.endpoint.clone();
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    account.assert_converged(FILE);
    account.endpoint = direct;
    account.destroy(FILE);
    let mut names: Vec<String> = proxy.take().into_iter().map(|call| call.operation).collect();
    names.sort();
    names
}

#[test]
fn a_plan_takes_the_same_calls_for_any_number_of_brokers() {
    let (small, large) = (calls(3), calls(30));
    assert!(small.len() <= 25, "{} calls:\n{}", small.len(), small.join("\n"));
    assert_eq!(small.len(), large.len(), "{}\nand\n{}", small.join("\n"), large.join("\n"));
}

#[test]
fn client_properties_are_for_the_ways_that_are_open() {
    let account = account();
    write(&account, &[("{iam: true}", "{iam: true, tls: {certificate_authorities: [\"AUTHORITY\"]}}")]);
    let file = std::fs::read_to_string(account.path(FILE)).expect("the file").replace("AUTHORITY", AUTHORITY);
    std::fs::write(account.path(FILE), file).expect("a file");
    account.apply(FILE);
    let properties = |method: &str| -> Run { account.run(&["status", FILE, "--client-properties", method]) };
    let (iam, tls) = (properties("iam").expect(0).out, properties("tls").expect(0).out);
    for (out, port) in [(&iam, ":9098"), (&tls, ":9094")] {
        let servers = out.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).expect("servers");
        assert_eq!(servers.split(',').filter(|server| server.ends_with(port)).count(), 3, "{out}");
    }
    for method in ["scram", "unauthenticated", "plaintext"] {
        let run = properties(method).expect(1);
        assert!(run.err.contains("no listener"), "{run}");
    }
    properties("kerberos").expect(1);
    account.destroy(FILE);
}

/// Whether a call changes something of MSK's, or of its autoscaling.
fn of_msk(call: &Call) -> bool {
    call.writes() && (call.operation.contains('/') || call.operation.contains("Scal"))
}

/// Runs the apply with `fault` at the `number`-th call that changes something of MSK's.
fn run_with(account: &mut Account, fault: Fault, number: usize) -> Run {
    let seen = AtomicUsize::new(0);
    let hit = move |call: &Call| {
        let now = of_msk(call) && seen.fetch_add(1, Ordering::SeqCst) + 1 == number;
        now.then_some(fault)
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
    through(account, &proxy, &["apply", FILE, "--yes"])
}

/// Applies `after` where `before` is live, with something going wrong at each of some calls, and sees that it ends the same.
fn sweep(before: Option<&[(&str, &str)]>, after: &[(&str, &str)], samples: usize) {
    let mut account = account();
    let prepare = |account: &Account| {
        if let Some(before) = before {
            write(account, before);
            account.apply(FILE);
        }
        write(account, after);
    };
    prepare(&account);
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(0);
    account.destroy(FILE);
    let calls = proxy.take().iter().filter(|call| of_msk(call)).count();
    assert!(calls > 0);
    let step = if std::env::var_os("KSTACK_SWEEP").is_some() { 1 } else { calls.div_ceil(samples) };
    let faults = [Fault::KillBefore, Fault::KillAfter, Fault::DropAnswer];
    for (index, number) in (1..=calls).step_by(step).enumerate() {
        let these = if step == 1 { &faults[..] } else { &faults[index % 3..=index % 3] };
        for fault in these {
            prepare(&account);
            let run = run_with(&mut account, *fault, number);
            let killed = *fault != Fault::DropAnswer;
            assert_eq!(run.code, if killed { -1 } else { 0 }, "{fault:?} at {number} of {calls}: {run}");
            if killed {
                account.run(&["unlock", FILE, "--yes"]).expect(0);
                account.apply(FILE);
            }
            account.assert_converged(FILE);
            account.destroy(FILE);
        }
    }
}

#[test]
fn a_creation_survives_a_death_or_a_lost_answer_at_any_call() {
    // With what MSK turns on only once the cluster is there.
    let vpcs = ("    auth: {iam: true}\n", "    auth: {iam: true}\n    vpc_connectivity: {iam: true}\n");
    sweep(None, &[("size: 200 GiB", "size: 200 GiB, max: 1 TiB"), vpcs], 5);
}

#[test]
fn ten_changes_survive_a_death_or_a_lost_answer_at_any_call() {
    sweep(Some(&[]), &TEN, 6);
}

#[test]
fn a_configuration_whose_deletion_got_no_answer_is_gone() {
    let mut account = account();
    write(&account, &[]);
    account.apply(FILE);
    let lost = AtomicUsize::new(0);
    let hit = move |call: &Call| {
        let deletes = call.operation.to_uppercase().starts_with("DELETE") && call.operation.contains("configurations");
        (deletes && lost.fetch_add(1, Ordering::SeqCst) == 0).then_some(Fault::DropAnswer)
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
    let run = through(&mut account, &proxy, &["destroy", FILE, "--yes"]).expect(0);
    let asked = proxy.take().into_iter().filter(|call| call.operation.to_uppercase().starts_with("DELETE"));
    let asked = asked.filter(|call| call.operation.contains("configurations")).count();
    assert_eq!(asked, 2, "it is asked for once more, and told what a configuration in use gets: {run}");
    account.assert_nothing_left();
}
