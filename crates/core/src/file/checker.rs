//! Access for rules: parts of the tree, read again as typed values, and a place for each problem.

use super::node::{Content, Key, Node};
use super::problem::{At, Problem, Severity};
use super::read::Read;

/// Reads parts of the file, and notes problems with the place of the field that they are about.
pub struct Checker<'a> {
    /// The whole file.
    pub(crate) source: &'a str,
    pub(crate) tree: &'a Node,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(crate) fn error(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.error_at(self.tree.nearest(path).at, message, help);
    }
    pub(crate) fn error_at(&mut self, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(at, message).help(help));
    }
    pub(crate) fn warning(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::warning(self.tree.nearest(path).at, message).help(help));
    }

    /// Says of `key`, which the mapping at `path` can't have, more than what the nearest known key is. The whole file is at the empty path.
    pub(crate) fn explain_unknown(&mut self, path: &str, key: &str, message: &str, help: &str) {
        let node = if path.is_empty() { Some(self.tree) } else { self.tree.get(path) };
        let Some(Content::Map(entries)) = node.map(|node| &node.content) else { return };
        for (name, _) in entries.iter().filter(|(name, _)| name.name == key) {
            self.problems.retain(|problem| problem.at != name.at);
            self.error_at(name.at, message, help);
        }
    }

    pub(crate) fn warning_at(&mut self, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::warning(at, message).help(help));
    }

    /// `line 5, column 12`: where `at` begins, for a message that is shown at another place.
    pub(crate) fn line(&self, at: At) -> String {
        let before = self.source.get(..at.start).unwrap_or_default();
        let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |end| end + 1));
        format!("line {line}, column {}", before[start..].chars().count() + 1)
    }

    /// Whether a problem has been noted at this place.
    pub(crate) fn is_noted(&self, at: At) -> bool {
        self.problems.iter().any(|problem| problem.at == at)
    }

    /// Whether an error has.
    pub(crate) fn is_refused(&self, at: At) -> bool {
        self.problems.iter().any(|problem| problem.at == at && problem.severity == Severity::Error)
    }

    /// The node at `path`, when the file has something there.
    pub(crate) fn given(&self, path: &str) -> Option<&'a Node> {
        self.tree.get(path).filter(|node| node.content != Content::Null)
    }

    /// The part of the file at `path`, or `None` when it does not read. An optional one may be absent.
    pub(crate) fn part<T: Read>(&self, path: &str) -> Option<T> {
        match self.tree.get(path) {
            Some(node) => T::read(node, &mut Vec::new()),
            None => T::absent(),
        }
    }

    /// What is written at `path`, for a message.
    pub(crate) fn text(&self, path: &str) -> &'a str {
        match self.tree.get(path).map(|node| &node.content) {
            Some(Content::Scalar(text)) => text,
            _ => "",
        }
    }

    /// What is written under `key` of the mapping at `path`: a key that has dots in it is no path.
    pub(crate) fn text_of(&self, path: &str, key: &str) -> &'a str {
        match self.entries(path).iter().find(|(name, _)| name.name == key).map(|(_, value)| &value.content) {
            Some(Content::Scalar(text)) => text,
            _ => "",
        }
    }

    /// The entries of the mapping at `path`; none, when it is something else.
    pub(crate) fn entries(&self, path: &str) -> &'a [(Key, Node)] {
        match self.tree.get(path).map(|node| &node.content) {
            Some(Content::Map(entries)) => entries,
            _ => &[],
        }
    }

    pub(crate) fn is_mapping(&self, path: &str) -> bool {
        self.tree.get(path).is_some_and(|node| matches!(node.content, Content::Map(_)))
    }

    /// Whether a key of the mapping at `path` is not known: what seems to be missing is perhaps only misspelt.
    pub(crate) fn misspelt(&self, path: &str) -> bool {
        let keys = self.entries(path).iter().map(|(key, _)| key.at);
        keys.into_iter().any(|at| self.problems.iter().any(|problem| problem.at == at))
    }

    /// The first of `paths` that is written in the file: where a problem between several fields is shown.
    pub(crate) fn written<'p>(&self, paths: &[&'p str]) -> &'p str {
        paths.iter().find(|path| self.tree.get(path).is_some()).unwrap_or(&paths[0])
    }
}
