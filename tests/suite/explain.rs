//! `kstack explain`: what a key means, by the binary.

use std::process::Command;

use crate::support::{KSTACK, Run};

fn explain(arguments: &[&str]) -> Run {
    Run::of(Command::new(KSTACK).arg("explain").args(arguments))
}

#[test]
fn a_key_is_explained_with_its_change() {
    assert_eq!(
        explain(&["cluster.ec2.brokers.count"]).to_string(),
        concat!(
            "exit code 0\n",
            "--- stdout\n",
            "cluster.ec2.brokers.count\n",
            "\n",
            "How many; a multiple of the number of zones.\n",
            "\n",
            "Type     whole number\n",
            "Default  required\n",
            "Change   in place. More brokers are added, and get their share of the partitions. Of fewer,\n",
            "         those that go are emptied first; where Kafka can't be asked that is refused without\n",
            "         --allow-data-loss.\n",
            "Example\n",
            "  cluster:\n",
            "    ec2:\n",
            "      brokers:\n",
            "        count: 3\n",
            "--- stderr\n",
        )
    );
    assert_eq!(
        explain(&["topics.orders.partitions"]).to_string(),
        concat!(
            "exit code 0\n",
            "--- stdout\n",
            "topics.*.partitions\n",
            "\n",
            "How many partitions it has. A live topic gets more in place, and never fewer. Not needed with\n",
            "`absent`.\n",
            "\n",
            "Type     whole number\n",
            "Default  optional\n",
            "Change   in place or refused. More are added in place; Kafka never takes one away.\n",
            "Example\n",
            "  topics:\n",
            "    NAME:\n",
            "      partitions: 12\n",
            "--- stderr\n",
        )
    );
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        explain(&["cluster.ec2.brokers.cuont"]).to_string(),
        "exit code 1\n--- stdout\n--- stderr\nerror: `cluster.ec2.brokers` has no key `cuont`\n\
         hint: the nearest key is `cluster.ec2.brokers.count`\n"
    );
}

#[test]
fn without_a_key_the_top_level_is_listed() {
    let run = explain(&[]).expect(0);
    let keys: Vec<&str> =
        run.out.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with(' ')).collect();
    let schema = kstack_core::stack::schema();
    let known = schema["properties"].as_object().expect("keys");
    assert_eq!(keys.len(), known.len(), "{run}");
    assert!(keys.iter().zip(known.keys()).all(|(line, key)| line.starts_with(&format!("{key} "))), "{run}");
}
