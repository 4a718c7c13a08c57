//! Networks that are not as kstack makes them by itself.

use aws_sdk_ec2::types::Filter;

use crate::company::Company;
use crate::support::Account;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;

/// No way to the internet at all: no NAT gateway, no public subnet's route is used, and hosts may reach the mirror's port.
#[test]
fn a_closed_network_is_applied_changed_and_destroyed() {
    const FILE: &str = "closed-network.yaml";
    let account = Account::new();
    account.write("closed-network", &[]);
    let made = account.plan(FILE);
    assert!(made.steps().iter().all(|step| !step.contains("nat_gateway")), "{:?}", made.steps());
    assert!(made.step("security_group_rules/brokers").to_string().contains("tcp 8080"));
    account.apply(FILE);
    account.assert_converged(FILE);
    account.write("closed-network", &[("clients: [10.8.0.0/16]", "clients: [10.8.0.0/16, 10.9.0.0/16]")]);
    assert_eq!(account.plan(FILE).steps(), ["update security_group_rules/brokers"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

/// The route to each block in the stack's tables.
fn routes(account: &Account, to: &str) -> Vec<String> {
    let mine = Filter::builder().name("tag-key").values("kstack:stack").build();
    let tables = wait(account.ec2(DEV).describe_route_tables().filters(mine).send());
    let all = tables.route_tables().iter().flat_map(|table| table.routes());
    let of = all.filter(|route| route.destination_cidr_block() == Some(to));
    let by = of.filter_map(|one| one.transit_gateway_id().or(one.vpc_peering_connection_id()).or(one.gateway_id()));
    by.map(str::to_owned).collect()
}

#[test]
fn routes_to_other_networks_are_made_once_their_gateways_are_attached_and_others_are_left_alone() {
    const FILE: &str = "dev.yaml";
    let mut account = Account::new();
    let ec2 = account.ec2(DEV);
    let transit = wait(ec2.create_transit_gateway().send());
    let transit = transit.transit_gateway().and_then(|one| one.transit_gateway_id()).expect("an id").to_owned();
    let other = wait(ec2.create_vpc().cidr_block("10.9.0.0/16").send());
    let other = other.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    let line = format!("endpoints: [s3]\n  routes:\n    - {{to: 10.8.0.0/16, via: {transit}}}");
    account.write("dev", &[("endpoints: [s3]", &line)]);
    let plan = account.run(&["plan", FILE]).expect(0);
    assert!(plan.out.contains("the route to 10.8.0.0/16 is not made yet"), "{plan}");
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(routes(&account, "10.8.0.0/16"), Vec::<String>::new());

    // The network's owners attach the VPC, and make a route of theirs.
    let look = account.look(DEV);
    let vpc = look.vpcs.iter().find(|vpc| vpc.cidr_block() == Some("10.20.0.0/16")).and_then(|vpc| vpc.vpc_id());
    let vpc = vpc.expect("the stack's VPC").to_owned();
    let subnet = look.subnets.iter().find(|one| one.vpc_id() == Some(&vpc)).and_then(|one| one.subnet_id());
    let attach = ec2.create_transit_gateway_vpc_attachment().transit_gateway_id(&transit).vpc_id(&vpc);
    let attached = wait(attach.subnet_ids(subnet.expect("a subnet")).send());
    let attachment = attached.transit_gateway_vpc_attachment().and_then(|one| one.transit_gateway_attachment_id());
    let attachment = attachment.expect("an id").to_owned();
    let peering = wait(ec2.create_vpc_peering_connection().vpc_id(&other).peer_vpc_id(&vpc).send());
    let peering = peering.vpc_peering_connection().and_then(|one| one.vpc_peering_connection_id()).expect("an id");
    let peering = peering.to_owned();
    wait(ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&peering).send());
    let tables = look.tables.iter().filter(|table| table.tags().iter().any(|tag| tag.key() == Some("kstack:stack")));
    let tables: Vec<String> = tables.filter_map(|table| table.route_table_id.clone()).collect();
    for table in &tables {
        let route = ec2.create_route().route_table_id(table).destination_cidr_block("10.99.0.0/16");
        wait(route.transit_gateway_id(&transit).send());
    }

    // Whatever goes wrong, running again finishes it: routes are marked before they are made, and after they are gone.
    let own = format!("{line}\n    - {{to: 10.9.0.0/16, via: {peering}}}");
    for (operation, edit, of_transit, of_peering) in [
        ("CreateTags", own.as_str(), tables.len(), tables.len()),
        ("DeleteRoute", &line, tables.len(), 0),
        ("CreateRoute", &own, tables.len(), tables.len()),
        ("DeleteTags", "endpoints: [s3]", 0, 0),
    ] {
        account.write("dev", &[("endpoints: [s3]", edit)]);
        for fault in [Fault::KillBefore, Fault::KillAfter, Fault::DropAnswer] {
            let hit = move |call: &Call| (call.operation == operation).then_some(fault);
            let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
            let run = through(&mut account, &proxy, &["apply", FILE, "--yes"]);
            if proxy.take().iter().all(|call| call.operation != operation) {
                run.expect(0);
            } else if fault != Fault::DropAnswer {
                run.expect(-1);
                account.run(&["unlock", FILE, "--yes"]).expect(0);
            }
        }
        account.apply(FILE);
        account.assert_converged(FILE);
        assert_eq!(routes(&account, "10.8.0.0/16"), vec![transit.clone(); of_transit], "{operation}");
        assert_eq!(routes(&account, "10.9.0.0/16"), vec![peering.clone(); of_peering], "{operation}");
        assert_eq!(routes(&account, "10.99.0.0/16").len(), tables.len(), "another's route stays");
    }
    let live = account.look(DEV);
    let marked = live.tables.iter().flat_map(|table| table.tags()).filter(|tag| tag.key() == Some("kstack:routes"));
    assert_eq!(marked.count(), 0, "no mark is left");

    wait(ec2.delete_transit_gateway_vpc_attachment().transit_gateway_attachment_id(attachment).send());
    wait(ec2.delete_vpc_peering_connection().vpc_peering_connection_id(peering).send());
    account.run(&["destroy", FILE, "--yes"]).expect(0);
}

/// A listener for a partner's network: in the rules before a broker has it, and out of them after the last has lost it.
#[test]
fn a_listener_for_another_network_comes_and_goes() {
    const FILE: &str = "dev.yaml";
    let account = Account::new();
    let others = Company::make(&account, DEV, 63);
    let before = account.look(DEV).others();
    account.write("dev", &[]);
    account.apply(FILE);
    let peers = format!("[10.60.0.0/16, {}, {}]", others.prefix_list, others.group);
    let with = |port: &str, peers: &str| {
        let listener =
            format!("{{port: {port}, advertise: \"b-{{broker}}.kafka.partner.example.com\", clients: {peers}}}");
        let listeners = format!("combined: true\n    listeners: {{plaintext: true, others: {{partner: {listener}}}}}");
        account.write("dev", &[("combined: true", &listeners)]);
    };
    let rolls = ["broker-1", "broker-2", "broker-3"].map(|host| format!("roll instance/{host}"));
    let steps = |before: &[&str], after: &[&str]| {
        let words = |all: &[&str]| all.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>();
        [words(before), rolls.to_vec(), words(after)].concat()
    };
    // Before the rolls it opens, after them it closes.
    let [open, close] = ["update security_group_rules/brokers"; 2];
    // Who may connect to the port, as EC2 has it.
    let allowed = |port: i32| -> Vec<String> {
        let live = account.look(DEV);
        let group = live.groups.iter().find(|one| one.group_name() == Some("kstack-dev-brokers")).expect("a group");
        let rules = group.ip_permissions().iter().filter(|rule| rule.from_port() == Some(port));
        let peers = rules.flat_map(|rule| {
            let blocks = rule.ip_ranges().iter().filter_map(|one| one.cidr_ip());
            let lists = rule.prefix_list_ids().iter().filter_map(|one| one.prefix_list_id());
            let groups = rule.user_id_group_pairs().iter().filter_map(|one| one.group_id());
            blocks.chain(lists).chain(groups).map(str::to_owned).collect::<Vec<_>>()
        });
        peers.collect()
    };
    let mut everyone = vec!["10.60.0.0/16".to_owned(), others.prefix_list.clone(), others.group.clone()];
    everyone.sort();
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };

    with("9192", &peers);
    assert_eq!(account.plan(FILE).steps(), steps(&[open], &[]));
    let warned = account.run(&["check", FILE]).expect(0);
    assert!(warned.err.contains("the listener `partner` speaks plaintext"), "{warned}");
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(sorted(allowed(9192)), everyone);
    let told = account.run(&["render", FILE, "--host", "broker-2"]).expect(0).out;
    assert!(told.contains(",PARTNER://b-2.kafka.partner.example.com:9192"), "{told}");

    // Another port: the old one stays open until no broker listens on it.
    with("9292", &peers);
    assert_eq!(account.plan(FILE).steps(), steps(&[open], &[close]));
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!((allowed(9192), sorted(allowed(9292))), (Vec::new(), everyone));

    // Other clients alone roll nothing.
    with("9292", "[10.61.0.0/16]");
    assert_eq!(account.plan(FILE).steps(), [open, close]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(allowed(9292), ["10.61.0.0/16"]);

    account.write("dev", &[]);
    assert_eq!(account.plan(FILE).steps(), steps(&[], &[close]));
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(allowed(9292), Vec::<String>::new());
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    assert_eq!(account.look(DEV).others(), before);
}

#[test]
fn a_live_vpc_gets_a_second_block_for_another_zone_in_place() {
    let account = Account::new();
    let two =
        "private_cidrs: [10.20.0.0/19, 10.20.32.0/19]\n  public_cidrs: [10.20.224.0/22, 10.20.228.0/22]\n  zones: 2";
    let more = two
        .replace("2.0/19]", "2.0/19, 100.64.0.0/20]")
        .replace("8.0/22]", "8.0/22, 100.64.16.0/24]")
        .replace("zones: 2", "zones: 3\n  secondary_cidrs: [100.64.0.0/18]");
    let file = account.write("dev", &[("nat: single", &format!("nat: single\n  {two}")), ("count: 3", "count: 4")]);
    account.apply(&file);
    let data = account.data(DEV);
    account.write("dev", &[("nat: single", &format!("nat: single\n  {more}")), ("count: 3", "count: 6")]);
    account.apply(&file);
    account.assert_converged(&file);
    let look = account.look(DEV);
    let vpc = look.vpcs.iter().find(|one| one.cidr_block() == Some("10.20.0.0/16")).expect("the VPC");
    let blocks: Vec<_> = vpc.cidr_block_association_set().iter().filter_map(|one| one.cidr_block()).collect();
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    assert!(account.identities(DEV).values().any(|one| one.address.starts_with("100.64.0.")));
    assert!(data.iter().all(|(name, id)| account.data(DEV).get(name) == Some(id)), "no volume has moved");
    account.destroy(&file);
}
