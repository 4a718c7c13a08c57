//! `kstack up`: a stack under a name and in an address block of its own, that goes by itself.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use super::apply::PROTECTED;
use super::error::Failure;
use super::plan::{cost, refused};
use super::run::{Signals, execute, give_back, guard, take, unsure};
use super::view::View;
use super::{kafka, msk, name, place, ttl, ui};
use crate::aws::Class;
use crate::aws::kinds::msk_status;
use crate::clock;
use crate::health::{self, shortened};
use crate::roll::{self, Kafka};
use crate::session::{Seen, Session, Source, make_plan};
use kstack_core::check::Parsed;
use kstack_core::design::Design;
use kstack_core::engines::msk::client_properties::{AuthMethod, client_properties};
use kstack_core::expiry::{Term, shown};
use kstack_core::kinds::{Instance, Vpc};
use kstack_core::model::Claim;
use kstack_core::network::free_blocks;
use kstack_core::observed::Observed;
use kstack_core::pricing::money;
use kstack_core::stack::{Name, TimeSpan};

/// Make a stack of its own from the file, under another name and in a free address block, that goes by itself
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The stack's name; the file's with a random end when absent
    #[arg(long, value_parser = name)]
    name: Option<Name>,
    /// How long it lives from now on, such as `4h`; the file's `ttl` when absent
    #[arg(long, value_parser = ttl)]
    ttl: Option<TimeSpan>,
    /// Print events as lines of JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let mut wanted = Wanted::read(&args.file, args.name.clone(), args.ttl, None)?;
    let session = wanted.open(sandbox).await?;
    let signals = Signals::listen()?;
    let show = if args.json { Show::Json } else { Show::Aside };
    let up = wanted.make(&session, &signals, show).await?;
    if args.json {
        ui::json_line(&up);
    } else {
        ui::out(&up.text());
    }
    Ok(0)
}

/// Where the events of the making go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// To standard output, as JSON.
    Json,
    /// To standard error, so that standard output has the result alone.
    Aside,
}

/// The stack that is to be made.
pub struct Wanted {
    source: Source,
    parsed: Parsed,
    ttl: Option<TimeSpan>,
    sandbox: bool,
    /// Whether there must be nothing of it yet.
    pub fresh: bool,
    /// Whether nothing of it was there before, so that whatever is there now is of this making.
    pub ours: bool,
}

/// The stack as it was made.
#[derive(Debug, Serialize)]
pub struct Up {
    event: &'static str,
    pub name: String,
    region: String,
    cidr: Ipv4Net,
    pub bootstrap_servers: Vec<String>,
    pub expires_at: Timestamp,
    /// The client's settings, as a properties file has them.
    #[serde(skip)]
    pub properties: String,
}

impl Wanted {
    /// The stack of `file` under another name; `otherwise` is its time to live where neither `--ttl` nor the file has one.
    ///
    /// # Errors
    /// What is wrong with the file, or that the stack would stay for ever.
    pub fn read(
        file: &str,
        name: Option<Name>,
        ttl: Option<TimeSpan>,
        otherwise: Option<TimeSpan>,
    ) -> Result<Wanted, Failure> {
        let (source, mut parsed) = Source::read(file)?;
        if parsed.stack.protected {
            return Err(Failure::new(PROTECTED).hint("take `protected: true` out of the file, or use `kstack apply`"));
        }
        parsed.stack.ttl = parsed.stack.ttl.or(otherwise);
        if ttl.or(parsed.stack.ttl).is_none() {
            return Err(Failure::new("the stack would never go: neither the command nor the file has a time to live")
                .hint("use --ttl 4h, or write `ttl: 4h` in the file; for a stack that stays there is `kstack apply`"));
        }
        let own = name.is_none();
        parsed.stack.name = name.unwrap_or_else(|| random(&parsed.stack.name));
        Ok(Wanted { source, parsed, ttl, sandbox: false, fresh: own, ours: own })
    }

    /// A session for it.
    ///
    /// # Errors
    /// That the sandbox can't be started.
    pub async fn open(&mut self, sandbox: bool) -> Result<Session, Failure> {
        self.sandbox = sandbox;
        let stack = &self.parsed.stack;
        let mut session = Session::open(&place(&stack.region, sandbox)?, &stack.name).await;
        session.asked.ttl = self.ttl;
        Ok(session)
    }

    /// Makes the stack, or what is missing of it, and waits until it is healthy.
    ///
    /// # Errors
    /// What failed, and how to go on.
    pub async fn make(&mut self, session: &Session, signals: &Signals, show: Show) -> Result<Up, Failure> {
        let (account, caller) = signals.unless_stopped(session.aws.clients.identity()).await?;
        guard(&self.parsed.stack, &account)?;
        let lease = take(session, &caller, signals).await?;
        let result = self.under_lease(session, signals, show).await;
        let released = give_back(lease, false, unsure(&result), signals).await;
        let up = result?;
        released?;
        Ok(up)
    }

    async fn under_lease(&mut self, session: &Session, signals: &Signals, show: Show) -> Result<Up, Failure> {
        let seen = signals.unless_stopped(session.look(&self.parsed)).await?;
        let name = self.parsed.stack.name.to_string();
        if matches!(seen.term, Term::Lasting | Term::Protected) {
            return Err(Failure::new(format!(
                "the stack {name} is there, and it is one that stays; nothing was changed"
            ))
            .hint("choose another --name; `kstack apply` is for stacks that stay"));
        }
        let nothing = seen.term == Term::Nothing && seen.world.observed.unplaced.is_empty();
        self.ours = nothing;
        if self.fresh && !nothing {
            return Err(Failure::new(format!("the stack {name} is there already; nothing was changed"))
                .hint("choose another --name"));
        }
        let expires_at = seen.world.expires.unwrap_or(Timestamp::MAX);
        let cidr = signals.unless_stopped(self.block(session, &seen, expires_at)).await?;
        self.parsed.stack.network = self.parsed.stack.network.moved(cidr);
        let (design, plan) = make_plan(&self.source, &self.parsed, &seen.world, false);
        let Some(design) = design.filter(|_| plan.refusals.is_empty()) else {
            let causes = plan.refusals.iter().map(|one| format!("{}; {}", one.reason, one.remedy)).collect();
            return Err(Failure { causes, ..refused(&plan) });
        };
        let again = |failure: Failure| {
            let hint = format!(
                "run it again with --name {name} to finish it; or delete it: kstack destroy --name {name} --region {}",
                session.region
            );
            Failure { hint: Some(hint), ..failure }
        };
        if show == Show::Aside && !plan.steps.is_empty() {
            let (month, now) = (cost(&plan, &seen.world.observed), clock::now());
            ui::progress(&format!(
                "Making {name} in {} with {cidr}: {} steps, {} USD a month; it expires at {}.",
                session.region,
                plan.steps.len(),
                money(month.now + month.change),
                shown(expires_at, now)
            ));
        }
        let record = session.ensure_record(&design, &seen.world).await?;
        let kafka = kafka::of(&design, &seen.world.observed, self.sandbox)?;
        if !plan.steps.is_empty() {
            let steps = plan.steps.len();
            let view = if show == Show::Json { View::new(true, steps) } else { View::aside(steps) };
            execute(session, &kafka, &plan, &seen.world.observed, &record.life(), signals, view)
                .await
                .map_err(again)?;
        }
        let healthy = healthy(session, &design, &kafka);
        let (bootstrap_servers, properties) = signals.until_signal(UNHEALTHY, healthy).await.map_err(again)?;
        let worked = !plan.steps.is_empty();
        session.complete_record(&design, &record, worked).await.map_err(Failure::from).map_err(again)?;
        let region = session.region.clone();
        Ok(Up { event: "up", name: name.clone(), region, cidr, bootstrap_servers, expires_at, properties })
    }

    /// The stack's address block: that of its VPC, or the one that it has claimed, or one that nobody has.
    async fn block(&self, session: &Session, seen: &Seen, expires_at: Timestamp) -> Result<Ipv4Net, Failure> {
        let (clients, stack) = (&session.aws.clients, &session.aws.stack);
        let prefix = self.parsed.stack.network.cidr.prefix_len();
        if let Some(block) = live_block(&seen.world.observed) {
            return Ok(block);
        }
        let (claims, vpcs) = tokio::try_join!(clients.claims(), clients.vpc_blocks())?;
        if let Some(claim) = claims.iter().find(|claim| claim.stack == *stack && claim.block.prefix_len() == prefix) {
            return Ok(claim.block);
        }
        let held: Vec<Ipv4Net> = claims.iter().map(|claim| claim.block).chain(vpcs).collect();
        for block in free_blocks(stack, prefix, &held) {
            let claim = Claim { stack: stack.clone(), block, expires_at };
            match clients.put_claim(&claim).await {
                Ok(()) => return Ok(block),
                // Another stack was faster; or our own first try arrived and its answer did not.
                Err(error) if error.class == Class::Conflict => {
                    if clients.claims().await?.contains(&claim) {
                        return Ok(block);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::new("no address block is free: every /16 of 10.0.0.0/8 is used by a VPC or claimed by a stack")
            .hint("delete stacks that are no longer needed with `kstack reap` or `kstack destroy`"))
    }
}

impl Up {
    fn text(&self) -> String {
        let at = shown(self.expires_at, clock::now());
        format!(
            "Stack: {}\nBootstrap servers: {}\nExpires: {at}\n\
             Longer: kstack extend {} --ttl 2h --region {}\n",
            self.name,
            self.bootstrap_servers.join(","),
            self.name,
            self.region
        )
    }
}

/// `file` with a random end, of thirty characters at most.
fn random(file: &Name) -> Name {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let end: String = (0..6).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect();
    let start: String = file.chars().take(23).collect();
    Name(format!("{}-{end}", start.trim_end_matches('-')))
}

fn live_block(observed: &Observed) -> Option<Ipv4Net> {
    observed.of::<Vpc>().values().find_map(|(_, vpc)| vpc.cidr.parse().ok())
}

/// What a signal cuts short after the making.
const UNHEALTHY: &str = "a signal came; everything is made, and was not waited for until it is healthy";
/// How long Kafka may take, once its hosts are up, to answer where it can be reached from here. It starts before they have
/// passed EC2's checks.
const SEEN: Duration = Duration::from_secs(60);
/// How long it may then take to be healthy.
const HEALTHY: Duration = Duration::from_secs(600);

/// Waits until the stack is healthy: by MSK's word, by Kafka's where it can be asked from here, or else by EC2's checks of the
/// hosts. Gives the brokers' addresses and a client's properties. Asking Kafka in a VPC is not exercised here.
async fn healthy(session: &Session, design: &Design, kafka: &Kafka) -> Result<(Vec<String>, String), Failure> {
    if design.msk.is_some() {
        // Its creation has waited until it is ACTIVE; what was described before it is not used.
        session.aws.begin_round();
        let cluster = msk_status(&session.aws).await?;
        return cluster.as_ref().and_then(msk::easiest).ok_or_else(|| Failure::new("the MSK cluster has no listener"));
    }
    let brokers = on_hosts(session, design, kafka).await?;
    let servers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
    let properties = client_properties(AuthMethod::Plaintext, &servers.join(","));
    Ok((servers, properties))
}

/// The addresses of brokers on hosts, once they are healthy.
async fn on_hosts(session: &Session, design: &Design, kafka: &Kafka) -> Result<Vec<SocketAddrV4>, Failure> {
    let observed = session.observe().await?;
    let instances: Vec<String> = observed.of::<Instance>().values().map(|(live, _)| live.id.clone()).collect();
    session.aws.clients.pass_checks(&instances).await?;
    let local = kafka::start(design, kafka).await?;
    if !local.is_empty() {
        return Ok(local);
    }
    let brokers: Vec<SocketAddrV4> = roll::brokers(&observed).into_values().collect();
    if session.aws.clients.emulated() {
        return Ok(brokers);
    }
    if health::wait_until(&brokers, SEEN, |_| Vec::new()).await.is_err() {
        ui::progress("Kafka can't be asked from here; its hosts have passed EC2's checks.");
        return Ok(brokers);
    }
    let ids: BTreeSet<u32> = roll::brokers(&observed).into_keys().collect();
    health::wait_until(&brokers, HEALTHY, |cluster| cluster.problems(&ids)).await.map_err(|reasons| {
        Failure::new(format!("Kafka is not healthy after {} s: {}", HEALTHY.as_secs(), shortened(&reasons)))
    })?;
    Ok(brokers)
}
