//! One broker, and one zone, gone: cases by hand, and every shape of a cluster.

use super::*;
use crate::sizing::Outage;

/// A stack with this network, workload and brokers.
fn shaped(zones: u32, workload: &str, brokers: u32, controllers: &str) -> Ec2Sizing {
    let text = format!(
        "apiVersion: kstack/v1\nname: test\nregion: eu-west-1\nnetwork: {{cidr: 10.0.0.0/16, zones: {zones}}}\n\
         workload: {{{workload}}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    \
         brokers: {{count: {brokers}, instance_type: m7g.xlarge}}\n    {controllers}\n"
    );
    sized(&read("test.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).1.stack)
}

/// By hand: 223.64 MiB/s of network each. Without a broker 5 of them send to 4 groups and, of 2.5 copies that are left on average, to
/// 1.5 followers: × 5 ÷ 5.5. Without a zone 4 send to 4 groups and one follower: × 4 ÷ 5. Volumes write as before. Rebuilt:
/// 36,855 GiB ÷ 5 and 1,800 ÷ 5 open segments of 1 GiB; ÷ 4, and 450.
#[test]
fn a_production_cluster_with_something_missing_by_hand() {
    let sizing = sized(&prod());
    let [broker, zone] = sizing.outages.as_slice() else { panic!("{:?}", sizing.outages) };
    let network = 234.5e6 / 1_048_576.0;
    assert_eq!((broker.without, broker.brokers, broker.in_sync_replicas), (Outage::Broker, 5, 2));
    assert_eq!((zone.without, zone.brokers, zone.in_sync_replicas), (Outage::Zone, 4, 2));
    assert!(near(broker.limit_mibs, network * 5.0 / 5.5) && near(zone.limit_mibs, network * 4.0 / 5.0));
    assert_eq!((broker.rebuilt_gib, zone.rebuilt_gib), (Some(7731.0), Some(9663.75)));
    assert_eq!((broker.min_insync_replicas, broker.quorum, zone.quorum), (2, true, true));
}

/// With 8 groups the limit is 134.18 MiB/s, and 107.35 the target; 117.7 without a broker, and × 4 ÷ 9 = 99.39 without a zone.
#[test]
fn a_peak_that_fits_only_a_whole_cluster_is_said() {
    let peak = |ingress: u32| {
        sized(&stack(
            &format!("ingress: {ingress} MiB/s, peak: 1, consumers: 8, retention: 1d"),
            "count: 6, instance_type: m7g.xlarge",
        ))
    };
    assert_eq!(peak(99).warnings.len(), 0);
    assert_eq!(
        warning(&peak(103)),
        "While one zone is gone, the 4 brokers left can take 99.394 MiB/s, 3.6059 MiB/s less than the peak of 103 MiB/s, \
         as their network allows no more; use a type with more network bandwidth or use 9 brokers."
    );
    // What is too much for the whole cluster is said once.
    assert!(warning(&peak(108)).starts_with("The peak of 108 MiB/s is"));
    // With one broker in each zone, both outages are the same.
    let three =
        sized(&stack("ingress: 50 MiB/s, peak: 1, consumers: 8, retention: 1d", "count: 3, instance_type: m7g.xlarge"));
    assert!(
        warning(&three).starts_with("While one broker or one zone is gone, the 2 brokers left"),
        "{:?}",
        three.warnings
    );
}

/// Replicas that are left, the quorum, and what is said of a zone: by zones, brokers, copies, in-sync copies and controllers.
#[test]
fn replicas_and_the_quorum_by_the_shape_of_the_cluster() {
    let own = |count: u32| format!("controllers: {{count: {count}, instance_type: t4g.medium}}");
    let combined = "combined: true".to_owned();
    let (replica, quorum) = ("have 1 replica left, and `min.insync.replicas: 2`", "may be no majority");
    for (zones, brokers, copies, least, controllers, left, takes, said) in [
        (3, 6, 3, 2, own(3), [2, 2], [true, true], ""),
        (3, 6, 3, 2, own(5), [2, 2], [true, true], ""),
        (3, 3, 2, 1, combined.clone(), [1, 1], [true, true], ""),
        // Two of three copies are in one of two zones, and so are two of three controllers.
        (2, 4, 3, 2, own(3), [2, 1], [true, false], replica),
        (2, 4, 2, 1, own(3), [1, 1], [true, false], quorum),
        (2, 4, 2, 1, combined.clone(), [1, 1], [true, false], quorum),
        // One controller is for tests: it is known to be one.
        (2, 4, 2, 1, own(1), [1, 1], [true, false], ""),
        // One zone, one copy, one controller on a broker: meant to be without.
        (1, 3, 3, 2, own(3), [2, 0], [true, false], ""),
        (3, 3, 1, 1, own(3), [0, 0], [false, false], ""),
        (2, 2, 2, 1, combined.clone(), [1, 1], [false, false], ""),
        (1, 1, 1, 1, combined.clone(), [0, 0], [false, false], ""),
        // The checks say it of one broker.
        (3, 3, 3, 3, own(3), [2, 2], [false, false], "have 2 replicas left"),
        (4, 4, 4, 3, own(3), [3, 3], [true, true], ""),
    ] {
        let load = format!("ingress: 1 MiB/s, replication_factor: {copies}, min_insync_replicas: {least}");
        let sizing = shaped(zones, &load, brokers, &controllers);
        let case = format!("{zones} zones, {brokers} brokers, {copies} copies, {least} in sync, {controllers}");
        let outages = &sizing.outages;
        assert_eq!([outages[0].in_sync_replicas, outages[1].in_sync_replicas], left, "{case}");
        assert_eq!([outages[0].limit_mibs > 0.0, outages[1].limit_mibs > 0.0], takes, "{case}");
        let warnings: Vec<String> = sizing.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(!said.is_empty()), "{case}: {warnings:?}");
        assert!(
            warnings.iter().all(|warning| warning.contains(said) && warning.contains("While one zone")),
            "{warnings:?}"
        );
    }
}

#[test]
fn the_way_out_of_a_lost_zone_is_one() {
    let of = |zones: u32, brokers: u32| shaped(zones, "ingress: 1 MiB/s", brokers, "combined: true").warnings;
    assert!(of(2, 6)[0].to_string().ends_with("; use 3 zones."), "{:?}", of(2, 6));
    assert_eq!(of(3, 6).len(), 0);
    let four = shaped(2, "ingress: 1 MiB/s, replication_factor: 4, min_insync_replicas: 4", 4, "combined: true");
    assert!(
        four.warnings[0].to_string().ends_with("; raise the replication factor, or lower `min_insync_replicas`."),
        "{:?}",
        four.warnings
    );
}
