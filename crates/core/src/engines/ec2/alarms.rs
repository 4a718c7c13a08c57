//! What CloudWatch knows of hosts and volumes on EC2 without an agent, and which of it is watched.
//!
//! Source: EC2 user guide, "CloudWatch metrics that are available for your instances", and EBS user guide, "Amazon CloudWatch metrics
//! for Amazon EBS", 2026. None of these metrics costs anything; those of an instance come every five minutes, those of status checks and
//! volumes every minute.

use super::keys::{Ec2, VolumeType};
use crate::engines::alarms::{AS_BREACHING, AS_UNKNOWN, AS_WELL, Watch, Watched};
use crate::instance_types::is_burstable;

/// What is watched of a host with this instance type.
pub fn watches(instance_type: &str) -> impl Iterator<Item = &'static Watch> {
    let burstable = is_burstable(instance_type);
    ALL.iter().filter(move |watch| burstable || watch.name != CREDITS)
}

/// How many metrics are watched in the whole stack.
pub(crate) fn metrics(ec2: &Ec2) -> usize {
    let of = |instance_type: &str, volumes: usize| -> usize {
        let each = |watch: &Watch| if watch.of == Watched::Volume { volumes } else { 1 };
        watches(instance_type).map(|watch| watch.metrics() * each(watch)).sum()
    };
    let storage = &ec2.brokers.storage;
    let volumes = if storage.kind == VolumeType::InstanceStore { 0 } else { storage.volumes as usize };
    let brokers = ec2.brokers.count as usize * of(&ec2.brokers.instance_type, volumes);
    let controllers = ec2.controllers.as_ref().map(|one| one.count as usize * of(&one.instance_type, 1));
    brokers + controllers.unwrap_or_default()
}

const CREDITS: &str = "credits";

const ALL: [Watch; 6] = [
    // A roll ends one instance and starts the next within this time; then the alarm watches that one.
    Watch {
        name: "status",
        of: Watched::Host,
        metric: "AWS/EC2 StatusCheckFailed",
        condition: "Maximum >= 1",
        periods: "3 of 3 x 300 s",
        missing: AS_BREACHING,
        says: "The host has not passed EC2's status checks for 15 minutes, or its instance is gone. `kstack status` says what helps.",
    },
    Watch {
        name: "cpu",
        of: Watched::Host,
        metric: "AWS/EC2 CPUUtilization",
        condition: "Average > 80",
        periods: "3 of 3 x 300 s",
        missing: AS_UNKNOWN,
        says: "The host's processors have been busy for 15 minutes, with little left for the load of a broker that fails. See `kstack size` for larger instance types, or more brokers.",
    },
    // Hosts of these types are not slowed down: AWS charges for what they take beyond their credits.
    Watch {
        name: CREDITS,
        of: Watched::Host,
        metric: "AWS/EC2 CPUSurplusCreditsCharged",
        condition: "Maximum > 0",
        periods: "12 of 12 x 300 s",
        missing: AS_WELL,
        says: "The host has used more than its CPU credits for an hour, and AWS charges for that. An instance type that is larger, or not burstable, costs less.",
    },
    Watch {
        name: "stalled",
        of: Watched::Volume,
        metric: "AWS/EBS VolumeStalledIOCheck",
        condition: "Maximum >= 1",
        periods: "10 of 10 x 60 s",
        missing: AS_UNKNOWN,
        says: "EBS has not completed any I/O on the volume for 10 minutes. AWS repairs that; if it stays, stop and start the instance by `kstack apply` after ending it.",
    },
    Watch {
        name: "iops",
        of: Watched::Volume,
        metric: "AWS/EBS VolumeIOPSExceededCheck",
        condition: "Maximum >= 1",
        periods: "15 of 15 x 60 s",
        missing: AS_WELL,
        says: "The host has asked the volume for more operations than it does, for 15 minutes. Raise `iops` below `storage`; `kstack size` says what the workload takes.",
    },
    Watch {
        name: "throughput",
        of: Watched::Volume,
        metric: "AWS/EBS VolumeThroughputExceededCheck",
        condition: "Maximum >= 1",
        periods: "15 of 15 x 60 s",
        missing: AS_WELL,
        says: "The host has asked the volume for more throughput than it has, for 15 minutes. Raise `throughput` below `storage`; `kstack size` says what the workload takes.",
    },
];
