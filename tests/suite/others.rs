//! What others put onto a stack's resources on the sandbox: it stays, and is shown; and what only carries the stack's tags.

use std::time::Duration;

use aws_sdk_ec2::types::{DomainType, Filter, InstanceStateName, Tag, VolumeState};

use crate::msk::{FILE as ORDERS, write};
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, poll, text};

const MANAGED: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
const AGENT: &str = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const OWN: &str = "kstack-session-manager";

/// The routes of every table of the stack, as `DESTINATION ORIGIN`, without the VPCs' own.
fn routes(account: &Account) -> Vec<String> {
    let mine = Filter::builder().name("tag-key").values("kstack:stack").build();
    let tables = wait(account.ec2(DEV).describe_route_tables().filters(mine).send());
    let all = tables.route_tables().iter().flat_map(|table| table.routes());
    let foreign = all.filter(|route| route.gateway_id() != Some("local"));
    let line = |route: &aws_sdk_ec2::types::Route| {
        let to = route.destination_cidr_block().or(route.destination_prefix_list_id()).unwrap_or_default();
        format!("{to} {}", route.origin().map(|origin| origin.as_str()).unwrap_or_default())
    };
    let mut lines: Vec<String> = foreign.map(line).collect();
    lines.sort();
    lines
}

#[test]
fn routes_of_others_stay_and_the_default_route_is_the_stacks() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let own = routes(&account);
    let ec2 = account.ec2(DEV);
    let mine = || Filter::builder().name("tag-key").values("kstack:stack").build();
    let vpc = wait(ec2.describe_vpcs().filters(mine()).send()).vpcs()[0].vpc_id().expect("an id").to_owned();
    let tables = wait(ec2.describe_route_tables().filters(mine()).send());
    let tables: Vec<String> = tables.route_tables().iter().filter_map(|one| one.route_table_id.clone()).collect();
    // Peering, a transit gateway, and a VPN whose networks are known by a static route and by propagation.
    let transit = wait(ec2.create_transit_gateway().send());
    let transit = transit.transit_gateway().and_then(|one| one.transit_gateway_id()).expect("an id").to_owned();
    let vpn = wait(ec2.create_vpn_gateway().r#type("ipsec.1".into()).send());
    let vpn = vpn.vpn_gateway().and_then(|one| one.vpn_gateway_id()).expect("an id").to_owned();
    wait(ec2.attach_vpn_gateway().vpc_id(&vpc).vpn_gateway_id(&vpn).send());
    let customer =
        wait(ec2.create_customer_gateway().bgp_asn(65000).public_ip("203.0.113.9").r#type("ipsec.1".into()).send());
    let customer = customer.customer_gateway().and_then(|one| one.customer_gateway_id()).expect("an id").to_owned();
    let call = ec2.create_vpn_connection().customer_gateway_id(customer).r#type("ipsec.1").vpn_gateway_id(&vpn);
    let connection = wait(call.send());
    let connection = connection.vpn_connection().and_then(|one| one.vpn_connection_id()).expect("an id").to_owned();
    for block in ["172.16.0.0/12", "0.0.0.0/0"] {
        let call = ec2.create_vpn_connection_route().vpn_connection_id(&connection).destination_cidr_block(block);
        wait(call.send());
    }
    for table in &tables {
        let route = |to: &str| ec2.create_route().route_table_id(table).destination_cidr_block(to);
        wait(route("10.0.0.0/8").transit_gateway_id(&transit).send());
        wait(route("192.168.0.0/16").gateway_id(&vpn).send());
        wait(ec2.enable_vgw_route_propagation().gateway_id(&vpn).route_table_id(table).send());
    }
    let with_others = routes(&account);
    assert_eq!(with_others.len(), own.len() + 4 * tables.len(), "{with_others:#?}");
    account.assert_converged(&file);
    let status = account.run(&["status", &file, "--verbose"]).expect(0).out;
    for shown in ["10.0.0.0/8 by tgw-", "192.168.0.0/16 by vgw-", "172.16.0.0/12 by vgw-", ", propagated"] {
        assert!(status.contains(shown), "{shown} in {status}");
    }
    assert!(!account.run(&["status", &file]).expect(0).out.contains("10.0.0.0/8"), "only where it is asked for");
    // The stack's own route goes and comes, and no other; the propagated one to everywhere stands beside it.
    let changed = account.write_as("changed.yaml", "dev", &[("nat: single", "nat: none")]);
    account.apply(&changed);
    account.assert_converged(&changed);
    let left = routes(&account);
    let default = |routes: &[String]| routes.iter().filter(|route| *route == "0.0.0.0/0 CreateRoute").count();
    assert_eq!((default(&own), default(&left)), (tables.len(), 1), "{left:#?}");
    assert_eq!(left.len(), with_others.len() - (tables.len() - 1), "{left:#?}");
    account.apply(&file);
    assert_eq!(routes(&account), with_others);
    wait(ec2.detach_vpn_gateway().vpc_id(&vpc).vpn_gateway_id(&vpn).send());
    account.destroy(&file);
}

/// The role of the account's stack.
fn role(account: &Account) -> String {
    wait(account.iam().list_roles().send()).roles()[0].role_name().to_owned()
}

/// The policies of the role: attached, and inline by name with the document.
fn policies(account: &Account) -> (Vec<String>, Vec<(String, String)>) {
    let (iam, role) = (account.iam(), role(account));
    let attached = wait(iam.list_attached_role_policies().role_name(&role).send());
    let attached = attached.attached_policies().iter().filter_map(|one| one.policy_arn.clone()).collect();
    let inline = wait(iam.list_role_policies().role_name(&role).send());
    let document = |name: &String| {
        let policy = wait(iam.get_role_policy().role_name(&role).policy_name(name).send());
        (name.clone(), percent_encoding::percent_decode_str(policy.policy_document()).decode_utf8_lossy().into_owned())
    };
    (attached, inline.policy_names().iter().map(document).collect())
}

#[test]
fn policies_of_others_stay_on_the_role_are_warned_of_and_go_with_it() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let (attached, inline) = policies(&account);
    assert_eq!((attached.len(), inline.len()), (0, 1), "{attached:?} {inline:?}");
    assert_eq!(inline[0].0, OWN);
    assert!(!inline[0].1.contains("GetParameter") && !inline[0].1.contains("s3:"), "{}", inline[0].1);
    let (iam, name) = (account.iam(), role(&account));
    wait(iam.attach_role_policy().role_name(&name).policy_arn(AGENT).send());
    // The managed policy too, where somebody else attaches it.
    wait(iam.attach_role_policy().role_name(&name).policy_arn(MANAGED).send());
    wait(iam.put_role_policy().role_name(&name).policy_name("everything").policy_document(EVERYTHING).send());
    account.assert_converged(&file);
    let plan = account.plan(&file);
    let notes = plan.notes().join("\n");
    assert!(notes.contains("role/hosts: others have given it 2 attached policies and 1 inline policy"), "{notes}");
    assert_eq!(plan.0["notes"][0]["warning"], true, "{:#}", plan.0);
    let status = account.run(&["status", &file]).expect(0).out;
    for shown in ["Warning", AGENT, MANAGED, "the inline policy everything"] {
        assert!(status.contains(shown), "{shown} in {status}");
    }
    // What kstack's own policy allows is kstack's.
    wait(iam.put_role_policy().role_name(&name).policy_name(OWN).policy_document(EVERYTHING).send());
    assert_eq!(account.plan(&file).steps(), ["update role/hosts"]);
    account.apply(&file);
    account.assert_converged(&file);
    let (attached, inline) = policies(&account);
    assert_eq!((attached.len(), inline.len()), (2, 2));
    assert!(inline.iter().all(|(name, document)| name == "everything" || !document.contains("\"*\",")), "{inline:?}");
    account.destroy(&file);
}

/// Makes the role what a kstack from before it had a policy of its own made of it.
fn age(account: &Account) {
    let (iam, name) = (account.iam(), role(account));
    wait(iam.delete_role_policy().role_name(&name).policy_name(OWN).send());
    wait(iam.attach_role_policy().role_name(&name).policy_arn(MANAGED).send());
    wait(iam.untag_role().role_name(&name).tag_keys("kstack:role-policy").send());
}

#[test]
fn the_role_of_an_earlier_kstack_is_moved_wherever_the_move_ends() {
    let mut account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    age(&account);
    let moves = |call: &Call| ["PutRolePolicy", "DetachRolePolicy", "TagRole"].contains(&call.operation.as_str());
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["apply", &file, "--yes"]).expect(0);
    let calls: Vec<String> = proxy.take().into_iter().filter(moves).map(|call| call.operation).collect();
    // Hosts are reached all the while.
    assert_eq!(calls, ["PutRolePolicy", "DetachRolePolicy", "TagRole"]);
    for operation in &calls {
        for fault in [Fault::KillBefore, Fault::KillAfter, Fault::DropAnswer] {
            age(&account);
            let at = operation.clone();
            let hit = move |call: &Call| (call.operation == at).then_some(fault);
            let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
            let killed = fault != Fault::DropAnswer;
            if killed {
                through(&mut account, &proxy, &["apply", &file, "--yes"]).expect(-1);
                account.run(&["unlock", &file, "--yes"]).expect(0);
            }
            account.apply(&file);
            account.assert_converged(&file);
            let (attached, inline) = policies(&account);
            assert_eq!((attached.len(), inline.len()), (0, 1), "{operation}, {fault:?}");
        }
    }
    account.destroy(&file);
}

/// The cluster's policy, if it has one.
fn cluster_policy(account: &Account) -> Option<String> {
    let kafka = account.kafka(DEV);
    let all = wait(kafka.list_clusters_v2().send());
    let arn = all.cluster_info_list()[0].cluster_arn().expect("an ARN").to_owned();
    wait(async {
        let answer = kafka.get_cluster_policy().cluster_arn(arn).send().await;
        Ok::<_, std::convert::Infallible>(answer.ok().and_then(|answer| answer.policy))
    })
}

fn put_policy(account: &Account, policy: &str) {
    let kafka = account.kafka(DEV);
    let all = wait(kafka.list_clusters_v2().send());
    let arn = all.cluster_info_list()[0].cluster_arn().expect("an ARN");
    wait(kafka.put_cluster_policy().cluster_arn(arn).policy(policy).send());
}

/// An edit of the MSK file that names a policy with this action.
fn with_policy(action: &str) -> String {
    format!(
        "    policy: {{Version: \"2012-10-17\", Statement: [{{Effect: Allow, Principal: {{AWS: \"123456789012\"}}, Action: \"{action}\", Resource: \"*\"}}]}}\n    auth: {{iam: true}}\n"
    )
}

const AUTH: &str = "    auth: {iam: true}\n";
const FIREHOSE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"firehose.amazonaws.com"},"Action":"kafka:CreateVpcConnection","Resource":"*"}]}"#;

#[test]
fn a_cluster_policy_is_the_stacks_only_where_the_file_named_it() {
    let account = crate::msk::account();
    write(&account, &[]);
    account.apply(ORDERS);
    put_policy(&account, FIREHOSE);
    account.assert_converged(ORDERS);
    write(&account, &[("team: orders", "team: data")]);
    account.apply(ORDERS);
    assert_eq!(cluster_policy(&account).as_deref(), Some(FIREHOSE), "no apply takes it away");
    let status = account.run(&["status", ORDERS, "--verbose"]).expect(0).out;
    assert!(status.contains("the cluster's resource policy"), "{status}");
    // Named, it is taken over, with the difference shown; no longer named, it goes.
    let (connect, describe) = (with_policy("kafka:CreateVpcConnection"), with_policy("kafka:DescribeCluster"));
    write(&account, &[(AUTH, &connect)]);
    let plan = account.plan(ORDERS);
    assert!(text(&plan.step("msk_cluster_policy/main")["changes"][0]["before"]).contains("firehose"), "{:#}", plan.0);
    account.apply(ORDERS);
    account.assert_converged(ORDERS);
    write(&account, &[(AUTH, &describe)]);
    account.apply(ORDERS);
    assert!(cluster_policy(&account).is_some_and(|policy| policy.contains("DescribeCluster")));
    write(&account, &[]);
    account.apply(ORDERS);
    assert_eq!(cluster_policy(&account), None);
    account.assert_converged(ORDERS);
    // Replaced by others while it was named, and then no longer named: it is theirs.
    write(&account, &[(AUTH, &connect)]);
    account.apply(ORDERS);
    put_policy(&account, FIREHOSE);
    write(&account, &[]);
    account.assert_converged(ORDERS);
    assert_eq!(cluster_policy(&account).as_deref(), Some(FIREHOSE));
    account.destroy(ORDERS);
}

#[test]
fn the_mark_of_a_cluster_policy_survives_a_death_at_any_call() {
    let mut account = crate::msk::account();
    let (first, second) = (with_policy("kafka:CreateVpcConnection"), with_policy("kafka:DescribeCluster"));
    let at = |account: &mut Account, fault: Fault, number: usize| {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let hit = move |call: &Call| {
            let writes = call.writes() && ["/policy", "/tags"].iter().any(|part| call.operation.contains(part));
            (writes && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == number).then_some(fault)
        };
        let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
        through(account, &proxy, &["apply", ORDERS, "--yes"])
    };
    write(&account, &[]);
    account.apply(ORDERS);
    let mut deaths = 0;
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        for number in 1.. {
            // One policy in the place of another dies; then the file names none: nothing of the stack's may be left.
            write(&account, &[(AUTH, &first)]);
            account.apply(ORDERS);
            write(&account, &[(AUTH, &second)]);
            let killed = at(&mut account, fault, number).code == -1;
            write(&account, &[]);
            if killed {
                account.run(&["unlock", ORDERS, "--yes"]).expect(0);
            }
            // So does its deletion.
            if at(&mut account, fault, number).code == -1 {
                account.run(&["unlock", ORDERS, "--yes"]).expect(0);
            }
            account.apply(ORDERS);
            assert_eq!(cluster_policy(&account), None, "{fault:?} at {number}");
            account.assert_converged(ORDERS);
            if !killed {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths >= 6, "{deaths}");
    account.destroy(ORDERS);
}

#[test]
fn rules_are_added_before_the_listeners_change_and_taken_away_after() {
    let mut account = crate::msk::account();
    write(&account, &[]);
    account.apply(ORDERS);
    write(&account, &[("{iam: true}", "{unauthenticated: true}")]);
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["apply", ORDERS, "--yes"]).expect(0);
    let calls: Vec<String> = proxy.take().into_iter().map(|call| call.operation).collect();
    let places = |part: &str| -> Vec<usize> {
        calls.iter().enumerate().filter(|(_, call)| call.contains(part)).map(|(place, _)| place).collect()
    };
    let (add, change, remove) = (places("AuthorizeSecurityGroup"), places("/security"), places("RevokeSecurityGroup"));
    assert_eq!((add.len(), change.len(), remove.len()), (2, 1, 2), "{calls:#?}");
    assert!(add.iter().all(|add| *add < change[0]) && remove.iter().all(|remove| *remove > change[0]), "{calls:#?}");
    // A rule that was described anew by hand is described back, and never missing.
    let ec2 = account.ec2(DEV);
    let named = Filter::builder().name("tag:kstack:address").values("security_group/brokers").build();
    let group = wait(ec2.describe_security_groups().filters(named).send()).security_groups()[0].clone();
    let mut rule = group.ip_permissions()[0].clone();
    rule.user_id_group_pairs.iter_mut().flatten().for_each(|pair| pair.description = Some("by hand".to_owned()));
    let call = ec2.update_security_group_rule_descriptions_ingress().set_group_id(group.group_id.clone());
    wait(call.ip_permissions(rule).send());
    assert_eq!(account.plan(ORDERS).steps(), ["update security_group_rules/brokers"]);
    through(&mut account, &proxy, &["apply", ORDERS, "--yes"]).expect(0);
    let calls: Vec<String> = proxy.take().into_iter().map(|call| call.operation).collect();
    assert!(calls.iter().all(|call| !call.starts_with("Revoke") && !call.starts_with("Authorize")), "{calls:#?}");
    account.assert_converged(ORDERS);
    account.destroy(ORDERS);
}

#[test]
fn what_only_carries_the_tags_of_the_stack_is_neither_detached_nor_deleted() {
    let account = Account::new();
    let file = account.write("dev", &[]);
    account.apply(&file);
    let ec2 = account.ec2(DEV);
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let copy = |id: &str, address: &str| {
        let call = ec2.create_tags().resources(id).tags(tag("kstack:stack", "dev"));
        wait(call.tags(tag("kstack:address", address)).send());
    };
    // A gateway of another VPC, an address of another interface, a volume and an interface of another instance.
    let vpc = wait(ec2.create_vpc().cidr_block("10.77.0.0/16").send());
    let vpc = vpc.vpc().and_then(|one| one.vpc_id()).expect("an id").to_owned();
    let gateway = wait(ec2.create_internet_gateway().send());
    let gateway = gateway.internet_gateway().and_then(|one| one.internet_gateway_id()).expect("an id").to_owned();
    wait(ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send());
    let subnet = wait(ec2.create_subnet().vpc_id(&vpc).cidr_block("10.77.0.0/24").send());
    let subnet = subnet.subnet().and_then(|one| one.subnet_id()).expect("an id").to_owned();
    let interface = wait(ec2.create_network_interface().subnet_id(&subnet).send());
    let interface = interface.network_interface().and_then(|one| one.network_interface_id()).expect("an id").to_owned();
    let address = wait(ec2.allocate_address().domain(DomainType::Vpc).send());
    let address = address.allocation_id().expect("an id").to_owned();
    wait(ec2.associate_address().allocation_id(&address).network_interface_id(&interface).send());
    let own = wait(ec2.describe_instances().send());
    let image = own.reservations()[0].instances()[0].image_id().expect("an image").to_owned();
    let call = ec2.run_instances().image_id(image).instance_type("t4g.medium".into()).min_count(1).max_count(1);
    let instance = wait(call.subnet_id(&subnet).send()).instances()[0].clone();
    let host = instance.instance_id().expect("an id");
    poll("a running instance", Duration::from_secs(30), || {
        let answer = wait(ec2.describe_instances().instance_ids(host).send());
        let state = answer.reservations()[0].instances()[0].state().and_then(|state| state.name().cloned());
        (state == Some(InstanceStateName::Running)).then_some(())
    });
    let zone = instance.placement().and_then(|placement| placement.availability_zone()).expect("a zone");
    let volume = wait(ec2.create_volume().availability_zone(zone).size(1).send()).volume_id.expect("an id");
    poll("a volume", Duration::from_secs(30), || {
        let answer = wait(ec2.describe_volumes().volume_ids(&volume).send());
        (answer.volumes()[0].state() == Some(&VolumeState::Available)).then_some(())
    });
    wait(ec2.attach_volume().device("/dev/sdg").instance_id(host).volume_id(&volume).send());
    let nic = instance.network_interfaces()[0].network_interface_id().expect("an id").to_owned();
    let all = [
        (gateway.as_str(), "internet_gateway/main"),
        (&address, "elastic_ip/nat-a"),
        (&subnet, "subnet/private-z"),
        (&volume, "volume/broker-9"),
        (&nic, "network_interface/broker-9"),
    ];
    all.iter().for_each(|(id, address)| copy(id, address));
    for command in [&["plan", &file][..], &["apply", &file, "--yes"], &["destroy", &file, "--yes"]] {
        let run = account.run(command).expect(1);
        for (id, _) in all {
            assert!(run.out.contains(id), "{id} in {run}");
        }
    }
    let live = wait(ec2.describe_internet_gateways().internet_gateway_ids(&gateway).send());
    assert_eq!(live.internet_gateways()[0].attachments()[0].vpc_id(), Some(vpc.as_str()));
    let live = wait(ec2.describe_addresses().allocation_ids(&address).send());
    assert!(live.addresses()[0].association_id().is_some());
    // Without the tags they are nobody's business, and the stack goes by itself.
    let live = wait(ec2.describe_volumes().volume_ids(&volume).send());
    assert_eq!(live.volumes()[0].attachments()[0].instance_id(), Some(host));
    let call = ec2.delete_tags().set_resources(Some(all.map(|(id, _)| id.to_owned()).into()));
    wait(call.tags(Tag::builder().key("kstack:stack").build()).send());
    account.assert_converged(&file);
    account.run(&["destroy", &file, "--yes"]).expect(0);
    let left = wait(ec2.describe_internet_gateways().send()).internet_gateways().len();
    assert_eq!(left, 1, "the gateway of the other VPC");
}

/// Where nothing is there yet, too: the other calls then say "not found", and would hide it until the stack is half made.
#[test]
fn a_look_at_iam_that_is_denied_is_said_by_the_first_plan() {
    for operation in ["GetRole", "GetInstanceProfile"] {
        let mut account = Account::new();
        account.write("dev", &[]);
        let fault = move |call: &Call| (call.operation == operation).then_some(Fault::Refused("AccessDenied"));
        let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
        let run = through(&mut account, &proxy, &["plan", "dev.yaml"]).expect(1);
        assert!(run.err.contains(&format!("{operation} failed")), "{run}");
    }
}
