//! What is wrong with a file, where, and what would be right; and how that is shown.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::secret;

/// A range of bytes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub start: usize,
    pub end: usize,
}

impl At {
    /// The start of the file.
    pub const START: At = At { start: 0, end: 0 };
}

/// Whether a problem stops the work or is only worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub at: At,
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Problem {
    /// An error at `at`.
    pub fn new(at: At, message: impl Into<String>) -> Self {
        Problem { severity: Severity::Error, at, message: short(message.into()), help: None }
    }

    /// A warning at `at`.
    pub fn warning(at: At, message: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::new(at, message) }
    }

    /// The same problem with what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(short(help.into()));
        self
    }
}

/// The problems of one file with the file's text, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file's name as the user gave it.
    pub file: String,
    pub text: String,
    pub problems: Vec<Problem>,
}

/// How many problems of one file are shown; the rest are counted.
const SHOWN: usize = 40;

impl Report {
    /// The number of errors and of warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        (errors, self.problems.len() - errors)
    }

    /// Every problem with its file, line, column, the line itself and what would be right. `colour` adds terminal colours.
    /// Secrets in the file are not shown.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut problems: Vec<&Problem> = self.problems.iter().collect();
        problems.sort_by_key(|problem| (problem.at, problem.severity));
        let mut out = String::new();
        let text = secret::masked(&self.text);
        for problem in problems.iter().take(SHOWN) {
            let _ = writeln!(out, "{}\n", renderer.render(&self.groups(problem, &text)));
        }
        if problems.len() > SHOWN {
            let _ = writeln!(out, "... and {} more problems in {}.\n", problems.len() - SHOWN, self.file);
        }
        out
    }

    fn groups<'a>(&'a self, problem: &'a Problem, text: &'a str) -> Vec<Group<'a>> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        // An empty text has no line to show, nor has one that is no stack file; a range past the end would not be drawn.
        let text = if text.trim().is_empty() || text.len() > 256 * 1024 { " " } else { text };
        let start = floor(text, problem.at.start.min(text.len().saturating_sub(1)));
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let end = floor(text, problem.at.end.clamp(start, line_end.max(start)));
        let snippet =
            Snippet::source(text).path(self.file.as_str()).annotation(AnnotationKind::Primary.span(start..end));
        let mut group = level.primary_title(problem.message.as_str()).element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        vec![group]
    }
}

/// The most characters of a message: what it quotes from the file may have no end.
const LONGEST_MESSAGE: usize = 1000;

fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}

/// The nearest character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The known word nearest to `word`, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let alike = |candidate: &'a str| {
        let other = candidate.to_lowercase();
        let (score, edits) = (strsim::jaro_winkler(&word, &other), strsim::osa_distance(&word, &other));
        // In a short word one wrong letter is much of it.
        (score > 0.8 || edits == 1).then_some((score, candidate))
    };
    let all = known.into_iter().filter_map(alike);
    all.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))).map(|(_, candidate)| candidate)
}
