//! Stacks that go by themselves: many at once from one file, found and destroyed by their tags alone, and never the others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::thread;
use std::time::Duration;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use aws_sdk_ssm::types::ParameterType;
use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::aws::{DEV, wait};
use crate::support::proxy::Proxy;
use crate::support::{Account, Run, text};

pub const FILE: &str = "ephemeral.yaml";
const LONG: Duration = Duration::from_secs(240);

/// The example for one region of the tests, as small as a cluster can be: one broker, no NAT gateway.
pub const SMALL: [(&str, &str); 4] = [
    ("region: us-east-1", "region: eu-west-1"),
    ("nat: single", "zones: 1\n  nat: none"),
    ("retention: 4h", "retention: 4h\n  replication_factor: 1\n  min_insync_replicas: 1"),
    ("count: 3", "count: 1"),
];

pub fn account() -> Account {
    let account = Account::new();
    account.write("ephemeral", &SMALL);
    account
}

/// The binary, for which so many hours have passed.
pub fn later(account: &Account, hours: i64, arguments: &[&str]) -> Command {
    let mut command = account.command(arguments);
    command.env("KSTACK_NOW", (Timestamp::now() + SignedDuration::from_hours(hours)).to_string());
    command
}

/// What `reap` says of each stack, after so many hours.
pub fn reap(account: &Account, hours: i64) -> BTreeMap<String, String> {
    outcomes(&Run::of(&mut later(account, hours, &["reap", "--region", DEV, "--json"])).expect(0))
}

fn outcomes(run: &Run) -> BTreeMap<String, String> {
    let lines = run.events().into_iter().filter(|event| event["event"] == "reaped");
    lines.map(|event| (text(&event["stack"]).to_owned(), text(&event["outcome"]).to_owned())).collect()
}

fn list(account: &Account) -> Vec<Value> {
    account.run(&["list", "--region", DEV, "--json"]).expect(0).json()["stacks"].as_array().expect("a list").clone()
}

/// The stack of `list` with this name.
#[track_caller]
fn listed(account: &Account, name: &str) -> Value {
    let all = list(account);
    all.iter().find(|stack| stack["name"] == name).unwrap_or_else(|| panic!("no {name} in {all:#?}")).clone()
}

/// The last event of `up`.
#[track_caller]
fn up(account: &Account, arguments: &[&str]) -> Value {
    let run = account.run(&[&["up", FILE, "--json"], arguments].concat()).expect(0);
    run.events().pop().expect("an event")
}

#[test]
fn twenty_at_once_half_of_them_killed_are_listed_and_reaped_once_by_two() {
    let account = account();
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    let names: Vec<String> = (1..=20).map(|number| format!("pr-{number}")).collect();
    // Every other one dies after so many events of 2 * 17 and 2.
    let plan: Vec<(String, Option<usize>)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.clone(), (index % 2 == 1).then(|| dice.usize(1..30))))
        .collect();
    let made = thread::scope(|scope| {
        let begun = plan.iter().map(|(name, death)| {
            let account = &account;
            scope.spawn(move || {
                let mut running = account.spawn(&["up", FILE, "--name", name, "--json"]);
                let Some(death) = death else { return Some(running.end(LONG)) };
                let mut seen = 0;
                running.until(|_| {
                    seen += 1;
                    seen == *death
                });
                running.signal(Signal::KILL);
                running.end(LONG);
                None
            })
        });
        let begun: Vec<_> = begun.collect();
        begun.into_iter().map(|one| one.join().expect("no panic")).collect::<Vec<_>>()
    });
    // Those that were not killed are complete, each with a name and a block of its own.
    let ups: Vec<Value> = made.into_iter().flatten().map(|run| run.expect(0).events().pop().expect("events")).collect();
    assert_eq!(ups.len(), 10, "seed {seed}");
    assert!(
        ups.iter()
            .all(|up| up["event"] == "up" && up["bootstrap_servers"].as_array().is_some_and(|all| all.len() == 1))
    );
    let vpcs = wait(account.ec2(DEV).describe_vpcs().filters(stack_key()).send());
    let blocks: Vec<Ipv4Net> =
        vpcs.vpcs().iter().map(|vpc| vpc.cidr_block().expect("a block").parse().expect("one")).collect();
    for (index, block) in blocks.iter().enumerate() {
        assert_eq!(block.prefix_len(), 20, "as in the file");
        assert!(
            blocks[..index].iter().all(|one| !one.contains(block) && !block.contains(one)),
            "seed {seed}: {blocks:?}"
        );
    }
    assert!(blocks.len() >= 10);

    let stacks = list(&account);
    assert_eq!(
        stacks.iter().map(|stack| text(&stack["name"])).collect::<BTreeSet<_>>(),
        names.iter().map(String::as_str).collect()
    );
    for stack in &stacks {
        let killed = plan.iter().any(|(name, death)| *name == text(&stack["name"]) && death.is_some());
        assert_eq!(stack["state"], if killed { "partial" } else { "complete" }, "seed {seed}: {stack:#}");
        assert_eq!(stack["owner"], format!("arn:aws:iam::{}:root", account.id));
        assert!(stack["expires_at"].is_string() && stack["age_seconds"].is_u64(), "{stack:#}");
        assert!(killed || stack["brokers"] == 1, "{stack:#}");
        assert!(stack["usd_month"].as_f64() >= Some(if killed { 0.0 } else { 20.0 }), "{stack:#}");
    }
    let whole = account.run(&["list", "--region", DEV]).expect(0);
    assert_eq!(whole.out.lines().filter(|line| line.ends_with("complete")).count(), 10, "{whole}");

    // Before their time nothing goes; after it, everything, each once, by two that run at the same time.
    assert!(reap(&account, 3).is_empty());
    let due = Run::of(&mut later(&account, 5, &["reap", "--region", DEV, "--dry-run", "--json"])).expect(0);
    assert_eq!(outcomes(&due).values().filter(|outcome| *outcome == "due").count(), 20);
    let expired = Run::of(&mut later(&account, 5, &["list", "--region", DEV, "--json"])).expect(0).json();
    assert!(
        expired["stacks"].as_array().is_some_and(|all| all.iter().all(|stack| stack["state"] == "expired")),
        "{expired:#}"
    );
    let both = thread::scope(|scope| {
        [(); 2].map(|()| scope.spawn(|| reap(&account, 5))).map(|one| one.join().expect("no panic"))
    });
    for name in &names {
        let by: Vec<&str> = both.iter().filter_map(|one| one.get(name)).map(String::as_str).collect();
        assert_eq!(by.iter().filter(|outcome| **outcome == "destroyed").count(), 1, "seed {seed}: {name} {by:?}");
        assert!(by.iter().all(|outcome| ["destroyed", "busy", "gone"].contains(outcome)), "seed {seed}: {name} {by:?}");
    }
    account.assert_nothing_left();
    assert!(list(&account).is_empty());
    assert!(reap(&account, 5).is_empty());
}

fn stack_key() -> Filter {
    Filter::builder().name("tag-key").values("kstack:stack").build()
}

#[test]
fn a_name_is_the_same_stack_again_and_its_expiry_stays() {
    let account = account();
    let first = up(&account, &["--name", "pr-1", "--ttl", "2h"]);
    let again = up(&account, &["--name", "pr-1"]);
    assert_eq!((&first["cidr"], &first["expires_at"]), (&again["cidr"], &again["expires_at"]));
    assert_ne!(first["cidr"], "10.0.0.0/20", "not the file's own");
    let other = up(&account, &[]);
    assert!(text(&other["name"]).starts_with("ephemeral-") && other["cidr"] != first["cidr"], "{other}");
    // Asked for explicitly it moves; also for whoever wants the stack after its time.
    let longer = up(&account, &["--name", "pr-1", "--ttl", "8h"]);
    assert!(text(&longer["expires_at"]) > text(&again["expires_at"]), "{longer}");
    let run = Run::of(&mut later(&account, 9, &["up", FILE, "--json", "--name", "pr-1"])).expect(0);
    let anew = run.events().pop().expect("an event");
    assert!(text(&anew["expires_at"]) > text(&longer["expires_at"]), "{anew}");
    assert_eq!(reap(&account, 9), [(text(&other["name"]).to_owned(), "destroyed".to_owned())].into());
    account.run(&["destroy", "--name", "pr-1", "--region", DEV, "--yes"]).expect(0);
    account.assert_nothing_left();
}

#[test]
fn what_has_no_expiry_or_is_protected_is_never_reaped_nor_made_ephemeral() {
    let account = account();
    let with = |line: &str, name: &str, cidr: &str| {
        let edits = [
            ("name: ephemeral", &*format!("name: {name}")),
            ("ttl: 4h                      # from then on `kstack reap` destroys it, its data with it\n", line),
            ("cidr: 10.0.0.0/20", &*format!("cidr: {cidr}")),
        ];
        account.write_as(&format!("{name}.yaml"), "ephemeral", &[&SMALL[..], &edits].concat())
    };
    let lasting = with("", "lasting", "10.1.0.0/20");
    // It was ephemeral once, and has been protected since.
    with("ttl: 1h\n", "guarded", "10.2.0.0/20");
    account.apply("guarded.yaml");
    let guarded = with("protected: true\n", "guarded", "10.2.0.0/20");
    // Somebody took the tag off one of its resources: what does not say when it goes stays, with all the rest.
    let mixed = with("ttl: 1h\n", "mixed", "10.3.0.0/20");
    for file in [&lasting, &guarded, &mixed] {
        account.apply(file);
    }
    let volume =
        wait(account.ec2(DEV).describe_volumes().filters(named("mixed")).filters(addressed("volume/broker-1")).send());
    let volume = volume.volumes()[0].volume_id().expect("an id").to_owned();
    let untag = account.ec2(DEV).delete_tags().resources(volume).tags(Tag::builder().key("kstack:expires-at").build());
    wait(untag.send());

    assert!(reap(&account, 24 * 400).is_empty());
    for file in [&lasting, &guarded] {
        account.assert_converged(file);
    }
    assert_eq!(
        (listed(&account, "lasting")["expires_at"].clone(), listed(&account, "lasting")["state"].clone()),
        (Value::Null, json!("complete"))
    );
    assert_eq!(listed(&account, "guarded")["protected"], true);
    let refused = account.run(&["destroy", "--name", "guarded", "--region", DEV, "--yes"]).expect(1);
    assert!(
        refused.out.contains("the stack guarded is protected: its resources have the tag `kstack:protected`"),
        "{refused}"
    );
    let refused = account.run(&["destroy", &guarded, "--yes"]).expect(1);
    assert!(refused.err.contains("the stack guarded is protected by its file; nothing was changed"), "{refused}");
    for name in ["lasting", "guarded"] {
        for command in [&["up", FILE, "--name", name][..], &["with", FILE, "--name", name, "--", "true"]] {
            let run = account.run(command);
            assert!(run.code != 0 && run.err.contains(&format!("error: the stack {name} exists already")), "{run}");
        }
        account.run(&["extend", name, "--ttl", "2h", "--region", DEV]).expect(1);
    }
    account.run(&["apply", &guarded, "--ttl", "2h", "--yes"]).expect(1);
    account.assert_converged(&guarded);

    with("", "guarded", "10.2.0.0/20");
    account.apply(&guarded);
    for file in [&guarded, &mixed] {
        account.run(&["destroy", file, "--yes"]).expect(0);
    }
    account.destroy(&lasting);
}

fn named(stack: &str) -> Filter {
    Filter::builder().name("tag:kstack:stack").values(stack).build()
}

fn addressed(address: &str) -> Filter {
    Filter::builder().name("tag:kstack:address").values(address).build()
}

/// The calls of an `extend` of a stack with so many brokers.
fn extend_calls(brokers: usize) -> Vec<String> {
    let mut account = Account::new();
    let edits = [("count: 3", &*format!("count: {brokers}")), ("region: us-east-1", "region: eu-west-1")];
    account.write("ephemeral", &edits);
    let before = up(&account, &["--name", "pr-1", "--ttl", "2h"]);
    let direct = account.endpoint.clone();
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    account.run(&["extend", "pr-1", "--ttl", "6h", "--region", DEV]).expect(0);
    account.endpoint = direct;
    let calls = proxy.take();

    // Everything has it, the instances' root volumes too; and nothing goes before it.
    let old = Filter::builder().name("tag:kstack:expires-at").values(text(&before["expires_at"])).build();
    let left = wait(account.ec2(DEV).describe_tags().filters(old_tags(text(&before["expires_at"]))).send());
    // LocalStack goes on showing tags of root volumes that it has replaced; the volumes are asked themselves.
    let left: Vec<_> = left.tags().iter().filter(|one| one.resource_type() != Some(&ResourceType::Volume)).collect();
    assert!(left.is_empty(), "{left:?}");
    let role = wait(account.iam().list_role_tags().role_name("kstack-pr-1-eu-west-1-role").send());
    assert!(role.tags().iter().all(|one| one.value() != text(&before["expires_at"])), "{role:?}");
    assert!(wait(account.ec2(DEV).describe_volumes().filters(old).send()).volumes().is_empty());
    let status = account.run(&["list", "--region", DEV, "--json"]).expect(0).json();
    assert!(text(&status["stacks"][0]["expires_at"]) > text(&before["expires_at"]), "{status}");
    assert_eq!(status["stacks"][0]["state"], "complete");
    assert!(reap(&account, 3).is_empty());
    let shorter = account.run(&["extend", "pr-1", "--ttl", "1h", "--region", DEV]).expect(1);
    assert!(shorter.err.contains("; nothing was changed"), "{shorter}");
    let none = account.run(&["extend", "pr-2", "--ttl", "1h", "--region", DEV]).expect(1);
    assert!(none.err.starts_with("error: there is no stack pr-2 in eu-west-1\n"), "{none}");
    assert_eq!(reap(&account, 7), [("pr-1".to_owned(), "destroyed".to_owned())].into());
    account.assert_nothing_left();
    let mut names: Vec<String> = calls.into_iter().map(|call| call.operation).collect();
    names.sort();
    names
}

fn old_tags(value: &str) -> Filter {
    Filter::builder().name("value").values(value).build()
}

#[test]
fn extend_tags_everything_in_as_many_calls_however_many_brokers() {
    let (small, large) = (extend_calls(3), extend_calls(9));
    assert_eq!(small, large);
    assert_eq!(small.iter().filter(|name| *name == "CreateTags").count(), 1, "{small:?}");
}

#[test]
fn what_is_left_of_half_made_stacks_is_reaped_whatever_it_is() {
    let account = account();
    let past = (Timestamp::now() - SignedDuration::from_hours(1)).to_string();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let tags = |stack: &str, address: &str| {
        vec![tag("kstack:stack", stack), tag("kstack:address", address), tag("kstack:expires-at", &past)]
    };
    let spec =
        TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags("only-a-vpc", "vpc/main")));
    wait(account.ec2(DEV).create_vpc().cidr_block("10.9.0.0/20").tag_specifications(spec.build()).send());
    let role = tags("only-a-role", "role/hosts").into_iter().map(|one| {
        aws_sdk_iam::types::Tag::builder()
            .key(one.key().expect("one"))
            .value(one.value().expect("one"))
            .build()
            .expect("a tag")
    });
    let call = account.iam().create_role().role_name("kstack-only-a-role-eu-west-1-role");
    wait(call.assume_role_policy_document("{}").set_tags(Some(role.collect())).send());
    let put = |name: &str, value: Value| {
        let call = account.ssm(DEV).put_parameter().name(format!("/kstack/{name}")).value(value.to_string());
        wait(call.r#type(ParameterType::String).send());
    };
    put("only-a-record/record", json!({"cluster_id": "x", "made_at": past, "made_by": "ann", "expires_at": past}));
    put("_cidr/10.8.0.0-20", json!({"stack": "only-a-claim", "block": "10.8.0.0/20", "expires_at": past}));
    let holder = json!({"who": "ann", "host": "laptop-7", "pid": 4242, "since": past, "expires": past});
    put("only-a-lease/lease/3", holder.clone());
    let held = json!({"who": "ann", "host": "laptop-7", "pid": 4242, "since": past, "expires": Timestamp::now() + SignedDuration::from_hours(1)});
    put("at-work/lease/1", held);
    put("at-work/record", json!({"cluster_id": "x", "made_at": past, "made_by": "ann", "expires_at": past}));

    let expected = [
        ("at-work", "busy"),
        ("only-a-claim", "destroyed"),
        ("only-a-lease", "gone"),
        ("only-a-record", "destroyed"),
        ("only-a-role", "destroyed"),
        ("only-a-vpc", "destroyed"),
    ];
    assert_eq!(reap(&account, 0), expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into());
    assert_eq!(reap(&account, 2), [("at-work".to_owned(), "destroyed".to_owned())].into());
    account.assert_nothing_left();
    assert!(
        wait(account.ssm(DEV).get_parameters_by_path().path("/kstack").recursive(true).send()).parameters().is_empty()
    );
}

#[test]
fn one_that_cannot_be_destroyed_stops_no_other() {
    let account = account();
    for name in ["pr-1", "pr-2", "pr-3"] {
        up(&account, &["--name", name]);
    }
    // A VPC with its tag and no address of kstack's: kstack can't tell what it is for.
    let tags =
        [("kstack:stack", "pr-2"), ("kstack:address", "somewhere"), ("kstack:expires-at", "2026-01-01T00:00:00Z")];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).to_vec();
    let spec = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags)).build();
    let vpc = wait(account.ec2(DEV).create_vpc().cidr_block("10.9.0.0/20").tag_specifications(spec).send());
    let run = Run::of(&mut later(&account, 5, &["reap", "--all-regions", "--json"])).expect(1);
    let expected = [("pr-1", "destroyed"), ("pr-2", "failed"), ("pr-3", "destroyed")];
    assert_eq!(outcomes(&run), expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into());
    let failed = run.events().into_iter().find(|event| event["outcome"] == "failed").expect("one");
    assert!(
        text(&failed["reason"]).contains("has the stack's tag, and `somewhere` as its `kstack:address`"),
        "{failed}"
    );
    wait(account.ec2(DEV).delete_vpc().vpc_id(vpc.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id")).send());
    assert_eq!(reap(&account, 5), [("pr-2".to_owned(), "destroyed".to_owned())].into());
    account.assert_nothing_left();
}

#[test]
fn a_stack_needs_a_time_to_live_that_it_can_have() {
    let account = account();
    let line = ("ttl: 4h                      # from then on `kstack reap` destroys it, its data with it\n", "");
    account.write_as("lasting.yaml", "ephemeral", &[&SMALL[..], &[line]].concat());
    let run = account.run(&["up", "lasting.yaml"]).expect(1);
    assert_eq!(
        run.err,
        "error: the stack would never expire: neither the command nor the file has a time to live\n\
         hint: use --ttl 4h, or write `ttl: 4h` in the file; for a permanent stack use `kstack apply`\n"
    );
    for (ttl, wrong) in [("5s", "use 1m to 90d"), ("4 hours", "is not a duration")] {
        let run = account.run(&["up", FILE, "--ttl", ttl]).expect(1);
        assert!(run.err.contains(wrong), "{run}");
    }
    let run = account.run(&["up", FILE, "--name", "PR_1"]).expect(1);
    assert!(run.err.contains("`PR_1` is not a stack name"), "{run}");
    let run = Run::of(account.command(&["list", "--region", DEV]).env("KSTACK_NOW", "tomorrow")).expect(1);
    assert!(run.err.starts_with("error: KSTACK_NOW is `tomorrow`"), "{run}");
    assert!(list(&account).is_empty());
}

#[test]
fn an_msk_cluster_goes_by_itself_too() {
    let account = crate::msk::account();
    crate::msk::write(&account, &[]);
    let run = account.run(&["with", "orders.yaml", "--", "sh", "-c", "cat \"$KSTACK_CLIENT_PROPERTIES\""]).expect(0);
    let servers = run.out.lines().next().and_then(|line| line.strip_prefix("bootstrap.servers=")).expect("servers");
    assert_eq!(servers.split(',').filter(|server| server.ends_with(":9098")).count(), 3, "{run}");
    assert!(run.out.contains("\nsasl.mechanism=AWS_MSK_IAM\n"), "{run}");

    let run = account.run(&["up", "orders.yaml", "--name", "pr-1", "--ttl", "1h", "--json"]).expect(0);
    let made = run.events().pop().expect("an event");
    assert_eq!(made["bootstrap_servers"].as_array().map(Vec::len), Some(3), "{made}");
    let one = listed(&account, "pr-1");
    assert_eq!(
        (&one["brokers"], &one["state"], &one["expires_at"]),
        (&json!(3), &json!("complete"), &made["expires_at"])
    );
    account.run(&["extend", "pr-1", "--ttl", "6h", "--region", DEV]).expect(0);
    let clusters = wait(account.kafka(DEV).list_clusters_v2().send());
    let tags = clusters.cluster_info_list()[0].tags().expect("tags");
    assert_eq!(tags.get("kstack:expires-at").map(String::as_str), listed(&account, "pr-1")["expires_at"].as_str());
    assert!(reap(&account, 2).is_empty());
    assert_eq!(reap(&account, 7), [("pr-1".to_owned(), "destroyed".to_owned())].into());
    assert!(wait(account.kafka(DEV).list_clusters_v2().send()).cluster_info_list().is_empty());
    account.assert_nothing_left();
}
