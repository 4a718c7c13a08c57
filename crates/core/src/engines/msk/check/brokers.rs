//! Rules of provisioned brokers: version, type, count, zones, storage.

use super::{MSK, version};
use crate::engines::msk::keys::MskStorage;
use crate::engines::msk::limits::{
    EXPRESS_COPIES, EXPRESS_MIN_INSYNC, EXPRESS_VERSIONS, NEWEST_STANDARD, PROVISIONED_FROM_GIB, UNPROVISIONED_MIBS,
    VOLUME_GIB, brokers, instead_on_express, is_express, most_brokers, most_throughput_mibs,
};
use crate::engines::msk::with_own_copies;
use crate::engines::rules::{POSSIBLE_ZONES, check_factor, check_spread, given, settings, warn_burstable, workload};
use crate::file::node::Content;
use crate::file::problem::{Problem, nearest};
use crate::file::{Checker, Network};
use crate::instance_types;
use crate::settings::{Setting, Settings};
use crate::sizing::Demand;
use crate::text::{many, quoted_list};
use crate::units::{Bounds, TimeSpan};

const COUNT: &str = "cluster.msk.brokers.count";
const TYPE: &str = "cluster.msk.brokers.instance_type";
const CONFIG: &str = "cluster.msk.config";
const STORAGE: &str = "cluster.msk.brokers.storage";
/// Topics with tiered storage keep records at least this long. Source: MSK tiered storage, topic-level settings, 2026.
const TIERED_RETENTION: TimeSpan = TimeSpan(3 * 86_400);

/// Checks version, type, number, zones and storage of the brokers.
pub fn check(checker: &mut Checker<'_>) {
    check_present(checker);
    let kind = checker.part::<String>(TYPE);
    if let Some(kind) = &kind {
        check_type(kind, checker);
    }
    check_version(kind.as_deref(), checker);
    check_count(kind.as_deref(), checker);
    if let Some(kind) = kind.as_deref().filter(|kind| is_express(kind)) {
        check_express(kind, checker);
    } else if let Some(storage) = checker.part::<MskStorage>(STORAGE) {
        check_storage(&storage, kind.as_deref(), checker);
    }
    let rebalancing = "cluster.msk.rebalancing";
    let switched = checker.part::<Option<bool>>(rebalancing).flatten().is_some();
    if switched && kind.is_some_and(|kind| kind.starts_with("kafka.")) {
        let message = "only Express brokers have intelligent rebalancing";
        checker.error(rebalancing, message, "remove it, or use an `express.*` type");
    }
}

/// What counts of Kafka's settings for brokers of the type `kind`, when the workload reads.
fn counting(kind: Option<&str>, checker: &Checker<'_>) -> Option<Settings> {
    Some(with_own_copies(kind.is_some_and(is_express), settings(CONFIG, checker)?))
}

fn check_present(checker: &mut Checker<'_>) {
    let keys = ["kafka", "brokers"]
        .map(|key| (key, checker.tree.get(&format!("{MSK}.{key}")).is_none_or(|node| node.content == Content::Null)));
    let missing: Vec<&str> = keys.iter().filter(|(_, missing)| *missing).map(|(key, _)| *key).collect();
    if missing.is_empty() || checker.misspelt(MSK) {
        return;
    }
    checker.error(
        MSK,
        format!("a provisioned cluster needs {}", quoted_list(&missing)),
        "such as `kafka: 3.9.x` and `brokers: {count: 3, instance_type: kafka.m7g.large}`; or write `serverless: true`",
    );
}

fn check_type(kind: &str, checker: &mut Checker<'_>) {
    if brokers().contains_key(kind) {
        if kind.starts_with("kafka.t") {
            warn_burstable(kind, TYPE, "`kafka.m7g.large` or larger", checker);
        }
        return;
    }
    let near = nearest(kind, brokers().keys().map(String::as_str)).unwrap_or("kafka.m7g.large");
    let own = kind.strip_prefix("kafka.").or_else(|| kind.strip_prefix("express."));
    if own.is_some_and(instance_types::is_name) {
        // AWS adds some, and has no call that lists them.
        let message =
            format!("kstack's table has no broker type `{kind}` of MSK, so nothing can be said of its limits");
        let help =
            format!("the nearest known one is `{near}`; AWS says whether `{kind}` exists when the cluster is made");
        return checker.warning(TYPE, message, help);
    }
    let (standard, express) = (format!("kafka.{kind}"), format!("express.{kind}"));
    let help = match (brokers().contains_key(&standard), brokers().contains_key(&express)) {
        (true, true) => format!("MSK's names for it are `{standard}` and `{express}`"),
        (true, false) => format!("MSK's name for it is `{standard}`"),
        _ => format!("it begins with `kafka.` or `express.`; the nearest known one is `{near}`"),
    };
    checker.error(TYPE, format!("`{kind}` is not the name of a broker type of MSK"), help);
}

fn check_version(kind: Option<&str>, checker: &mut Checker<'_>) {
    let Some(version) = version(checker) else { return };
    let (path, release) = ("cluster.msk.kafka", version.release());
    if release >= (4, 0) && !version.is_kraft() {
        let help = format!("write `{}.kraft`", version.trim_end_matches(".tiered"));
        return checker.error(
            path,
            format!("Kafka {version} runs without ZooKeeper, so its name in MSK ends with `.kraft`"),
            help,
        );
    }
    if release < (3, 7) && version.is_kraft() {
        let message = format!("MSK has no KRaft in Kafka {version}");
        return checker.error(path, message, "use 3.7.x.kraft or newer, or the version without `.kraft`");
    }
    let Some(kind) = kind else { return };
    if kind.starts_with("kafka.m7g.") && release < (3, 3) && !version.starts_with("2.8.2") {
        checker.error(path, format!("`{kind}` needs Kafka 3.3 or newer"), "use 3.9.x, or an m5 type");
    } else if is_express(kind) {
        let known = EXPRESS_VERSIONS.join(", ");
        if let Some(instead) = instead_on_express(&version) {
            let message = format!("MSK makes no new cluster of Express brokers with Kafka {version}");
            checker.warning(path, message, format!("write `{instead}`; in 2026 a new one can have {known}"));
        } else if !EXPRESS_VERSIONS.contains(&version.0.as_str()) {
            let message = format!("Express brokers are not known to run Kafka {version}");
            checker.warning(
                path,
                message,
                format!("in 2026 a new cluster can have {known}; AWS decides when it is made"),
            );
        }
    } else if release > NEWEST_STANDARD {
        let (major, minor) = NEWEST_STANDARD;
        let message = format!("standard brokers are not known to run Kafka {version}");
        checker.warning(
            path,
            message,
            format!("in 2026 they run {major}.{minor} at most, and Express brokers newer ones"),
        );
    }
}

fn check_count(kind: Option<&str>, checker: &mut Checker<'_>) {
    let Some(count) = checker.part::<u32>(COUNT) else { return };
    if count == 0 {
        return checker.error(COUNT, "a cluster needs at least one broker", "use one or more in each zone");
    }
    let express = kind.is_some_and(is_express);
    if !express {
        check_factor(count, COUNT, CONFIG, checker);
    }
    check_partitions(kind, count, checker);
    if let Some(version) = version(checker) {
        let most = most_brokers(version.is_kraft());
        if count > most {
            let message = format!("{count} brokers exceed MSK's quota of {most} for a cluster with Kafka {version}");
            checker.warning(COUNT, message, "ask AWS for a higher quota, or use a larger type");
        }
    }
    let Some(zones) = checker.part::<Network>("network").map(|net| net.zones.count()) else { return };
    if !POSSIBLE_ZONES.contains(&zones) {
        return;
    }
    if express && zones != 3 {
        checker.error("network.zones", format!("Express brokers can't be in {}", many(zones, "zone")), "use 3 zones");
    } else if !(2..=3).contains(&zones) {
        checker.error("network.zones", format!("MSK brokers can't be in {}", many(zones, "zone")), "use 2 or 3 zones");
    } else {
        check_spread(count, zones, COUNT, checker);
    }
}

/// Above the most, MSK refuses to update a cluster's version, configuration and type.
fn check_partitions(kind: Option<&str>, count: u32, checker: &mut Checker<'_>) {
    let Some((kind, broker)) = kind.and_then(|kind| brokers().get_key_value(kind)) else { return };
    let (Some(load), Some(settings)) = (workload(checker), counting(Some(kind), checker)) else { return };
    // How many zones there are does not matter here.
    let demand = Demand::of(&load, settings, 1);
    let each = demand.replicas_per_broker(count.into());
    if each > broker.most_replicas {
        let message = format!(
            "{each} partition replicas per broker exceed the limit of {} for `{kind}`, above which MSK refuses updates",
            broker.most_replicas
        );
        checker.warning(
            checker.written(&["workload.partitions", COUNT]),
            message,
            "use more brokers, a larger type, or fewer partitions",
        );
    }
}

/// Express has its own storage, and three copies of everything.
fn check_express(kind: &str, checker: &mut Checker<'_>) {
    for (key, _) in checker.entries(STORAGE) {
        if ["size", "max", "throughput", "tiered"].contains(&key.name.as_str()) {
            let message = format!("`{kind}` has no storage settings: AWS manages the storage of Express brokers");
            checker.error_at(key.at, message, "remove `storage`, or use a `kafka.*` type");
        }
    }
    let Some(load) = workload(checker) else { return };
    for (key, value, fixed) in [
        ("replication_factor", load.replication_factor, EXPRESS_COPIES),
        ("min_insync_replicas", load.min_insync_replicas, EXPRESS_MIN_INSYNC),
    ] {
        let path = format!("workload.{key}");
        if value != fixed && checker.tree.get(&path).is_some() {
            let message = format!("Express brokers have a fixed `{key}` of {fixed}");
            checker.error(&path, message, "remove it");
        }
    }
}

fn check_storage(storage: &MskStorage, kind: Option<&str>, checker: &mut Checker<'_>) {
    let path = |key: &str| format!("{STORAGE}.{key}");
    let limits = "MSK takes 1 GiB to 16 TiB for each broker";
    let possible = |gib: u64| VOLUME_GIB.contains(gib);
    for (key, size) in [("size", storage.size), ("max", storage.max)] {
        if size.is_some_and(|size| !possible(size.gib_ceil())) {
            let message = format!("a broker's volume can't have `{}`", checker.text(&path(key)));
            checker.error(&path(key), message, limits);
        }
    }
    if let (Some(size), Some(max)) = (storage.size, storage.max)
        && possible(size.gib_ceil())
        && possible(max.gib_ceil())
        && max.gib_ceil() <= size.gib_ceil()
    {
        let message = format!("the most that a volume may grow to, `{max}`, is not above its size, `{size}`");
        checker.error(&path("max"), message, "use a larger `max`, or remove it");
    }
    if let (Some(rate), Some(kind)) = (storage.throughput, kind.filter(|kind| brokers().contains_key(*kind))) {
        match most_throughput_mibs(kind) {
            None => {
                let message = format!("throughput can't be provisioned for `{kind}`");
                checker.error(
                    &path("throughput"),
                    message,
                    "remove it, or use `kafka.m5.4xlarge`, `kafka.m7g.2xlarge` or larger",
                );
            }
            Some(most) if !(Bounds { least: UNPROVISIONED_MIBS, most }).contains(rate.mibs()) => {
                let message = format!("`{}` can't be provisioned for `{kind}`", checker.text(&path("throughput")));
                checker.error(
                    &path("throughput"),
                    message,
                    format!("it takes {UNPROVISIONED_MIBS} MiB/s to {most} MiB/s"),
                );
            }
            Some(_) => {}
        }
        if storage.size.is_some_and(|size| size.gib_ceil() < PROVISIONED_FROM_GIB) {
            let help = format!("use {PROVISIONED_FROM_GIB} GiB or more");
            checker.error(&path("size"), "throughput can't be provisioned for a volume this small", help);
        }
    }
    if storage.tiered {
        check_tiered(kind, &path("tiered"), checker);
    }
}

fn check_tiered(kind: Option<&str>, path: &str, checker: &mut Checker<'_>) {
    if kind == Some("kafka.t3.small") {
        checker.error(path, "`kafka.t3.small` has no tiered storage", "use `kafka.m7g.large` or larger");
    }
    if let Some(version) =
        version(checker).filter(|version| version.release() < (3, 6) && !version.ends_with(".tiered"))
    {
        let help = "use 3.6.0 or newer";
        checker.error(path, format!("Kafka {version} has no tiered storage"), help);
    }
    let retention = counting(kind, checker).map(|settings| settings.retention);
    let least = TIERED_RETENTION.0 as f64;
    if let Some(retention) = retention.filter(|one| one.seconds() < least && one.seconds() > 0.0) {
        let message = format!(
            "topics with tiered storage keep records for at least {TIERED_RETENTION}, and the workload's retention is {retention}"
        );
        let own = Setting::RETENTION.into_iter().find_map(|setting| given(setting, CONFIG, checker));
        let at = own.unwrap_or_else(|| checker.tree.nearest(checker.written(&["workload.retention", path])).at);
        checker.problems.push(Problem::warning(at, message).help("remove `tiered`, or keep records longer"));
    }
    let policy = checker.entries(CONFIG).iter().find(|(key, _)| key.name == "log.cleanup.policy");
    if let Some((key, _)) = policy.filter(|_| checker.text_of(CONFIG, "log.cleanup.policy").contains("compact")) {
        let message = "with tiered storage, `delete` is the only cleanup policy that MSK accepts for the cluster";
        checker.error_at(key.at, message, "remove it, and set compaction on the topics that need it");
    }
}
