//! The one place that writes to standard output and standard error. Colours go when the output is no terminal, or by `NO_COLOR`.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use serde::Serialize;

use kstack_core::plan::printable;

/// Writes a result to standard output. A closed pipe is no error: the reader has seen enough.
pub fn out(text: &str) {
    let _ = write!(anstream::stdout(), "{}", printable(text));
}

/// Writes JSON, which has escapes of its own.
fn raw(text: &str) {
    let _ = write!(anstream::stdout(), "{text}");
}

/// Writes a line of progress to standard error.
pub fn progress(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", printable(text));
}

/// Writes text to standard error as it is.
pub fn err(text: &str) {
    let _ = write!(anstream::stderr(), "{}", printable(text));
}

/// Writes a result as JSON, in many lines for people and programs.
pub fn json(value: &impl Serialize) {
    raw(&format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// Writes an event as one line of JSON.
pub fn json_line(value: &impl Serialize) {
    raw(&format!("{}\n", serde_json::to_string(value).unwrap_or_default()));
}

/// Whether standard error shows a live view.
pub fn live() -> bool {
    io::stderr().is_terminal()
}

/// Whether somebody types on standard input.
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

/// Rows with a header, as aligned columns.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(header.to_vec());
    rows.iter().for_each(|row| text.push_str(&line(row.iter().map(String::as_str).collect())));
    text
}
