use super::*;

fn of(text: &str) -> String {
    format("stack.yaml", text).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

#[test]
fn keys_and_lines_come_into_order_and_comments_stay_with_them() {
    let text = "\
# The stack of orders.

# Its name.
name:   orders   # short
apiVersion: kstack/v1


workload: {partitions: 10,   ingress: 1 MiB/s}
region: eu-west-1
cluster:
    # What runs Kafka.
    ec2:
        brokers:
            instance_type: t4g.medium       # small
            # three of them
            count: 3
        kafka: '4.1.1'
        # combined: true
        combined: true
        # the end of ec2
    # the end of cluster
network:

    endpoints:
    - s3
    # the way to keys
    - ssm   # Systems Manager
    cidr: 10.0.0.0/16
    routes:
    -   via: tgw-0123456789abcdef0
        # to the office
        to: 10.8.0.0/16
tags:
  b: |
    two
      lines

  a: \"one
    line\"
topics:
  z: {partitions: 1}
  a:
    config:
      b: 1
      a: 2
    partitions: 2
# the end
";
    let expected = "\
# The stack of orders.

# Its name.
apiVersion: kstack/v1
name: orders     # short
region: eu-west-1
tags:
  b: |
    two
      lines

  a: \"one
    line\"
network:
  cidr: 10.0.0.0/16
  endpoints:
    - s3
    # the way to keys
    - ssm   # Systems Manager
  routes:
    # to the office
    - to: 10.8.0.0/16
      via: tgw-0123456789abcdef0

workload: {partitions: 10,   ingress: 1 MiB/s}
cluster:
  # What runs Kafka.
  ec2:
    kafka: '4.1.1'
    # combined: true
    combined: true
    brokers:
      # three of them
      count: 3
      instance_type: t4g.medium             # small
    # the end of ec2
  # the end of cluster
topics:
  z: {partitions: 1}
  a:
    partitions: 2
    config:
      b: 1
      a: 2
# the end
";
    assert_eq!(of(text), expected);
    assert_eq!(of(expected), expected);
}

#[test]
fn a_file_with_aliases_keeps_its_order() {
    let text = "apiVersion: kstack/v1\nworkload:\n    partitions: &many 10\nnetwork: {cidr: 10.0.0.0/16}\ntags:\n    a: *many\n";
    assert_eq!(of(text), text.replace("    ", "  "));
}

#[test]
fn what_can_not_be_formatted_is_refused_with_words() {
    let refused = |text: &str| {
        let report = format("stack.yaml", text).expect_err("it is refused");
        report.problems[0].message.clone()
    };
    assert_eq!(
        refused("apiVersion: kstack/v2\n"),
        "`kstack/v2` is not a format that this kstack reads; write `kstack/v1`"
    );
    assert_eq!(refused("name: a\n"), "the file has no `apiVersion`");
    assert_eq!(refused("apiVersion: [kstack/v1]\n"), "`apiVersion` is a list; write `kstack/v1`");
    assert!(refused("apiVersion: kstack/v1\nname: [a\n").starts_with("this is not YAML"));
    assert_eq!(
        refused("apiVersion: kstack/v1\n? name\n: a\n"),
        "kstack can't format this file: no `:` follows the key at line 2"
    );
}

#[test]
fn a_difference_has_both_lines() {
    let text = "apiVersion:  kstack/v1\nname: a\n";
    let shown = difference("a.yaml", text, &of(text));
    assert_eq!(
        shown,
        "--- a.yaml\n+++ a.yaml (formatted)\n@@ -1,2 +1,2 @@\n-apiVersion:  kstack/v1\n+apiVersion: kstack/v1\n name: a\n"
    );
}
