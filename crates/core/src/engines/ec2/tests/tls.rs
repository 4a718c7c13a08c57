//! The processor that TLS takes.

use super::*;

fn secured(workload: &str, brokers: &str) -> Stack {
    let mut stack = stack(workload, brokers);
    stack.cluster.ec2.as_mut().expect("ec2").listeners = Listeners::DEFAULT;
    stack
}

#[test]
fn tls_takes_cores_for_what_a_broker_receives_and_sends() {
    // 60 MiB/s in three copies to 3 brokers: each receives 60 MiB/s, and sends 20 MiB/s to a group and to two followers each.
    let (workload, brokers) =
        ("ingress: 60 MiB/s, peak: 1, retention: 1h, consumers: 1", "count: 3, instance_type: m7g.xlarge");
    let plain = sized(&stack(workload, brokers));
    assert!(plain.lines.iter().all(|line| line.name != "processor for TLS"));
    let tls = sized(&secured(workload, brokers));
    assert!(near(line(&tls, "processor for TLS"), (60.0 * 0.9 + 60.0 * 1.4) / 1000.0), "{:#?}", tls.lines);
    assert!(tls.render().contains("60 MiB/s sent × 1.4 ms/MiB, of 4 vCPUs"), "{}", tls.render());
    assert_eq!(plain.warnings, tls.warnings);
}

#[test]
fn more_than_half_of_the_vcpus_is_warned_of_with_a_way_out() {
    let (workload, brokers) =
        ("ingress: 300 MiB/s, peak: 1, retention: 1h, consumers: 20", "count: 3, instance_type: m7g.xlarge");
    let said = |stack: &Stack| sized(stack).warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of_tls = |text: &String| text.contains("TLS takes about");
    assert!(!said(&stack(workload, brokers)).iter().any(of_tls));
    let all = said(&secured(workload, brokers));
    let one = all.iter().find(|text| of_tls(text)).unwrap_or_else(|| panic!("{all:#?}"));
    assert!(one.contains("TLS takes about 3.4 of the 4 vCPUs of m7g.xlarge, more than half of them"), "{one}");
    assert!(one.contains("use a type with more vCPUs or use 6 brokers"), "{one}");
}
