//! `kstack apply`: plans, asks, and runs the plan under the stack's lease.

use std::net::SocketAddrV4;

use serde_json::Value;

use super::context::Context;
use super::plan::show;
use super::ui;
use super::via::ViaArgs;
use super::view::{OutputTarget, Screen};
use crate::clock;
use crate::ops::apply::{Applied, ApplyRequest};
use crate::ops::{Failure, RunReport, Signals, credentials, refused};
use crate::session::Session;
use kstack_core::cloud_init::CLIENT_PORT;
use kstack_core::design::Design;
use kstack_core::engines::Engine;
use kstack_core::expiry;
use kstack_core::stack::{Ec2, TimeSpan};

/// Create and change resources until they match the stack file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A stack file, or a plan saved by `kstack plan --out`
    #[arg(value_name = "FILE")]
    file: String,
    /// Run without asking for approval
    #[arg(long)]
    yes: bool,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
    /// Time to live of the stack from now on, such as `4h`; overrides the file's `ttl`
    #[arg(long, value_parser = super::ttl)]
    ttl: Option<TimeSpan>,
    /// Allow steps that delete data, and steps that replace lost data with nothing
    #[arg(long)]
    allow_data_loss: bool,
    /// Roll one host after another by EC2's checks alone, where no broker can be reached. Whether the last host's Kafka is back in sync is
    /// not known then. Without this flag such a run stops after its first host
    #[arg(long)]
    blind: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Plans and applies a stack file, or runs a saved plan.
///
/// # Errors
/// Why nothing was planned or applied, which steps failed, or that a signal came.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let mut request = ApplyRequest::read(&args.file, args.allow_data_loss, args.ttl)?;
    request.blind = args.blind;
    let stack = &request.parsed.stack;
    let mut session = context.session(&stack.region, &stack.name).await?;
    request.prepare(&mut session);
    let approved = match request.is_approved() || args.yes {
        true => None,
        false => match ask(&request, &session, args.json, context).await? {
            Some(steps) => Some(steps),
            None => return Ok(0),
        },
    };
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    let mut screen = Screen::new(if args.json { OutputTarget::Json } else { OutputTarget::Text }, context.printer);
    let report = |report: RunReport<'_>| match report {
        RunReport::Planned { plan, observed } => show(plan, observed, args.json),
        other => screen.report(other),
    };
    let applied = request.apply(&session, approved.as_deref(), &task, report).await?;
    if let Some(applied) = applied.filter(|applied| applied.changed && !args.json) {
        ui::out(&text(&applied, &args.file));
    }
    Ok(0)
}

/// Shows the plan and asks for approval; `None` when there is nothing to do.
async fn ask(
    request: &ApplyRequest,
    session: &Session,
    json: bool,
    context: &Context,
) -> Result<Option<Vec<Value>>, Failure> {
    let (plan, seen) = request.preview(session, context.looking()).await?;
    show(&plan, &seen.input.observed, json);
    if !plan.refusals.is_empty() {
        return Err(refused(&plan));
    }
    if plan.steps.is_empty() {
        return Ok(None);
    }
    if let Some(text) = credentials::warning(session, &plan).await {
        context.printer.progress(&text);
    }
    let hint = "run with --yes, or save the plan with `kstack plan --out` and apply it";
    ui::approve("\nRun this plan? Only `yes` is accepted: ", "yes", "the plan was not approved", hint)?;
    Ok(Some(plan.steps.iter().map(|step| serde_json::to_value(step).unwrap_or_default()).collect()))
}

fn text(applied: &Applied, file: &str) -> String {
    let Applied { design, local, .. } = applied;
    match Engine::of(&design.stack) {
        // MSK tells them only once brokers answer.
        Engine::Msk => format!("Bootstrap servers: see `kstack status {file}`\n"),
        Engine::Ec2 => on_hosts(design, local),
    }
}

/// Where clients reach brokers on EC2, and when their stack expires.
fn on_hosts(design: &Design, local: &[SocketAddrV4]) -> String {
    let port = design.stack.cluster.ec2.as_ref().map_or(CLIENT_PORT, Ec2::client_port);
    let brokers = design.hosts.iter().filter(|host| host.broker());
    let in_vpc = brokers.map(|host| format!("{}:{port}", host.address)).collect();
    let servers: Vec<String> = match local.is_empty() {
        true => in_vpc,
        false => local.iter().map(ToString::to_string).collect(),
    };
    let name = design.bootstrap_name().map(|name| format!("Bootstrap name: {name}:{port}\n")).unwrap_or_default();
    let expires = design.expires.map(|at| format!("Expires: {}\n", expiry::shown(at, clock::now())));
    format!("Bootstrap servers: {}\n{name}{}", servers.join(","), expires.unwrap_or_default())
}
