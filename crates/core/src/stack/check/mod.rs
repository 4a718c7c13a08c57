//! Rules between the fields of a stack file: what a type alone can't say. Every problem is noted, none stops the next.
//!
//! The rules of a part run whenever that part reads, whatever is wrong elsewhere. So they work on the tree and read
//! their part again; that a part does not read has been noted by then, and is not noted twice.

mod ec2;
mod life;
mod msk;
mod network;
mod tags;
mod workload;

pub use ec2::{GP3_GIB, GP3_IOPS, GP3_MIBS};
pub use life::lasts;

use super::node::{Content, Key, Node};
use super::problem::{At, Problem};
use super::read::Read;

/// Checks the file in `tree`, of which `problems` are known already.
pub fn check(tree: &Node, problems: &mut Vec<Problem>) {
    let mut checker = Checker { tree, problems };
    life::check(&mut checker);
    tags::check(&mut checker);
    network::check(&mut checker);
    workload::check(&mut checker);
    let has = |checker: &Checker<'_>, engine: &str| {
        checker.tree.get(engine).is_some_and(|engine| engine.content != Content::Null)
    };
    match (has(&checker, "cluster.ec2"), has(&checker, "cluster.msk")) {
        (true, true) => checker.error(
            "cluster.msk",
            "a cluster is either `ec2` or `msk`, and this file has both",
            "keep one of them; a second cluster is a second stack file",
        ),
        (false, false) if checker.is_mapping("cluster") && !checker.misspelt("cluster") => checker.error(
            "cluster",
            "the cluster has no engine",
            "write `ec2:` or `msk:` below `cluster`, with the Kafka version and the brokers",
        ),
        _ => {}
    }
    ec2::check(&mut checker);
    msk::check(&mut checker);
}

/// Reads parts of the file, and notes problems with the place of the field that they are about.
struct Checker<'a> {
    tree: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn error(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.error_at(self.tree.nearest(path).at, message, help);
    }
    fn error_at(&mut self, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(at, message).help(help));
    }
    fn warning(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::warning(self.tree.nearest(path).at, message).help(help));
    }

    /// The part of the file at `path`, or `None` when it does not read. An optional one may be absent.
    fn part<T: Read>(&self, path: &str) -> Option<T> {
        match self.tree.get(path) {
            Some(node) => T::read(node, &mut Vec::new()),
            None => T::absent(),
        }
    }

    /// What is written at `path`, for a message.
    fn text(&self, path: &str) -> &'a str {
        match self.tree.get(path).map(|node| &node.content) {
            Some(Content::Scalar(text)) => text,
            _ => "",
        }
    }

    /// What is written under `key` of the mapping at `path`: a key that has dots in it is no path.
    fn text_of(&self, path: &str, key: &str) -> &'a str {
        match self.entries(path).iter().find(|(name, _)| name.name == key).map(|(_, value)| &value.content) {
            Some(Content::Scalar(text)) => text,
            _ => "",
        }
    }

    /// The entries of the mapping at `path`; none, when it is something else.
    fn entries(&self, path: &str) -> &'a [(Key, Node)] {
        match self.tree.get(path).map(|node| &node.content) {
            Some(Content::Map(entries)) => entries,
            _ => &[],
        }
    }

    fn is_mapping(&self, path: &str) -> bool {
        self.tree.get(path).is_some_and(|node| matches!(node.content, Content::Map(_)))
    }

    /// Whether a key of the mapping at `path` is not known: what seems to be missing is perhaps only misspelt.
    fn misspelt(&self, path: &str) -> bool {
        let keys = self.entries(path).iter().map(|(key, _)| key.at);
        keys.into_iter().any(|at| self.problems.iter().any(|problem| problem.at == at))
    }

    /// The first of `paths` that is written in the file: where a problem between several fields is shown.
    fn written<'p>(&self, paths: &[&'p str]) -> &'p str {
        paths.iter().find(|path| self.tree.get(path).is_some()).unwrap_or(&paths[0])
    }
}
