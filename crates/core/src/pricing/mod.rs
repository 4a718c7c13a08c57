//! What things cost in a month: a bill of lines, over a table of prices. Pure. What is on a bill is for each engine to say.
//!
//! A month has 730 hours, as AWS's own calculator counts. AWS bills "GB" of storage and of traffic in units of 2^30
//! bytes (AWS Service Terms), so everything here is GiB and MiB/s. A missing
//! price is a gap with a name: the sum does not include it and says so. It is never taken as zero.

mod charges;
mod choice;
mod list;
mod table;
mod text;

use serde::Serialize;

pub use crate::sizing::HOURS_PER_MONTH;
use crate::text::five_digits;
pub use charges::{
    Reads, charge_clients, charge_network, charge_replication, charge_zones, note_flow_logs, note_logs,
    note_privatelink,
};
pub use choice::{Choice, CountingMethod, Purpose, Terms, Unfit};
pub use list::{COMMON_ITEMS, PriceAnswer, PriceListItems, PriceQuery, UsagePrice, read_answer};
pub use table::{CAPTURED, Price, PriceOrigin, Prices, embedded};

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BillLine {
    /// What is paid for, such as `brokers`.
    pub name: String,
    /// PriceOrigin the amount comes about, with units.
    pub formula: String,
    /// USD a month; absent when the price is not known.
    pub usd: Option<f64>,
    /// Whether the price is quoted or an estimate; absent with the price.
    pub how: Option<PriceOrigin>,
    /// Whether the line is in the sum; alternatives are shown for comparison and not counted.
    pub counted: bool,
}

/// A monthly bill, line by line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bill {
    pub lines: Vec<BillLine>,
    /// Missing prices, each named once: the sum does not include them.
    pub gaps: Vec<String>,
}

impl Bill {
    /// USD a month: the sum of every counted line with a known price.
    pub fn total(&self) -> f64 {
        // A sum of nothing would be minus zero.
        self.lines.iter().filter(|line| line.counted).filter_map(|line| line.usd).fold(0.0, |sum, usd| sum + usd)
    }

    /// Whether a price in the sum is an estimate.
    pub fn estimated(&self) -> bool {
        self.lines.iter().any(|line| line.counted && line.usd != Some(0.0) && line.how == Some(PriceOrigin::Derived))
    }

    /// Adds `quantity` units of `item` at the region's price. `formula` says how the quantity comes about.
    pub fn charge(&mut self, market: Market<'_>, name: &str, item: &str, quantity: f64, formula: String) {
        self.add(market, name, item, quantity, formula, true);
    }

    /// Adds a line that is shown for comparison and is not in the sum.
    pub fn mention(&mut self, market: Market<'_>, name: &str, item: &str, quantity: f64, formula: String) {
        self.add(market, name, item, quantity, formula, false);
    }

    fn add(&mut self, market: Market<'_>, name: &str, item: &str, quantity: f64, formula: String, counted: bool) {
        let name = name.to_owned();
        let line = match market.prices.get(market.region, item) {
            Some(price) => BillLine {
                name,
                formula: format!("{formula} × {} USD per {}", five_digits(price.usd), price.unit),
                usd: Some(quantity * price.usd),
                how: Some(price.how),
                counted,
            },
            // Nothing of it is used: what it would cost does not matter.
            None if quantity == 0.0 => BillLine { name, formula, usd: Some(0.0), how: None, counted },
            None => {
                let gap = format!("{item} in {}", market.region);
                if !self.gaps.contains(&gap) {
                    self.gaps.push(gap);
                }
                BillLine { name, formula: format!("{formula} × no price of {item}"), usd: None, how: None, counted }
            }
        };
        self.lines.push(line);
    }
}

/// The prices to use: a table and a region in it.
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
            self.bill.charge(self.market, self.name, item, quantity, five_digits(quantity));
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

/// What a sum is without, in the same breath: `without A, and without B and C, whose prices are unknown`. `what` is left out where
/// it is empty.
pub fn without(what: &str, gaps: &[String]) -> String {
    let before = if what.is_empty() { String::new() } else { format!("without {what}") };
    let (all, price) = match gaps {
        [] => return before,
        [gap] => (gap.clone(), "price is"),
        [rest @ .., last] => (format!("{} and {last}", rest.join(", ")), "prices are"),
    };
    let between = if before.is_empty() { "" } else { ", and " };
    format!("{before}{between}without {all}, whose {price} unknown")
}

/// `+1,234.56`: an amount of money with its sign, as a change.
pub fn signed(usd: f64) -> String {
    let text = money(usd);
    if text.starts_with('-') { text } else { format!("+{text}") }
}
