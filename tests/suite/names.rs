//! Names of brokers in Route 53: in a zone of the stack's own, and in one of others, where nothing of others is touched.

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HostedZoneConfig, ResourceRecord, ResourceRecordSet, RrType, Vpc, VpcRegion,
};

use crate::calls::{PAPERS_CALLS, PLAN_CALLS};
use crate::company::Company;
use crate::support::Account;
use crate::support::aws::{DEV, PROD, wait};
use crate::support::proxy::{Call, Proxy};

/// A zone of the stack's own.
const OWN: (&str, &str) = ("nat: single", "nat: single\n  dns: {zone: kafka.example.internal}");

/// The records of the account, each as `NAME ADDRESS..`.
fn records(account: &Account) -> Vec<String> {
    let look = account.look(DEV);
    let all = look.zones.iter().flat_map(|(_, _, records)| records);
    let text = |one: &ResourceRecordSet| {
        let mut values: Vec<&str> = one.resource_records().iter().map(ResourceRecord::value).collect();
        values.sort_unstable();
        format!("{} {} {}", one.name(), one.ttl().unwrap_or_default(), values.join(" "))
    };
    let mut records: Vec<String> = all.map(text).collect();
    records.sort();
    records
}

/// A private zone that others made, which the VPC sees, and its id.
fn zone_of_others(account: &Account, vpc: &str, domain: &str) -> String {
    let config = HostedZoneConfig::builder().private_zone(true).comment("the company's").build();
    let vpc = Vpc::builder().vpc_id(vpc).vpc_region(VpcRegion::from(PROD)).build();
    let call = account.route53().create_hosted_zone().name(domain).vpc(vpc).hosted_zone_config(config);
    let made = wait(call.caller_reference(format!("company {domain}")).send());
    made.hosted_zone.expect("a zone").id().trim_start_matches("/hostedzone/").to_owned()
}

fn change(account: &Account, zone: &str, action: ChangeAction, name: &str, address: &str) {
    let value = ResourceRecord::builder().value(address).build().expect("a value");
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::A).ttl(300).resource_records(value);
    let one = Change::builder().action(action).resource_record_set(set.build().expect("a set"));
    let batch = ChangeBatch::builder().changes(one.build().expect("a change")).build().expect("a batch");
    wait(account.route53().change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send());
}

#[test]
fn brokers_have_names_in_a_zone_of_the_stacks_own_until_the_file_has_none() {
    let mut account = Account::new();
    let file = account.write("dev", &[OWN]);
    let run = account.run(&["apply", &file, "--yes"]).expect(0);
    assert!(run.out.contains("Bootstrap name: bootstrap.kafka.example.internal:9092"), "{run}");
    account.assert_converged(&file);
    let made = records(&account);
    assert_eq!(made.len(), 4, "{made:#?}");
    assert!(made.iter().all(|record| record.contains(".kafka.example.internal. 60 10.20.")), "{made:#?}");
    let all: Vec<&str> = made[0].split(' ').skip(2).collect();
    assert_eq!(all.len(), 3, "all brokers: {made:#?}");
    let look = account.look(DEV);
    let (zone, tags, _) = &look.zones[0];
    for tag in ["kstack:stack", "kstack:address", "hosted_zone/main", "Name"] {
        assert!(tags.contains(tag), "{tag} in {tags}");
    }
    let status = account.run(&["status", &file, "--json"]).expect(0).json();
    assert_eq!(status["bootstrap_name"], "bootstrap.kafka.example.internal:9092");
    assert!(account.run(&["list", "--region", DEV]).expect(0).out.contains("complete"));
    // One more broker of each zone; a record changed by hand, and one of others.
    let id = zone.id().trim_start_matches("/hostedzone/");
    change(&account, id, ChangeAction::Upsert, "broker-1.kafka.example.internal", "10.99.0.1");
    change(&account, id, ChangeAction::Create, "registry.kafka.example.internal", "10.99.0.2");
    account.write("dev", &[OWN, ("count: 3", "count: 6")]);
    account.apply(&file);
    account.assert_converged(&file);
    let more = records(&account);
    assert_eq!(more.len(), 8, "{more:#?}");
    assert!(made[1..].iter().all(|record| more.contains(record)), "{made:#?} in {more:#?}");
    assert!(more[0].split(' ').count() == 8 && more[7].starts_with("registry."), "{more:#?}");
    // Without the key: found by the record of the stack, and gone with what others have put there.
    account.write("dev", &[("count: 3", "count: 6")]);
    account.apply(&file);
    assert!(account.look(DEV).zones.is_empty());
    let proxy = Proxy::counting();
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    account.assert_converged(&file);
    let asked: Vec<String> = proxy.take().into_iter().filter(is_route53).map(|call| call.operation).collect();
    assert_eq!(asked, Vec::<String>::new(), "nothing is asked of Route 53 where no name is left");
    account.endpoint = direct;
    account.destroy(&file);
    account.assert_nothing_left();
}

fn is_route53(call: &Call) -> bool {
    call.operation.contains("/2013-04-01/")
}

#[test]
fn a_zone_of_others_has_the_stacks_names_and_nothing_of_others_is_written_over() {
    let mut account = Account::new();
    let company = Company::make(&account, PROD, 68);
    let zone = zone_of_others(&account, &company.vpc, "example.internal");
    change(&account, &zone, ChangeAction::Create, "registry.orders.example.internal", "10.68.0.200");
    change(&account, &zone, ChangeAction::Create, "broker-1.example.internal", "10.68.0.201");
    let dns = format!("dns: {{zone: example.internal, existing: {zone}, advertise: true, ttl: 30s}}\n  clients:");
    let file = company.example(&account, &[("clients:", &dns)]);
    // A name that somebody has: nothing is made at all.
    change(&account, &zone, ChangeAction::Create, "broker-2.orders.example.internal", "10.68.0.202");
    let before = account.look(PROD).others();
    let plan = account.plan(&file);
    let name = format!("{zone}/broker-2.orders.example.internal");
    assert!(plan.refusals().iter().any(|line| line.contains(&name)), "{:#?}", plan.refusals());
    change(&account, &zone, ChangeAction::Delete, "broker-2.orders.example.internal", "10.68.0.202");
    let others = account.look(PROD).others();
    account.apply(&file);
    let proxy = Proxy::in_rounds();
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    account.assert_converged(&file);
    account.endpoint = direct;
    let calls = proxy.take();
    // Beside those of an existing network: all zones, the file's one, and its records.
    assert!(calls.len() <= PLAN_CALLS + PAPERS_CALLS + 9 + 3, "{}", calls.len());
    assert_eq!(calls.iter().filter(|call| is_route53(call)).count(), 3);
    let made = records(&account);
    let ours: Vec<&String> =
        made.iter().filter(|record| record.contains(".orders.") && record.contains(" 30 ")).collect();
    assert_eq!(ours.len(), 1 + 1 + 3, "the mark, all brokers, and each: {made:#?}");
    for kept in ["registry.orders.example.internal. 300 10.68.0.200", "broker-1.example.internal. 300 10.68.0.201"] {
        assert!(made.iter().any(|record| record == kept), "{kept} in {made:#?}");
    }
    account.run(&["destroy", &file, "--yes"]).expect(0);
    assert_eq!(account.look(PROD).others(), others);
    assert_ne!(before, others);
}

#[test]
fn a_zone_that_the_vpc_does_not_see_or_has_already_is_refused_with_its_id() {
    let account = Account::new();
    let company = Company::make(&account, PROD, 69);
    let zone = zone_of_others(&account, &company.vpc, "example.internal");
    let vpc = wait(account.ec2(PROD).create_vpc().cidr_block("10.169.0.0/16").send()).vpc.expect("a VPC");
    let unseen = zone_of_others(&account, vpc.vpc_id().expect("an id"), "unseen.internal");
    let refused = |dns: &str, words: &[&str]| {
        let file = company.example(&account, &[("clients:", &format!("dns: {{{dns}}}\n  clients:"))]);
        let plan = account.plan(&file);
        let said = plan.refusals().join("\n");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    };
    refused("zone: example.internal", &[&company.vpc, &zone]);
    refused(&format!("zone: unseen.internal, existing: {unseen}"), &[&unseen, &company.vpc, "not associated"]);
    refused(&format!("zone: other.internal, existing: {zone}"), &[&zone, "is example.internal"]);
    refused("zone: other.internal, existing: Z0000000000000000000", &["there is no hosted zone Z0000000000000000000"]);
}
