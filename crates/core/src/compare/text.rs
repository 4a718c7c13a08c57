//! A comparison as text and as Markdown.

use super::Comparison;
use crate::pricing::{Choice, money};
use crate::text::table;

/// Rows below their titles, as aligned columns.
fn titled<const N: usize>(titles: [&str; N], rows: Vec<Vec<String>>) -> String {
    table(&[vec![titles.map(str::to_owned).to_vec()], rows].concat(), &[])
}

/// `~1,234.56`, and `and more` where a price is missing.
fn amount(choice: &Choice) -> String {
    let mark = if choice.estimated { "~" } else { "" };
    let more = if choice.complete() { "" } else { " and more" };
    format!("{mark}{}{more}", money(choice.usd))
}

impl Comparison {
    /// Bars, tables and remarks as text; ends with a newline.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} MiB/s of {} in {}, USD a month\n\n{}\n",
            self.ingress_mibs,
            self.stack,
            self.region,
            self.bars()
        );
        let rows = self.choices.iter().map(|choice| {
            let storage = format!("{:.0} GiB", choice.storage_gib);
            vec![choice.name.clone(), choice.what.clone(), storage, amount(choice), choice.limit.clone()]
        });
        text += &titled(["", "WHAT", "STORAGE", "USD A MONTH", "LIMIT"], rows.collect());
        text.push('\n');
        text += &titled(["", "PATCHED BY", "REPAIRED BY", "KAFKA", "REACHED FROM"], terms(self));
        text.push('\n');
        text += &remarks(self).join("\n");
        text.push('\n');
        text
    }

    /// The same as a Markdown table and a list.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{} MiB/s of {} in {}:\n\n| | what | storage | USD a month | limit | patched by | repaired by | Kafka | reached from |\n\
         |---|---|--:|--:|---|---|---|---|---|\n",
            self.ingress_mibs, self.stack, self.region
        );
        for choice in &self.choices {
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
        for remark in remarks(self) {
            text += &format!("\n* {remark}");
        }
        text.push('\n');
        text
    }
}

/// The terms of each choice; choices with the same terms are listed once.
fn terms(comparison: &Comparison) -> Vec<Vec<String>> {
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

/// Sentences: what does not fit, where the cheapest choice changes, the same brokers on MSK, missing prices, the advice.
fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut all = Vec::new();
    for unfit in &comparison.unfit {
        all.push(format!("Not compared: {}, as {}.", unfit.name, unfit.reason));
    }
    for crossing in &comparison.crossings {
        let (below, above) = (&crossing.below, &crossing.above);
        all.push(format!(
            "At {:.2} MiB/s the cheapest choice for production changes from {below} to {above}.",
            crossing.ingress_mibs
        ));
    }
    if comparison.crossings.is_empty() && comparison.choices.iter().any(Choice::complete) {
        all.push("The cheapest choice for production is the same from 0.1 to 1,000 MiB/s.".to_owned());
    }
    if let Some(same) = &comparison.same {
        let even = match same.break_even_mibs {
            Some(rate) => {
                format!(
                    "from {rate:.2} MiB/s on, EC2 is no longer cheaper, because it pays for replication between zones"
                )
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
        all.push(format!("Not included, because the price is unknown: {}.", gaps.join(", ")));
    }
    if comparison.choices.iter().any(|choice| choice.estimated) {
        all.push("~ an estimate: a price in it is derived, not quoted.".to_owned());
    }
    all.extend(comparison.advice.clone());
    all
}
