//! `kstack prices`: the price table, and AWS's own prices in its place.

use super::context::{Context, region};
use super::ui;
use crate::ops::Failure;
use crate::ops::prices::{RegionPrices, refresh};

/// Show where prices come from, or read AWS's current ones
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: PricesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PricesCommand {
    /// Read a region's prices from the AWS Price List; for 30 days they replace the embedded ones
    Refresh {
        /// The AWS region; default: that of the environment or the profile
        #[arg(long)]
        region: Option<String>,
    },
    /// Show which prices are used for a region
    Show {
        /// The AWS region; default: that of the environment or the profile
        #[arg(long)]
        region: Option<String>,
    },
}

/// Reads AWS's prices of a region, or prints the present ones.
///
/// # Errors
/// AWS's answer, or that the prices can't be saved.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (PricesCommand::Refresh { region: named } | PricesCommand::Show { region: named }) = &args.command;
    let region = region(named.as_ref()).await?;
    if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err(Failure::new(format!("`{region}` is not an AWS region")).hint("use one such as us-east-1"));
    }
    if matches!(args.command, PricesCommand::Show { .. }) {
        ui::out(&format!("{}\n", RegionPrices::load(&region).source));
        return Ok(0);
    }
    if context.sandbox {
        return Err(
            Failure::new("the sandbox has no price list").hint("run it without --sandbox, with AWS credentials")
        );
    }
    let (count, path) = refresh(&region).await?;
    ui::out(&format!("{count} prices of {region} are in {}.\n", path.display()));
    Ok(0)
}
