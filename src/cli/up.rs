//! `kstack up`: a temporary stack under a new name and in an address block of its own.

use serde::Serialize;

use super::context::Context;
use super::via::ViaArgs;
use super::view::{OutputTarget, Screen};
use super::{name, ttl, ui};
use crate::clock;
use crate::ops::prices::cost_of;
use crate::ops::up::{CreatedStack, StackRequest, Start, UpReport};
use crate::ops::{Failure, Signals};
use crate::session::Session;
use kstack_core::expiry::shown;
use kstack_core::pricing::money;
use kstack_core::stack::{Name, TimeSpan};

/// Create a temporary, separate stack from the file under a new name
///
/// It gets an address block of its own, so that several can be peered with the same network, and `kstack reap` destroys it
/// once it has expired.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The stack's name; default: the file's with a random suffix
    #[arg(long, value_parser = name)]
    name: Option<Name>,
    /// Time to live from now on, such as `4h`; default: the file's `ttl`
    #[arg(long, value_parser = ttl)]
    ttl: Option<TimeSpan>,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

#[derive(Serialize)]
struct UpEvent<'a> {
    event: &'static str,
    #[serde(flatten)]
    stack: &'a CreatedStack,
}

/// Creates a temporary stack from a file.
///
/// # Errors
/// Why it was not created or is not healthy, or that a signal came.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let mut request = StackRequest::read(&args.file, args.name.clone(), args.ttl, None)?;
    let session = open(&request, context).await?;
    let signals = Signals::listen()?;
    let target = if args.json { OutputTarget::Json } else { OutputTarget::Aside };
    let stack = create(&mut request, &session, &signals, target, context).await?;
    if args.json {
        ui::json_line(&UpEvent { event: "up", stack: &stack });
    } else {
        ui::out(&text(&stack));
    }
    Ok(0)
}

/// A session for the stack that is to be created.
pub async fn open(request: &StackRequest, context: &Context) -> Result<Session, Failure> {
    let stack = &request.parsed.stack;
    let mut session = context.session(&stack.region, &stack.name).await?;
    request.prepare(&mut session);
    Ok(session)
}

/// Creates the stack, and shows on `target` what happens.
pub async fn create(
    request: &mut StackRequest,
    session: &Session,
    signals: &Signals,
    target: OutputTarget,
    context: &Context,
) -> Result<CreatedStack, Failure> {
    let mut screen = Screen::new(target, context.printer);
    let report = |report: UpReport<'_>| match report {
        UpReport::Start(start) if target == OutputTarget::Aside => {
            context.printer.progress(&start_text(&start, session))
        }
        UpReport::Start(_) => {}
        UpReport::Run(report) => screen.report(report),
    };
    request.create(session, &context.task(signals), report).await
}

fn start_text(start: &Start<'_>, session: &Session) -> String {
    let month = cost_of(start.plan, start.observed);
    format!(
        "Creating {} in {} with {}: {} steps, {} USD a month; it expires at {}.",
        session.name,
        session.region,
        start.network,
        start.plan.steps.len(),
        money(month.now + month.change),
        shown(start.expires_at, clock::now())
    )
}

fn text(stack: &CreatedStack) -> String {
    let at = shown(stack.expires_at, clock::now());
    format!(
        "Stack: {}\nBootstrap servers: {}\nExpires: {at}\nTo extend it: kstack extend {} --ttl 2h --region {}\n",
        stack.name,
        stack.bootstrap_servers.join(","),
        stack.name,
        stack.region
    )
}
