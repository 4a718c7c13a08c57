//! More brokers of an MSK cluster and fewer, by `kstack apply` alone: LocalStack's MSK, over a real Kafka of this machine that has a process for each
//! of its brokers. Records are written all the time, and every run but the last is killed, at a call to MSK or after a request to Kafka.

use crate::begun::{Begun, client};
use crate::generations::killed_at;
use crate::moves::TOPICS;
use crate::processes::kstack;
use crate::room::owner;
use crate::scale::{applied, on};
use crate::support::{Run, sandbox_command};

const STACK: &str = "\
apiVersion: kstack/v1
name: msk
region: eu-west-1
network: {cidr: 10.20.0.0/16, nat: none}
cluster:
  msk:
    kafka: 4.1.x.kraft
    brokers:
      count: 3
      instance_type: kafka.m7g.large
      storage: {size: 200 GiB}
    auth: {iam: false, unauthenticated: true}
    encryption: {in_transit: plaintext}
";

#[test]
fn brokers_of_msk_come_and_go_under_writes_whatever_is_killed() {
    let Some(begun) = Begun::of(Some(STACK), &[], "count: 3") else { return };
    let (kafka, file, producer) = (&begun.kafka, &begun.file, &begun.producer);
    begun.client.fill("bulk", 6, 48);
    let single =
        ["--create", "--topic", "single", "--replica-assignment", "1,2,3", "--config", "min.insync.replicas=1"];
    begun.client.say(TOPICS, &single);
    // A topic of MSK's own stays where it is, and keeps no broker from being taken away.
    let own = ["--create", "--topic", "__amazon_msk_canary", "--replica-assignment", "1,2,3"];
    begun.client.say(TOPICS, &own);

    begun.write("count: 6");
    let planned = kstack(kafka, &["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 get their share of the partitions"), "{planned}");
    killed_at(&begun, "msk_cluster/main:broker-count");
    let (out, _) = applied(kafka, file, |kills| kills + 1);
    assert!(out > 3, "{out}");
    let six = client(kafka, file);
    assert_eq!(on(&six), (1..=6).collect());
    assert!(six.throttles().is_empty(), "{:?}", six.throttles());
    assert_eq!(begun.steps(), Vec::<String>::new());
    assert_eq!(begun.registered(), [1, 2, 3, 4, 5, 6]);
    producer.expect_more("writing on six brokers", 100);
    let own = ["--create", "--topic", "__amazon_msk_canary_state", "--replica-assignment", "4,5,6"];
    six.say(TOPICS, &own);

    begun.write("count: 3");
    // Where nobody asks the brokers, MSK still looks.
    let blind = |arguments: &[&str]| {
        let mut command = sandbox_command(owner());
        Run::of(command.env_remove("KSTACK_SANDBOX_KAFKA").arg("--sandbox").args(arguments))
    };
    let refused = blind(&["plan", file]).expect(1);
    assert!(refused.out.contains("3 of 6 brokers would leave, and it is not known what is on them"), "{refused}");
    let refused = blind(&["apply", file, "--yes", "--allow-data-loss"]).expect(1);
    assert!(refused.err.contains("Brokers that have partitions cannot be removed"), "{refused}");

    let planned = kstack(kafka, &["plan", file]).expect(0);
    println!("{planned}");
    assert!(planned.out.contains("brokers 4-6 leave: what they have moves to the others"), "{planned}");
    killed_at(&begun, "partitions/main");
    let users = |id: &u32| *id > 3;
    let leaving = || {
        let replicas = six.replicas();
        let of_users = replicas.iter().filter(|line| !line.starts_with("__amazon_msk_canary"));
        let ids = of_users.filter_map(|line| line.rsplit(' ').next()).flat_map(|list| list.split(','));
        ids.filter_map(|id| id.parse::<u32>().ok()).any(|id| users(&id))
    };
    let mut emptied = false;
    let (kills, last) = applied(kafka, file, |kills| {
        if kills == 2 {
            six.say(TOPICS, &["--create", "--topic", "late", "--replica-assignment", "4:5:6,5:6:4"]);
        }
        if !emptied && !leaving() {
            emptied = true;
            // Nothing is on them but what is MSK's own: a run dies before the last look, and one when MSK is asked to take them away.
            killed_at(&begun, "broker/broker-5");
            killed_at(&begun, "msk_cluster/main:broker-removal");
        }
        if emptied { 80 } else { kills + 1 }
    });
    assert!(kills > 3 && emptied, "{kills}, {last}");
    // MSK would have moved it.
    six.say(TOPICS, &["--delete", "--topic", "__amazon_msk_canary_state"]);
    let three = client(kafka, file);
    assert_eq!(three.servers.split(',').count(), 3);
    assert_eq!(begun.steps(), Vec::<String>::new());
    assert_eq!(begun.registered(), [1, 2, 3], "those that left are registered no more");
    let of_users = three.replicas().into_iter().filter(|line| !line.starts_with("__amazon_msk_canary"));
    let ids = of_users.flat_map(|line| line.rsplit(' ').next().map(str::to_owned)).collect::<Vec<_>>();
    assert!(ids.iter().flat_map(|list| list.split(',')).all(|id| ["1", "2", "3"].contains(&id)), "{ids:?}");
    assert!(three.throttles().is_empty(), "{:?}", three.throttles());
    producer.expect_more("writing on three brokers again", 100);
    let none = kstack(kafka, &["move", "cancel", file, "--yes"]).expect(0);
    assert!(none.out.starts_with("Took back 0 moves"), "{none}");
    begun.end();
}
