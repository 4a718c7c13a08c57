//! One source for each Kafka setting that follows from the workload, or that sizing counts on: two that differ are an error, at the
//! one and with the place of the other.

use crate::engines::ENGINES;
use crate::engines::rules::{settings, workload};
use crate::file::node::Content;
use crate::file::problem::{At, Problem};
use crate::file::{Checker, Workload};
use crate::settings::{Cleanup, Retention, Setting, Settings, Storing};
use crate::sizing::{Demand, gib, whole_retention};

/// Notes what contradicts itself. Runs after the engines' rules, and is silent where they have spoken.
pub fn check(checker: &mut Checker<'_>) {
    for engine in &ENGINES {
        let config = format!("cluster.{}.config", engine.key);
        let written = written(&config, checker);
        let (Some(load), Some(settings)) = (workload(checker), settings(&config, checker)) else { continue };
        check_retention(&written, &load, checker);
        check_copies(&written, &load, checker);
        check_compression(&written, &load, settings, checker);
        check_cleanup(&written, settings, checker);
        check_bytes(&written, &load, settings, checker);
        check_forever(&written, settings, checker);
    }
}

/// A setting as the file has it.
#[derive(Clone, Copy)]
struct Written<'a> {
    setting: Setting,
    key: At,
    value: At,
    text: &'a str,
}

impl Written<'_> {
    fn name(&self) -> &'static str {
        self.setting.word()
    }
}

/// The settings in the mapping at `config` that Kafka can read; the engines' rules have noted the others.
fn written<'a>(config: &str, checker: &Checker<'a>) -> Vec<Written<'a>> {
    let mut all = Vec::new();
    for (key, value) in checker.entries(config) {
        let (Some(setting), Content::Scalar(text)) = (Setting::named(&key.name), &value.content) else { continue };
        if !checker.is_refused(key.at) && !checker.is_refused(value.at) && setting.takes(text) {
            all.push(Written { setting, key: key.at, value: value.at, text });
        }
    }
    all
}

fn find<'a>(written: &[Written<'a>], setting: Setting) -> Option<Written<'a>> {
    written.iter().find(|one| one.setting == setting).copied()
}

/// How long records are kept, as the file has it: a name, the place, and the time.
struct RetentionSource {
    name: &'static str,
    at: At,
    retention: Retention,
}

/// Every source of the retention, those of `config` in Kafka's order, the workload's last.
fn retention_sources(written: &[Written<'_>], load: &Workload, checker: &Checker<'_>) -> Vec<RetentionSource> {
    let own = Setting::RETENTION.into_iter().filter_map(|setting| {
        let one = find(written, setting)?;
        Some(RetentionSource { name: one.name(), at: one.key, retention: setting.retention(one.text)? })
    });
    let load = checker.given("workload.retention").map(|node| RetentionSource {
        name: "workload.retention",
        at: node.at,
        retention: Retention::of(load.retention),
    });
    own.chain(load).collect()
}

/// How long records are kept, in words.
fn keeps(retention: Retention) -> String {
    match retention {
        Retention::Millis(_) => format!("for {retention}"),
        Retention::Forever => "for ever".to_owned(),
    }
}

/// Every source beside the workload's; where it has none, beside the one that Kafka takes.
fn check_retention(written: &[Written<'_>], load: &Workload, checker: &mut Checker<'_>) {
    let sources = retention_sources(written, load, checker);
    let from_workload = checker.given("workload.retention").is_some();
    let known = if from_workload { sources.last() } else { sources.first() };
    let Some(known) = known else { return };
    for other in sources.iter().filter(|other| other.retention != known.retention) {
        let message = format!(
            "`{}` keeps records {}, and `{}` ({}) {}",
            other.name,
            keeps(other.retention),
            known.name,
            checker.line(known.at),
            keeps(known.retention)
        );
        let help = match from_workload {
            true => "keep one of the two",
            false => "keep one of the two: Kafka takes milliseconds before minutes, and those before hours",
        };
        checker.error_at(other.at, message, help);
    }
}

/// Copies that the workload has, and the settings that follow from them.
fn check_copies(written: &[Written<'_>], load: &Workload, checker: &mut Checker<'_>) {
    let keys = [
        (
            "replication_factor",
            load.replication_factor,
            &Setting::COPIES[..],
            ("with one copy of each partition, its records are lost with one volume", "use 3 on three brokers or more"),
        ),
        (
            "min_insync_replicas",
            load.min_insync_replicas,
            &Setting::MIN_INSYNC[..],
            ("a record is acknowledged when one broker alone has it, and lost with that one", "use 2 of 3 copies"),
        ),
    ];
    // A server.properties from a laptop has one copy of everything.
    for (key, value, names, (single, more)) in keys {
        let load = checker.given(&format!("workload.{key}"));
        for one in names.iter().filter_map(|setting| find(written, *setting)) {
            let own = one.setting.number(one.text);
            match load {
                Some(node) if own != Some(value.into()) => {
                    let name = one.name();
                    let at = checker.line(node.at);
                    let message = format!("`{name}` is {}, and `workload.{key}` ({at}) is {value}", one.text);
                    let help = "keep one of the two: what the settings leave out follows from the workload";
                    checker.error_at(one.key, message, help);
                }
                None if own == Some(1) => checker.problems.push(Problem::warning(one.value, single).help(more)),
                Some(_) | None => {}
            }
        }
    }
}

/// Sizes count on what the workload says of compression.
fn check_compression(written: &[Written<'_>], load: &Workload, settings: Settings, checker: &mut Checker<'_>) {
    let (Some(one), Some(node)) = (find(written, Setting::Compression), checker.given("workload.compression")) else {
        return;
    };
    if settings.storing == Storing::Uncompressed && load.compression > 1.0 {
        let at = checker.line(node.at);
        let message = format!(
            "brokers store records uncompressed, and `workload.compression` ({at}) counts on {} times less",
            load.compression
        );
        checker.error_at(one.key, message, "remove one of the two: `producer` is Kafka's own default");
    }
}

/// Where records are compacted alone, none goes for its age.
fn check_cleanup(written: &[Written<'_>], settings: Settings, checker: &mut Checker<'_>) {
    let Some(one) = find(written, Setting::Cleanup).filter(|_| settings.cleanup == Cleanup::Compact) else { return };
    let help = "write `compact,delete`, or set compaction on the topics that need it";
    let Some(load) = workload(checker) else { return };
    match retention_sources(written, &load, checker).first() {
        Some(source) => {
            let at = checker.line(source.at);
            let message = format!(
                "with `compact` alone no record is deleted for its age, and `{}` ({at}) keeps records {}",
                source.name,
                keeps(source.retention)
            );
            checker.error_at(one.key, message, help);
        }
        None => {
            let message = format!(
                "with `compact` alone no record is deleted for its age, and sizes count on those of the last {}",
                settings.retention
            );
            checker.problems.push(Problem::warning(one.key, message).help(help));
        }
    }
}

/// Records that go before their time, as partitions have too many bytes.
fn check_bytes(written: &[Written<'_>], load: &Workload, settings: Settings, checker: &mut Checker<'_>) {
    // How many zones there are does not matter here.
    let demand = Demand::of(load, settings, 1);
    let Some(one) = find(written, Setting::RetentionBytes).filter(|_| demand.is_cut()) else { return };
    if settings.retention == Retention::Forever || settings.cleanup == Cleanup::Compact {
        return;
    }
    let after = whole_retention(demand.kept_seconds()).map_or("less than an hour".to_owned(), |span| span.to_string());
    let message = format!("at the workload's rate, partitions have {} after {after}", gib(settings.partition_gib()));
    let raise = "raise `log.retention.bytes`, or remove it";
    match retention_sources(written, load, checker).last() {
        Some(source) if source.name == "workload.retention" => {
            let at = checker.line(source.at);
            let message =
                format!("{message}, and `workload.retention` ({at}) keeps records {}", keeps(source.retention));
            checker.error_at(
                one.key,
                message,
                format!("{raise}; without `workload.retention`, what comes first counts"),
            );
        }
        Some(source) => {
            let at = checker.line(source.at);
            let message = format!("{message}, before the {} of `{}` ({at})", settings.retention, source.name);
            checker.problems.push(Problem::warning(one.key, message).help(raise));
        }
        None => {
            let message = format!("{message}, before the {} of a workload without `retention`", settings.retention);
            checker.problems.push(Problem::warning(one.key, message).help(raise));
        }
    }
}

/// No volume has room for records that are never deleted.
fn check_forever(written: &[Written<'_>], settings: Settings, checker: &mut Checker<'_>) {
    let bounded = settings.partition_bytes.is_some() || settings.cleanup == Cleanup::Compact;
    if settings.retention != Retention::Forever || bounded {
        return;
    }
    let mut own = Setting::RETENTION.into_iter().filter_map(|setting| find(written, setting));
    let Some(one) = own.next().filter(|one| !checker.is_refused(one.key)) else { return };
    let message = format!("`{}: {}` keeps records for ever, and no volume has room for them", one.name(), one.text);
    let help = "write how long records are kept, or `log.retention.bytes` too; topics that keep everything have \
                `retention.ms=-1` of their own";
    checker.error_at(one.key, message, help);
}
