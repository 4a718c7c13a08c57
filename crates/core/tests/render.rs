//! Clusters of stack files for other places than AWS, as files of `tests/render`. `KSTACK_UPDATE=1 cargo test -p kstack-core --test render`
//! writes them anew; read them before committing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kstack_core::check::parse;
use kstack_core::stack::Stack;
use kstack_core::targets::compose::compose;
use kstack_core::targets::strimzi::strimzi;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stack(name: &str) -> Stack {
    let text = fs::read_to_string(repository().join(format!("stacks/{name}.yaml"))).expect("a stack file");
    parse(name, &text).expect("a file without problems").stack
}

fn with_cluster(cluster: &str) -> Stack {
    let text = format!(
        "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16}}\nworkload: {{partitions: 10}}\n{cluster}"
    );
    parse("t.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).stack
}

/// Compares with the file of this name, or writes it.
fn expect(name: &str, text: &str) {
    let path = repository().join("tests/render").join(name);
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(&path, text).expect("it is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} differs from what is rendered:\n{text}");
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A text of a compose file, as compose reads it: every `$` in it is doubled.
fn read(text: &Value) -> String {
    let text = text.as_str().expect("text");
    assert!(!text.replace("$$", "").contains('$'), "compose would put something in the place of a variable: {text}");
    text.replace("$$", "$")
}

fn property(service: &Value, name: &str) -> Option<String> {
    let text = read(&service["environment"]["SERVER_PROPERTIES"]);
    text.lines().rev().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

/// Every name that a compose file refers to is in it, and no two nodes have the same id or port.
fn check_compose(text: &str) -> Value {
    let file = yaml(text);
    let services = file["services"].as_object().expect("services");
    let nodes: Vec<(&String, &Value)> = services.iter().filter(|(name, _)| *name != "init").collect();
    let names: BTreeSet<&str> = nodes.iter().map(|(name, _)| name.as_str()).collect();
    let (mut ids, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for (name, node) in &nodes {
        assert!(ids.insert(property(node, "node.id").expect("an id")), "{name}");
        let listeners = property(node, "listeners").expect("listeners");
        let open: BTreeSet<&str> = listeners.split(',').map(|one| one.rsplit(':').next().expect("a port")).collect();
        for port in node["ports"].as_array().expect("ports") {
            let (outside, inside) =
                port.as_str().and_then(|port| port.strip_prefix("127.0.0.1:")?.split_once(':')).expect("loopback");
            assert!(ports.insert(outside.to_owned()) && open.contains(inside), "{name}: {port}");
        }
        for one in property(node, "advertised.listeners").expect("advertised").split(',') {
            let (listener, told) = one.split_once("://").expect("a listener");
            let (host, port) = told.rsplit_once(':').expect("a port");
            assert!(host == "127.0.0.1" || host == *name, "{one}");
            assert!(open.contains(port) && listeners.contains(&format!("{listener}://:{port}")), "{one}");
            assert!(
                property(node, "listener.security.protocol.map").expect("protocols").contains(&format!("{listener}:"))
            );
        }
        for controller in property(node, "controller.quorum.bootstrap.servers").expect("controllers").split(',') {
            let (host, _) = controller.split_once(':').expect("a port");
            let roles = property(&file["services"][host], "process.roles").expect("roles");
            assert!(roles.contains("controller"), "{controller}");
        }
        for volume in node["volumes"].as_array().expect("volumes") {
            let volume = volume.as_str().and_then(|volume| volume.split(':').next()).expect("a volume");
            assert!(file["volumes"].get(volume).is_some(), "{volume}");
        }
        let health = read(&node["healthcheck"]["test"][3]);
        assert!(open.contains(health.rsplit('/').next().expect("a port")), "{health}");
    }
    if let Some(init) = services.get("init") {
        for name in init["depends_on"].as_object().expect("nodes").keys() {
            assert!(names.contains(name.as_str()), "{name}");
        }
    }
    file
}

#[test]
fn compose_files_are_as_they_were_and_refer_to_nothing_that_is_not_there() {
    for (file, name, brokers) in
        [("dev", "dev.compose.yaml", None), ("prod", "prod-3.compose.yaml", Some(3)), ("msk", "msk.compose.yaml", None)]
    {
        let text = compose(&stack(file), brokers, None).expect("a file");
        assert_eq!(text, compose(&stack(file), brokers, None).expect("a file"));
        check_compose(&text);
        expect(name, &text);
    }
}

#[test]
fn every_stack_file_can_run_on_a_machine_with_any_number_of_brokers() {
    let mut seen = 0;
    for entry in fs::read_dir(repository().join("stacks")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for brokers in [None, Some(1), Some(2), Some(7)] {
            let file =
                check_compose(&compose(&stack(&name), brokers, Some("mirror.example.com/kafka:4")).expect("a file"));
            let services = file["services"].as_object().expect("services");
            let of = |role: &str| services.keys().filter(|name| name.starts_with(role)).count();
            if let Some(brokers) = brokers {
                assert_eq!((of("broker-"), of("controller-")), (brokers as usize, 0));
                let first = &services["broker-1"];
                let least = |name: &str| property(first, name).and_then(|text| text.parse::<u32>().ok());
                assert!(least("default.replication.factor") <= Some(brokers), "{name}");
                assert!(least("offsets.topic.replication.factor") <= Some(brokers), "{name}");
                let voters = property(first, "controller.quorum.bootstrap.servers").expect("voters");
                assert_eq!(voters.split(',').count() as u32 % 2, 1, "{name}: an odd number of controllers votes");
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn the_prod_file_has_all_its_nodes() {
    let file = check_compose(&compose(&stack("prod"), None, None).expect("a file"));
    let names: Vec<&String> = file["services"].as_object().expect("services").keys().collect();
    assert_eq!(names.len(), 10, "three controllers, six brokers, and init: {names:?}");
    assert_eq!(property(&file["services"]["controller-2"], "process.roles").as_deref(), Some("controller"));
    assert_eq!(property(&file["services"]["controller-2"], "node.id").as_deref(), Some("1002"));
    assert_eq!(property(&file["services"]["broker-6"], "process.roles").as_deref(), Some("broker"));
    assert_eq!(file["services"]["broker-6"]["ports"][0], "127.0.0.1:19097:19097");
}

#[test]
fn a_users_text_is_neither_a_variable_nor_a_command() {
    let stack = with_cluster(
        "cluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    listeners: {plaintext: true}\n    brokers: {count: 3, instance_type: m7g.large}\n\
         \x20   config: {sasl.kerberos.kinit.cmd: \"${HOME} $(id) `id` \\\" # x\", offsets.topic.replication.factor: 3}\n\
         topics:\n  a.b_c-d: {partitions: 3, replication_factor: 3, config: {cleanup.policy: \"compact,delete\", min.insync.replicas: 2}}\n",
    );
    let file = check_compose(&compose(&stack, None, Some("registry.example.com/$IMAGE")).expect("a file"));
    let broker = &file["services"]["broker-2"];
    assert_eq!(read(&broker["image"]), "registry.example.com/$IMAGE");
    assert_eq!(property(broker, "sasl.kerberos.kinit.cmd").as_deref(), Some("${HOME} $(id) `id` \" # x"));
    let script = read(&file["services"]["init"]["command"][0]);
    let topic = "run kafka-topics.sh --create --if-not-exists --topic 'a.b_c-d' --partitions 3 --replication-factor 3 \
                 --config 'cleanup.policy=compact,delete' --config 'min.insync.replicas=2'\n";
    assert!(script.contains(topic), "{script}");
    // One broker has one copy, of everything.
    let file = check_compose(&compose(&stack, Some(1), None).expect("a file"));
    let script = read(&file["services"]["init"]["command"][0]);
    assert!(script.contains("--replication-factor 1 ") && script.contains("'min.insync.replicas=1'"), "{script}");
    assert_eq!(property(&file["services"]["broker-1"], "offsets.topic.replication.factor").as_deref(), Some("1"));
}

#[test]
fn users_get_what_the_file_says() {
    let stack = with_cluster(
        "cluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    brokers: {count: 3, instance_type: m7g.large}\n\
         access:\n  users:\n    one:\n      produce: [\"orders*\"]\n      quota: {produce: 1 MiB/s, request: 50%}\n      acls:\n      \
         - {cluster: true, allow: [describe-configs]}\n      - {topic: secret, deny: [all], host: 10.0.0.7}\n",
    );
    let file = check_compose(&compose(&stack, None, None).expect("a file"));
    let script = read(&file["services"]["init"]["command"][0]);
    for line in [
        "run kafka-configs.sh --alter --entity-type users --entity-name 'one' --add-config 'SCRAM-SHA-512=[password=one]'",
        "run kafka-configs.sh --alter --entity-type users --entity-name 'one' --add-config producer_byte_rate=1048576,request_percentage=50",
        "run kafka-acls.sh --add --allow-principal User:'one' --operation Write --operation Describe --topic 'orders' --resource-pattern-type prefixed",
        "run kafka-acls.sh --add --allow-principal User:'one' --operation DescribeConfigs --cluster",
        "run kafka-acls.sh --add --deny-principal User:'one' --deny-host '10.0.0.7' --operation All --topic 'secret' --resource-pattern-type literal",
    ] {
        assert!(script.lines().any(|one| one == line), "{line}\n{script}");
    }
    let broker = &file["services"]["broker-1"];
    assert_eq!(property(broker, "allow.everyone.if.no.acl.found").as_deref(), Some("false"));
    assert_eq!(
        property(broker, "listener.security.protocol.map").as_deref(),
        Some("INTERNAL:PLAINTEXT,SCRAM:SASL_PLAINTEXT,HOST:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT")
    );
}

/// The documents of manifests, each by kind and name.
fn resources(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = text.split("---\n").map(yaml).collect();
    let names: BTreeSet<String> =
        documents.iter().map(|one| format!("{}/{}", one["kind"], one["metadata"]["name"])).collect();
    assert_eq!(names.len(), documents.len(), "every name once: {names:?}");
    let named = |kind: &str, name: &Value| names.contains(&format!("\"{kind}\"/{name}"));
    for one in &documents {
        if let Some(cluster) = one["metadata"]["labels"].get("strimzi.io/cluster") {
            assert!(named("Kafka", cluster), "{one}");
        }
        if let Some(metrics) = one["spec"]["kafka"].get("metricsConfig") {
            assert!(named("ConfigMap", &metrics["valueFrom"]["configMapKeyRef"]["name"]), "{one}");
        }
    }
    documents
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|one| one["kind"] == kind).collect()
}

#[test]
fn manifests_are_as_they_were() {
    for (file, class) in [("dev", None), ("prod", Some("gp3")), ("topics", None)] {
        let text = strimzi(&stack(file), class.map(|_| "kafka"), class).expect("manifests");
        resources(&text);
        expect(&format!("{file}.strimzi.yaml"), &text);
    }
}

#[test]
fn manifests_have_what_the_file_has() {
    let all = resources(&strimzi(&stack("prod"), Some("kafka"), Some("gp3")).expect("manifests"));
    assert!(all.iter().all(|one| one["metadata"]["namespace"] == "kafka"));
    let pools = of_kind(&all, "KafkaNodePool");
    let sizes: Vec<(&Value, &Value)> =
        pools.iter().map(|pool| (&pool["spec"]["replicas"], &pool["spec"]["roles"][0])).collect();
    assert_eq!(sizes, [(&Value::from(3), &Value::from("controller")), (&Value::from(6), &Value::from("broker"))]);
    let volume = &pools[1]["spec"]["storage"]["volumes"][0];
    assert_eq!((&volume["class"], &volume["deleteClaim"]), (&Value::from("gp3"), &Value::from(false)));
    let kafka = &of_kind(&all, "Kafka")[0]["spec"]["kafka"];
    assert_eq!(kafka["config"]["log.retention.ms"], 604_800_000_u64);
    assert_eq!(
        (&kafka["listeners"][0]["name"], &kafka["listeners"][0]["port"]),
        (&Value::from("scram"), &Value::from(9096))
    );
    assert_eq!(kafka["authorization"]["type"], "simple");
    assert_eq!((of_kind(&all, "KafkaTopic").len(), of_kind(&all, "KafkaUser").len()), (2, 2));
    // Six combined brokers: three of them vote, in a pool of their own.
    let six = "cluster:\n  ec2:\n    kafka: 4.2.0\n    combined: true\n    listeners: {plaintext: true}\n    \
               brokers: {count: 6, instance_type: m7g.large}\n    config: {ssl.cipher.suites: x, ssl.endpoint.identification.algorithm: https, num.io.threads: 16}\n\
               topics:\n  Orders_1: {partitions: 3, config: {cleanup.policy: compact}}\n  orders-1: {partitions: 3}\n  __X: {partitions: 1}\n";
    let text = strimzi(&with_cluster(six), None, None).expect("manifests");
    assert!(text.contains("and they are left out: ssl.endpoint.identification.algorithm."), "{text}");
    let all = resources(&text);
    let replicas: Vec<&Value> = of_kind(&all, "KafkaNodePool").iter().map(|pool| &pool["spec"]["replicas"]).collect();
    assert_eq!(replicas, [3, 3]);
    let config = &of_kind(&all, "Kafka")[0]["spec"]["kafka"]["config"];
    assert_eq!(
        (&config["num.io.threads"], config.get("ssl.endpoint.identification.algorithm")),
        (&Value::from(16), None)
    );
    let names: Vec<(&str, Option<&str>)> = of_kind(&all, "KafkaTopic")
        .iter()
        .map(|topic| (topic["metadata"]["name"].as_str().expect("a name"), topic["spec"]["topicName"].as_str()))
        .collect();
    assert!(names.contains(&("orders-1", None)), "{names:?}");
    assert!(
        names.iter().any(|(name, topic)| name.starts_with("topic-orders-1-") && *topic == Some("Orders_1")),
        "{names:?}"
    );
    assert!(names.iter().any(|(name, topic)| name.starts_with("topic-x-") && *topic == Some("__X")), "{names:?}");
}

#[test]
fn what_strimzi_can_t_have_is_said() {
    let refused = |stack: &Stack| strimzi(stack, None, None).expect_err("it is refused");
    let old = refused(&stack("msk"));
    assert!(old.what.contains("takes Kafka 3.9.x") && old.remedy.contains("1.2.0 takes 4.2.0"), "{old:?}");
    assert!(refused(&stack("msk-serverless")).what.contains("serverless"));
    assert!(refused(&stack("msk-express")).what.contains("Express"));
    let ec2 =
        "cluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    brokers: {count: 3, instance_type: m7g.large}\n";
    let user = refused(&with_cluster(&format!("{ec2}access:\n  users:\n    Orders_API: {{produce: [orders]}}\n")));
    assert!(user.what.contains("`Orders_API`"), "{user:?}");
    let unknown = refused(&with_cluster(&ec2.replace("4.1.1", "4.1.7")));
    assert!(unknown.what.contains("4.1.7") && unknown.remedy.contains("4.1.1"), "{unknown:?}");
    // MSK's brokers of a version that is taken.
    let msk = "cluster:\n  msk:\n    kafka: 4.1.x.kraft\n    brokers: {count: 3, instance_type: kafka.m7g.large}\n";
    let all = resources(&strimzi(&with_cluster(msk), None, None).expect("manifests"));
    assert_eq!(of_kind(&all, "Kafka")[0]["spec"]["kafka"]["version"], "4.1.1");
}
