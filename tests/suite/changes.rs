//! What a change of the file, or of the live side, must do: the plan, the apply, and nothing left to do after it.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{IpPermission, IpRange, ResourceType, RouteTable, Tag, TagSpecification, VolumeState};
use serde_json::Value;

use crate::support::aws::{Identity, PROD, wait};
use crate::support::{Account, poll, stack, text};

/// `prod.yaml` with three brokers, one NAT gateway, and volumes that can grow.
const SMALL: [(&str, &str); 4] = [
    ("ingress: 40 MiB/s", "ingress: 4 MiB/s"),
    ("count: 6", "count: 3"),
    ("nat: one-per-zone", "nat: single"),
    ("endpoints: [s3, ssm, ssmmessages, ec2messages]", "endpoints: [s3]"),
];
const FILE: &str = "prod.yaml";
const BROKERS: [&str; 3] = ["broker-1", "broker-2", "broker-3"];
const CONTROLLERS: [&str; 3] = ["controller-1", "controller-2", "controller-3"];

fn write(account: &Account, edits: &[(&str, &str)]) {
    write_prod(account, FILE, &[&SMALL, edits].concat());
}

/// The production stack in plaintext, and so without users: what certificates and they do is told elsewhere.
fn write_prod(account: &Account, name: &str, edits: &[(&str, &str)]) {
    let text = stack("prod", edits);
    let (text, _) = text.split_once("access:\n").expect("users");
    let text = text.replace("  ec2:\n", "  ec2:\n    listeners: {plaintext: true}\n");
    std::fs::write(account.path(name), text).expect("a file");
}

/// An account with the small stack applied, with `edits`.
fn applied(edits: &[(&str, &str)]) -> Account {
    let account = Account::new();
    write(&account, edits);
    account.apply(FILE);
    account.assert_converged(FILE);
    account
}

/// `ACTION KIND/NAME` for each name.
fn each(action: &str, kind: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{action} {kind}/{name}")).collect()
}

/// The plan has these steps, and after applying it there is nothing more to do. Gives the events.
#[track_caller]
fn changes(account: &Account, steps: &[String]) -> Vec<Value> {
    assert_eq!(account.plan(FILE).steps(), steps);
    account.run(&["plan", FILE, "--detailed-exitcode"]).expect(2);
    let events = account.apply(FILE);
    account.assert_converged(FILE);
    events
}

/// What is live of the hosts, by which a change that did nothing is known.
fn hosts(account: &Account) -> (BTreeMap<String, Identity>, BTreeMap<String, String>) {
    (account.identities(PROD), account.instances(PROD))
}

/// The plan is refused with these texts in it, and an apply of it changes nothing.
#[track_caller]
fn refused(account: &Account, texts: &[&str]) {
    let before = hosts(account);
    let plan = account.plan(FILE);
    let refusals = plan.refusals().join("\n");
    for text in texts {
        assert!(refusals.contains(text), "`{text}` is not in:\n{refusals}");
    }
    account.run(&["plan", FILE, "--detailed-exitcode"]).expect(1);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains("nothing was changed"), "{run}");
    assert_eq!(hosts(account), before);
}

/// The hosts are rolled in this order, one after the other, and keep their volumes and addresses.
#[track_caller]
fn rolls(account: &Account, order: &[&str]) {
    let (identities, instances) = hosts(account);
    let events = changes(account, &each("roll", "instance", order));
    let of_rolls = events.iter().filter(|event| event["action"] == "roll");
    let shown: Vec<String> =
        of_rolls.map(|event| format!("{} {}", text(&event["event"]), text(&event["address"]))).collect();
    let expected: Vec<String> =
        order.iter().flat_map(|name| [format!("started instance/{name}"), format!("done instance/{name}")]).collect();
    assert_eq!(shown, expected);
    let (after, rolled) = hosts(account);
    assert_eq!(after, identities, "volumes and interfaces are kept");
    for (name, id) in &rolled {
        let anew = *id != instances[name];
        assert_eq!(anew, order.contains(&name.as_str()), "{name} was {} and is {id}", instances[name]);
    }
}

#[test]
fn a_tag_in_the_file_changes_in_place_only() {
    let account = Account::new();
    write_prod(&account, FILE, &[]);
    account.apply(FILE);
    let before = hosts(&account);
    write_prod(&account, FILE, &[("team: data-platform", "team: streaming"), ("  cost-center: \"4120\"\n", "")]);
    let plan = account.plan(FILE);
    let steps = plan.steps();
    assert!(steps.iter().all(|step| step.starts_with("update ")), "{steps:#?}");
    // Rules have no tags of their own; all else has.
    assert_eq!(steps.len(), 61 - 4, "{steps:#?}");
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(hosts(&account), before);
    let tags = wait(account.ec2(PROD).describe_volumes().volume_ids(&before.0["broker-1"].volume).send());
    let tags = tags.volumes()[0].tags();
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value);
    assert_eq!((tag("team"), tag("cost-center")), (Some("streaming"), None));
    account.destroy(FILE);
}

#[test]
fn more_retention_grows_volumes_in_place_and_rolls_nothing() {
    let account = applied(&[]);
    let before = hosts(&account);
    write(&account, &[("retention: 7d", "retention: 14d")]);
    let plan = account.plan(FILE);
    let change = &plan.step("volume/broker-1")["changes"][0];
    assert_eq!(text(&change["field"]), "size_gib");
    assert!(change["after"].as_u64() > change["before"].as_u64(), "{change}");
    // Hosts without Kafka can't be asked for the settings that they have.
    let held =
        plan.notes().into_iter().any(|note| note.contains("the brokers' settings of the stack file have no step"));
    assert!(held, "{:#?}", plan.notes());
    changes(&account, &each("update", "volume", &BROKERS));
    assert_eq!(hosts(&account), before);
    account.destroy(FILE);
}

#[test]
fn less_retention_changes_nothing_and_the_plan_says_that_the_size_is_kept() {
    let account = applied(&[("retention: 7d", "retention: 14d")]);
    write(&account, &[]);
    let plan = account.plan(FILE);
    assert_eq!(plan.steps(), [""; 0]);
    let notes = plan.notes();
    let kept = notes.iter().filter(|note| note.contains("a volume never shrinks: it keeps"));
    assert_eq!(kept.count(), 3, "{notes:#?}");
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn more_brokers_are_creates_only() {
    let account = applied(&[]);
    let before = hosts(&account);
    write_prod(&account, FILE, &[SMALL[0], SMALL[2], SMALL[3]]);
    // With twice the brokers each needs a smaller volume: the old ones keep theirs.
    let new = ["broker-4", "broker-5", "broker-6"];
    let steps: Vec<String> =
        ["volume", "network_interface", "instance"].into_iter().flat_map(|kind| each("create", kind, &new)).collect();
    changes(&account, &steps);
    let after = hosts(&account);
    assert_eq!((after.0.len(), after.1.len()), (9, 9));
    assert!(before.0.iter().all(|(name, identity)| after.0[name] == *identity), "{after:#?}");
    assert!(before.1.iter().all(|(name, id)| after.1[name] == *id), "{after:#?}");
    account.destroy(FILE);
}

#[test]
fn fewer_brokers_are_refused_with_their_names_their_data_and_the_remedy() {
    let account = Account::new();
    write_prod(&account, FILE, &[]);
    account.apply(FILE);
    write_prod(&account, FILE, &[("count: 6", "count: 3")]);
    let named = ["broker-4", "broker-5", "broker-6"]
        .map(|name| format!("volume/{name}: {name} is no longer in the stack file"));
    let mut texts: Vec<&str> = named.iter().map(String::as_str).collect();
    texts.extend([
        "7979 GiB of data in ap-northeast-2a",
        "run it where the brokers can be reached",
        "--allow-data-loss",
    ]);
    refused(&account, &texts);
    account.destroy(FILE);
}

#[test]
fn another_instance_type_rolls_the_brokers_one_at_a_time() {
    let account = applied(&[]);
    write(&account, &[("instance_type: m7g.xlarge", "instance_type: m7g.2xlarge")]);
    rolls(&account, &BROKERS);
    account.destroy(FILE);
}

#[test]
fn another_kafka_version_rolls_controllers_and_then_brokers_one_at_a_time() {
    let account = applied(&[("kafka: 4.1.1", "kafka: 4.1.0")]);
    write(&account, &[]);
    rolls(&account, &[CONTROLLERS, BROKERS].concat());
    account.destroy(FILE);
}

#[test]
fn a_broker_setting_rolls_the_brokers_one_at_a_time() {
    let account = applied(&[]);
    write(&account, &[("kafka: 4.1.1", "kafka: 4.1.1\n    config: {queued.max.requests: \"600\"}")]);
    let (_, before) = hosts(&account);
    // Controllers read the same settings.
    rolls(&account, &[CONTROLLERS, BROKERS].concat());
    assert_ne!(hosts(&account).1, before);
    account.destroy(FILE);
}

#[test]
fn another_network_block_is_refused_with_the_reason() {
    let account = applied(&[]);
    write(&account, &[("cidr: 10.40.0.0/16", "cidr: 10.41.0.0/16")]);
    refused(
        &account,
        &[
            "vpc/main: the VPC's address block can't be changed on a live resource",
            "subnet/private-a: a subnet's address block can't be changed",
            "create a second stack with another name",
        ],
    );
    account.destroy(FILE);
}

#[test]
fn a_removed_zone_is_refused_with_the_reason() {
    let account = applied(&[]);
    write(&account, &[("zones: 3", "zones: [ap-northeast-2a, ap-northeast-2b, ap-northeast-2d]")]);
    refused(
        &account,
        &[
            "subnet/private-c: the zone ap-northeast-2c can't be removed: brokers' volumes and addresses are bound to their zone",
            "keep the zone in the file",
        ],
    );
    account.destroy(FILE);
}

#[test]
fn security_group_rules_changed_by_hand_are_shown_and_put_right() {
    let account = applied(&[]);
    let ec2 = account.ec2(PROD);
    let groups = || {
        let answer = wait(ec2.describe_security_groups().send());
        let group =
            answer.security_groups().iter().find(|one| one.group_name() == Some("kstack-prod-brokers")).cloned();
        let group = group.expect("the brokers' group");
        let shown = |rules: &[IpPermission]| {
            let mut lines: Vec<String> = rules.iter().map(|rule| format!("{rule:?}")).collect();
            lines.sort();
            lines
        };
        (group.group_id().expect("an id").to_owned(), shown(group.ip_permissions()), group.ip_permissions().to_vec())
    };
    let (id, before, rules) = groups();
    let everywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    let ssh = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22).ip_ranges(everywhere).build();
    wait(ec2.authorize_security_group_ingress().group_id(&id).ip_permissions(ssh).send());
    wait(ec2.revoke_security_group_ingress().group_id(&id).ip_permissions(rules[0].clone()).send());
    let shown = account.run(&["plan", FILE]).out;
    assert!(shown.contains("- tcp 22 0.0.0.0/0"), "{shown}");
    assert!(shown.contains("+ tcp 909"), "{shown}");
    // What is missing is added first, and what is too many taken away last.
    changes(&account, &each("update", "security_group_rules", &["brokers", "brokers"]));
    assert_eq!(groups().1, before);
    account.destroy(FILE);
}

#[test]
fn a_subnet_that_was_given_to_another_route_table_by_hand_is_taken_back() {
    let account = applied(&[]);
    let ec2 = account.ec2(PROD);
    let tables = || wait(ec2.describe_route_tables().send()).route_tables.unwrap_or_default();
    let place = |tables: &[RouteTable], subnet: &str| {
        let mut all = tables.iter().flat_map(|table| table.associations());
        let one = all.find(|one| one.subnet_id() == Some(subnet)).expect("an association").clone();
        (one.route_table_id.expect("a table"), one.route_table_association_id.expect("an id"))
    };
    let private =
        tables().into_iter().find(|table| table.tags().iter().any(|tag| tag.value() == Some("route_table/private-b")));
    let private = private.expect("a table");
    let subnet = private.associations()[0].subnet_id().expect("a subnet").to_owned();
    let (before, key) = place(&tables(), &subnet);
    let other = wait(ec2.create_route_table().vpc_id(private.vpc_id().expect("a VPC")).send());
    let other = other.route_table().and_then(|table| table.route_table_id()).expect("an id").to_owned();
    wait(ec2.replace_route_table_association().association_id(key).route_table_id(&other).send());
    changes(&account, &each("update", "route_table", &["private-b"]));
    assert_eq!(place(&tables(), &subnet).0, before);
    wait(ec2.delete_route_table().route_table_id(other).send());
    account.destroy(FILE);
}

#[test]
fn an_internet_gateway_that_was_attached_to_another_vpc_by_hand_is_left_there_until_it_is_free() {
    let account = applied(&[("nat: single", "nat: none")]);
    let ec2 = account.ec2(PROD);
    let gateway = || wait(ec2.describe_internet_gateways().send()).internet_gateways().first().expect("one").clone();
    let (before, id) = (gateway(), gateway().internet_gateway_id.expect("an id"));
    let home = before.attachments()[0].vpc_id().expect("a VPC").to_owned();
    let other = wait(ec2.create_vpc().cidr_block("10.99.0.0/16").send()).vpc.and_then(|vpc| vpc.vpc_id).expect("an id");
    wait(ec2.detach_internet_gateway().internet_gateway_id(&id).vpc_id(&home).send());
    wait(ec2.attach_internet_gateway().internet_gateway_id(&id).vpc_id(&other).send());
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains(&id) && refusals.contains(&other), "{refusals}");
    account.run(&["apply", FILE, "--yes"]).expect(1);
    account.run(&["destroy", FILE, "--yes"]).expect(1);
    assert_eq!(gateway().attachments()[0].vpc_id(), Some(other.as_str()), "it may be used there");
    wait(ec2.detach_internet_gateway().internet_gateway_id(&id).vpc_id(&other).send());
    changes(&account, &each("update", "internet_gateway", &["main"]));
    assert_eq!(gateway().attachments()[0].vpc_id(), Some(home.as_str()));
    wait(ec2.delete_vpc().vpc_id(other).send());
    account.destroy(FILE);
}

#[test]
fn an_instance_terminated_by_hand_is_started_again_on_the_same_volume_and_interface() {
    let account = applied(&[]);
    let (identities, instances) = hosts(&account);
    wait(account.ec2(PROD).terminate_instances().instance_ids(&instances["broker-2"]).send());
    changes(&account, &each("create", "instance", &["broker-2"]));
    let (after, started) = hosts(&account);
    assert_eq!(after, identities);
    for (name, id) in &started {
        assert_eq!(*id == instances[name], name != "broker-2", "{name}");
    }
    account.destroy(FILE);
}

#[test]
fn a_data_volume_deleted_by_hand_is_lost_data_and_made_again_only_when_that_is_allowed() {
    let account = applied(&[]);
    let (identities, instances) = hosts(&account);
    let lost = &identities["broker-3"].volume;
    let ec2 = account.ec2(PROD);
    wait(ec2.detach_volume().volume_id(lost).instance_id(&instances["broker-3"]).device("/dev/sdf").force(true).send());
    poll("the volume being free", std::time::Duration::from_secs(60), || {
        let answer = wait(ec2.describe_volumes().volume_ids(lost).send());
        (answer.volumes()[0].state() == Some(&VolumeState::Available)).then_some(())
    });
    wait(ec2.delete_volume().volume_id(lost).send());
    refused(&account, &["volume/broker-3: the data of broker-3 is lost", "--allow-data-loss"]);
    account.run(&["apply", FILE, "--yes", "--allow-data-loss"]).expect(0);
    account.assert_converged(FILE);
    let (after, started) = hosts(&account);
    assert_ne!(after["broker-3"].volume, *lost);
    assert_ne!(started["broker-3"], instances["broker-3"], "a host without its volume starts anew");
    assert_eq!(after["broker-3"].address, identities["broker-3"].address);
    assert!(["broker-1", "broker-2"].iter().all(|name| started[*name] == instances[*name]));
    account.destroy(FILE);
}

#[test]
fn a_second_stack_of_the_same_shape_does_not_see_the_first() {
    let account = applied(&[]);
    let first = hosts(&account).1;
    let other = "other.yaml";
    write_prod(&account, other, &[&SMALL[..], &[("name: prod", "name: other")]].concat());
    let steps = account.plan(other).steps();
    assert_eq!(steps.len(), account.run(&["status", FILE, "--json"]).json()["resources"], "{steps:#?}");
    assert!(steps.iter().all(|step| step.starts_with("create ")), "{steps:#?}");
    account.apply(other);
    account.assert_converged(other);
    account.assert_converged(FILE);
    account.run(&["destroy", other, "--yes"]).expect(0);
    account.assert_converged(FILE);
    assert_eq!(hosts(&account).1, first);
    account.destroy(FILE);
}

#[test]
fn two_resources_with_the_same_address_are_named_and_refused() {
    let account = applied(&[]);
    let mine = account.identities(PROD)["broker-1"].volume.clone();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let tags = TagSpecification::builder()
        .resource_type(ResourceType::Volume)
        .tags(tag("kstack:stack", "prod"))
        .tags(tag("kstack:address", "volume/broker-1"));
    let call = account.ec2(PROD).create_volume().availability_zone("ap-northeast-2a").size(1);
    let theirs = wait(call.tag_specifications(tags.build()).send()).volume_id.expect("an id");
    refused(&account, &[&mine, &theirs, "have the same address `volume/broker-1`", "remove its tag `kstack:stack`"]);
    let run = account.run(&["destroy", FILE, "--yes"]).expect(1);
    assert!(run.out.contains(&theirs), "{run}");
    poll("the volume being free", std::time::Duration::from_secs(60), || {
        let answer = wait(account.ec2(PROD).describe_volumes().volume_ids(&theirs).send());
        (answer.volumes()[0].state() == Some(&VolumeState::Available)).then_some(())
    });
    wait(account.ec2(PROD).delete_volume().volume_id(&theirs).send());
    account.destroy(FILE);
}
