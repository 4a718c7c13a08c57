//! What a stack costs in a month, and what its workload would cost elsewhere. Pure, over a price table.
//!
//! A month has 730 hours, as AWS's own calculator counts. AWS bills "GB" of storage and of traffic in units of 2^30
//! bytes (AWS Service Terms), so everything here is GiB and MiB/s. A price that is not in the table is a gap with a
//! name: the sum goes on without it and says so; it is never taken as zero.

mod advice;
mod chart;
mod compare;
mod cost;
mod crossing;
mod ec2;
mod hosted;
mod list;
mod msk;
mod table;
#[cfg(test)]
mod tests;
mod traffic;

use serde::Serialize;

pub use compare::{Choice, Comparison, compare};
pub use cost::{ROOT_GIB, Reads, cost};
pub use list::{Answer, Wanted, read_answer, wanted};
pub use msk::{Method, cost_msk};
pub use table::{CAPTURED, How, Price, Prices, embedded};

/// Hours of a month.
pub const HOURS: f64 = 730.0;

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What is paid for, such as `brokers`.
    pub name: String,
    /// How the amount comes about, with units.
    pub formula: String,
    /// USD a month; absent when the price is not known.
    pub usd: Option<f64>,
    /// Whether the price is quoted or worked out; absent with the price.
    pub how: Option<How>,
    /// Whether the line is in the sum; another way of the same thing is shown and not counted.
    pub counted: bool,
}

/// What something costs in a month, by line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bill {
    pub lines: Vec<Line>,
    /// Prices that are not known, each named once: what the sum is without.
    pub gaps: Vec<String>,
}

impl Bill {
    /// The sum in USD a month of every counted line whose price is known.
    pub fn total(&self) -> f64 {
        // A sum of nothing would be minus zero.
        self.lines.iter().filter(|line| line.counted).filter_map(|line| line.usd).fold(0.0, |sum, usd| sum + usd)
    }

    /// Whether a part of the sum is worked out rather than quoted.
    pub fn estimated(&self) -> bool {
        self.lines.iter().any(|line| line.counted && line.usd != Some(0.0) && line.how == Some(How::Derived))
    }

    /// Adds `quantity` units of `item` at the region's price. `formula` says how the quantity comes about.
    pub fn charge(&mut self, market: Market<'_>, name: &str, item: &str, quantity: f64, formula: String) {
        self.add(market, name, item, quantity, formula, true);
    }

    /// Adds a line that is shown for comparison and is not in the sum.
    fn mention(&mut self, market: Market<'_>, name: &str, item: &str, quantity: f64, formula: String) {
        self.add(market, name, item, quantity, formula, false);
    }

    fn add(&mut self, market: Market<'_>, name: &str, item: &str, quantity: f64, formula: String, counted: bool) {
        let name = name.to_owned();
        let line = match market.prices.get(market.region, item) {
            Some(price) => Line {
                name,
                formula: format!("{formula} × {} USD per {}", plain(price.usd), price.unit),
                usd: Some(quantity * price.usd),
                how: Some(price.how),
                counted,
            },
            // Nothing of it is used: what it would cost does not matter.
            None if quantity == 0.0 => Line { name, formula, usd: Some(0.0), how: None, counted },
            None => {
                let gap = format!("{item} in {}", market.region);
                if !self.gaps.contains(&gap) {
                    self.gaps.push(gap);
                }
                Line { name, formula: format!("{formula} × no price of {item}"), usd: None, how: None, counted }
            }
        };
        self.lines.push(line);
    }
}

/// Whose prices hold: a table and a region in it.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    pub prices: &'a Prices,
    pub region: &'a str,
}

/// Where a resource says what it costs for being there.
#[derive(Debug)]
pub struct Costs<'a> {
    pub bill: &'a mut Bill,
    pub market: Market<'a>,
    /// The resource, as the bill's lines have it.
    pub name: &'a str,
}

impl Costs<'_> {
    /// Adds `quantity` units of `item` a month, if there are any.
    pub fn charge(&mut self, item: &str, quantity: f64) {
        if quantity > 0.0 {
            self.bill.charge(self.market, self.name, item, quantity, plain(quantity));
        }
    }
}

/// `1,234.56`: an amount of money with two decimals and separators of thousands.
pub fn money(usd: f64) -> String {
    let cents = (usd.abs() * 100.0).round();
    let whole = format!("{:.0}", (cents / 100.0).floor());
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if usd < 0.0 && cents > 0.0 { "-" } else { "" };
    format!("{sign}{grouped}.{:02.0}", cents % 100.0)
}

/// The same with its sign, as a change.
pub fn signed(usd: f64) -> String {
    let text = money(usd);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

/// A number without needless digits: five significant ones.
pub fn plain(value: f64) -> String {
    let decimals = if value > 0.0 { (4.0 - value.log10().floor()).clamp(0.0, 12.0) as usize } else { 0 };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
