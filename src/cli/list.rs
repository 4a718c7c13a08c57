//! `kstack list`: every stack in the account and region, found by tags and records.

use super::error::Failure;
use super::{place, ui};
use crate::aws::{Clients, Fence, default_region, list_stacks};

/// List every stack in the account and region
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The AWS region, when not that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let region = match &args.region {
        Some(region) => Some(region.clone()),
        None => default_region().await,
    };
    let region = region.ok_or_else(|| Failure::new("no region is named").hint("use --region, or set AWS_REGION"))?;
    let clients = Clients::connect(&place(&region, sandbox)?, Fence::default()).await;
    let stacks = list_stacks(&clients).await?;
    if args.json {
        ui::json(&stacks);
        return Ok(0);
    }
    if stacks.is_empty() {
        ui::out(&format!("There is no stack in {region}.\n"));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = stacks
        .iter()
        .map(|stack| {
            let made = stack
                .record
                .as_ref()
                .map_or_else(|| "-".to_owned(), |record| record.made_at.strftime("%F %T UTC").to_string());
            let by = stack.record.as_ref().map_or("-", |record| record.made_by.as_str());
            vec![
                stack.name.clone(),
                stack.brokers_running.to_string(),
                stack.controllers_running.to_string(),
                format!("{} ({} GiB)", stack.volumes, stack.volume_gib),
                made,
                by.to_owned(),
                if stack.lease.is_some() { "being changed" } else { "" }.to_owned(),
            ]
        })
        .collect();
    ui::out(&ui::table(&["STACK", "BROKERS", "CONTROLLERS", "VOLUMES", "MADE", "BY", ""], &rows));
    Ok(0)
}
