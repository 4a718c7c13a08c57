//! Cases by hand, and any workload.

use proptest::prelude::*;

use crate::check::read;
use crate::engines::ec2;
use crate::engines::msk::limits::brokers;
use crate::engines::msk::{MskSizing, size};
use crate::instance_types::embedded;
use crate::stack::Stack;

const LOAD: &str = "ingress: 10 MiB/s, peak: 2, consumers: 2, retention: 1d, partitions: 300";

pub(super) fn stack(workload: &str, cluster: &str) -> Stack {
    let text = format!(
        "apiVersion: kstack/v1\nname: test\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none}}\n\
         workload: {{{workload}}}\ncluster:\n  {cluster}\n"
    );
    read("test.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).1.stack
}

pub(super) fn msk(workload: &str, brokers: &str) -> Stack {
    stack(workload, &format!("msk: {{kafka: 3.9.x, brokers: {{{brokers}}}}}"))
}

pub(super) fn size_of(stack: &Stack) -> MskSizing {
    size(stack.cluster.msk.as_ref().expect("msk"), stack.common()).expect("brokers of a known type")
}

pub(super) fn sized(workload: &str, brokers: &str) -> MskSizing {
    size_of(&msk(workload, brokers))
}

pub(super) fn near(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * right.abs()
}

pub(super) fn only_warning(sizing: &MskSizing) -> String {
    match sizing.warnings.as_slice() {
        [only] => only.to_string(),
        others => panic!("expected one warning: {others:#?}"),
    }
}

/// The same brokers ask for the same GiB on EC2 and on MSK.
#[test]
fn first_volumes_are_those_of_ec2() {
    let brokers = "count: 6, instance_type: m7g.large";
    let file = stack(
        LOAD,
        &format!("ec2: {{listeners: {{plaintext: true}}, kafka: 4.1.1, combined: true, brokers: {{{brokers}}}}}"),
    );
    let on_ec2 = ec2::size(file.cluster.ec2.as_ref().expect("ec2"), file.common(), embedded()).expect("brokers");
    let on_ec2 = Some(on_ec2.volume.size_gib);
    let on_msk = sized(LOAD, "count: 6, instance_type: kafka.m7g.large").size_gib;
    // 10 MiB/s × 86400 s × 3 ÷ 1024 ÷ 6 ÷ 0.8, and 150 open segments.
    assert_eq!((on_ec2, on_msk), (Some(678), Some(678)));
}

#[test]
fn a_first_volume_is_given_or_within_the_ceiling() {
    let given = sized(LOAD, "count: 3, instance_type: kafka.m7g.large, storage: {size: 2 TiB}");
    assert_eq!((given.size_gib, given.warnings.len()), (Some(2048), 0));
    // What is given is too small, and MSK lets it grow to what is needed.
    let growing = sized(LOAD, "count: 3, instance_type: kafka.m7g.large, storage: {size: 500 GiB, max: 2 TiB}");
    assert_eq!((growing.size_gib, growing.warnings.len()), (Some(500), 0));
    let bounded = sized(LOAD, "count: 3, instance_type: kafka.m7g.large, storage: {max: 600 GiB}");
    assert_eq!(bounded.size_gib, Some(600));
    let warning = only_warning(&bounded);
    assert!(warning.contains("raise `storage.max` to 1355 GiB") && warning.contains("keep records for"), "{warning}");
    let small = sized(LOAD, "count: 3, instance_type: kafka.m7g.large, storage: {size: 100 GiB}");
    assert!(only_warning(&small).contains("raise `storage.size` to 1355 GiB"), "{:?}", small.warnings);
    let large = sized("ingress: 500 MiB/s, peak: 1, retention: 7d", "count: 60, instance_type: kafka.m7g.16xlarge");
    assert_eq!(large.size_gib, Some(16_384));
    assert!(large.warnings[0].to_string().starts_with("Volumes of at most 16384 GiB"), "{:?}", large.warnings);
}

/// As on EC2: 2 MiB/s × 30 days × 3 ÷ 1024 ÷ 3 ÷ 0.8, and 60 open segments.
#[test]
fn the_retention_of_the_settings_is_sized() {
    let with = |config: &str| {
        let brokers = "count: 3, instance_type: kafka.m7g.large";
        let cluster = format!("msk: {{kafka: 3.9.x, brokers: {{{brokers}}}, config: {{{config}}}}}");
        size_of(&stack("ingress: 2 MiB/s, partitions: 60", &cluster)).size_gib
    };
    for config in ["log.retention.hours: 720", "log.retention.minutes: 43200", "log.retention.ms: 2592000000"] {
        assert_eq!(with(config), Some(6389), "{config}");
    }
    assert_eq!(with("num.io.threads: 8"), Some(1537));
    assert_eq!(with("log.retention.bytes: 5368709120"), Some(435));
    assert_eq!(with("default.replication.factor: 2, min.insync.replicas: 1"), Some(1025));
}

/// Volumes without provisioned throughput give 250 MiB/s, and large brokers can have more of it.
#[test]
fn provisioned_throughput_raises_the_limit() {
    let load = "ingress: 300 MiB/s, peak: 1, retention: 6h, consumers: 1";
    let plain = sized(load, "count: 3, instance_type: kafka.m7g.8xlarge");
    assert_eq!((plain.capacity.limit_mibs, plain.bottleneck), (250.0, "volume"));
    assert!(only_warning(&plain).contains("provision `storage.throughput: 375 MiB/s`"), "{:?}", plain.warnings);
    let provisioned = sized(load, "count: 3, instance_type: kafka.m7g.8xlarge, storage: {throughput: 375 MiB/s}");
    assert_eq!((provisioned.capacity.limit_mibs, provisioned.warnings.len()), (375.0, 0));
}

#[test]
fn tiered_storage_says_how_long_volumes_hold_records() {
    let load = "ingress: 10 MiB/s, retention: 30d, partitions: 30";
    let tiered = sized(load, "count: 3, instance_type: kafka.m7g.large, storage: {size: 2 TiB, tiered: true}");
    let line = tiered.lines.iter().find(|line| line.name == "tiered storage").expect("a line");
    assert!(near(line.value, 10.0 * 30.0 * 86_400.0 / 1024.0));
    // (2048 − 30) GiB × 0.8 ÷ 10 MiB/s is 45.9 hours of each broker's third of three copies.
    let warning = only_warning(&tiered);
    assert!(warning.contains("the last 45h of 30d") && warning.contains("to 162000000 or less"), "{warning}");
}

/// The case `express-docs`: 45 MB/s in and 90 MB/s out take three express.m7g.large, without room to spare.
#[test]
fn express_brokers_are_counted_by_their_quotas() {
    let load = "ingress: 45 MiB/s, peak: 1, consumers: 2, headroom: 0%";
    let three = sized(load, "count: 3, instance_type: express.m7g.large");
    assert_eq!((three.size_gib, three.brokers_needed), (None, Some(3)));
    assert!(only_warning(&three).starts_with("While one broker or one zone is gone"), "{:?}", three.warnings);
    assert_eq!((three.capacity.limit_mibs, three.bottleneck), (46.875, "ingress quota"));
    let readers = sized("ingress: 45 MiB/s, peak: 1, consumers: 6", "count: 3, instance_type: express.m7g.large");
    assert_eq!(
        (readers.capacity.limit_mibs, readers.bottleneck, readers.brokers_needed),
        (15.625, "egress quota", Some(12))
    );
    assert!(only_warning(&readers).ends_with("use a larger type or use 12 brokers."), "{:?}", readers.warnings);
    let many = sized("partitions: 3000", "count: 3, instance_type: express.m7g.large");
    assert_eq!(many.brokers_needed, Some(9));
    assert!(only_warning(&many).contains("1000 that AWS recommends"), "{:?}", many.warnings);
}

#[test]
fn serverless_is_bounded_by_its_partitions_first() {
    let serverless = |load: &str| size_of(&stack(load, "msk: {serverless: true}"));
    let few = serverless("ingress: 50 MiB/s, peak: 2, consumers: 1, partitions: 10");
    assert_eq!(
        (few.capacity.limit_mibs, few.bottleneck, few.size_gib, few.brokers_needed),
        (50.0, "partitions", None, None)
    );
    assert!(only_warning(&few).ends_with("use 25 partitions."), "{:?}", few.warnings);
    let many = serverless("ingress: 50 MiB/s, peak: 2, consumers: 4, partitions: 100");
    assert_eq!((many.capacity.limit_mibs, many.bottleneck), (100.0, "egress quota"));
    // Without consumers nothing bounds what is sent.
    let none = serverless("ingress: 50 MiB/s, peak: 2, consumers: 0, partitions: 100");
    assert_eq!((none.capacity.limit_mibs, none.bottleneck, none.warnings.len()), (200.0, "ingress quota", 0));
    assert!(serde_json::to_string(&none).expect("JSON").contains("\"limit_mibs\":200.0"));
}

/// Workloads as the checks let them through, in flow style.
fn workloads() -> impl Strategy<Value = String> {
    let rates = (1u64..(2 << 30), 1.0..20.0f64, 0u32..20, 1.0..10.0f64);
    let rest = (1u32..400, 1u32..20_000, 1.0..10.0f64, 0u32..90);
    (rates, rest).prop_map(|((ingress, peak, consumers, compression), (hours, partitions, growth, headroom))| {
        format!(
            "ingress: {ingress} B/s, peak: {peak:.3}, consumers: {consumers}, compression: {compression:.3}, \
             retention: {}h, partitions: {partitions}, growth: {growth:.3}, headroom: {headroom}%",
            hours * 24
        )
    })
}

/// Every broker type, any count, with or without a ceiling; or serverless.
fn clusters() -> impl Strategy<Value = (Option<String>, u32, Option<u64>)> {
    let types: Vec<Option<String>> = [None].into_iter().chain(brokers().keys().cloned().map(Some)).collect();
    (prop::sample::select(types), 1u32..20, prop::option::of(1u64..=16_384))
}

proptest! {
    #[test]
    fn every_sizing_can_be_shown((load, (kind, threes, max)) in (workloads(), clusters())) {
        let made = |count: u32| {
            let stack = match &kind {
                None => stack(&load, "msk: {serverless: true}"),
                Some(kind) => {
                    let max = max.filter(|_| kind.starts_with("kafka."));
                    let storage = max.map(|max| format!(", storage: {{max: {max} GiB}}")).unwrap_or_default();
                    msk(&load, &format!("count: {count}, instance_type: {kind}{storage}"))
                }
            };
            size_of(&stack)
        };
        let sizing = made(threes * 3);
        prop_assert!(sizing.size_gib.is_none_or(|size| (1..=max.unwrap_or(16_384)).contains(&size)));
        prop_assert_eq!(sizing.size_gib.is_some(), kind.as_ref().is_some_and(|kind| kind.starts_with("kafka.")));
        for line in &sizing.lines {
            prop_assert!(line.value.is_finite() && line.value >= 0.0, "{:?}", line);
        }
        prop_assert!(sizing.capacity.limit_mibs.is_finite() && sizing.capacity.limit_mibs > 0.0);
        for warning in sizing.warnings.iter().map(ToString::to_string) {
            prop_assert!(warning.ends_with('.') && !warning.contains("NaN") && !warning.contains("inf"), "{}", warning);
        }
        prop_assert!(sizing.render().ends_with('\n'));
        // As many brokers as are needed leave nothing to warn of but volumes, while none is gone.
        if let Some(needed) = sizing.brokers_needed.filter(|needed| *needed < 100_000) {
            prop_assert_eq!(needed % 3, 0);
            let all = made(needed).warnings.into_iter().filter(|warning| !warning.subject.is_of_outage());
            let all = all.map(|warning| warning.to_string());
            let rest: Vec<String> = all.filter(|warning| !warning.starts_with("Volumes of")).collect();
            prop_assert!(rest.is_empty(), "{needed} brokers: {rest:?}");
        }
    }

    #[test]
    fn a_larger_cluster_has_no_less_left(load in workloads(), kind in prop::sample::select(brokers().keys().cloned().collect::<Vec<_>>()), threes in 1u32..10, more in 1u32..10) {
        let made = |threes: u32| sized(&load, &format!("count: {}, instance_type: {kind}", threes * 3));
        let (before, after) = (made(threes), made(threes + more));
        for (before, after) in before.outages.iter().zip(&after.outages) {
            prop_assert!(after.limit_mibs * (1.0 + 1e-9) >= before.limit_mibs, "{before:?}, then {after:?}");
            prop_assert!(after.in_sync_replicas >= before.in_sync_replicas);
        }
        prop_assert_eq!(after.outages.len(), 2);
    }
}
