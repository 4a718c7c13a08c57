//! The one place that writes to standard output and standard error. Colours are left out when the output is no terminal, or with
//! `NO_COLOR`; `--color` has the last word.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::ops::Failure;
use kstack_core::plan::printable;

/// Writes a result to standard output. A closed pipe is no error: the reader has seen enough.
pub fn out(text: &str) {
    let _ = write!(anstream::stdout(), "{}", printable(text));
}

/// Writes a result in place of what the terminal shows; after an empty line where standard output is no terminal.
pub fn page(text: &str) {
    raw(if io::stdout().is_terminal() { "\x1b[H\x1b[2J\x1b[3J" } else { "\n" });
    out(text);
}

/// Writes what has escapes of its own, such as JSON, or none: nothing is looked for in it that a terminal obeys.
fn raw(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes Markdown, which has nothing in it that a terminal obeys.
pub fn markdown(text: &str) {
    raw(text);
}

/// Writes the content of a file, for whoever keeps it: as it is.
pub fn file(text: &str) {
    raw(text);
}

/// When there are colours: `auto` is where the output is a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colours {
    Auto,
    Always,
    Never,
}

impl Colours {
    /// Has all output of this process be so.
    pub fn choose(self) {
        match self {
            Colours::Auto => anstream::ColorChoice::Auto,
            Colours::Always => anstream::ColorChoice::Always,
            Colours::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// How much is shown beside results and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printer {
    /// Progress, as a live view where standard error is a terminal.
    Normal,
    /// Progress as lines.
    NoProgress,
    /// Progress of every step, also of a long run.
    Verbose,
    /// No progress.
    Quiet,
}

impl Printer {
    /// Writes a line of progress to standard error.
    pub fn progress(self, text: &str) {
        if self != Printer::Quiet {
            let _ = writeln!(anstream::stderr(), "{}", printable(text));
        }
    }

    /// Whether standard error shows a live view.
    pub fn live(self) -> bool {
        matches!(self, Printer::Normal | Printer::Verbose) && io::stderr().is_terminal()
    }

    /// Whether every step of a long run is told, and whatever else is left out as a rule.
    pub fn verbose(self) -> bool {
        self == Printer::Verbose
    }
}

/// The version of every JSON output. It changes when a key is renamed, removed, or gets another meaning.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    format_version: u32,
    #[serde(flatten)]
    value: &'a T,
}

fn versioned<T: Serialize>(value: &T) -> Versioned<'_, T> {
    Versioned { format_version: FORMAT_VERSION, value }
}

/// Writes text to standard error as it is.
pub fn err(text: &str) {
    let _ = write!(anstream::stderr(), "{}", printable(text));
}

/// Writes a result, which is an object, as JSON with its format's version.
pub fn json(value: &impl Serialize) {
    document(&versioned(value));
}

/// Writes a JSON document that has a format of its own.
pub fn document(value: &impl Serialize) {
    raw(&format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// Writes an event as one line of JSON, with its format's version.
pub fn json_line(value: &impl Serialize) {
    raw(&format!("{}\n", serde_json::to_string(&versioned(value)).unwrap_or_default()));
}

/// Whether standard input is a terminal.
pub fn typed() -> bool {
    io::stdin().is_terminal()
}

/// Whether errors are shown in colour.
pub fn colour() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Asks on the terminal; `None` when standard input is no terminal.
pub fn ask(question: &str) -> Option<String> {
    if !typed() {
        return None;
    }
    err(question);
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

/// Asks for `word` on the terminal before a plan is run.
///
/// # Errors
/// `refused`, where something else is answered; that nobody can be asked, with `hint`.
pub fn approve(question: &str, word: &str, refused: &str, hint: &'static str) -> Result<(), Failure> {
    match ask(question) {
        Some(answer) if answer == word => Ok(()),
        Some(_) => Err(Failure::new(format!("{refused}; nothing was changed"))),
        None => Err(Failure::new("the plan needs approval, but standard input is not a terminal; nothing was changed")
            .hint(hint)),
    }
}

/// Rows with a header, as aligned columns.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let titles = header.iter().map(|&title| title.to_owned()).collect();
    kstack_core::text::table(&[vec![titles], rows.to_vec()].concat(), &[])
}
