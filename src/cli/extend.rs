//! `kstack extend`: lets an ephemeral stack live longer, without its file.

use super::error::Failure;
use super::run::{Signals, give_back, take};
use super::{place, region, ttl, ui};
use crate::session::Session;
use kstack_core::expiry::{Asked, Term, shown};
use kstack_core::model::Record;
use kstack_core::model::{Tags, tag};
use kstack_core::stack::{Name, TimeSpan};

/// Let a stack that goes by itself live longer
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack's name
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: Name,
    /// How long from now on, such as `2h`
    #[arg(long, value_parser = ttl)]
    ttl: TimeSpan,
    /// The AWS region, when not that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let region = region(args.region.as_ref()).await?;
    let session = Session::open(&place(&region, sandbox)?, &args.name).await;
    let signals = Signals::listen()?;
    let (_, caller) = signals.unless_stopped(session.aws.clients.identity()).await?;
    let lease = take(&session, &caller, &signals).await?;
    let result = under_lease(args, &session, &signals).await;
    // Where there is no stack, nothing is left of having looked.
    let gone = matches!(result, Ok(false));
    let released = give_back(lease, gone, false, &signals).await;
    if !result? {
        return Err(Failure::new(format!("there is no stack {} in {region}", args.name)).hint("see `kstack list`"));
    }
    released?;
    Ok(0)
}

/// Whether there is such a stack, which then lives longer.
async fn under_lease(args: &Args, session: &Session, signals: &Signals) -> Result<bool, Failure> {
    let papers = session.aws.clients.papers(&args.name);
    let look = async { tokio::try_join!(session.observe(), papers) };
    let (observed, papers) = signals.unless_stopped(look).await?;
    let Asked { now, .. } = session.asked;
    let name = &args.name;
    let old = match Term::of(&observed, papers.record.as_ref(), None) {
        Term::Nothing => return Ok(false),
        Term::Until(at) => at,
        Term::Lasting => return Err(Failure::new(format!("the stack {name} stays as it is: it has no expiry"))),
        Term::Protected => return Err(Failure::new(format!("the stack {name} stays as it is: it is protected"))),
    };
    let new = session.asked.end(args.ttl);
    if new <= old {
        let message = format!("the stack {name} expires at {} anyway; nothing was changed", shown(old, now));
        return Err(Failure::new(message).hint("give a longer --ttl: it counts from now"));
    }
    // The latest expiry counts, so the first of these writes is enough, and running again does the others.
    if let Some(record) = papers.record {
        let record = Record { expires_at: Some(new), ..record };
        session.aws.clients.put_record(name, &record, true).await?;
    }
    session.retag(&observed, &Tags::from([(tag::EXPIRES.to_owned(), new.to_string())])).await?;
    ui::out(&format!("The stack {name} expires at {}.\n", shown(new, now)));
    Ok(true)
}
