//! What others put into a stack's VPC: named before anything is deleted, and what AWS's services put there goes along.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, Tag, TagSpecification, VpcEndpointType};

use crate::support::aws::{DEV, wait};
use crate::support::{Account, Run, text};

/// The stack's VPC, and one of its private subnets.
fn home(ec2: &Client) -> (String, String) {
    let tagged = |value: &str| Filter::builder().name("tag:kstack:address").values(value).build();
    let vpcs = wait(ec2.describe_vpcs().filters(tagged("vpc/main")).send());
    let subnets = wait(ec2.describe_subnets().filters(tagged("subnet/private-a")).send());
    let vpc = vpcs.vpcs()[0].vpc_id().expect("an id").to_owned();
    (vpc, subnets.subnets()[0].subnet_id().expect("an id").to_owned())
}

fn group(ec2: &Client, vpc: &str, name: &str) -> String {
    let made = wait(ec2.create_security_group().group_name(name).description("agents").vpc_id(vpc).send());
    made.group_id().expect("an id").to_owned()
}

/// Everything that is there, by address, with the ids, but for the lease's number: nothing of it may be missing after a refusal.
fn inventory(account: &Account) -> BTreeMap<String, Vec<String>> {
    let all = account.inventory(DEV).into_iter();
    all.filter(|(address, _)| !address.ends_with("/lease")).collect()
}

#[track_caller]
fn assert_names(run: &Run, ids: &[&str]) {
    let told = format!("{}{}", run.out, run.err);
    let missing: Vec<&&str> = ids.iter().filter(|id| !told.contains(**id)).collect();
    assert!(missing.is_empty(), "{missing:?} are not named:\n{run}");
}

#[test]
fn whatever_others_have_in_the_vpc_is_named_and_nothing_is_deleted() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let (vpc, subnet) = home(&ec2);
    let other = wait(ec2.create_vpc().cidr_block("10.99.0.0/16").send());
    let other = other.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    // One of each kind that keeps a VPC, none of which has a tag of the stack's.
    let own = group(&ec2, &vpc, "corp-monitoring");
    let call = ec2.create_network_interface().subnet_id(&subnet).description("ELB app/orders/50dc");
    let interface =
        wait(call.send()).network_interface().and_then(|one| one.network_interface_id()).expect("an id").to_owned();
    let call = ec2.create_vpc_endpoint().vpc_id(&vpc).service_name(format!("com.amazonaws.{DEV}.dynamodb"));
    let endpoint = wait(call.vpc_endpoint_type(VpcEndpointType::Gateway).send());
    let endpoint = endpoint.vpc_endpoint().and_then(|one| one.vpc_endpoint_id()).expect("an id").to_owned();
    let call = ec2.create_vpn_gateway().r#type(aws_sdk_ec2::types::GatewayType::Ipsec1).send();
    let private = wait(call).vpn_gateway().and_then(|one| one.vpn_gateway_id()).expect("an id").to_owned();
    wait(ec2.attach_vpn_gateway().vpc_id(&vpc).vpn_gateway_id(&private).send());
    let egress = wait(ec2.create_egress_only_internet_gateway().vpc_id(&vpc).send());
    let egress = egress.egress_only_internet_gateway().and_then(|one| one.egress_only_internet_gateway_id());
    let egress = egress.expect("an id").to_owned();
    let peering = wait(ec2.create_vpc_peering_connection().vpc_id(&other).peer_vpc_id(&vpc).send());
    let peering =
        peering.vpc_peering_connection().and_then(|one| one.vpc_peering_connection_id()).expect("an id").to_owned();
    wait(ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&peering).send());
    let transit = wait(ec2.create_transit_gateway().send());
    let transit = transit.transit_gateway().and_then(|one| one.transit_gateway_id()).expect("an id").to_owned();
    let call = ec2.create_transit_gateway_vpc_attachment().transit_gateway_id(transit).vpc_id(&vpc).subnet_ids(&subnet);
    let attachment = wait(call.send());
    let attachment = attachment.transit_gateway_vpc_attachment().and_then(|one| one.transit_gateway_attachment_id());
    let attachment = attachment.expect("an id").to_owned();
    let table = wait(ec2.create_route_table().vpc_id(&vpc).send());
    let table = table.route_table().and_then(|one| one.route_table_id()).expect("an id").to_owned();
    let all = [&own, &interface, &endpoint, &private, &egress, &peering, &attachment, &table].map(String::as_str);

    let before = inventory(&account);
    let refused = account.run(&["destroy", &file, "--yes"]).expect(1);
    assert_names(&refused, &all);
    assert_names(&refused, &["corp-monitoring: agents", "ELB app/orders/50dc", "nothing was changed"]);
    assert_eq!(inventory(&account), before);
    // By its name, and without approval, it is the same.
    let refused = account.run(&["destroy", "--name", "dev", "--region", DEV, "--json"]).expect(1);
    let plan = &refused.json()["plan"];
    assert_eq!(plan["refusals"].as_array().map(Vec::len), Some(all.len()), "{plan:#}");
    assert_eq!(inventory(&account), before);

    wait(ec2.delete_security_group().group_id(own).send());
    wait(ec2.delete_network_interface().network_interface_id(interface).send());
    wait(ec2.delete_vpc_endpoints().vpc_endpoint_ids(endpoint).send());
    wait(ec2.detach_vpn_gateway().vpc_id(&vpc).vpn_gateway_id(private).send());
    wait(ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(egress).send());
    wait(ec2.delete_vpc_peering_connection().vpc_peering_connection_id(peering).send());
    wait(ec2.delete_transit_gateway_vpc_attachment().transit_gateway_attachment_id(attachment).send());
    wait(ec2.delete_route_table().route_table_id(table).send());
    account.destroy(&file);
}

#[test]
fn a_protected_instance_keeps_the_data_of_all() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let (ec2, instances) = (account.ec2(DEV), account.instances(DEV));
    let protect = |on: bool| {
        let value = AttributeBooleanValue::builder().value(on).build();
        wait(ec2.modify_instance_attribute().instance_id(&instances["broker-3"]).disable_api_termination(value).send());
    };
    protect(true);
    let before = inventory(&account);
    let refused = account.run(&["destroy", &file, "--yes"]).expect(1);
    assert_names(&refused, &[&instances["broker-3"], "disableApiTermination", "nothing was changed"]);
    assert_eq!(inventory(&account), before);
    protect(false);
    account.destroy(&file);
}

#[test]
fn what_guardduty_put_there_goes_with_the_stack_and_is_said() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let (vpc, subnet) = home(&ec2);
    let tags = |of: ResourceType| {
        let tag = Tag::builder().key("GuardDutyManaged").value("true").build();
        TagSpecification::builder().resource_type(of).tags(tag).build()
    };
    let name = format!("GuardDutyManagedSecurityGroup-{vpc}");
    let call = ec2.create_security_group().group_name(name).description("GuardDuty").vpc_id(&vpc);
    let group = wait(call.tag_specifications(tags(ResourceType::SecurityGroup)).send());
    let group = group.group_id().expect("an id");
    let call = ec2.create_vpc_endpoint().vpc_id(&vpc).service_name(format!("com.amazonaws.{DEV}.guardduty-data"));
    let call = call.vpc_endpoint_type(VpcEndpointType::Interface).subnet_ids(&subnet).security_group_ids(group);
    let endpoint = wait(call.tag_specifications(tags(ResourceType::VpcEndpoint)).send());
    let endpoint = endpoint.vpc_endpoint().and_then(|one| one.vpc_endpoint_id()).expect("an id");
    let run = account.run(&["destroy", &file, "--yes"]).expect(0);
    assert_names(&run, &[group, endpoint, "GuardDuty put it into the stack's VPC by itself"]);
    account.assert_nothing_left();
    let left = wait(ec2.describe_vpcs().send());
    assert!(left.vpcs().iter().all(|one| one.vpc_id() != Some(vpc.as_str())), "the VPC is there");
}

#[test]
fn what_turns_up_while_a_stack_is_deleted_is_named_soon() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let (vpc, _) = home(&ec2);
    let mut running = account.spawn(&["destroy", &file, "--yes", "--json"]);
    assert!(running.until(|event| event["event"] == "started" && text(&event["address"]).starts_with("instance/")));
    let late = group(&ec2, &vpc, "late");
    let run = running.end(Duration::from_secs(150)).expect(1);
    assert_names(&run, &[&late, "is still in use"]);
    assert_eq!(account.instances(DEV).len(), 0, "what could go is gone:\n{run}");
    wait(ec2.delete_security_group().group_id(late).send());
    account.destroy(&file);
}

#[test]
fn reap_names_what_stands_in_the_way_and_deletes_nothing() {
    let account = Account::new();
    let file = account.write("dev", &[("region: eu-west-1", "region: eu-west-1\nttl: 1h")]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let own = group(&ec2, &home(&ec2).0, "corp-monitoring");
    let before = inventory(&account);
    let reap = || {
        let mut command = account.command(&["reap", "--region", DEV]);
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
        Run::of(command.env("KSTACK_NOW", later.to_string()))
    };
    assert_names(&reap().expect(1), &[&own, "failed"]);
    assert_eq!(inventory(&account), before);
    wait(ec2.delete_security_group().group_id(own).send());
    reap().expect(0);
    account.assert_nothing_left();
}
