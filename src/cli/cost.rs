//! `kstack cost`: what a stack costs in a month, offline.

use serde::Serialize;

use super::prices::mark;
use super::ui;
use crate::ops::Failure;
use crate::ops::prices::RegionPrices;
use crate::session::Source;
use kstack_core::instance_types;
use kstack_core::pricing::{Bill, Reads, money};

/// Show what a stack costs in a month, line by line, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Show the formula of each line
    #[arg(long)]
    explain: bool,
    /// Count consumers that read from the nearest copy (`client.rack` is set) rather than from the leader
    #[arg(long)]
    nearest: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The bill for scripts.
#[derive(Serialize)]
struct Shown<'a> {
    stack: &'a str,
    region: &'a str,
    /// USD a month, without what `gaps` names.
    usd: f64,
    prices: &'a str,
    #[serde(flatten)]
    bill: &'a Bill,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = Source::read(&args.file)?;
    let stack = &parsed.stack;
    let RegionPrices { prices, source } = RegionPrices::load(&stack.region);
    let reads = reads(args.nearest);
    let bill = stack.cluster.cost(stack.common(), instance_types::embedded(), &prices, reads);
    let bill = bill.ok_or_else(|| Failure::new("the stack file has no brokers to price"))?;
    if args.json {
        let (stack, region) = (&*stack.name.0, &*stack.region.0);
        ui::json(&Shown { stack, region, usd: bill.total(), prices: &source, bill: &bill });
    } else {
        ui::out(&format!("{}\n{source}\n", text(&bill, args.explain)));
    }
    Ok(0)
}

/// From which copy consumers read.
pub fn reads(nearest: bool) -> Reads {
    if nearest { Reads::Nearest } else { Reads::Leader }
}

/// The bill as aligned lines, the sum, and what is not in it.
fn text(bill: &Bill, explain: bool) -> String {
    let amount = |usd: Option<f64>, how| match usd {
        Some(usd) => format!("{}{}", if usd == 0.0 { "" } else { mark(how) }, money(usd)),
        None => "no price".to_owned(),
    };
    let total = format!("{}{}", if bill.estimated() { "~" } else { "" }, money(bill.total()));
    let counted = bill.lines.iter().filter(|line| line.counted);
    let others: Vec<_> = bill.lines.iter().filter(|line| !line.counted).collect();
    let all = || bill.lines.iter();
    let name = all().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let width = all().map(|line| amount(line.usd, line.how).len()).chain([total.len()]).max().unwrap_or(0);
    let row = |label: &str, amount: &str, formula: &str| {
        let formula = if explain { formula } else { "" };
        format!("{label:name$}  {amount:>width$}  {formula}").trim_end().to_owned() + "\n"
    };
    let mut text = row("USD a month", "", "");
    for line in counted {
        text += &row(&line.name, &amount(line.usd, line.how), &line.formula);
    }
    text += &row("in all", &total, "");
    if !others.is_empty() {
        text += "\nNot counted, the other way of the same:\n";
        for line in others {
            text += &row(&line.name, &amount(line.usd, line.how), &line.formula);
        }
    }
    if !bill.gaps.is_empty() {
        text += &format!("\nNot in the sum, as no price is known: {}.\n", bill.gaps.join(", "));
    }
    if bill.lines.iter().any(|line| line.how.is_some() && !mark(line.how).is_empty()) {
        text += "\n~ an estimate: the price is worked out or remembered, not quoted.\n";
    }
    text
}
