//! `up`: an ephemeral stack from a file, under a name and in an address block of its own.

mod block;
pub(super) mod ready;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use super::run::{RunReport, execute, refused_with_causes, tear_down};
use super::{Failure, LeasePolicy, LeasedWork, Task, caller_and_leases, guard, inside, kafka, under_lease};
use crate::lease::DURATION;
use crate::session::{Session, make_plan, read_source};
use kstack_core::check::Parsed;
use kstack_core::expiry::Lifetime;
use kstack_core::observed::Observed;
use kstack_core::plan::Plan;
use kstack_core::plan::Source;
use kstack_core::stack::{Name, TimeSpan};

/// The stack that is to be created.
pub struct StackRequest {
    pub parsed: Parsed,
    source: Source,
    ttl: Option<TimeSpan>,
    /// Nothing of it may exist yet.
    pub must_be_new: bool,
    /// Nothing of it existed before, so that whatever exists now was created by this request.
    pub created_here: bool,
}

/// A stack as it was created.
#[derive(Debug, Serialize)]
pub struct CreatedStack {
    pub name: String,
    pub region: String,
    /// The address block of its own VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Ipv4Net>,
    /// The VPC of others that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc: Option<String>,
    pub bootstrap_servers: Vec<String>,
    pub expires_at: Timestamp,
    /// The client's settings, in the format of a properties file.
    #[serde(skip)]
    pub properties: String,
}

/// The start of the creation: what will be created, and where.
pub struct Start<'a> {
    pub plan: &'a Plan,
    pub observed: &'a Observed,
    /// The address block of its own VPC, or the id of the VPC of others that it is in.
    pub network: String,
    pub expires_at: Timestamp,
}

/// What is reported while a stack is created.
pub enum UpReport<'a> {
    Start(Start<'a>),
    Run(RunReport<'a>),
}

impl StackRequest {
    /// The stack of `file` under another name; `default_ttl` is its time to live where neither `--ttl` nor the file has one.
    ///
    /// # Errors
    /// What is wrong with the file, or that the stack would never expire.
    pub fn read(
        file: &str,
        name: Option<Name>,
        ttl: Option<TimeSpan>,
        default_ttl: Option<TimeSpan>,
    ) -> Result<StackRequest, Failure> {
        let (source, mut parsed) = read_source(file)?;
        if parsed.stack.protected {
            return Err(Failure::new(super::apply::PROTECTED)
                .hint("remove `protected: true` from the file, or use `kstack apply`"));
        }
        parsed.stack.ttl = parsed.stack.ttl.or(default_ttl);
        if ttl.or(parsed.stack.ttl).is_none() {
            return Err(Failure::new(
                "the stack would never expire: neither the command nor the file has a time to live",
            )
            .hint("use --ttl 4h, or write `ttl: 4h` in the file; for a permanent stack use `kstack apply`"));
        }
        let own = name.is_none();
        parsed.stack.name = name.unwrap_or_else(|| random_name(&parsed.stack.name));
        Ok(StackRequest { source, parsed, ttl, must_be_new: own, created_here: own })
    }

    /// Makes `session` plan as of the request.
    pub fn prepare(&self, session: &mut Session) {
        session.ttl = self.ttl;
    }

    /// Creates the stack, or what is missing of it, and waits until it is healthy.
    ///
    /// # Errors
    /// What failed, and how to go on.
    pub async fn create(
        &mut self,
        session: &Session,
        task: &Task<'_>,
        mut report: impl FnMut(UpReport<'_>),
    ) -> Result<CreatedStack, Failure> {
        let ((account, caller), policy) = task.signals.unless_stopped(caller_and_leases(session)).await?;
        guard(&self.parsed.stack, &account)?;
        let work = async || LeasedWork::on_stack(self.work(session, task, &mut report).await);
        under_lease(session, &caller, task, policy, work).await
    }

    async fn work(
        &mut self,
        session: &Session,
        task: &Task<'_>,
        report: &mut impl FnMut(UpReport<'_>),
    ) -> Result<CreatedStack, Failure> {
        let signals = task.signals;
        let seen = signals.unless_stopped(inside::look(session, &self.parsed, task.into())).await?;
        let name = self.parsed.stack.name.to_string();
        let observed = &seen.input.observed;
        if matches!(seen.term, Lifetime::Lasting | Lifetime::Protected) {
            return Err(Failure::new(format!(
                "the stack {name} exists already and does not expire; nothing was changed"
            ))
            .hint("choose another --name; use `kstack apply` for permanent stacks"));
        }
        let nothing = seen.term == Lifetime::Nothing && observed.unplaced.is_empty();
        self.created_here = nothing;
        if self.must_be_new && !nothing {
            return Err(Failure::new(format!("the stack {name} exists already; nothing was changed"))
                .hint("choose another --name"));
        }
        let expires_at = seen.input.expires.unwrap_or(Timestamp::MAX);
        // A network of others needs no address block of the stack's own.
        let network = &self.parsed.stack.network;
        let cidr = match network.cidr.filter(|_| network.existing.is_none()) {
            None => None,
            Some(cidr) => {
                let choice = block::choose(session, observed, cidr.prefix_len(), expires_at);
                let block = signals.unless_stopped(choice).await?;
                self.parsed.stack.network = network.moved(block);
                Some(block)
            }
        };
        let (design, plan) = make_plan(&self.source, &self.parsed, &seen.input, false);
        let Some(design) = design.filter(|_| plan.refusals.is_empty()) else {
            return Err(refused_with_causes(&plan));
        };
        let again = |failure: Failure| {
            let hint = format!(
                "finish it: run the command again with --name {name}; or delete it: kstack destroy --name {name} --region {}",
                session.region
            );
            Failure { hint: Some(hint), ..failure }
        };
        let vpc = design.existing.as_ref().map(|existing| existing.vpc.clone());
        let worked = !plan.steps.is_empty();
        if worked {
            let network = cidr.map(|block| block.to_string()).or_else(|| vpc.clone()).unwrap_or_default();
            report(UpReport::Start(Start { plan: &plan, observed, network, expires_at }));
        }
        let record = session.ensure_record(&design, &seen.input).await?;
        let kafka = kafka::of(session, &design, observed, task, false).await?;
        let may_write = || session.fence.open();
        let done = Box::pin(async {
            if worked {
                let mut report = |one: RunReport<'_>| report(UpReport::Run(one));
                let within = inside::of(session, &design, &kafka, task, &may_write);
                let done =
                    execute(session, (&kafka, &within), &plan, observed, &record.incarnation(), task, &mut report)
                        .await;
                within.close().await;
                done?;
            }
            signals.until_signal(ready::INTERRUPTED_WAIT, ready::wait(session, &design, &kafka, task)).await
        });
        let done = done.await;
        kafka.link.way.close().await;
        let (bootstrap_servers, properties) = done.map_err(again)?;
        let unknown = observed.unknown_inside().is_some();
        session.complete_record(&design, &record, (worked, unknown)).await.map_err(Failure::from).map_err(again)?;
        let region = session.region.clone();
        Ok(CreatedStack { name: name.clone(), region, cidr, vpc, bootstrap_servers, expires_at, properties })
    }
}

/// Destroys an ephemeral stack as soon as nobody else is working on it. A crashed process keeps its lease until that expires.
///
/// # Errors
/// What failed, and what is left.
pub async fn destroy(session: &Session, task: &Task<'_>) -> Result<usize, Failure> {
    let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    let policy = LeasePolicy { wait: DURATION * 3 / 2, ..LeasePolicy::default() };
    let work = async || LeasedWork::deleting(tear_down(session, &account, task).await);
    under_lease(session, &caller, task, policy, work).await
}

/// `file` with a random suffix, of thirty characters at most.
fn random_name(file: &Name) -> Name {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let end: String = (0..6).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect();
    let start: String = file.chars().take(23).collect();
    Name(format!("{}-{end}", start.trim_end_matches('-')))
}
