//! Published cases and cases by hand.

use super::keys::VolumeType;
use super::*;
use crate::check::read;
use crate::engines::ec2::keys::Storage;
use crate::instance_types::embedded;
use crate::sizing::Bottleneck;
use crate::stack::{Listeners, Stack};
use crate::units::{Rate, Size, TimeSpan, mbs_of_mibs};

mod definitions;
mod outages;
mod properties;
mod settings;
mod storage;
mod tls;

/// A stack in plaintext and three zones with these workload and brokers, in YAML's flow style.
fn stack(workload: &str, brokers: &str) -> Stack {
    let text = format!(
        "apiVersion: kstack/v1\nname: test\nregion: eu-west-1\nnetwork: {{cidr: 10.0.0.0/16}}\n\
         workload: {{{workload}}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    brokers: {{{brokers}}}\n    \
         controllers: {{instance_type: t4g.medium}}\n"
    );
    let mut stack = read("test.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).1.stack;
    stack.cluster.ec2.as_mut().expect("ec2").listeners.plaintext = Some(true);
    stack
}

const PROD: &str =
    "ingress: 40 MiB/s, peak: 3, consumers: 4, compression: 2.5, retention: 7d, partitions: 600, growth: 1.3";

fn prod() -> Stack {
    stack(PROD, "count: 6, instance_type: m7g.xlarge")
}

fn size_of(stack: &Stack, types: &InstanceTypes) -> Option<Ec2Sizing> {
    size(stack.cluster.ec2.as_ref()?, stack.common(), types)
}

fn sized(stack: &Stack) -> Ec2Sizing {
    size_of(stack, embedded()).expect("the stack has brokers of a known type")
}

fn storage(stack: &mut Stack) -> &mut Storage {
    &mut stack.cluster.ec2.as_mut().expect("ec2").brokers.storage
}

fn line(sizing: &Ec2Sizing, name: &str) -> f64 {
    sizing.lines.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("no line {name}")).value
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * right.abs()
}

/// The only warning of `sizing`.
fn warning(sizing: &Ec2Sizing) -> String {
    match sizing.warnings.as_slice() {
        [only] => only.to_string(),
        others => panic!("expected one warning: {others:#?}"),
    }
}

/// AWS Big Data Blog, "Best practices for right-sizing your Apache Kafka clusters": 3 m5.12xlarge with volumes of
/// 1,000 MB/s.
#[test]
fn brokers_have_what_the_aws_blog_gives() {
    let sizing = sized(&stack(
        "ingress: 1 MiB/s, consumers: 2",
        "count: 3, instance_type: m5.12xlarge, storage: {throughput: 1000 MB/s}",
    ));
    let mb = mbs_of_mibs(1.0);
    assert_eq!(sizing.bottleneck, Bottleneck::Volume);
    assert!((sizing.capacity.limit_mibs * mb - 1000.0).abs() < mb, "whole MiB/s: {}", sizing.capacity.limit_mibs);
    assert!((sizing.capacity.target_mibs * mb - 800.0).abs() < mb);
    assert!(near(line(&sizing, "limit by EBS bandwidth") * mb, 1187.5));
    assert!(near(line(&sizing, "limit by network") * mb, 1500.0 * 3.0 / 4.0));
}

/// A benchmark of Kafka 4.3.1 in ap-northeast-2, 2026-09: 3 m5.xlarge, gp3 at 125 MiB/s, factor 3; measured at
/// 129.82 to 134.74 MiB/s.
#[test]
fn equation_one_is_close_to_a_benchmark() {
    let sizing =
        sized(&stack("ingress: 1 MiB/s", "count: 3, instance_type: m5.xlarge, storage: {throughput: 125 MiB/s}"));
    assert_eq!((sizing.capacity.limit_mibs, sizing.bottleneck), (125.0, Bottleneck::Volume));
    for measured in [129.82, 134.74] {
        assert!((measured / sizing.capacity.limit_mibs - 1.0).abs() < 0.1, "{measured}");
    }
}

/// The sizing script of AWS's MSK skill (aws/agent-toolkit-for-aws, managing-amazon-msk): 100 MiB/s, 24 h, factor 3,
/// twice the room: 50,625 GiB.
#[test]
fn the_disk_is_what_the_msk_script_gives() {
    let sizing =
        sized(&stack("ingress: 100 MiB/s, retention: 24h, headroom: 50%", "count: 54, instance_type: m7g.xlarge"));
    assert!(near(line(&sizing, "data with headroom") * 54.0, 50_625.0));
}

/// By hand: 40 ÷ 2.5 × 1.3 = 20.8 MiB/s; × 604,800 s × 3 ÷ 6 = 6,289,920 MiB = 6,142.5 GiB; ÷ 0.8 = 7,678.125;
/// 600 × 3 ÷ 6 = 300 open segments of 1 GiB. Writes: 20.8 × 3 × 3 ÷ 6 = 31.2 MiB/s, ÷ 0.8 = 39. Network: 1.876 Gbit/s
/// = 234.5 MB/s = 223.64 MiB/s, × 6 ÷ (4 + 3 - 1).
#[test]
fn a_production_cluster_by_hand() {
    let sizing = sized(&prod());
    assert_eq!(sizing.volume, EbsVolume { kind: VolumeType::Gp3, size_gib: 7979, iops: 3000, throughput_mibs: 125 });
    assert!(near(sizing.capacity.demand_mibs, 62.4));
    assert!(near(sizing.capacity.limit_mibs, 234.5e6 / 1_048_576.0));
    assert!(near(sizing.capacity.target_mibs, 0.8 * 234.5e6 / 1_048_576.0));
    assert_eq!((sizing.bottleneck, sizing.warnings.len()), (Bottleneck::Network, 0));
    for (name, value) in [
        ("average on the wire", 20.8),
        ("stored per broker", 6142.5),
        ("data with headroom", 7678.125),
        ("open segments", 300.0),
        ("needed per broker", 7978.125),
        ("writes with headroom", 39.0),
        ("limit by volumes", 250.0),
        ("page cache wanted", 936.0),
        ("page cache left", 9216.0),
    ] {
        assert!(near(line(&sizing, name), value), "{name}: {} for {value}", line(&sizing, name));
    }
}

#[test]
fn the_text_shows_every_step() {
    let expected = "\
average on the wire            20.8 MiB/s     40 MiB/s ÷ 2.5 compression × 1.3 growth
peak on the wire               62.4 MiB/s     20.8 MiB/s × 3 peak
stored data                   36855 GiB       20.8 MiB/s × 604800 s × 3 copies ÷ 1024
stored per broker            6142.5 GiB       36855 GiB ÷ 6 brokers
data with headroom          7678.12 GiB       6142.5 GiB ÷ (1 − 20%)
replicas per broker             300 replicas  600 partitions × 3 copies ÷ 6 brokers
open segments                   300 GiB       300 × 1 GiB of log.segment.bytes, each open segment taken as full
needed per broker           7978.12 GiB       7678.12 GiB + 300 GiB
volume size                    7979 GiB       7978.12 GiB, rounded up
written per broker             31.2 MiB/s     62.4 MiB/s × 3 copies ÷ 6 brokers
writes with headroom             39 MiB/s     31.2 MiB/s ÷ (1 − 20%)
EBS bandwidth                149.01 MiB/s     156.25 MB/s × 10^6 ÷ 2^20, baseline of m7g.xlarge
volume throughput               125 MiB/s     39 MiB/s, rounded up, at least 125
volume IOPS                    3000 IOPS      125 MiB/s ÷ 0.25 MiB/s per IOPS, at least 3000
network bandwidth            223.64 MiB/s     1.876 Gbit/s × 10^9 ÷ 8 ÷ 2^20, baseline of m7g.xlarge
limit by volumes                250 MiB/s     125 MiB/s × 6 brokers ÷ 3 copies
limit by EBS bandwidth       298.02 MiB/s     149.01 MiB/s × 6 brokers ÷ 3 copies
limit by network             223.64 MiB/s     223.64 MiB/s × 6 brokers ÷ (4 groups + 3 copies − 1)
limit                        223.64 MiB/s     the least of the three
target                       178.91 MiB/s     223.64 MiB/s × (1 − 20%)
page cache wanted               936 MiB       31.2 MiB/s × 30 s
page cache left                9216 MiB       16384 MiB − 6144 MiB heap − 1024 MiB for the system
limit without one broker     203.31 MiB/s     223.64 MiB/s × 5 brokers ÷ (4 groups + 3 copies × 5 ÷ 6 − 1), at most the limits by volumes and by EBS bandwidth
rebuilt without one broker     7731 GiB       36855 GiB ÷ 5 brokers + 360 × 1 GiB of log.segment.bytes, once all replicas are rebuilt there
limit without one zone       178.91 MiB/s     223.64 MiB/s × 4 brokers ÷ (4 groups + 3 copies × 4 ÷ 6 − 1), at most the limits by volumes and by EBS bandwidth
rebuilt without one zone    9663.75 GiB       36855 GiB ÷ 4 brokers + 450 × 1 GiB of log.segment.bytes, once all replicas are rebuilt there

limit       223.64 MiB/s on the wire, of which to use 178.91 MiB/s; the peak is 62.4 MiB/s
bottleneck  network
volume      gp3, 7979 GiB, 3000 IOPS, 125 MiB/s for each broker

without one broker  203.31 MiB/s by network  2 replicas in sync, 2 needed  rebuilt on the rest 7731 GiB of 7979 GiB
without one zone    178.91 MiB/s by network  2 replicas in sync, 2 needed  rebuilt on the rest 9664 GiB of 7979 GiB, too much
";
    let text = sized(&prod()).render();
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn json_has_kebab_case_words_and_units() {
    let json =
        serde_json::to_value(sized(&stack("consumers: 1, ingress: 1 MiB/s", "count: 3, instance_type: m7g.large")))
            .unwrap();
    assert_eq!(json["bottleneck"], "ebs-bandwidth");
    assert_eq!(json["lines"][0]["unit"], "MiB/s");
    assert_eq!(json["volume"]["iops"], 3000);
}

#[test]
fn nothing_is_sized_without_brokers_or_their_type() {
    let mut none = prod();
    assert_eq!(size_of(&none, &InstanceTypes::new()), None);
    none.cluster.ec2 = None;
    assert_eq!(size_of(&none, embedded()), None);
}

#[test]
fn a_derived_throughput_ends_at_the_ebs_bandwidth() {
    // 180 × 3 ÷ 3 ÷ 0.8 = 225 MiB/s of writes; m7g.xlarge has 149.01 MiB/s, in whole MiB/s 150.
    let sizing = sized(&stack("ingress: 90 MiB/s, peak: 2, retention: 1d", "count: 3, instance_type: m7g.xlarge"));
    assert_eq!((sizing.volume.throughput_mibs, sizing.bottleneck), (150, Bottleneck::EbsBandwidth));
    assert!(sizing.render().ends_with(&format!("\n\nwarning: {}\n", warning(&sizing))));
    assert_eq!(
        warning(&sizing),
        "The peak of 180 MiB/s is 60.79 MiB/s above the target of 119.21 MiB/s, which keeps 20% free of the \
         149.01 MiB/s that the EBS bandwidth of m7g.xlarge allows; use a type with more EBS bandwidth or use 6 brokers."
    );
}

#[test]
fn a_high_throughput_takes_more_iops_and_they_take_gibs() {
    // 1,400 × 1 ÷ 0.8 = 1,750 MiB/s: 7,000 IOPS, and so 14 GiB, for an hour's worth that fits in less.
    let mut fast =
        stack("ingress: 14 MiB/s, peak: 100, retention: 1m, partitions: 3", "count: 3, instance_type: m8g.24xlarge");
    let sizing = sized(&fast);
    assert_eq!(sizing.volume, EbsVolume { kind: VolumeType::Gp3, size_gib: 14, iops: 7000, throughput_mibs: 1750 });
    assert_eq!(sizing.warnings.len(), 0);

    storage(&mut fast).iops = Some(4000);
    let slow = sized(&fast);
    assert_eq!(slow.volume, EbsVolume { kind: VolumeType::Gp3, size_gib: 8, iops: 4000, throughput_mibs: 1000 });
    assert_eq!(
        warning(&slow),
        "The peak of 1400 MiB/s is 600 MiB/s above the target of 800 MiB/s, which keeps 20% free of the 1000 MiB/s \
         that the volumes allow; raise `storage.iops` to 7000 or use 6 brokers."
    );
}

#[test]
fn more_than_the_largest_volume_is_said_with_the_brokers_it_takes() {
    let mut large = prod();
    large.workload.retention = TimeSpan(90 * 86_400);
    let sizing = sized(&large);
    assert_eq!(sizing.volume.size_gib, VolumeType::Gp3.limits().size_gib.most);
    assert_eq!(
        warning(&sizing),
        "A gp3 volume has 65536 GiB at most, 33483 GiB less than the 99019 GiB that each broker needs to keep records \
         for 90d; use 12 brokers or keep records for 59d at most."
    );
    // Both ways out are ways out.
    large.workload.retention = TimeSpan(59 * 86_400);
    assert_eq!(sized(&large).warnings.len(), 0);
    large.workload.retention = TimeSpan(90 * 86_400);
    large.cluster.ec2.as_mut().unwrap().brokers.count = 12;
    assert_eq!(sized(&large).warnings.len(), 0);
}

#[test]
fn given_values_win_and_are_warned_about() {
    let mut given = prod();
    *storage(&mut given) = Storage {
        size: Some(Size::gib(500)),
        iops: Some(3500),
        throughput: Some(Rate(140 << 20)),
        ..storage(&mut given).clone()
    };
    let sizing = sized(&given);
    assert_eq!(sizing.volume, EbsVolume { kind: VolumeType::Gp3, size_gib: 500, iops: 3500, throughput_mibs: 140 });
    assert_eq!(
        warning(&sizing),
        "The given volumes of 500 GiB are 7479 GiB smaller than the 7979 GiB that each broker needs to keep records \
         for 7d; raise `storage.size` to 7979 GiB, use 96 brokers or keep records for 4h at most."
    );

    let mut given = prod();
    storage(&mut given).throughput = Some(Rate(500 << 20));
    storage(&mut given).iops = Some(7000);
    let sizing = sized(&given);
    assert_eq!((sizing.volume.iops, sizing.volume.throughput_mibs), (7000, 500));
    assert_eq!(
        sizing.warnings,
        [
            "The given throughput of 500 MiB/s is 350.99 MiB/s above the 149.01 MiB/s of EBS bandwidth that m7g.xlarge \
             always has; lower `storage.throughput` to 150 MiB/s, or use a type with more EBS bandwidth.",
            "The given 7000 IOPS are 1000 above the 6000 that m7g.xlarge always has; lower `storage.iops` to 6000, or \
             use a type with more EBS IOPS.",
        ]
    );

    let mut given = stack("ingress: 150 MiB/s, peak: 4, retention: 1d", "count: 3, instance_type: m8g.24xlarge");
    storage(&mut given).throughput = Some(Rate(300 << 20));
    let sizing = sized(&given);
    assert_eq!(
        warning(&sizing).rsplit_once("; ").unwrap().1,
        "raise `storage.throughput` to 750 MiB/s or use 9 brokers."
    );
}

#[test]
fn a_given_throughput_behind_another_bottleneck_is_warned_about_too() {
    let mut given =
        stack("ingress: 100 MiB/s, consumers: 400, peak: 2, retention: 1d", "count: 3, instance_type: m6in.4xlarge");
    storage(&mut given).throughput = Some(Rate(200 << 20));
    let sizing = sized(&given);
    assert_eq!(sizing.bottleneck, Bottleneck::Network);
    assert_eq!(
        sizing.warnings[1],
        "The given throughput of 200 MiB/s is 50 MiB/s less than the 250 MiB/s that each volume needs at the peak; \
         raise `storage.throughput`, or leave it out to have it derived."
    );
}

#[test]
fn values_that_gp3_does_not_have_together_are_lowered() {
    let mut given = prod();
    storage(&mut given).size = Some(Size::gib(1));
    storage(&mut given).throughput = Some(Rate(1000 << 20));
    let sizing = sized(&given);
    assert_eq!(sizing.volume, EbsVolume { kind: VolumeType::Gp3, size_gib: 1, iops: 3000, throughput_mibs: 750 });
    assert!(sizing.warnings[0].to_string().contains("lower `log.segment.bytes`"), "{:#?}", sizing.warnings);
    assert!(sizing.warnings[1].to_string().contains("lowered to 750 MiB/s"), "{:#?}", sizing.warnings);
}

#[test]
fn the_segment_size_comes_from_the_settings() {
    let with = |value: &str| {
        let mut stack = prod();
        let config = &mut stack.cluster.ec2.as_mut().unwrap().config;
        config.insert("log.segment.bytes".to_owned(), value.to_owned());
        sized(&stack)
    };
    let sizing = with("268435456");
    assert_eq!((line(&sizing, "open segments"), sizing.warnings.len()), (75.0, 0));
    // The checks refuse these.
    for wrong in ["0", "1 GiB", "2147483648"] {
        assert_eq!(line(&with(wrong), "open segments"), 300.0);
    }
}

#[test]
fn too_many_partitions_are_said() {
    let mut many = prod();
    many.workload.partitions = 2500;
    assert_eq!(
        warning(&sized(&many)),
        "Each broker has 1250 partition replicas, 250 more than the 1000 that are recommended for the size of \
         m7g.xlarge; use a larger type, use 9 brokers or use fewer partitions."
    );
}

#[test]
fn too_little_memory_is_said() {
    let small = sized(&stack("ingress: 1 MiB/s", "count: 3, instance_type: t4g.micro"));
    assert_eq!(
        small.warnings,
        [
            "The 1024 MiB of memory of t4g.micro leave a heap of 384 MiB, 640 MiB less than Kafka's own default of \
             1024 MiB; use a type with 4 GiB of memory or more.",
            "After a heap of 384 MiB and 1024 MiB for the system, t4g.micro has 0 MiB left for the page cache, and 30 \
             seconds of the peak's writes take 60 MiB; use a type with more memory.",
        ]
    );
    let narrow = sized(&stack("ingress: 60 MiB/s, peak: 1", "count: 3, instance_type: c6in.large"));
    assert_eq!(
        warning(&narrow),
        "After a heap of 1536 MiB and 1024 MiB for the system, c6in.large has 1536 MiB left for the page cache, and 30 \
         seconds of the peak's writes take 1800 MiB; use a type with more memory or use 6 brokers."
    );
}

#[test]
fn the_recommended_replicas_follow_the_size_of_the_host() {
    let recommended = warnings::recommended_replicas;
    for (types, replicas) in [
        (["t3.small", "m7g.medium"], 300.0),
        (["m7g.large", "m7g.xlarge"], 1000.0),
        (["m7g.2xlarge", "i3en.3xlarge"], 2000.0),
        (["m7g.4xlarge", "m8i.96xlarge"], 4000.0),
        (["m7g.metal", "m8g.metal-24xl"], 4000.0),
    ] {
        assert_eq!(types.map(recommended), [replicas; 2], "{types:?}");
    }
}

#[test]
fn without_consumers_what_comes_in_bounds_the_network() {
    let sizing = sized(&stack("ingress: 1 MiB/s, consumers: 0", "count: 3, instance_type: m7g.large"));
    assert!(near(line(&sizing, "limit by network"), line(&sizing, "network bandwidth")));
}

#[test]
fn what_is_left_over_the_peak_is_what_the_narrowest_part_of_a_broker_has_left() {
    let spare = |stack: &Stack| spare_mibs(stack.cluster.ec2.as_ref().expect("ec2"), stack.common(), embedded());
    let (prod, limits) = (prod(), &embedded()["m7g.xlarge"]);
    // 40 MiB/s ÷ 2.5 × 1.3 × 3 at the peak; of that each of six brokers writes 3 copies and sends 4 + 2.
    let peak = 40.0 / 2.5 * 1.3 * 3.0;
    let volume = f64::from(sized(&prod).volume.throughput_mibs).min(limits.ebs_mibs()) - peak * 3.0 / 6.0;
    let network = limits.network_mibs() - peak * 6.0 / 6.0;
    assert!(near(spare(&prod).expect("a known type"), volume.min(network)), "{:?}", spare(&prod));
    let busy = stack(&PROD.replace("40 MiB/s", "400 MiB/s"), "count: 6, instance_type: m7g.xlarge");
    assert!(spare(&busy).is_some_and(|spare| spare < 0.0));
}
