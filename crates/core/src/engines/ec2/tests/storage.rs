//! Volumes of other types than gp3.

use super::*;

const LOAD: &str = "ingress: 20 MiB/s, peak: 1, retention: 2d, partitions: 30, headroom: 0%";

fn with(storage: &str) -> Ec2Sizing {
    sized(&stack(LOAD, &format!("count: 3, instance_type: m7g.4xlarge, storage: {storage}")))
}

#[test]
fn st1_is_as_large_as_the_peak_needs() {
    // 20 MiB/s for 2 days are 3,375 GiB on each broker, which do 131 MiB/s; 600 GiB do 23 MiB/s, with 20 at the peak.
    let large = with("{type: st1}");
    assert_eq!((large.volume.size_gib, large.volume.iops, large.volume.throughput_mibs), (3405, 0, 133));
    assert_eq!(line(&large, "limit by volumes"), 133.0);
    let short = sized(&stack(
        "ingress: 20 MiB/s, peak: 1, retention: 1h, partitions: 30, headroom: 0%",
        "count: 3, instance_type: m7g.4xlarge, storage: {type: st1}",
    ));
    assert_eq!((short.volume.size_gib, short.volume.throughput_mibs), (512, 20));
    let text = short.render();
    assert!(text.contains("for 20 MiB/s at 40 MiB/s per TiB"), "{text}");
    assert!(text.contains("512 GiB × 40 MiB/s per TiB, without bursts"), "{text}");
    assert!(text.contains("volume      st1, 512 GiB, 20 MiB/s for each broker"), "{text}");
    assert!(!text.contains("IOPS"), "{text}");
}

#[test]
fn st1_that_is_too_small_for_the_peak_says_how_large_it_must_be() {
    let sizing = sized(&stack(
        "ingress: 20 MiB/s, peak: 1, retention: 1h, partitions: 30, headroom: 0%",
        "count: 3, instance_type: m7g.4xlarge, storage: {type: st1, size: 256 GiB}",
    ));
    let all: Vec<String> = sizing.warnings.iter().map(ToString::to_string).collect();
    assert!(all[0].contains("raise `storage.size` to 512 GiB"), "{all:#?}");
}

#[test]
fn io2_has_as_many_iops_as_gp3_and_as_the_peak_needs() {
    let few = with("{type: io2}");
    assert_eq!((few.volume.iops, few.volume.throughput_mibs), (3000, 750));
    let more = sized(&stack(
        "ingress: 900 MiB/s, peak: 1, retention: 1h, partitions: 30, headroom: 0%",
        "count: 3, instance_type: m7g.16xlarge, storage: {type: io2}",
    ));
    assert_eq!((more.volume.iops, more.volume.throughput_mibs), (3600, 900));
    let given = with("{type: io2, iops: 16000, size: 4 TiB}");
    assert_eq!((given.volume.iops, given.volume.throughput_mibs), (16_000, 4000));
    // The volume could do more than the instance: that one limits.
    assert_eq!(given.bottleneck, Bottleneck::EbsBandwidth);
}

#[test]
fn what_no_volume_of_the_type_holds_is_refused_with_its_name() {
    let sizing = sized(&stack(
        "ingress: 200 MiB/s, peak: 1, retention: 7d, partitions: 30, headroom: 0%",
        "count: 3, instance_type: m7g.4xlarge, storage: {type: st1}",
    ));
    let text = sizing.warnings[0].to_string();
    assert!(text.starts_with("An st1 volume has 16384 GiB at most, "), "{text}");
}

#[test]
fn several_volumes_divide_the_data_and_the_rate() {
    let load = "ingress: 100 MiB/s, peak: 1, retention: 2d, partitions: 30, headroom: 0%";
    let of =
        |count| sized(&stack(load, &format!("count: 3, instance_type: m7g.16xlarge, storage: {{volumes: {count}}}")));
    let (one, four) = (of(1), of(4));
    assert_eq!((one.volumes, four.volumes), (1, 4));
    assert_eq!(four.volume.size_gib, one.volume.size_gib.div_ceil(4));
    // Each has gp3's 125 MiB/s for nothing.
    assert_eq!((four.volume.throughput_mibs, line(&four, "limit by volumes")), (125, 500.0));
    let text = four.render();
    assert!(text.contains("volumes     4 of gp3, "), "{text}");
    assert!(text.contains("÷ 4 volumes, rounded up"), "{text}");
    assert!(text.contains("125 MiB/s × 4 volumes × 3 brokers ÷ 3 copies"), "{text}");
}

#[test]
fn two_volumes_that_are_too_small_are_added_up() {
    let sizing = with("{volumes: 2, size: 1000 GiB}");
    let text = sizing.warnings[0].to_string();
    assert!(text.starts_with("The given 2 volumes of 1000 GiB each are 1405 GiB smaller than the 3405 GiB"), "{text}");
    assert!(text.contains("raise `storage.size` to 1703 GiB, raise `storage.volumes` to 4"), "{text}");
}

#[test]
fn disks_of_the_instance_are_bounded_by_its_network() {
    let own = sized(&stack(
        "ingress: 20 MiB/s, peak: 1, retention: 1d, partitions: 30, headroom: 0%",
        "count: 3, instance_type: i3en.3xlarge, storage: {type: instance-store}",
    ));
    assert_eq!((own.volumes, own.volume.size_gib, own.bottleneck), (1, 6984, Bottleneck::Network));
    // 20 MiB/s for a day on each broker, without headroom and open segments.
    assert!(near(line(&own, "lost with a host"), 1687.5));
    let text = own.render();
    assert!(text.contains("volume      instance-store, 6984 GiB for each broker") && !text.contains("EBS"), "{text}");
    let small = sized(&stack(
        "ingress: 20 MiB/s, retention: 7d, partitions: 30",
        "count: 3, instance_type: i4i.xlarge, storage: {type: instance-store}",
    ));
    let text = small.warnings[0].to_string();
    assert!(text.starts_with("The disks of i4i.xlarge have 872 GiB, "), "{text}");
}
