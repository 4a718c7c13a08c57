//! Stacks in a network that others made: nothing of it is changed, whatever a stack does, and it is as before when the stack is gone.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use crate::calls::{PAPERS_CALLS, PLAN_CALLS};
use crate::company::{Company, TAGS};
use crate::support::aws::{DEV, PROD, wait};
use crate::support::proxy::{Call, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, text};

/// What the file of an ephemeral stack has, as small as a cluster can be, in the network of others.
const SMALL: [(&str, &str); 5] = [
    ("region: us-east-1", "region: eu-west-1"),
    ("cidr: 10.0.0.0/20", TAGS),
    ("nat: single\n  endpoints: [s3]", "zones: 1"),
    ("retention: 4h", "retention: 4h\n  replication_factor: 1\n  min_insync_replicas: 1"),
    ("count: 3", "count: 1"),
];

/// The addresses of a stack's hosts, by host.
fn addresses(account: &Account, region: &str) -> Vec<(String, String)> {
    account.identities(region).into_iter().map(|(host, one)| (host, one.address)).collect()
}

#[test]
fn a_stack_lives_in_a_vpc_of_others_which_is_as_before_when_it_is_gone() {
    let account = Account::new();
    let company = Company::make(&account, PROD, 60);
    let before = account.look(PROD).others();
    let file = company.example(&account, &[]);
    let plan = account.plan(&file);
    assert_eq!(plan.refusals(), Vec::<String>::new());
    for kind in ["vpc/", "subnet/", "route_table/", "internet_gateway/", "nat_gateway/", "elastic_ip/"] {
        assert!(plan.steps().iter().all(|step| !step.contains(&format!(" {kind}"))), "{:#?}", plan.steps());
    }
    assert!(plan.steps().iter().all(|step| !step.ends_with("vpc_endpoint/ssm")), "it is there: {:#?}", plan.steps());
    account.apply(&file);
    account.assert_converged(&file);
    account.look(PROD).assert_others_kept(&before);
    let hosts = addresses(&account, PROD);
    assert_eq!(hosts.len(), 6, "{hosts:?}");
    let live = account.look(PROD);
    for interface in live.interfaces.iter().filter(|one| one.description().is_some_and(|text| text.contains("orders")))
    {
        let groups: BTreeSet<&str> = interface.groups().iter().filter_map(|group| group.group_id()).collect();
        assert!(groups.contains(company.group.as_str()) && groups.len() == 2, "{groups:?}");
        assert!(company.private.iter().any(|subnet| interface.subnet_id() == Some(subnet)), "{interface:?}");
    }
    let brokers =
        live.groups.iter().find(|group| group.group_name() == Some("kstack-orders-brokers")).expect("a group");
    let peers = format!("{:?}", brokers.ip_permissions());
    for peer in ["10.20.0.0/16", "10.30.8.0/24", &company.prefix_list, &company.group] {
        assert!(peers.contains(peer), "{peer} in {peers}");
    }

    // The group is taken off, what is sent is recorded, and a broker more comes in each zone: addresses stay.
    let logs = format!("  flow_logs: arn:aws:s3:::{}\n  #", account.bucket(PROD));
    let changed = company.example(
        &account,
        &[("count: 3, instance_type: m7g", "count: 6, instance_type: m7g"), ("  security_groups:", &logs)],
    );
    account.apply(&changed);
    account.assert_converged(&changed);
    let now = addresses(&account, PROD);
    assert!(now.len() == 9 && hosts.iter().all(|host| now.contains(host)), "{hosts:?}, and then {now:?}");
    let unique: BTreeSet<&String> = now.iter().map(|(_, address)| address).collect();
    assert_eq!(unique.len(), 9, "{now:?}");
    let live = account.look(PROD);
    live.assert_others_kept(&before);
    let recorded: Vec<_> = live.flow_logs.iter().map(|one| one.resource_id()).collect();
    assert_eq!(recorded, [Some(company.vpc.as_str())]);

    account.run(&["destroy", &changed, "--yes"]).expect(0);
    assert_eq!(account.look(PROD).others(), before);
    let left: Vec<String> = account.look(PROD).left().into_iter().filter(|id| !before.contains_key(id)).collect();
    assert_eq!(left, Vec::<String>::new(), "nothing of the stack is left");
}

#[test]
fn the_file_of_a_vpc_puts_a_stack_into_it() {
    let account = Account::new();
    let company = Company::make(&account, DEV, 71);
    let before = account.look(DEV).others();
    let run = account.run(&["describe", &company.vpc, "--region", DEV, "--name", "orders"]).expect(0);
    assert!(company.private.iter().all(|subnet| run.out.contains(&format!("      - {subnet} # {DEV}"))), "{run}");
    assert!(!run.out.contains(&company.public) && run.out.contains("out by nat-"), "{run}");
    std::fs::write(account.path("orders.yaml"), &run.out).expect("a file");
    account.apply("orders.yaml");
    account.assert_converged("orders.yaml");
    account.look(DEV).assert_others_kept(&before);
    account.run(&["destroy", "orders.yaml", "--yes"]).expect(0);
    assert_eq!(account.look(DEV).others(), before);
    let unknown = account.run(&["describe", "vpc-0123456789abcdef0", "--region", DEV]).expect(1);
    assert!(unknown.err.contains(&format!("there is no VPC vpc-0123456789abcdef0 in {DEV}")), "{unknown}");
}

#[test]
fn an_msk_cluster_lives_in_subnets_of_others() {
    let account = crate::msk::account();
    Company::make(&account, DEV, 61);
    let before = account.look(DEV).others();
    let file = account.path("stack.yaml");
    let write = |rules: &str| {
        let orders = crate::msk::orders(&[]);
        let start = orders.find("network:").expect("a network");
        let line = orders[start..].lines().next().expect("a line");
        std::fs::write(&file, orders.replace(line, &format!("network:\n  {TAGS}\n  {rules}"))).expect("a file");
    };
    write("clients: [10.70.0.0/16]");
    account.apply("stack.yaml");
    account.assert_converged("stack.yaml");
    account.look(DEV).assert_others_kept(&before);
    let status = account.run(&["status", "stack.yaml"]).expect(0);
    assert!(status.out.contains("MSK cluster"), "{status}");
    write("rules: [{from: 10.71.0.0/16, listener: iam}]");
    account.apply("stack.yaml");
    account.assert_converged("stack.yaml");
    account.run(&["destroy", "stack.yaml", "--yes"]).expect(0);
    assert_eq!(account.look(DEV).others(), before);
}

/// The other shipped files for companies' networks, in one of others: applied, planned, changed, destroyed.
#[test]
fn closed_and_shared_clusters_live_in_networks_of_others() {
    const CLOSED: &str = "eu-central-1";
    const SHARED: &str = "us-east-1";
    let closed = [("cidr: 10.60.0.0/20\n  nat: none", TAGS)];
    let shared =
        [("cidr: 10.70.0.0/16           # other VPCs may have the same addresses", TAGS), ("  nat: none\n", "")];
    let change = [("clients: [10.8.0.0/16]", "clients: [10.8.0.0/16, 10.9.0.0/16]")];
    let more = [("retention: 1d", "retention: 2d")];
    for (base, region, edits, change) in
        [("closed-network", CLOSED, &closed[..], &change[..]), ("msk-private-link", SHARED, &shared[..], &more[..])]
    {
        let account = crate::msk::account();
        Company::make(&account, region, 62);
        let before = account.look(region).others();
        let file = account.write(base, edits);
        account.apply(&file);
        account.assert_converged(&file);
        // The S3 endpoint of the closed one is in the company's route table as long as it is there.
        account.write(base, &[edits, change].concat());
        assert_ne!(account.plan(&file).steps(), Vec::<String>::new());
        account.apply(&file);
        account.assert_converged(&file);
        account.run(&["destroy", &file, "--yes"]).expect(0);
        assert_eq!(account.look(region).others(), before, "{base}");
    }
}

#[test]
fn many_ephemeral_stacks_share_a_vpc_and_no_address() {
    let account = Account::new();
    let company = Company::make(&account, DEV, 62);
    let before = account.look(DEV).others();
    account.write("ephemeral", &SMALL);
    let up = |name: &str| {
        let run = account.run(&["up", "ephemeral.yaml", "--name", name, "--json"]).expect(0);
        run.events().pop().expect("an event")
    };
    let made: Vec<Value> = thread::scope(|scope| {
        let all: Vec<_> = ["pr-1", "pr-2", "pr-3"].map(|name| scope.spawn(move || up(name))).into_iter().collect();
        all.into_iter().map(|one| one.join().expect("a stack")).collect()
    });
    for one in &made {
        assert_eq!((text(&one["vpc"]), &one["cidr"]), (company.vpc.as_str(), &Value::Null), "{one}");
    }
    let servers: BTreeSet<String> = made.iter().map(|one| one["bootstrap_servers"].to_string()).collect();
    assert_eq!(servers.len(), 3, "{servers:?}");
    let again = up("pr-1");
    assert_eq!(again["bootstrap_servers"], made[0]["bootstrap_servers"]);
    account.look(DEV).assert_others_kept(&before);
    for name in ["pr-1", "pr-2", "pr-3"] {
        account.run(&["destroy", "--name", name, "--region", DEV, "--yes"]).expect(0);
    }
    // A command with a stack of its own.
    account.run(&["with", "ephemeral.yaml", "--", "true"]).expect(0);
    assert_eq!(account.look(DEV).others(), before);
}

#[test]
fn an_address_that_somebody_took_meanwhile_is_another_in_the_next_run() {
    let mut account = Account::new();
    let company = Company::make(&account, DEV, 63);
    let before = account.look(DEV).others();
    let file = account.write("dev", &[("cidr: 10.20.0.0/16", TAGS), ("nat: single\n  endpoints: [s3]", "zones: 3")]);
    // The first interface that kstack wants to make: somebody is faster.
    let (ec2, subnets, taken) = (account.ec2(DEV), company.private.clone(), Mutex::new(None::<String>));
    let fault = move |call: &Call| {
        let mut taken = taken.lock().expect("no panic");
        if call.operation == "CreateNetworkInterface" && taken.is_none() {
            let field = |name: &str| {
                let mut all = call.body.split('&').filter_map(|pair| pair.split_once('='));
                all.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).expect("a field")
            };
            let (subnet, address) = (field("SubnetId"), field("PrivateIpAddress"));
            assert!(subnets.contains(&subnet), "{subnet}");
            let call = ec2.create_network_interface().subnet_id(subnet).private_ip_address(&address);
            let handle = thread::spawn(move || wait(call.send()));
            handle.join().expect("an interface");
            *taken = Some(address);
        }
        None
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
    let run = through(&mut account, &proxy, &["apply", &file, "--yes"]).expect(1);
    assert!(run.err.contains("was taken meanwhile"), "{run}");
    assert!(run.err.contains("another free address is chosen"), "{run}");
    assert_eq!(account.started(DEV), 0, "no host starts before the voters' addresses are sure");
    account.apply(&file);
    account.assert_converged(&file);
    let hosts = addresses(&account, DEV);
    let unique: BTreeSet<&String> = hosts.iter().map(|(_, address)| address).collect();
    assert_eq!(unique.len(), hosts.len());
    account.run(&["destroy", &file, "--yes"]).expect(0);
    let after = account.look(DEV);
    after.assert_others_kept(&before);
    let more: Vec<String> = after.others().into_keys().filter(|id| !before.contains_key(id)).collect();
    assert!(more.len() == 1 && more[0].starts_with("eni-"), "somebody's interface, and nothing else: {more:?}");
}

#[test]
fn what_is_wrong_with_a_network_is_said_while_planning_and_nothing_is_changed() {
    let mut account = Account::new();
    let company = Company::make(&account, PROD, 64);
    let elsewhere = Company::make(&account, DEV, 65);
    let before = (account.look(PROD).others(), account.look(DEV).others());
    let proxy = Proxy::counting();
    let direct = std::mem::replace(&mut account.endpoint, proxy.endpoint.clone());
    let refused = |file: &str, expected: &[&str]| {
        let run = account.run(&["apply", file, "--yes", "--json"]);
        assert_ne!(run.code, 0, "{run}");
        let plan = account.plan(file);
        for words in expected {
            assert!(plan.refusals().iter().any(|line| line.contains(words)), "`{words}` in {:#?}", plan.refusals());
        }
    };
    refused(&company.example(&account, &[("region: ap-northeast-2", "region: eu-west-1")]), &[&company.vpc]);
    let other = elsewhere.private[0].as_str();
    refused(
        &company.example(
            &account,
            &[
                ("network:", "account: \"999999999999\"\nnetwork:"),
                (&company.boundary, "arn:aws:iam::999999999999:policy/boundary"),
            ],
        ),
        &["the file belongs to account 999999999999"],
    );
    let text = std::fs::read_to_string(account.path("existing-vpc.yaml")).expect("a file");
    let text = text.replace("account: ", "# ").replace("arn:aws:iam::999999999999:policy/boundary", &company.boundary);
    let write = |edit: (&str, &str)| {
        std::fs::write(account.path("edited.yaml"), text.replace(edit.0, edit.1)).expect("a file");
        "edited.yaml"
    };
    refused(write((&company.private[1], other)), &[&format!("there is no {other}")]);
    refused(write((&company.private[0], &company.public)), &[&format!("{} has no route out", company.public)]);
    refused(write(("10.20.0.0/16", "10.64.8.0/24")), &["10.64.8.0/24 overlaps"]);
    refused(write((&company.prefix_list, "pl-00000000000000000")), &["there is no prefix list pl-00000000000000000"]);
    let writes: Vec<String> = proxy.take().into_iter().filter(Call::writes).map(|call| call.operation).collect();
    let writes: Vec<&String> = writes.iter().filter(|name| !name.contains("Parameter")).collect();
    assert_eq!(writes, Vec::<&String>::new());
    account.endpoint = direct;
    let without_lease = |all: std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        all.into_iter().filter(|(id, _)| !id.starts_with("/kstack/")).collect()
    };
    assert_eq!(without_lease(account.look(PROD).others()), without_lease(before.0));
    assert_eq!(without_lease(account.look(DEV).others()), without_lease(before.1));
    assert_ne!(json!(company.vpc), json!(elsewhere.vpc));
}

#[test]
fn a_plan_in_a_vpc_of_others_takes_at_most_eleven_calls_more_in_three_rounds() {
    let mut account = Account::new();
    let company = Company::make(&account, PROD, 66);
    let file = company.example(&account, &[]);
    account.apply(&file);
    let proxy = Proxy::in_rounds();
    account.endpoint.clone_from(&proxy.endpoint);
    account.assert_converged(&file);
    let calls = proxy.take();
    let names: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    // Those of each plan, and eleven for the VPC, its two attributes, subnets, tables, endpoints, interfaces, groups, lists and the role's
    // boundary with its document.
    assert!(calls.len() <= PLAN_CALLS + PAPERS_CALLS + 11, "{}: {names:?}", calls.len());
    assert!(calls.iter().map(|call| call.round).max() <= Some(3), "{names:?}");
}
