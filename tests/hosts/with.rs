//! `kstack with` and `kstack shell` on the sandbox with a Kafka: the command talks to real brokers, and nothing of them is left after it.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::processes::kstack;
use crate::room::{beside, block};
use crate::support::stack;

/// Makes a topic, writes a hundred numbers and reads them, with Kafka's own tools and the client properties of `with`.
const SCRIPT: &str = r#"set -e
at="--bootstrap-server $KAFKA_BOOTSTRAP_SERVERS"
"$KAFKA/bin/kafka-topics.sh" $at --command-config "$KSTACK_CLIENT_PROPERTIES" --create --topic orders --partitions 3 --replication-factor 1 >&2
seq 1 100 | "$KAFKA/bin/kafka-console-producer.sh" $at --producer.config "$KSTACK_CLIENT_PROPERTIES" --topic orders >&2
"$KAFKA/bin/kafka-console-consumer.sh" $at --consumer.config "$KSTACK_CLIENT_PROPERTIES" --topic orders --from-beginning --max-messages 100 --timeout-ms 120000
echo "servers $KAFKA_BOOTSTRAP_SERVERS"
exit 7"#;

#[test]
fn the_command_of_with_writes_to_a_real_kafka_and_reads_from_it() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let block = format!("10.{}.0.0/20", block());
    let path = folder.path().join("ephemeral.yaml");
    let edits = [
        ("10.0.0.0/20", block.as_str()),
        ("nat: single", "zones: 1\n  nat: none"),
        ("retention: 4h", "retention: 4h\n  replication_factor: 1\n  min_insync_replicas: 1"),
        ("count: 3", "count: 1"),
    ];
    std::fs::write(&path, stack("ephemeral", &edits)).expect("a file");
    let (file, place) = (path.display().to_string(), format!("KAFKA={}", kafka.display()));
    // Its own exit code says that everything before it went well.
    let arguments = ["with", &file, "--timeout", "10m", "--", "env", &place, "sh", "-c", SCRIPT];
    let run = kstack(&kafka, &arguments).expect(7);
    let mut numbers: Vec<u32> = run.out.lines().filter_map(|line| line.parse().ok()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<u32>>(), "{run}");
    let server = run.out.lines().find_map(|line| line.strip_prefix("servers ")).expect("the servers");
    let server: SocketAddr = server.parse().expect("one broker");
    assert!(server.ip().is_loopback(), "{server}");
    let again = TcpStream::connect_timeout(&server, Duration::from_secs(5));
    assert!(again.is_err(), "the broker is still there");
    let list = kstack(&kafka, &["list", "--region", "us-east-1"]).expect(0);
    assert_eq!(list.out, "There are no stacks in us-east-1.\n");
    kstack(&kafka, &["sandbox", "stop"]);
}

#[test]
fn a_shell_in_the_sandbox_has_kafkas_tools_for_its_brokers() {
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let block = format!("10.{}.0.0/20", block());
    let path = folder.path().join("shell.yaml");
    let edits = [
        ("10.0.0.0/20", block.as_str()),
        ("nat: single", "zones: 1\n  nat: none"),
        ("retention: 4h", "retention: 4h\n  replication_factor: 1\n  min_insync_replicas: 1"),
        ("count: 3", "count: 1"),
        ("cluster:", "client: {}\ncluster:"),
    ];
    std::fs::write(&path, stack("ephemeral", &edits)).expect("a file");
    let file = path.display().to_string();
    let shell = |command: &[&str]| kstack(&kafka, &[&["shell", &file, "--"][..], command].concat());
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    kstack(&kafka, &["status", &file, "--wait"]).expect(0);
    shell(&["kafka-topics.sh", "--create", "--topic", "orders"]).expect(0);
    assert_eq!(shell(&["kafka-topics.sh", "--list"]).expect(0).out, "orders\n");
    let script = "dirname \"$KSTACK_CLIENT_PROPERTIES\"; grep -c \"=$KAFKA_BOOTSTRAP_SERVERS\" \"$KSTACK_CLIENT_PROPERTIES\"; exit 7";
    let run = shell(&["sh", "-c", script]).expect(7);
    let (own, count) = run.out.split_once('\n').expect("two lines");
    assert_eq!(count, "1\n", "the file has the brokers");
    assert!(!std::path::Path::new(own).exists(), "{own} is gone with the shell");
    shell(&["no-such-tool"]).expect(127);
    // A signal is passed on, as `timeout` sends one; the file is gone even so.
    let script = format!(
        "trap 'echo ended; exit 5' TERM; echo $KSTACK_CLIENT_PROPERTIES > {}; kill $PPID; while :; do sleep 0.1; done",
        path.with_extension("at").display()
    );
    assert_eq!(shell(&["sh", "-c", &script]).expect(5).out, "ended\n");
    let own = std::fs::read_to_string(path.with_extension("at")).expect("a file");
    assert!(!std::path::Path::new(own.trim()).exists(), "{own} is gone with the shell");
    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    shell(&["kafka-topics.sh", "--list"]).expect(1);
    kstack(&kafka, &["sandbox", "stop"]);
}
