//! What holds for every workload that the checks let through.

use proptest::prelude::*;

use super::*;
use crate::stack::Percent;

/// Stacks that the checks let through: any workload, type and count, with or without given storage.
fn stacks() -> impl Strategy<Value = Stack> {
    let types: Vec<String> = embedded().keys().cloned().collect();
    let workload = (1u64..(2 << 30), 1.0..20.0f64, 0u32..20, 1.0..10.0f64, 60u64..(400 * 86_400), 1u32..4);
    let rest = (1u32..20_000, 1.0..10.0f64, 0.0..0.9f64, 1u32..40, prop::sample::select(types));
    (workload, rest).prop_map(|(first, rest)| {
        let mut stack = prod();
        let load = &mut stack.workload;
        (load.ingress.0, load.peak, load.consumers, load.compression, load.retention.0, load.replication_factor) =
            first;
        let brokers = &mut stack.cluster.ec2.as_mut().expect("ec2").brokers;
        (load.partitions, load.growth, load.headroom, brokers.count, brokers.instance_type) =
            (rest.0, rest.1, Percent(rest.2), rest.3 * 3, rest.4);
        stack
    })
}

/// Storage as the checks let it through, each value given or not.
fn storages() -> impl Strategy<Value = (Option<u64>, Option<u32>, Option<u64>)> {
    (
        prop::option::of(VolumeType::Gp3.limits().size_gib.least..=VolumeType::Gp3.limits().size_gib.most),
        prop::option::of(3_000u32..=80_000),
        prop::option::of((125u64 << 20)..=(2000 << 20)),
    )
}

fn changed(stack: &Stack, change: impl FnOnce(&mut Stack)) -> EbsVolume {
    let mut stack = stack.clone();
    change(&mut stack);
    sized(&stack).volume
}

proptest! {
    #[test]
    fn volumes_are_ones_that_gp3_has(mut stack in stacks(), (size, iops, throughput) in storages()) {
        let given = storage(&mut stack);
        (given.size, given.iops, given.throughput) = (size.map(Size::gib), iops, throughput.map(Rate));
        let sizing = sized(&stack);
        let EbsVolume { kind: _, size_gib, iops, throughput_mibs } = sizing.volume;
        prop_assert!(VolumeType::Gp3.limits().size_gib.contains(size_gib));
        prop_assert!((3_000..=80_000).contains(&iops));
        prop_assert!((125..=2_000).contains(&throughput_mibs));
        prop_assert!(f64::from(throughput_mibs) <= 0.25 * f64::from(iops));
        prop_assert!(iops == 3000 || u64::from(iops) <= 500 * size_gib);
        prop_assert!(size.is_none_or(|size| size == size_gib));
        prop_assert_eq!(&sizing, &sized(&stack));
        for line in &sizing.lines {
            prop_assert!(line.value.is_finite() && line.value >= 0.0, "{:?}", line);
        }
        for warning in sizing.warnings.iter().map(ToString::to_string) {
            prop_assert!(warning.ends_with('.') && !warning.contains("NaN") && !warning.contains("inf"), "{}", warning);
        }
    }

    #[test]
    fn volumes_of_each_type_are_ones_that_it_has(
        mut stack in stacks(),
        kind in prop::sample::select(vec![VolumeType::Gp3, VolumeType::Io2, VolumeType::St1]),
        size in prop::option::of(125u64..=16_384),
    ) {
        let given = storage(&mut stack);
        (given.kind, given.size) = (kind, size.map(Size::gib));
        let EbsVolume { size_gib, iops, throughput_mibs, .. } = sized(&stack).volume;
        let limits = kind.limits();
        prop_assert!(limits.size_gib.contains(size_gib) && size.is_none_or(|size| size == size_gib));
        prop_assert!(limits.iops.as_ref().is_none_or(|own| own.bounds.contains(iops)));
        prop_assert!(u64::from(iops) <= limits.most_iops_of(size_gib));
        prop_assert!(throughput_mibs > 0 && f64::from(throughput_mibs) <= limits.most_mibs);
    }

    #[test]
    fn what_is_derived_holds_the_workload_or_a_warning_says_why(stack in stacks()) {
        let sizing = sized(&stack);
        let says = |text: &str| sizing.warnings.iter().any(|warning| warning.to_string().contains(text));
        let size = sizing.volume.size_gib as f64;
        prop_assert_eq!(size < line(&sizing, "needed per broker") - 1e-3, says("A gp3 volume has"));
        prop_assert_eq!(sizing.capacity.demand_mibs > sizing.capacity.target_mibs * (1.0 + 1e-9), says("above the target") || says("has at most; "));
        let usable = line(&sizing, "EBS bandwidth").ceil().max(125.0);
        prop_assert!(f64::from(sizing.volume.throughput_mibs) <= usable);
    }

    #[test]
    fn more_to_keep_never_takes_less(stack in stacks(), times in 1u64..4) {
        let before = sized(&stack).volume;
        let factor = times as u32;
        prop_assert!(changed(&stack, |stack| stack.workload.retention.0 *= times).size_gib >= before.size_gib);
        for after in [
            changed(&stack, |stack| stack.workload.ingress.0 *= times),
            changed(&stack, |stack| stack.workload.replication_factor *= factor),
            changed(&stack, |stack| stack.workload.growth *= factor as f64),
        ] {
            prop_assert!(after.size_gib >= before.size_gib && after.iops >= before.iops);
            prop_assert!(after.throughput_mibs >= before.throughput_mibs);
        }
    }

    #[test]
    fn more_brokers_never_take_larger_volumes(stack in stacks(), more in 1u32..10) {
        let before = sized(&stack).volume;
        let after = changed(&stack, |stack| stack.cluster.ec2.as_mut().expect("ec2").brokers.count += 3 * more);
        prop_assert!(after.size_gib <= before.size_gib && after.iops <= before.iops);
        prop_assert!(after.throughput_mibs <= before.throughput_mibs);
    }

    #[test]
    fn a_larger_cluster_has_no_less_left(stack in stacks(), rate in 125u64..=2000, more in 1u32..10) {
        let mut stack = stack;
        storage(&mut stack).throughput = Some(Rate(rate << 20));
        storage(&mut stack).size = Some(Size::gib(VolumeType::Gp3.limits().size_gib.most));
        let mut larger = stack.clone();
        larger.cluster.ec2.as_mut().expect("ec2").brokers.count += 3 * more;
        let (before, after) = (sized(&stack), sized(&larger));
        let slack = 1.0 + 1e-9;
        for (before, after) in before.outages.iter().zip(&after.outages) {
            prop_assert!(after.limit_mibs * slack >= before.limit_mibs, "{before:?}, then {after:?}");
            prop_assert!(after.in_sync_replicas >= before.in_sync_replicas && after.quorum >= before.quorum);
            prop_assert!(before.rebuilt_gib.is_none_or(|before| after.rebuilt_gib.is_some_and(|after| after <= before * slack)));
        }
        // Less is left without a zone than without a broker, and neither leaves more than there was.
        let [broker, zone] = after.outages.as_slice() else { panic!("two outages") };
        prop_assert!(zone.limit_mibs <= broker.limit_mibs * slack && broker.limit_mibs <= after.capacity.limit_mibs * slack);
    }

    #[test]
    fn a_larger_cluster_never_stops_fitting_without_a_part(stack in stacks(), more in 1u32..10) {
        let mut larger = stack.clone();
        larger.cluster.ec2.as_mut().expect("ec2").brokers.count += 3 * more;
        let said = |sizing: &Ec2Sizing| sizing.warnings.iter().any(|warning| warning.subject.is_of_outage());
        let before = sized(&stack);
        prop_assert!(before.capacity.is_exceeded() || said(&before) || !said(&sized(&larger)));
    }

    #[test]
    fn as_many_brokers_as_are_asked_for_take_the_peak_without_a_part(stack in stacks()) {
        let sizing = sized(&stack);
        for warning in sizing.warnings.iter().filter(|warning| warning.subject.is_of_outage()) {
            let text = warning.to_string();
            let Some(count) = text.rsplit_once("use ").and_then(|(_, rest)| rest.strip_suffix(" brokers.")) else { continue };
            let mut enough = stack.clone();
            enough.cluster.ec2.as_mut().expect("ec2").brokers.count = count.parse().expect("a number");
            let outage = usize::from(text.starts_with("While one zone"));
            let left = sized(&enough).outages[outage].limit_mibs;
            prop_assert!(left * (1.0 + 1e-9) >= sizing.capacity.demand_mibs, "{text}, then {left}");
        }
    }
}
