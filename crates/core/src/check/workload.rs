//! Rules of the workload.

use crate::file::Checker;
use crate::file::Workload;

pub fn check(checker: &mut Checker<'_>) {
    let Some(load) = checker.part::<Option<Workload>>("workload").map(Option::unwrap_or_default) else { return };
    if load.retention.0 == 0 {
        checker.error(
            "workload.retention",
            "a retention of zero keeps nothing",
            "write how long records are kept, such as `7d`",
        );
    }
    if load.ingress.0 == 0 {
        checker.error(
            "workload.ingress",
            "an ingress of zero gives nothing to size",
            "write the average rate of producers, such as `40 MiB/s`",
        );
    }
    for (key, value, what) in [
        ("peak", load.peak, "the peak over the average: a number from 1 to 1000"),
        (
            "compression",
            load.compression,
            "the size before compression over the size after it: a number from 1 to 1000",
        ),
        ("growth", load.growth, "the later workload over today's: a number from 1 to 1000"),
    ] {
        if !(1.0..=1000.0).contains(&value) {
            checker.error(&format!("workload.{key}"), format!("{value} is not a ratio that `{key}` can have"), what);
        }
    }
    if load.headroom.0 > 0.9 {
        let message = format!("a headroom of {} leaves too little for the data", load.headroom);
        checker.error("workload.headroom", message, "use at most 90%; 20% is usual");
    }
    if load.partitions == 0 {
        checker.error(
            "workload.partitions",
            "a cluster without partitions has nothing to size",
            "write how many partitions all topics have",
        );
    }
    check_replicas(&load, checker);
}

fn check_replicas(load: &Workload, checker: &mut Checker<'_>) {
    let (factor, least) = (load.replication_factor, load.min_insync_replicas);
    let path = checker.written(&["workload.min_insync_replicas", "workload.replication_factor"]);
    if !(1..=10).contains(&factor) {
        checker.error(
            "workload.replication_factor",
            format!("a replication factor of {factor} is not possible"),
            "use 1 to 10; 3 is usual",
        );
    } else if least == 0 || least > factor {
        checker.error(
            path,
            format!("{least} in-sync replicas can't be asked of a replication factor of {factor}"),
            match factor {
                1 => "write `min_insync_replicas: 1`, or raise the replication factor".to_owned(),
                _ => format!("write `min_insync_replicas: {}`, one less than the replication factor", factor - 1),
            },
        );
    } else if least == factor && factor > 1 {
        checker.warning(
            path,
            "with every replica in the minimum, one broker's stop makes partitions read-only",
            "use one less than the replication factor, so that brokers can be rolled under load",
        );
    }
}
