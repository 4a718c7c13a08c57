//! One broker, and one zone, gone.

use super::sizing::{msk, near, only_warning, size_of, sized, stack};
use crate::sizing::Outage;

/// By hand: 117 MiB/s of network each, for 2 groups and the copies that are left: × 2 ÷ (2 + 3 × 2/3 − 1) of three brokers. Volumes
/// have 78.75 MiB/s of EBS bandwidth, 78.75 × 3 ÷ 3 whole or not, and so they are what stops it.
#[test]
fn standard_brokers_write_what_they_wrote_and_send_more() {
    let load = "ingress: 10 MiB/s, peak: 2, consumers: 2, retention: 1d, partitions: 300";
    let sizing = sized(load, "count: 3, instance_type: kafka.m7g.large");
    let [broker, zone] = sizing.outages.as_slice() else { panic!("{:?}", sizing.outages) };
    assert_eq!((broker.without, zone.without, broker.brokers, zone.brokers), (Outage::Broker, Outage::Zone, 2, 2));
    assert!(near(broker.limit_mibs, 117.0 * 2.0 / 3.0) && near(zone.limit_mibs, broker.limit_mibs));
    assert_eq!((broker.bottleneck, broker.in_sync_replicas, broker.rebuilt_gib), ("network", 2, None));
    let six = sized(load, "count: 6, instance_type: kafka.m7g.large");
    // 2531.25 GiB ÷ 4 and 225 open segments.
    assert_eq!(six.outages[1].rebuilt_gib, Some(2531.25 / 4.0 + 225.0));
    // MSK has the controllers.
    assert!(six.outages.iter().all(|left| left.quorum));
}

/// An Express broker has a quota of its own, so what is left is their sum; none has a volume.
#[test]
fn express_brokers_take_their_quotas_each() {
    let peak = |mibs: u32| {
        sized(&format!("ingress: {mibs} MiB/s, peak: 1, headroom: 0%"), "count: 6, instance_type: express.m7g.large")
    };
    let fits = peak(62);
    let limits: Vec<f64> = fits.outages.iter().map(|left| left.limit_mibs).collect();
    assert_eq!((limits, fits.warnings.len()), (vec![78.125, 62.5], 0));
    assert!(fits.outages.iter().all(|left| left.rebuilt_gib.is_none() && left.in_sync_replicas == 2));
    assert_eq!(
        only_warning(&peak(63)),
        "While one zone is gone, the 4 brokers left can take 62.5 MiB/s, 0.5 MiB/s less than the peak of 63 MiB/s, as their \
         ingress quota allows no more; use a larger type or use 9 brokers."
    );
    assert_eq!(peak(80).warnings.len(), 2, "and without one broker");
}

#[test]
fn two_zones_do_not_hold_three_copies_twice() {
    let file = |zones: u32, workload: &str| {
        let text = format!(
            "apiVersion: kstack/v1\nname: test\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none, zones: {zones}}}\n\
             workload: {{{workload}}}\ncluster:\n  msk: {{kafka: 3.9.x, brokers: {{count: 6, instance_type: kafka.m7g.large}}}}\n"
        );
        size_of(&crate::check::read("test.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).1.stack)
    };
    let two = file(2, "ingress: 1 MiB/s");
    assert_eq!(
        (two.outages[0].in_sync_replicas, two.outages[1].in_sync_replicas, two.outages[1].limit_mibs),
        (2, 1, 0.0)
    );
    assert!(only_warning(&two).ends_with("lets no producer with acks=all write; use 3 zones."), "{:?}", two.warnings);
    assert_eq!(file(3, "ingress: 1 MiB/s").warnings.len(), 0);
    assert_eq!(file(2, "ingress: 1 MiB/s, replication_factor: 2, min_insync_replicas: 1").warnings.len(), 0);
}

/// Serverless has no brokers of the user's: nothing is shown, and it is said why.
#[test]
fn serverless_has_no_brokers_to_lose() {
    let serverless = size_of(&stack("ingress: 1 MiB/s", "msk: {serverless: true}"));
    assert_eq!(serverless.outages, []);
    assert!(serverless.render().contains("\noutages     MSK runs the brokers"), "{}", serverless.render());
    let three = size_of(&msk("ingress: 1 MiB/s", "count: 3, instance_type: kafka.m7g.large")).render();
    assert!(three.contains("\nwithout one zone    78.75 MiB/s by EBS bandwidth"), "{three}");
    assert!(three.contains("2 replicas in sync, 2 needed  too few brokers to rebuild on\n"), "{three}");
}
