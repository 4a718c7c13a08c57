//! IPv6 beside IPv4: from the start, in a live stack, mended, taken away again; in a network of others; and of an MSK cluster.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use aws_sdk_ec2::types::Route;
use aws_sdk_route53::types::RrType;
use ipnet::Ipv6Net;

use crate::company::{Company, TAGS};
use crate::msk;
use crate::support::Account;
use crate::support::aws::{DEV, wait};
use crate::support::look::Look;

const FILE: &str = "dev.yaml";
const NAMES: &str = "dns: {zone: kafka.example.internal, advertise: true}";

/// The development stack with names, and what else its network has.
fn write(account: &Account, more: &str) {
    account.write("dev", &[("nat: single", &format!("nat: single\n  {NAMES}{more}"))]);
}

fn write_dual(account: &Account) {
    write(account, "\n  ipv6: true\n  clients: [\"2001:db8:31::/56\"]");
}

/// The IPv6 addresses of the stack's interfaces by host, each one's only one, after a look at its end.
fn addresses(look: &Look) -> BTreeSet<Ipv6Addr> {
    let named = look.addresses();
    let of = look.interfaces.iter().filter_map(|one| {
        let address = named.get(one.network_interface_id()?)?;
        address.starts_with("network_interface/").then_some(one)
    });
    of.flat_map(|one| {
        let all: Vec<Ipv6Addr> =
            one.ipv6_addresses().iter().filter_map(|one| one.ipv6_address()?.parse().ok()).collect();
        let own: Ipv4Addr = one.private_ip_address().and_then(|text| text.parse().ok()).expect("an address");
        let end = |address: &Ipv6Addr| u128::from(*address) as u64 == u64::from(u32::from(own));
        assert!(all.len() <= 1 && all.iter().all(end), "{own} {all:?}");
        all
    })
    .collect()
}

/// The block of each of the stack's subnets.
fn blocks(look: &Look) -> BTreeSet<Ipv6Net> {
    let named = look.addresses();
    let own = look.subnets.iter().filter(|one| one.subnet_id().is_some_and(|id| named.contains_key(id)));
    let associated = own.flat_map(|one| one.ipv6_cidr_block_association_set());
    associated.filter_map(|one| one.ipv6_cidr_block()?.parse().ok()).collect()
}

/// The routes to everywhere over IPv6: the address of their table, and what they lead to.
fn routes(look: &Look) -> Vec<(String, String)> {
    let named = look.addresses();
    let to = |route: &&Route| route.destination_ipv6_cidr_block() == Some("::/0");
    let of = |table: &aws_sdk_ec2::types::RouteTable| -> Vec<(String, String)> {
        let name = table.route_table_id().and_then(|id| named.get(id)).map_or_else(String::new, ToString::to_string);
        let via = |route: &Route| route.egress_only_internet_gateway_id().or(route.gateway_id()).map(str::to_owned);
        let all = table.routes().iter().filter(to).filter_map(via);
        all.map(|via| (name.clone(), named.get(via.as_str()).map_or(via.clone(), ToString::to_string))).collect()
    };
    let mut all: Vec<(String, String)> = look.tables.iter().flat_map(of).collect();
    all.sort();
    all
}

/// The IPv6 addresses of each name, and the number of names.
fn records(look: &Look) -> (usize, BTreeSet<Ipv6Addr>) {
    let all = look.zones.iter().flat_map(|(_, _, records)| records);
    let ipv6: Vec<_> = all.filter(|one| *one.r#type() == RrType::Aaaa).collect();
    let values = ipv6.iter().flat_map(|one| one.resource_records());
    (ipv6.len(), values.map(|one| one.value().parse().expect("an IPv6 address")).collect())
}

/// Sees that the stack has IPv6 in every part.
fn assert_dual(account: &Account) {
    let look = account.look(DEV);
    let vpc = look.vpcs.iter().find(|one| one.cidr_block() == Some("10.20.0.0/16")).expect("the VPC");
    let of_vpc: Vec<Ipv6Net> =
        vpc.ipv6_cidr_block_association_set().iter().filter_map(|one| one.ipv6_cidr_block()?.parse().ok()).collect();
    assert_eq!(of_vpc.len(), 1, "{of_vpc:?}");
    let parts = blocks(&look);
    assert_eq!(parts.len(), 6, "a pair in each of three zones: {parts:?}");
    assert!(parts.iter().all(|part| of_vpc[0].contains(part) && part.prefix_len() == 64), "{parts:?}");
    let all = addresses(&look);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all.iter().all(|one| parts.iter().any(|part| part.contains(one))), "{all:?} in {parts:?}");
    assert_eq!(records(&look), (4, all), "one for all brokers, and one for each");
    assert_eq!(look.egress_only.len(), 1);
    let own = "egress_only_gateway/main";
    let expected = [("private-a", own), ("private-b", own), ("private-c", own), ("public", "internet_gateway/main")];
    let expected: Vec<(String, String)> =
        expected.map(|(table, via)| (format!("route_table/{table}"), via.to_owned())).into();
    assert_eq!(routes(&look), expected);
    let permissions = look.groups.iter().flat_map(|group| group.ip_permissions());
    let from: BTreeSet<&str> =
        permissions.flat_map(|one| one.ipv6_ranges()).filter_map(|range| range.cidr_ipv6()).collect();
    assert_eq!(from, ["2001:db8:31::/56"].into());
}

#[test]
fn a_live_stack_gets_ipv6_in_place_is_mended_and_loses_it_again() {
    let account = Account::new();
    write(&account, "");
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(records(&account.look(DEV)), (0, BTreeSet::new()));
    let (data, identities) = (account.data(DEV), account.identities(DEV));

    write_dual(&account);
    let steps = account.plan(FILE).steps();
    let rolls = steps.iter().filter(|step| step.starts_with("roll ")).count();
    assert_eq!(rolls, 3, "brokers begin to listen on IPv6: {steps:#?}");
    assert!(steps.iter().all(|step| !step.starts_with("replace ") && !step.starts_with("delete ")), "{steps:#?}");
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_dual(&account);
    assert_eq!((account.data(DEV), account.identities(DEV)), (data.clone(), identities), "nothing has moved");

    // By hand: a private subnet leads to the internet gateway, an address and a name are gone, and so is the gateway.
    let ec2 = account.ec2(DEV);
    let look = account.look(DEV);
    let by_address = |wanted: &str| {
        let named = look.addresses();
        named.into_iter().find(|(_, address)| *address == wanted).expect("it is there").0.to_owned()
    };
    let gateway = by_address("internet_gateway/main");
    let table = by_address("route_table/private-b");
    let call = ec2.replace_route().route_table_id(&table).destination_ipv6_cidr_block("::/0").gateway_id(&gateway);
    wait(call.send());
    let interface = by_address("network_interface/broker-2");
    let mine = look.interfaces.iter().find(|one| one.network_interface_id() == Some(&interface)).expect("it is there");
    let address = mine.ipv6_addresses()[0].ipv6_address().expect("an address");
    wait(ec2.unassign_ipv6_addresses().network_interface_id(&interface).ipv6_addresses(address).send());
    let subnet = by_address("subnet/public-c");
    let mine = look.subnets.iter().find(|one| one.subnet_id() == Some(&subnet)).expect("it is there");
    let association = mine.ipv6_cidr_block_association_set()[0].association_id().expect("an id");
    wait(ec2.disassociate_subnet_cidr_block().association_id(association).send());
    let steps = account.plan(FILE).steps();
    for step in ["update subnet/public-c", "update route_table/private-b", "update network_interface/broker-2"] {
        assert!(steps.iter().any(|one| one.starts_with(step)), "{step} in {steps:#?}");
    }
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_dual(&account);
    let egress = by_address("egress_only_gateway/main");
    wait(ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(egress).send());
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_dual(&account);

    // Off: names, routes, rules and the gateway go; addresses stay, and nothing leads to them.
    write(&account, "");
    let plan = account.run(&["plan", FILE]).expect(0);
    assert!(plan.out.contains("keep their IPv6 addresses"), "{plan}");
    account.apply(FILE);
    account.assert_converged(FILE);
    let look = account.look(DEV);
    assert_eq!((records(&look).0, routes(&look), look.egress_only.len()), (0, Vec::new(), 0));
    assert_eq!(addresses(&look).len(), 3);
    assert_eq!(account.data(DEV), data);
    account.destroy(FILE);
}

#[test]
fn the_example_is_applied_and_destroyed_and_nothing_is_left() {
    const FILE: &str = "dual-stack.yaml";
    let account = Account::new();
    // The gateway is the network team's, and is attached later.
    account.write("dual-stack", &[("region: eu-west-1", &format!("region: {DEV}"))]);
    account.apply(FILE);
    account.assert_converged(FILE);
    let look = account.look(DEV);
    assert_eq!((look.egress_only.len(), addresses(&look).len(), records(&look).0), (1, 3, 4));
    account.destroy(FILE);
}

#[test]
fn a_network_of_others_gives_hosts_ipv6_where_its_subnets_have_it() {
    let account = Account::new();
    let company = Company::make(&account, DEV, 71);
    let ec2 = account.ec2(DEV);
    let file = account.write(
        "dev",
        &[("cidr: 10.20.0.0/16", &format!("ipv6: true\n  {TAGS}")), ("nat: single\n  endpoints: [s3]", NAMES)],
    );
    let refusals = account.plan(&file).refusals().join("\n");
    assert!(company.private.iter().all(|id| refusals.contains(&format!("{id} has no IPv6 block"))), "{refusals}");
    wait(ec2.associate_vpc_cidr_block().vpc_id(&company.vpc).amazon_provided_ipv6_cidr_block(true).send());
    let look = account.look(DEV);
    let vpc = look.vpcs.iter().find(|one| one.vpc_id() == Some(&company.vpc)).expect("the VPC");
    let block = vpc.ipv6_cidr_block_association_set()[0].ipv6_cidr_block().expect("a block");
    let block: Ipv6Net = block.parse().expect("a block");
    for (subnet, part) in company.private.iter().zip(block.subnets(64).expect("parts")) {
        wait(ec2.associate_subnet_cidr_block().subnet_id(subnet).ipv6_cidr_block(part.to_string()).send());
    }
    let before = account.look(DEV).others();
    account.apply(&file);
    account.assert_converged(&file);
    let look = account.look(DEV);
    assert_eq!(addresses(&look).len(), 3);
    assert_eq!(records(&look), (4, addresses(&look)));
    assert_eq!(look.egress_only.len(), 0);
    account.run(&["destroy", &file, "--yes"]).expect(0);
    assert_eq!(account.look(DEV).others(), before);
}

#[test]
fn an_msk_cluster_gets_ipv6_after_its_creation_or_in_place_and_keeps_it() {
    let account = msk::account();
    for (file, ipv6) in [("msk", false), ("msk", true), ("msk-serverless", true)] {
        let region = [("region: us-east-1", format!("region: {DEV}"))];
        let network = if ipv6 { "nat: none\n  ipv6: true" } else { "nat: none" };
        let edits: Vec<(&str, &str)> =
            region.iter().map(|(from, to)| (*from, to.as_str())).chain([("nat: none", network)]).collect();
        let file = account.write(file, &edits);
        account.apply(&file);
        account.assert_converged(&file);
        let status = account.run(&["status", &file, "--json"]).expect(0).json();
        let servers = &status["msk"]["over_ipv6"];
        assert_eq!(servers.as_array().is_some_and(|all| !all.is_empty()), ipv6, "{status:#}");
        if ipv6 {
            account.write(file.trim_end_matches(".yaml"), &edits[..1]);
            let refusals = account.plan(&file).refusals().join("\n");
            assert!(refusals.contains("an MSK cluster with IPv6 keeps it"), "{refusals}");
            account.run(&["destroy", &file, "--yes"]).expect(0);
        }
    }
    account.assert_nothing_left();
}
