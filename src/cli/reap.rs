//! `kstack reap`: destroys every stack whose time has passed, found by tags and papers alone.

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use super::error::Failure;
use super::run::{INTERRUPTED, Signals, give_back, settled, tear_down, unsure};
use super::{place, ui};
use crate::aws::{Clients, Fence};
use crate::clock;
use crate::lease::{Lease, LeaseError};
use crate::session::Session;
use crate::survey::{Found, survey};
use kstack_core::expiry::{Term, shown};

/// Destroy every stack whose time has passed, its data with it, without its file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say what would be destroyed
    #[arg(long)]
    dry_run: bool,
    /// In every region that the account can use
    #[arg(long, conflicts_with = "region")]
    all_regions: bool,
    /// The AWS region, when not that of the environment or the profile
    #[arg(long)]
    region: Option<String>,
    /// Print what becomes of each stack as lines of JSON
    #[arg(long)]
    json: bool,
}

/// Stacks that are destroyed at the same time: more would only wait for AWS's limits of calls.
const AT_ONCE: usize = 8;

/// What became of a stack.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
enum Ending {
    /// It would be destroyed.
    Due {
        resources: usize,
    },
    Destroyed {
        resources: usize,
    },
    /// Another was faster.
    Gone,
    /// Somebody works on it: a reap at another place, most likely.
    Busy {
        why: String,
    },
    /// It lives longer than it seemed.
    Kept {
        why: String,
    },
    Failed {
        why: String,
    },
}

#[derive(Debug, Serialize)]
struct Line {
    event: &'static str,
    stack: String,
    region: String,
    #[serde(flatten)]
    ending: Ending,
}

#[derive(Debug, Default, Serialize)]
struct Sum {
    destroyed: usize,
    due: usize,
    gone: usize,
    busy: usize,
    kept: usize,
    failed: usize,
    /// Regions that did not answer.
    regions_failed: usize,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let first = match (args.all_regions, super::region(args.region.as_ref()).await) {
        // Any region tells the others.
        (true, Err(_)) => "us-east-1".to_owned(),
        (_, region) => region?,
    };
    let place = place(&first, sandbox)?;
    let clients = Clients::connect(&place, Fence::default()).await;
    let signals = Signals::listen()?;
    let (account, caller) = signals.unless_stopped(clients.identity()).await?;
    let regions = match args.all_regions {
        true => signals.unless_stopped(clients.regions()).await?,
        false => vec![first],
    };
    let surveys = regions.into_iter().map(|region| {
        let clients = clients.in_region(&region);
        async move { (region, survey(&clients).await, clients) }
    });
    let surveys: Vec<_> = stream::iter(surveys).buffer_unordered(AT_ONCE).collect().await;
    let now = clock::now();
    let mut sum = Sum::default();
    let mut due = Vec::new();
    for (region, found, clients) in surveys {
        match found {
            Ok(found) => due.extend(found.into_iter().filter(|one| is_due(one, now)).map(|one| (clients.clone(), one))),
            Err(error) => {
                ui::progress(&format!("{region}: {error}"));
                sum.regions_failed += 1;
            }
        }
    }
    let work = due.into_iter().map(|(clients, found)| {
        let (who, signals) = (Who { account: &account, caller: &caller, sandbox }, &signals);
        async move {
            let ending = match args.dry_run {
                true => Ending::Due { resources: found.observed.live.len() },
                false => reap(&clients, &found.name, who, signals).await,
            };
            Line { event: "reaped", stack: found.name, region: clients.region, ending }
        }
    });
    let mut work = stream::iter(work).buffer_unordered(AT_ONCE);
    while let Some(line) = work.next().await {
        sum.count(&line.ending);
        if args.json { ui::json_line(&line) } else { ui::out(&text(&line)) }
    }
    if args.json {
        ui::json_line(&serde_json::json!({"event": "finished", "counts": sum}));
    } else {
        ui::out(&sum.text());
    }
    match (signals.count(), sum.failed + sum.regions_failed) {
        (0, 0) => Ok(0),
        (0, _) => Ok(1),
        _ => Ok(INTERRUPTED),
    }
}

/// Whether the stack is to go; also what a kstack that died before it wrote anything left of its lease.
fn is_due(found: &Found, now: Timestamp) -> bool {
    match found.term() {
        Term::Until(at) => at <= now,
        Term::Nothing => !found.papers.leases.is_empty() && !found.exists(now),
        Term::Lasting | Term::Protected => false,
    }
}

/// Who reaps, and where.
#[derive(Debug, Clone, Copy)]
struct Who<'a> {
    account: &'a str,
    caller: &'a str,
    sandbox: bool,
}

/// Destroys the stack under its lease, after another look at whether it is still to go.
async fn reap(clients: &Clients, name: &str, who: Who<'_>, signals: &Signals) -> Ending {
    let session = Session::beside(clients, name);
    let failed = |failure: Failure| {
        let causes = failure.causes.into_iter();
        Ending::Failed { why: [failure.message].into_iter().chain(causes).collect::<Vec<_>>().join(": ") }
    };
    if signals.count() > 0 {
        return failed(Failure::new("a signal came before it was begun"));
    }
    let lease = match Lease::take(&session.aws.clients, name, who.caller, &session.fence).await {
        Ok(lease) => lease,
        Err(LeaseError::Held { holder, .. }) => {
            return Ending::Busy { why: format!("{} on {} (process {})", holder.who, holder.host, holder.pid) };
        }
        Err(error) => return failed(error.into()),
    };
    let lease = match settled(lease, signals).await {
        Ok(lease) => lease,
        Err(failure) => return failed(failure),
    };
    let result = under_lease(&session, who, signals).await;
    let gone = matches!(result, Ok(Ending::Destroyed { .. } | Ending::Gone));
    let released = give_back(lease, gone, unsure(&result), &signals.for_release()).await;
    match (result, released) {
        (Err(failure), _) | (Ok(Ending::Destroyed { .. }), Err(failure)) => failed(failure),
        (Ok(ending), _) => ending,
    }
}

async fn under_lease(session: &Session, who: Who<'_>, signals: &Signals) -> Result<Ending, Failure> {
    let (clients, name) = (&session.aws.clients, &session.aws.stack);
    let look = async { tokio::try_join!(session.observe(), clients.papers(name), clients.claims()) };
    let (observed, papers, claims) = signals.unless_stopped(look).await?;
    let claim = claims.iter().filter(|claim| claim.stack == *name).max_by_key(|claim| claim.expires_at);
    let now = clock::now();
    let why = match Term::of(&observed, papers.record.as_ref(), claim) {
        Term::Until(at) if at <= now => {
            let resources = tear_down(session, who.account, signals, who.sandbox, |_| {}).await?;
            return Ok(Ending::Destroyed { resources });
        }
        Term::Nothing => return Ok(Ending::Gone),
        Term::Until(at) => format!("it expires at {}", shown(at, now)),
        Term::Lasting => "it has no expiry".to_owned(),
        Term::Protected => "it is protected".to_owned(),
    };
    Ok(Ending::Kept { why })
}

fn text(line: &Line) -> String {
    let (word, what) = match &line.ending {
        Ending::Due { resources } => ("due", format!("{resources} resources would be deleted")),
        Ending::Destroyed { resources } => ("destroyed", format!("{resources} resources deleted")),
        Ending::Gone => ("gone", "nothing was left of it but a lease".to_owned()),
        Ending::Busy { why } => ("busy", format!("another kstack works on it: {why}")),
        Ending::Kept { why } => ("kept", why.clone()),
        Ending::Failed { why } => ("failed", why.clone()),
    };
    format!("{word:10} {} in {}: {what}\n", line.stack, line.region)
}

impl Sum {
    fn count(&mut self, ending: &Ending) {
        *match ending {
            Ending::Due { .. } => &mut self.due,
            Ending::Destroyed { .. } => &mut self.destroyed,
            Ending::Gone => &mut self.gone,
            Ending::Busy { .. } => &mut self.busy,
            Ending::Kept { .. } => &mut self.kept,
            Ending::Failed { .. } => &mut self.failed,
        } += 1;
    }

    fn text(&self) -> String {
        let named = [
            (self.due, "due"),
            (self.destroyed, "destroyed"),
            (self.gone, "gone"),
            (self.busy, "busy"),
            (self.kept, "kept"),
            (self.failed, "failed"),
            (self.regions_failed, "regions without an answer"),
        ];
        let counted = named.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
        let counted: Vec<String> = counted.collect();
        if counted.is_empty() { "No stack has expired.\n".to_owned() } else { format!("{}.\n", counted.join(", ")) }
    }
}
