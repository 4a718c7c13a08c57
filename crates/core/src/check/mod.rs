//! Reading and checking a stack file: [`parse`] gives the stack, or every problem at its line and column.
//!
//! The rules here are those between fields, which a type alone can't say. The rules of a part run whenever that part
//! reads, whatever is wrong elsewhere. So they work on the tree and read their part again. Parse errors of a part were
//! reported earlier and are not repeated. An engine's own rules are in its folder.

mod alarms;
mod dns;
mod existing;
mod fit;
mod ipv6;
mod lifetime;
mod logs;
mod msk_users;
mod named_of_users;
mod network;
mod privatelink;
mod prune;
mod routes;
mod sources;
mod tags;
mod topics;
mod users;
mod workload;

pub use crate::file::problem::{At, Problem};
pub use crate::file::{Report, Severity};
pub use lifetime::lasts;

use crate::engines::ENGINES;
use crate::file::Checker;
use crate::file::node::{self, Content, Node};
use crate::file::read::Read as _;
use crate::stack::{ClientsCa, Stack};
use crate::text::{any_of, quoted_list};

/// A stack file without errors, and its warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub stack: Stack,
    /// Warnings only; may be empty.
    pub warnings: Report,
}

/// Reads, checks and completes the stack file `text`; `file` is its name for messages.
///
/// # Errors
/// A report with every problem of the file, warnings among them.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Report> {
    let (tree, Parsed { stack, mut warnings }) = read(file, text)?;
    fit::check(&stack, &mut Checker { source: text, tree: &tree, problems: &mut warnings.problems });
    match warnings.counts() {
        (0, _) => Ok(Parsed { stack, warnings }),
        _ => Err(warnings),
    }
}

/// The file of the user's own CAs of clients that the stack file `text` names, and where, whatever else is wrong with it.
pub fn clients_ca(text: &str) -> Option<(String, At)> {
    // Most files have none, and are read once.
    let tree = text.contains("clients_ca").then(|| node::parse(text).ok()).flatten()?;
    let node = tree.get("cluster.ec2.listeners.mtls.clients_ca")?;
    ClientsCa::read(node, &mut Vec::new()).map(|ca| (ca.file, node.at))
}

/// The same without asking whether the workload fits, and the tree.
pub(crate) fn read(file: &str, text: &str) -> Result<(Node, Parsed), Report> {
    let report = |problems| Report { file: file.to_owned(), text: text.to_owned(), problems };
    let mut problems = Vec::new();
    let tree = node::parse(text).map_err(|problem| report(vec![problem]))?;
    let message = match tree.content {
        Content::Map(_) => None,
        Content::Null => Some("the file is empty".to_owned()),
        _ => Some(format!("a stack file is a mapping of keys to values, and this is {}", tree.what())),
    };
    if let Some(message) = message {
        let problem = Problem::new(At::START, message)
            .help("begin with `apiVersion: kstack/v1`; `kstack schema` shows what may follow");
        return Err(report(vec![problem]));
    }
    let mut stack = Stack::read(&tree, &mut problems);
    if let Some(stack) = stack.as_mut().filter(|_| tree.get("workload.partitions").is_none()) {
        stack.workload.count(&stack.topics);
    }
    rules(text, &tree, &mut problems);
    let report = report(problems);
    match stack {
        Some(stack) if report.counts().0 == 0 => Ok((tree, Parsed { stack, warnings: report })),
        _ => Err(report),
    }
}

/// Checks the file in `tree`, of which `problems` are known already.
fn rules(source: &str, tree: &Node, problems: &mut Vec<Problem>) {
    let mut checker = Checker { source, tree, problems };
    lifetime::check(&mut checker);
    tags::check(&mut checker);
    alarms::check(&mut checker);
    logs::check(&mut checker);
    network::check(&mut checker);
    workload::check(&mut checker);
    check_engine(&mut checker);
    for engine in &ENGINES {
        (engine.check)(&mut checker);
    }
    crate::engines::client::check(&mut checker);
    workload::check_replicas(&mut checker);
    topics::check(&mut checker);
    sources::check(&mut checker);
    users::check(&mut checker);
    prune::check(&mut checker);
}

/// A cluster has exactly one engine.
fn check_engine(checker: &mut Checker<'_>) {
    let written = |key: &&str| {
        let node = checker.tree.get(&format!("cluster.{key}"));
        node.is_some_and(|node| node.content != Content::Null)
    };
    let keys = ENGINES.each_ref().map(|engine| engine.key);
    let chosen: Vec<&str> = keys.iter().copied().filter(written).collect();
    match chosen[..] {
        [_] => {}
        [] if !checker.is_mapping("cluster") || checker.misspelt("cluster") => {}
        [] => {
            let keys = any_of(&keys.map(|key| format!("`{key}:`")));
            let help = format!("write {keys} below `cluster`, with the Kafka version and the brokers");
            checker.error("cluster", "the cluster has no engine", help);
        }
        [.., last] => checker.error(
            &format!("cluster.{last}"),
            format!("a cluster has one engine, and this file has {}", quoted_list(&chosen)),
            "keep one of them; a second cluster is a second stack file",
        ),
    }
}
