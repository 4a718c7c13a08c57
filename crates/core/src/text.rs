//! Words, numbers and tables for people.

use unicode_width::UnicodeWidthStr as _;

/// `1 step`, `3 steps`, `2 copies`. `count` is shown as it is.
pub fn many(count: impl ToString, noun: &str) -> String {
    let count = count.to_string();
    if count == "1" {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// `` `a`, `b` and `c` ``; `none` for no words.
pub fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "none".to_owned(),
    }
}

/// `1`, `1 and 4`, `1, 4 and 7`.
pub fn all_of(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// How many names a text shows.
pub const SHOWN: usize = 5;

/// `a, b and c`, or the first few: `a, b, c, d, e and 7 more`.
pub fn first_of<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    match &names[..] {
        all if all.len() > SHOWN => format!("{} and {} more", all[..SHOWN].join(", "), all.len() - SHOWN),
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        all => all.concat(),
    }
}

/// `a, b or c`; empty for nothing.
pub fn any_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// A number with five significant digits, and at least two decimals, without trailing zeros: `7978.12`, `0.5`, `125`.
pub fn number(value: f64) -> String {
    let decimals = if value > 0.0 { (4.0 - value.log10().floor()).clamp(2.0, 12.0) as usize } else { 2 };
    format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with five significant digits, without trailing zeros: `7978.1`, `0.5`, `125`.
pub fn five_digits(value: f64) -> String {
    let decimals = if value > 0.0 { (4.0 - value.log10().floor()).clamp(0.0, 12.0) as usize } else { 0 };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The columns that a terminal shows `text` in.
pub fn width(text: &str) -> usize {
    text.width()
}

/// How a column of a table is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows as aligned columns with two spaces between them. Columns without an alignment are aligned left. Each line ends with
/// a newline, and none with a space.
pub fn table(rows: &[Vec<String>], alignment: &[Align]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell_width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| cell_width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let padding = " ".repeat(widths[column].saturating_sub(width(cell)));
            match alignment.get(column) {
                Some(Align::Right) => format!("{padding}{cell}"),
                _ => format!("{cell}{padding}"),
            }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What a system's error says, without its number: `No such file or directory`, and not `... (os error 2)`.
pub fn without_number(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |said, part| match part.split_once(')') {
        Some((number, rest)) if number.parse::<u32>().is_ok() => said + rest,
        _ => said + " (os error " + part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(
            [many(1, "step"), many(0, "step"), many(2.5, "copy"), many(3, "day")],
            ["1 step", "0 steps", "2.5 copies", "3 days"]
        );
    }

    #[test]
    fn lists_end_with_a_word_between() {
        assert_eq!((quoted_list(&["a", "b", "c"]).as_str(), quoted_list(&["a"]).as_str()), ("`a`, `b` and `c`", "`a`"));
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!((any_of(&words), any_of(&words[..1])), ("a, b or c".to_owned(), "a".to_owned()));
    }

    #[test]
    fn numbers_are_short_and_small_ones_are_kept() {
        let shown = [156.250_4, 125.0, 0.0, 0.5, 0.000_976_56, 7978.125];
        assert_eq!(shown.map(number), ["156.25", "125", "0", "0.5", "0.00097656", "7978.12"]);
        assert_eq!(shown.map(five_digits), ["156.25", "125", "0", "0.5", "0.00097656", "7978.1"]);
    }

    #[test]
    fn a_systems_error_is_said_without_its_number() {
        for (text, said) in [
            ("a can't be read: No such file (os error 2)", "a can't be read: No such file"),
            ("b (os error 2), then c (os error 21).", "b, then c."),
            ("named (os error x) by (os error", "named (os error x) by (os error"),
        ] {
            assert_eq!(without_number(text), said);
        }
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let rows = [["a", "1", ""], ["한국", "12", "x"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, &[Align::Left, Align::Right]), "a      1\n한국  12  x\n");
    }
}
