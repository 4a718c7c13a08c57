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
