//! Whether the workload fits the cluster, as far as it can be known without AWS: what `kstack size` warns of, and what can't be.

use crate::engines::ENGINES;
use crate::engines::rules::given;
use crate::file::Checker;
use crate::file::problem::{At, Problem};
use crate::instance_types;
use crate::settings::Setting;
use crate::sizing::{Fit, Misfit, Subject};
use crate::stack::Stack;

/// Notes what of the workload of `stack` does not fit. For a file without errors: what is wrong in itself needs no sizes.
pub fn check(stack: &Stack, checker: &mut Checker<'_>) {
    let Some(report) = stack.cluster.size(stack.common(), instance_types::embedded()) else { return };
    let written = |key: &&str| checker.given(&format!("cluster.{key}")).is_some();
    let keys = ENGINES.each_ref().map(|engine| engine.key);
    let cluster = format!("cluster.{}", keys.into_iter().find(written).unwrap_or_default());
    for misfit in &report.misfits {
        let at = place(misfit.subject, &cluster, checker);
        // Limits that MSK has for partitions, and for the rates of a serverless cluster, have been noted, and say more.
        let said = match misfit.subject {
            Subject::Partitions => checker.is_noted(at),
            Subject::Rate => checker.is_noted(checker.tree.nearest("workload").at),
            Subject::Data
            | Subject::GivenSize
            | Subject::GivenMost
            | Subject::GivenThroughput
            | Subject::GivenIops
            | Subject::InstanceType
            | Subject::Outage
            | Subject::Copies => false,
        };
        if !said {
            let problem = match misfit.fit {
                Fit::Tight => Problem::warning(at, message(misfit)),
                Fit::Impossible => Problem::new(at, message(misfit)),
            };
            checker.problems.push(problem.help(&misfit.remedy));
        }
    }
}

/// As all messages of a check: not a sentence of its own.
fn message(misfit: &Misfit) -> String {
    let mut rest = misfit.what.chars();
    rest.next().map(|first| first.to_lowercase().collect::<String>() + rest.as_str()).unwrap_or_default()
}

/// The first place of the file that has something to do with it.
fn place(subject: Subject, cluster: &str, checker: &Checker<'_>) -> At {
    let storage = |key: &str| vec![format!("{cluster}.brokers.storage.{key}")];
    let workload = |keys: &[&str]| keys.iter().map(|key| format!("workload.{key}")).collect::<Vec<_>>();
    let (setting, paths) = match subject {
        Subject::Data => (Setting::RETENTION.to_vec(), workload(&["retention", "ingress"])),
        Subject::GivenSize => (Vec::new(), storage("size")),
        Subject::GivenMost => (Vec::new(), storage("max")),
        Subject::GivenThroughput => (Vec::new(), storage("throughput")),
        Subject::GivenIops => (Vec::new(), storage("iops")),
        Subject::Rate | Subject::Outage => (Vec::new(), workload(&["ingress", "peak"])),
        Subject::Copies => (Vec::new(), [vec!["network.zones".to_owned()], workload(&["replication_factor"])].concat()),
        Subject::Partitions => {
            (Vec::new(), [workload(&["partitions"]), vec![format!("{cluster}.brokers.count")]].concat())
        }
        Subject::InstanceType => (Vec::new(), vec![format!("{cluster}.brokers.instance_type")]),
    };
    let config = format!("{cluster}.config");
    let own = setting.into_iter().find_map(|setting| given(setting, &config, checker));
    let found = || paths.iter().find_map(|path| Some(checker.given(path)?.at));
    let rest = || checker.tree.nearest(if checker.given("workload").is_some() { "workload" } else { cluster }).at;
    own.or_else(found).unwrap_or_else(rest)
}
