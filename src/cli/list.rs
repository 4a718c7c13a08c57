//! `kstack list`: every stack in the account and region, found by tags and metadata.

use jiff::Timestamp;

use serde::Serialize;

use super::context::{Context, region};
use super::ui;
use crate::clock;
use crate::ops::Failure;
use crate::ops::prices::RegionPrices;
use crate::survey::{StackSummary, survey};
use kstack_core::expiry::{age, left};
use kstack_core::pricing::money;

/// List every stack in the account and region with its age, expiry, owner, cost and state
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The AWS region; default: that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The stacks for scripts.
#[derive(Serialize)]
struct Stacks {
    stacks: Vec<StackSummary>,
}

/// Lists every stack of an account and region.
///
/// # Errors
/// AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let region = region(args.region.as_ref()).await?;
    let clients = context.clients(&region).await?;
    let prices = RegionPrices::load(&region).prices;
    let found = survey(&clients).await?;
    let now = clock::now();
    let there = found.iter().filter(|one| one.exists(now));
    let stacks: Vec<StackSummary> = there.map(|one| one.summary(&region, &prices, now)).collect();
    if args.json {
        ui::json(&Stacks { stacks });
    } else if stacks.is_empty() {
        ui::out(&format!("There are no stacks in {region}.\n"));
    } else {
        ui::out(&text(&stacks, now));
    }
    Ok(0)
}

fn text(stacks: &[StackSummary], now: Timestamp) -> String {
    let none = || "-".to_owned();
    let usd = |usd: f64, gaps: &[String]| format!("{}{}", money(usd), if gaps.is_empty() { "" } else { "+" });
    let row = |stack: &StackSummary| {
        let expiry = match stack.expires_at {
            _ if stack.protected => "protected".to_owned(),
            Some(at) if at <= now => format!("{} ago", age(now.duration_since(at).as_secs())),
            Some(at) => format!("in {}", left(at.duration_since(now).as_secs())),
            None => "never".to_owned(),
        };
        vec![
            stack.name.clone(),
            stack.brokers.to_string(),
            stack.controllers.to_string(),
            stack.age_seconds.map_or_else(none, age),
            expiry,
            usd(stack.usd_month, &stack.gaps),
            stack.usd_so_far.map_or_else(none, |amount| usd(amount, &stack.gaps)),
            stack.owner.clone().unwrap_or_else(none),
            if stack.lease.is_some() { "being changed" } else { stack.state.word() }.to_owned(),
        ]
    };
    let header = ["STACK", "BROKERS", "CONTROLLERS", "AGE", "EXPIRES", "USD A MONTH", "SO FAR", "OWNER", "STATE"];
    let mut text = ui::table(&header, &stacks.iter().map(row).collect::<Vec<_>>());
    let mut gaps: Vec<&str> = stacks.iter().flat_map(|stack| &stack.gaps).map(String::as_str).collect();
    gaps.sort_unstable();
    gaps.dedup();
    if !gaps.is_empty() {
        text.push_str(&format!("+ and more: the price of {} is unknown.\n", gaps.join(", ")));
    }
    text
}
