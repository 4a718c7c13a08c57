//! A bill as text.

use super::{Bill, BillLine, PriceOrigin, money, without};
use crate::text::{Align, table};

impl Bill {
    /// The bill as aligned lines, the sum, and what is not in it; ends with a newline. `explain` adds the formulas.
    pub fn text(&self, explain: bool) -> String {
        let row = |name: &str, amount: String, formula: &str| {
            vec![name.to_owned(), amount, if explain { formula.to_owned() } else { String::new() }]
        };
        let line_row = |line: &BillLine| row(&line.name, line.amount(), &line.formula);
        let (counted, others): (Vec<&BillLine>, Vec<&BillLine>) = self.lines.iter().partition(|line| line.counted);
        let total = format!("{}{}", if self.estimated() { "~" } else { "" }, money(self.total()));
        let mut rows: Vec<Vec<String>> = counted.into_iter().map(line_row).collect();
        rows.push(row("total", total, ""));
        let in_sum = rows.len();
        rows.extend(others.into_iter().map(line_row));
        let table = table(&rows, &[Align::Left, Align::Right, Align::Left]);
        let mut text = match without("", &self.gaps).as_str() {
            "" => "USD a month\n".to_owned(),
            without => format!("USD a month, {without}\n"),
        };
        for (index, line) in table.lines().enumerate() {
            if index == in_sum {
                text += "\nFor comparison, not included:\n";
            }
            text += &format!("{line}\n");
        }
        if self.lines.iter().any(|line| line.how == Some(PriceOrigin::Derived)) {
            text += "\n~ an estimate: the price is derived, not quoted.\n";
        }
        text
    }
}

impl BillLine {
    /// `~1,234.56`; an estimate has a mark, unless it is zero.
    fn amount(&self) -> String {
        match self.usd {
            Some(usd) if usd != 0.0 && self.how == Some(PriceOrigin::Derived) => format!("~{}", money(usd)),
            Some(usd) => money(usd),
            None => "no price".to_owned(),
        }
    }
}
