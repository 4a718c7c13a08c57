//! The client host on EC2 and beside MSK: made, found again, changed, started, and gone with its role; and what it puts before Kafka's tools.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use aws_sdk_ec2::types::{Instance, InstanceStateName};
use aws_sdk_ssm::types::ParameterStringFilter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kstack_core::certificates::Told;
use kstack_core::cloud_init::{self, KAFKA_TOOL};

use crate::msk;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::Proxy;
use crate::support::running::through;
use crate::support::{Account, Run, text};

const FILE: &str = "dev.yaml";
/// Where MSK's test stacks are.
const ORDERS: &str = "eu-west-1";

fn write(account: &Account, client: &str) {
    let block = format!("client: {client}\ncluster:");
    account.write("dev", &[("cluster:", block.as_str())]);
}

/// The stack's instance at the address of the client host.
fn live(account: &Account, region: &str) -> Option<Instance> {
    let running = Some(&InstanceStateName::Running);
    let mut all = account.look(region).instances.into_iter().filter(|one| {
        let tagged = one.tags().iter().any(|tag| tag.value() == Some("client_instance/client"));
        tagged && one.state().and_then(|state| state.name()) == running
    });
    let first = all.next();
    assert!(all.next().is_none(), "there is one at most");
    first
}

/// The user data of the client host, as text.
fn user_data(account: &Account, region: &str) -> String {
    let instance = live(account, region).expect("a client host");
    let attribute = aws_sdk_ec2::types::InstanceAttributeName::UserData;
    let call = account.ec2(region).describe_instance_attribute().attribute(attribute);
    let answer = wait(call.instance_id(instance.instance_id().expect("an id")).send());
    let encoded = answer.user_data().and_then(|data| data.value()).unwrap_or_default().to_owned();
    cloud_init::decode(&STANDARD.decode(encoded).expect("base64")).expect("text")
}

#[test]
fn a_client_host_of_a_stack_on_ec2_is_replaced_in_place() {
    let account = Account::new();
    write(&account, "{}");
    let none = account.run(&["shell", FILE]).expect(1);
    assert!(none.err.contains("the client host is not there yet"), "{none}");
    account.apply(FILE);
    account.assert_converged(FILE);
    let first = live(&account, DEV).expect("a client host");
    // At the end of its subnet: no broker is ever to have this address.
    assert_eq!(first.private_ip_address(), Some("10.20.31.254"));
    assert_eq!(first.public_ip_address(), None);
    assert_eq!(first.network_interfaces()[0].groups().len(), 2);
    let text = user_data(&account, DEV);
    assert!(text.contains("bootstrap.servers=10.20.0.10:9092,") && !text.contains("iam-auth"), "{text}");
    assert_eq!(text, account.run(&["render", FILE, "--host", "client"]).expect(0).out);
    let status = account.run(&["status", FILE, "--json"]).expect(0).json();
    assert_eq!(status["client"]["instance"], first.instance_id().expect("an id"));
    let shown = account.run(&["status", FILE]).expect(0);
    assert!(shown.out.contains("Client host: i-"), "{shown}");
    let mut shell = account.command(&["shell", FILE, "--", "true"]);
    let shell = crate::support::Run::of(shell.env("PATH", "/nowhere")).expect(1);
    assert!(shell.err.contains("session-manager-plugin can't be started"), "{shell}");
    // A stopped one is started; another type is another instance.
    wait(account.ec2(DEV).stop_instances().instance_ids(first.instance_id().expect("an id")).send());
    account.apply(FILE);
    assert_eq!(live(&account, DEV).expect("a client host").instance_id(), first.instance_id());
    write(&account, "{instance_type: t4g.medium}");
    assert_eq!(account.plan(FILE).steps(), ["replace client_instance/client"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    let second = live(&account, DEV).expect("a client host");
    assert_ne!(second.instance_id(), first.instance_id());
    assert_eq!(second.private_ip_address(), first.private_ip_address());
    account.destroy(FILE);
    account.assert_nothing_left();
}

/// The serial number of the client host's certificate, as the description of its parameter tells it.
fn certificate(account: &Account) -> Option<String> {
    let path = ParameterStringFilter::builder().key("Path").option("Recursive").values("/kstack-papers/dev");
    let call = account.ssm(DEV).describe_parameters().max_results(50);
    let answer = wait(call.parameter_filters(path.build().expect("a filter")).send());
    let one = answer.parameters().iter().find(|one| one.name() == Some("/kstack-papers/dev/hosts/10.20.31.254/client"));
    let told: Told = serde_json::from_str(one?.description().expect("a description")).expect("what it tells");
    assert_eq!(told.subject, "CN=kstack-client-host");
    Some(told.serial)
}

#[test]
fn a_client_host_beside_brokers_with_tls_has_a_certificate_that_is_renewed_in_time() {
    let account = Account::new();
    let edits =
        [("cluster:", "client: {}\ncluster:"), ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {mtls: true}")];
    account.write("dev", &edits);
    // Seconds after its making, the certificates of this run have less than a third of their life left.
    let mut short = account.command(&["apply", FILE, "--yes"]);
    Run::of(short.env("KSTACK_TEST_CERTIFICATE_LIFE", "1500")).expect(0);
    let first = certificate(&account).expect("a certificate");
    let data = user_data(&account, DEV);
    for wanted in ["parameter='/kstack-papers/dev/hosts/10.20.31.254/client'", "/etc/kafka/mtls.properties"] {
        assert!(data.contains(wanted), "{wanted} in {data}");
    }
    assert!(!data.contains("PRIVATE KEY-----\n"), "{data}");
    let id = live(&account, DEV).and_then(|one| one.instance_id);
    let plan = account.plan(FILE);
    assert!(plan.steps().iter().any(|step| step.contains("client_certificate/client")), "{:?}", plan.steps());
    account.apply(FILE);
    account.assert_converged(FILE);
    let second = certificate(&account).expect("a certificate");
    assert_ne!(first, second);
    assert_eq!(live(&account, DEV).and_then(|one| one.instance_id), id, "the host fetches it by itself");
    // Without the client host there is none; and again with it, and gone with the stack.
    account.write("dev", &edits[1..]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(certificate(&account), None);
    account.write("dev", &edits);
    account.apply(FILE);
    assert!(certificate(&account).is_some());
    account.destroy(FILE);
    assert_eq!(certificate(&account), None);
}

#[test]
fn a_client_host_beside_msk_knows_its_brokers_and_goes_with_its_role() {
    let mut account = msk::account();
    let file = |client: &str| {
        let cluster = format!("{client}cluster:");
        msk::write(&account, &[("nat: none", "nat: single"), ("cluster:", cluster.as_str())]);
    };
    file("client: {}\n");
    account.apply(msk::FILE);
    account.assert_converged(msk::FILE);
    let text_of = user_data(&account, ORDERS);
    let status = account.run(&["status", msk::FILE, "--json"]).expect(0).json();
    let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
    assert_eq!(servers.len(), 3);
    assert!(text_of.contains(&format!("bootstrap.servers={}\n", servers.join(","))), "{text_of}");
    assert!(text_of.contains("AWS_MSK_IAM") && text_of.contains("install-iam-auth") && !text_of.contains("@brokers"));
    assert_eq!(account.look(ORDERS).roles.len(), 1);
    let kept = live(&account, ORDERS).expect("a client host");
    file("client: {kafka: 4.0.0}\n");
    account.apply(msk::FILE);
    assert_ne!(live(&account, ORDERS).expect("a client host").instance_id(), kept.instance_id());
    // Without it nothing of it is left, and nobody asks for it again.
    file("");
    account.apply(msk::FILE);
    assert!(live(&account, ORDERS).is_none() && account.look(ORDERS).roles.is_empty());
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["plan", msk::FILE, "--detailed-exitcode"]).expect(0);
    let asked = proxy.take();
    assert!(!asked.is_empty());
    assert!(!asked.iter().any(|call| call.service == "iam" || call.operation == "DescribeInstances"), "{asked:?}");
    let block = "client: {}\ncluster:";
    msk::write(&account, &[("nat: none", "nat: single"), ("cluster:", block)]);
    account.apply(msk::FILE);
    account.destroy(msk::FILE);
    account.assert_nothing_left();
}

#[test]
fn kafkas_tools_get_the_brokers_and_the_properties_that_their_arguments_lack() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("bin")).expect("a folder");
    let program = |name: &str, text: &str| {
        fs::write(path(name), text).expect("a program");
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).expect("a program");
    };
    program("kafka-tool", KAFKA_TOOL);
    // In place of Kafka's own: each prints its arguments, a line for each.
    let run = |tool: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        program(&format!("bin/{tool}"), "#!/bin/sh\nfor one; do echo \"$one\"; done\nexit 9\n");
        let link = path(tool);
        if !link.exists() {
            symlink("kafka-tool", &link).expect("a link");
        }
        let mut command = Command::new(link);
        command.env("KAFKA_HOME", folder.path()).envs(variables.iter().copied()).args(arguments);
        Run::of(&mut command).expect(9).out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (own, other) = (path("own.properties").display().to_string(), path("other.properties").display().to_string());
    fs::write(&own, "bootstrap.servers=b-1:9098,b-2:9098\nsecurity.protocol=SASL_SSL\n").expect("a file");
    fs::write(&other, "bootstrap.servers=b-1:9096\n").expect("a file");
    let shell = [("KSTACK_CLIENT_PROPERTIES", own.as_str()), ("KAFKA_BOOTSTRAP_SERVERS", "b-3:9092")];
    let servers = ["--bootstrap-server", "b-1:9098,b-2:9098"];
    // The tool, what it calls the file, and whether both come after its arguments.
    let tools = [
        ("kafka-topics.sh", "--command-config", false),
        ("kafka-metadata-quorum.sh", "--command-config", false),
        ("kafka-console-producer.sh", "--producer.config", false),
        ("kafka-consumer-perf-test.sh", "--consumer.config", false),
        ("kafka-leader-election.sh", "--admin.config", false),
        ("kafka-cluster.sh", "--config", true),
    ];
    for (tool, file, after) in tools {
        let (added, given) = ([&[file, own.as_str()][..], &servers].concat(), &["one", "a b", "*"][..]);
        let expected = if after { [given, &added].concat() } else { [&added, given].concat() };
        assert_eq!(run(tool, given, &shell), expected, "{tool}");
    }
    let expected = ["--producer.config", &own, "--topic", "t"];
    assert_eq!(run("kafka-producer-perf-test.sh", &["--topic", "t"], &shell), expected);
    // Another file of the same host has its own listener's brokers.
    for given in [vec!["--command-config", &other, "--list"], vec![&*format!("--command-config={other}"), "--list"]] {
        let expected = [&["--bootstrap-server", "b-1:9096"][..], &given].concat();
        assert_eq!(run("kafka-topics.sh", &given, &shell), expected);
    }
    fs::write(&other, "client.id=me\n").expect("a file");
    let given = ["--command-config", &other];
    assert_eq!(run("kafka-topics.sh", &given, &shell), [&["--bootstrap-server", "b-3:9092"][..], &given].concat());
    // Whoever names brokers, asks for help, calls another tool, or is in no such shell, gets Kafka's own.
    for given in [["--bootstrap-server", "b:1"], ["--bootstrap-controller=b:1", "--list"], ["--list", "--help"]] {
        assert_eq!(run("kafka-topics.sh", &given, &shell), given);
    }
    assert_eq!(run("kafka-storage.sh", &["random-uuid"], &shell), ["random-uuid"]);
    assert_eq!(run("kafka-topics.sh", &["--list"], &[]), ["--list"]);
}
