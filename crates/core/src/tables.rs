//! Embedded figures: CSV files with a header and without quotes. Each table stands with its subject.

/// A table: the name of its file and its text.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub file: &'static str,
    pub text: &'static str,
}

impl Table {
    /// The rows of the table, read by `parse` from a row of exactly `N` cells. A bad row is left out; [`Table::bad_row`]
    /// names it, and a test of each table asks.
    pub fn rows<const N: usize, T>(self, parse: impl Fn([&'static str; N]) -> Option<T>) -> Vec<T> {
        self.read(parse).filter_map(|(_, row)| row).collect()
    }

    /// The file and line of the first row that `parse` can't read.
    pub fn bad_row<const N: usize, T>(self, parse: impl Fn([&'static str; N]) -> Option<T>) -> Option<String> {
        let (line, _) = self.read(parse).find(|(_, row)| row.is_none())?;
        Some(format!("{}:{line}: {}", self.file, self.text.lines().nth(line - 1).unwrap_or_default()))
    }

    fn read<const N: usize, T>(
        self,
        parse: impl Fn([&'static str; N]) -> Option<T>,
    ) -> impl Iterator<Item = (usize, Option<T>)> {
        self.text.lines().enumerate().skip(1).map(move |(index, line)| {
            let cells: Option<[&'static str; N]> = line.split(',').collect::<Vec<_>>().try_into().ok();
            (index + 1, cells.and_then(&parse))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_row_is_named_by_file_and_line() {
        let table = Table { file: "t.csv", text: "name,count\na,1\nb,many\nc\n" };
        let parse = |[name, count]: [&'static str; 2]| Some((name, count.parse::<u32>().ok()?));
        assert_eq!(table.rows(parse), [("a", 1)]);
        assert_eq!(table.bad_row(parse).as_deref(), Some("t.csv:3: b,many"));
        let short = Table { text: "name,count\nc\n", ..table };
        assert_eq!(short.bad_row(parse).as_deref(), Some("t.csv:2: c"));
    }
}
