//! Rules of the workload.

use crate::file::Checker;
use crate::file::Workload;

/// Checks the key `workload`.
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
        ("peak", load.peak, "use a number from 1 to 1000: the peak divided by the average"),
        (
            "compression",
            load.compression,
            "use a number from 1 to 1000: the size before compression divided by the size after it",
        ),
        ("growth", load.growth, "use a number from 1 to 1000: the later workload divided by today's"),
    ] {
        if !(1.0..=1000.0).contains(&value) {
            checker.error(&format!("workload.{key}"), format!("`{key}` can't be {value}"), what);
        }
    }
    if load.headroom.0 > 0.9 {
        let message = format!("a headroom of {} leaves too little for the data", load.headroom);
        checker.error("workload.headroom", message, "use at most 90%; 20% is usual");
    }
    if load.partitions == 0 {
        checker.error(
            "workload.partitions",
            "a cluster has at least one partition",
            "write the number of partitions of all topics",
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
            format!("`min_insync_replicas` can't be {least} with a replication factor of {factor}"),
            match factor {
                1 => "write `min_insync_replicas: 1`, or raise the replication factor".to_owned(),
                _ => format!("write `min_insync_replicas: {}`, one less than the replication factor", factor - 1),
            },
        );
    } else if least == factor && factor > 1 {
        checker.warning(
            path,
            "with all replicas required in sync, stopping one broker makes its partitions read-only",
            "use one less than the replication factor, so that brokers can be rolled under load",
        );
    }
}
