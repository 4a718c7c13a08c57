//! Rules of the workload.

use crate::engines::ENGINES;
use crate::engines::rules::{given, settings, workload};
use crate::file::Checker;
use crate::file::problem::Problem;
use crate::settings::{Setting, Settings};

/// Checks the key `workload`.
pub fn check(checker: &mut Checker<'_>) {
    let Some(load) = workload(checker) else { return };
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
}

/// Copies and those in sync, wherever the file has them. Runs after the engines' rules, which refuse some settings.
pub fn check_replicas(checker: &mut Checker<'_>) {
    let configs = ENGINES.each_ref().map(|engine| format!("cluster.{}.config", engine.key));
    let config = configs.iter().find(|config| checker.given(config).is_some()).unwrap_or(&configs[0]);
    let Some(Settings { copies: factor, min_insync: least, .. }) = settings(config, checker) else { return };
    let [factor_at, least_at] = [Setting::Copies, Setting::MinInsync].map(|setting| given(setting, config, checker));
    let least_name = least_at.map_or("min_insync_replicas", |_| Setting::MinInsync.word());
    let factor_place = factor_at.unwrap_or_else(|| checker.tree.nearest("workload.replication_factor").at);
    let written = checker.written(&["workload.min_insync_replicas", "workload.replication_factor"]);
    let place = least_at.or_else(|| Some(checker.given("workload.min_insync_replicas")?.at)).or(factor_at);
    let place = place.unwrap_or_else(|| checker.tree.nearest(written).at);
    if !(1..=10).contains(&factor) {
        let message = format!("a replication factor of {factor} is not possible");
        checker.error_at(factor_place, message, "use 1 to 10; 3 is usual");
    } else if least == 0 || least > factor {
        checker.error_at(
            place,
            format!("`{least_name}` can't be {least} with a replication factor of {factor}"),
            match factor {
                1 => format!("write `{least_name}: 1`, or raise the replication factor"),
                _ => format!("write `{least_name}: {}`, one less than the replication factor", factor - 1),
            },
        );
    } else if least == factor && factor > 1 {
        let message = "with all replicas required in sync, stopping one broker makes its partitions read-only";
        let help = "use one less than the replication factor, so that brokers can be rolled under load";
        checker.problems.push(Problem::warning(place, message).help(help));
    }
}
