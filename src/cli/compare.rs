//! `kstack compare`: the same workload on EC2, MSK and hosted services, offline.

use super::cost::reads;
use super::ui;
use crate::ops::Failure;
use crate::ops::prices::RegionPrices;
use crate::session::Source;
use kstack_core::compare::{Comparison, compare};
use kstack_core::pricing::{Choice, CountingMethod, money};

/// Compare what the workload costs on EC2, MSK and hosted services, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// How MSK's brokers are counted
    #[arg(long, value_enum, default_value_t = Counting::Equation1)]
    method: Counting,
    /// Consumers read from the nearest copy (`client.rack` is set) rather than from the leader
    #[arg(long)]
    nearest: bool,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Print a Markdown table
    #[arg(long, group = "form")]
    markdown: bool,
    /// Print a chart as SVG
    #[arg(long, group = "form")]
    svg: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Counting {
    /// AWS's Equation 1 with the file's headroom, as for EC2
    #[value(name = "equation-1")]
    Equation1,
    /// AWS's sizing script for MSK: room for a lost zone, lagging consumers and a rebalance at once
    #[value(name = "aws-msk")]
    AwsMsk,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let (_, parsed) = Source::read(&args.file)?;
    let RegionPrices { prices, source } = RegionPrices::load(&parsed.stack.region);
    let method = match args.method {
        Counting::Equation1 => CountingMethod::EquationOne,
        Counting::AwsMsk => CountingMethod::AwsMsk,
    };
    let comparison = compare(&parsed.stack, &prices, method, reads(args.nearest))
        .ok_or_else(|| Failure::new("the stack file has no cluster to compare"))?;
    if args.json {
        ui::json(&comparison);
    } else if args.svg {
        ui::out(&comparison.svg());
    } else if args.markdown {
        ui::out(&markdown(&comparison));
    } else {
        ui::out(&format!("{}{source}\n", text(&comparison)));
    }
    Ok(0)
}

/// `~1,234.56`, and `and more` where a price is missing.
fn amount(choice: &Choice) -> String {
    let mark = if choice.estimated { "~" } else { "" };
    let more = if choice.complete() { "" } else { " and more" };
    format!("{mark}{}{more}", money(choice.usd))
}

fn text(comparison: &Comparison) -> String {
    let mut text = format!(
        "{} MiB/s of {} in {}, USD a month\n\n{}\n",
        comparison.ingress_mibs,
        comparison.stack,
        comparison.region,
        comparison.bars()
    );
    let rows = comparison.choices.iter().map(|choice| {
        let storage = format!("{:.0} GiB", choice.storage_gib);
        vec![choice.name.clone(), choice.what.clone(), storage, amount(choice), choice.limit.clone()]
    });
    text += &ui::table(&["", "WHAT", "STORAGE", "USD A MONTH", "LIMIT"], &rows.collect::<Vec<_>>());
    text.push('\n');
    text += &ui::table(&["", "PATCHED BY", "HEALED BY", "KAFKA", "REACHED FROM"], &lost(comparison));
    text.push('\n');
    text += &remarks(comparison).join("\n");
    text.push('\n');
    text
}

/// What each choice takes away, choices with the same terms once.
fn lost(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for choice in &comparison.choices {
        let name = choice.name.split(' ').next().unwrap_or_default();
        let name = if name == "MSK" { choice.name.as_str() } else { name };
        let terms = choice.terms;
        let cells = [terms.patches, terms.heals, terms.versions, terms.reach].map(str::to_owned).to_vec();
        match rows.iter_mut().find(|(_, known)| *known == cells) {
            Some((names, _)) if names.contains(&name) => {}
            Some((names, _)) => names.push(name),
            None => rows.push((vec![name], cells)),
        }
    }
    rows.into_iter().map(|(names, cells)| [vec![names.join(", ")], cells].concat()).collect()
}

/// Sentences: what does not fit, where the cheapest changes, the same brokers on MSK, gaps, the advice.
fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut all = Vec::new();
    for unfit in &comparison.unfit {
        all.push(format!("{} is not among them: {}.", unfit.name, unfit.why));
    }
    for crossing in &comparison.crossings {
        let (below, above) = (&crossing.below, &crossing.above);
        all.push(format!(
            "At {:.2} MiB/s the cheapest for production changes from {below} to {above}.",
            crossing.ingress_mibs
        ));
    }
    if comparison.crossings.is_empty() && comparison.choices.iter().any(Choice::complete) {
        all.push("The cheapest for production is the same from 0.1 to 1,000 MiB/s.".to_owned());
    }
    if let Some(same) = &comparison.same {
        let even = match same.break_even_mibs {
            Some(rate) => {
                format!("from {rate:.2} MiB/s on EC2 is no longer cheaper, as it pays for replication between zones")
            }
            None => "replication between zones does not change which is cheaper".to_owned(),
        };
        all.push(format!(
            "The file's {} cost {} USD, and {} {} USD ({:.2} times as much); with volumes {} and {} USD; {even}.",
            same.ec2,
            money(same.ec2_brokers),
            same.msk,
            money(same.msk_brokers),
            same.ratio,
            money(same.ec2_usd),
            money(same.msk_usd),
        ));
    }
    all.extend(comparison.assumed.clone());
    let mut gaps: Vec<&str> = Vec::new();
    for gap in comparison.choices.iter().flat_map(|choice| &choice.bill.gaps) {
        if !gaps.contains(&gap.as_str()) {
            gaps.push(gap);
        }
    }
    if !gaps.is_empty() {
        all.push(format!("Not in the sums, as no price is known: {}.", gaps.join(", ")));
    }
    if comparison.choices.iter().any(|choice| choice.estimated) {
        all.push("~ an estimate: a price in it is worked out or remembered, not quoted.".to_owned());
    }
    all.extend(comparison.advice.clone());
    all
}

fn markdown(comparison: &Comparison) -> String {
    let mut text = format!(
        "{} MiB/s of {} in {}:\n\n| | what | storage | USD a month | limit | patched by | healed by | Kafka | reached from |\n\
         |---|---|--:|--:|---|---|---|---|---|\n",
        comparison.ingress_mibs, comparison.stack, comparison.region
    );
    for choice in &comparison.choices {
        let terms = choice.terms;
        text += &format!(
            "| {} | {} | {:.0} GiB | {} | {} | {} | {} | {} | {} |\n",
            choice.name,
            choice.what,
            choice.storage_gib,
            amount(choice),
            choice.limit,
            terms.patches,
            terms.heals,
            terms.versions,
            terms.reach
        );
    }
    for remark in remarks(comparison) {
        text += &format!("\n* {remark}");
    }
    text.push('\n');
    text
}
