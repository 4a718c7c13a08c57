//! `kstack prices`: the price table, and AWS's own prices in its place.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::error::Failure;
use super::ui;
use crate::aws::{default_region, region_prices};
use crate::sandbox;
use kstack_core::pricing::{CAPTURED, PriceAnswer, PriceOrigin, Prices, embedded};

/// How long prices from AWS are preferred to the embedded table.
const FRESH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Show where prices come from, or read AWS's own
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read a region's prices from the AWS Price List; for 30 days they are taken before the embedded table's
    Refresh {
        /// The AWS region, when not that of the environment or the profile
        #[arg(long)]
        region: Option<String>,
    },
    /// Show which prices are used for a region
    Show {
        /// The AWS region, when not that of the environment or the profile
        #[arg(long)]
        region: Option<String>,
    },
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let (Command::Refresh { region } | Command::Show { region }) = &args.command;
    let region = match region {
        Some(region) => Some(region.clone()),
        None => default_region().await,
    };
    let region = region.ok_or_else(|| Failure::new("no region is named").hint("use --region, or set AWS_REGION"))?;
    if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err(Failure::new(format!("`{region}` is not an AWS region")).hint("use one such as us-east-1"));
    }
    if matches!(args.command, Command::Show { .. }) {
        ui::out(&format!("{}\n", Used::of(&region).source));
        return Ok(0);
    }
    if sandbox {
        return Err(
            Failure::new("the sandbox has no price list").hint("run it without --sandbox, with AWS credentials")
        );
    }
    let prices = region_prices(&region).await?;
    if prices.is_empty() {
        return Err(Failure::new(format!("the AWS Price List has no price for {region} that kstack reads"))
            .hint("check the region's name; the embedded table stays in use"));
    }
    let count = prices.len();
    let answer = PriceAnswer { asked: Timestamp::now().to_string(), region: region.clone(), prices };
    let path = file(&region);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    let text = serde_json::to_string(&answer).unwrap_or_default();
    written
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| Failure::new(format!("{} can't be written: {error}", path.display())))?;
    ui::out(&format!("{count} prices of {region} are in {}.\n", path.display()));
    Ok(0)
}

/// Prices for one region, and where they are from.
pub struct Used {
    pub prices: Prices,
    /// A sentence.
    pub source: String,
}

impl Used {
    /// AWS's own prices while they are fresh, over the embedded table.
    pub fn of(region: &str) -> Used {
        let mut prices = embedded().clone();
        let answer = fs::read(file(region)).ok().and_then(|text| serde_json::from_slice::<PriceAnswer>(&text).ok());
        let fresh = answer.filter(|answer| {
            let asked = answer.asked.parse::<Timestamp>();
            answer.region == region && asked.is_ok_and(|asked| Timestamp::now().duration_since(asked) < FRESH)
        });
        let source = match &fresh {
            Some(answer) => format!(
                "Prices of {region}: {} from the AWS Price List, read {}; for the rest the embedded table of {CAPTURED}.",
                answer.prices.len(),
                answer.asked.split('T').next().unwrap_or_default()
            ),
            None => {
                format!("Prices of {region}: the embedded table of {CAPTURED}; `kstack prices refresh` reads AWS's.")
            }
        };
        prices.prefer(fresh.map(|answer| answer.prices).unwrap_or_default());
        Used { prices, source }
    }
}

/// What marks an amount with a price that is worked out.
pub fn mark(how: Option<PriceOrigin>) -> &'static str {
    if how == Some(PriceOrigin::Derived) { "~" } else { "" }
}

/// Beside the sandbox, in the user's cache.
fn file(region: &str) -> PathBuf {
    let sandbox = sandbox::folder();
    sandbox.parent().unwrap_or(&sandbox).join("prices").join(format!("{region}.json"))
}
