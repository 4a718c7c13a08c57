//! `heal`: brings back hosts of a live stack, one at a time, under its lease. What is wrong and what is done is the core's; all that a run leaves
//! behind is in EC2, in Kafka's throttles and in a tag, so a run that is cut off anywhere is gone on with by the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::SignedDuration;

use super::kafka::{self, brokers, told_of_nobody};
use super::rebalance::orders_of_plan;
use super::run::{RunReport, execute, refused_with_causes};
use super::{Failure, LeasePolicy, LeasedWork, Task, guard, under_lease};
use crate::apply::Event;
use crate::aws::{kinds as drivers, restart};
use crate::clock;
use crate::driver::{Ctx, IdMap};
use crate::error::StepError;
use crate::inside::Kafka;
use crate::kafka::Server;
use crate::moves::{self, Admin, MoveError};
use crate::roll::KafkaAccess;
use crate::sandbox::kafka::distribution;
use crate::session::{Observation, Session, make_plan};
use kstack_core::check::Parsed;
use kstack_core::design::Design;
use kstack_core::engines::Engine;
use kstack_core::heal::{self, Asked, Machine, Remedy, Seen, Verdict, Wrong};
use kstack_core::kinds::{Instance, Kind as _, NetworkInterface};
use kstack_core::model::{Address, Holder, Record, Tags, tag};
use kstack_core::moves::{Goal, View, amount, lacking};
use kstack_core::observed::Observed;
use kstack_core::plan::{Action, Plan, Source};
use kstack_core::text::many;

const INTERRUPTED: &str =
    "a signal came: what was begun goes on by itself; run the command again, it waits for it and ends it";

/// What is asked.
pub struct Request<'a> {
    pub file: &'a str,
    pub source: &'a Source,
    pub parsed: &'a Parsed,
    /// For how long data must be lost before its host gets empty volumes.
    pub replace_after: Option<SignedDuration>,
}

/// What a look shows.
pub struct Sight {
    pub verdict: Verdict,
    /// Who changes the stack now: then what is down may be down on purpose.
    pub busy: Option<Holder>,
    design: Design,
    plan: Plan,
    observed: Observed,
    record: Record,
}

/// Looks what is wrong, and decides what is done about it.
///
/// # Errors
/// That the file is none of brokers on EC2, or can't be planned; AWS's answer.
pub async fn look(session: &Session, request: &Request<'_>, task: &Task<'_>) -> Result<Sight, Failure> {
    let Request { file, source, parsed, replace_after } = *request;
    if Engine::of(&parsed.stack) == Engine::Msk {
        return Err(Failure::new(
            "MSK brings back brokers of its own clusters by itself; there is nothing to heal here",
        ));
    }
    let seen = task.signals.unless_stopped(session.look(parsed)).await?;
    let Observation { input, holder, .. } = seen;
    let observed = &input.observed;
    let Some(record) = input.record.clone().filter(|_| !observed.of::<Instance>().is_empty()) else {
        let failure = Failure::new(format!("the stack {} has no hosts", session.name));
        return Err(failure.hint("`kstack apply` makes them, and those anew that are gone"));
    };
    // Data is given up by the decision, or not at all.
    let (design, plan) = make_plan(source, parsed, &input, true);
    let design = design.ok_or_else(|| refused_with_causes(&plan))?;
    let instances: Vec<String> = observed.of::<Instance>().values().map(|(live, _)| live.id.clone()).collect();
    let checks =
        async { tokio::try_join!(session.aws.clients.impaired(&instances), drivers::failed_volumes(&session.aws)) };
    let (impaired, failed) = task.signals.unless_stopped(checks).await?;
    let hosts = heal::hosts(&design, observed, &impaired, &failed);
    let access = kafka::of(session, &design, observed, task, false).await?;
    // A real host boots by itself.
    let running = hosts.iter().filter(|(_, host)| host.machine == Machine::Runs && host.lost.is_empty());
    let running: Vec<&str> = running.map(|(name, _)| name.as_str()).collect();
    access.instances_run(&running, &session.aws).await?;
    let nobody = told_of_nobody() || task.sandbox && distribution()?.is_none();
    let told = match nobody {
        true => Err("its hosts have no Kafka".to_owned()),
        false => {
            let admin = admin(&access, observed, task, &|| false);
            task.signals.unless_stopped(async { Ok::<_, Failure>(told(&admin).await) }).await?
        }
    };
    access.link.way.close().await;
    let (view, kept) = match told {
        Ok((view, kept)) => (Ok(view), kept),
        Err(why) => (Err(why), BTreeMap::new()),
    };
    let pending = heal::pending(&plan, &hosts);
    let leaving = heal::leaving(&design, &input.observed);
    let seen = Seen { hosts, leaving, view, pending, interrupted: record.resources.is_none() };
    let mut verdict = heal::decide(&seen, Asked { now: clock::now(), replace_after });
    match &seen.view {
        Ok(view) => {
            let volumes = design.hosts.iter().map(|host| host.volumes().len() as u64).max().unwrap_or(1);
            verdict.wrong.extend(heal::full(view, &seen.hosts, volumes, &kept, file));
        }
        Err(why) if !nobody && verdict.wrong.is_empty() => verdict.wrong.push(Wrong {
            what: format!("Kafka can't be asked: {why}."),
            then: "All hosts run by EC2's word. Run it where the brokers can be reached, or with --via or --proxy."
                .to_owned(),
        }),
        Err(_) => {}
    }
    Ok(Sight { verdict, busy: holder, design, plan, observed: input.observed, record })
}

/// What the brokers tell, and how long topics keep records, where a disk may be full.
async fn told(admin: &Admin<'_>) -> Result<(View, BTreeMap<String, heal::Kept>), String> {
    let view = Box::pin(admin.look()).await.map_err(|error| error.to_string())?;
    let none = BTreeMap::new();
    let full = view.brokers.iter().filter_map(|one| one.disk).any(|disk| disk.usable < disk.total / 10);
    let topics: BTreeSet<String> = view.partitions.keys().map(|(topic, _)| topic.clone()).collect();
    let kept = if full { admin.kept(&topics).await.unwrap_or(none) } else { none };
    Ok((view, kept))
}

fn admin<'a>(
    access: &'a KafkaAccess,
    observed: &Observed,
    task: &Task<'_>,
    may_write: &'a dyn Fn() -> bool,
) -> Admin<'a> {
    let servers: BTreeMap<u32, Server> =
        brokers(observed, task.sandbox).into_iter().map(|(id, address)| (id, address.into())).collect();
    Admin::new(servers, &access.link, task.sandbox, may_write).evacuating(access.evacuated.clone())
}

/// What a run has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Healed {
    /// What was put right, as a sentence.
    pub done: Option<String>,
}

/// Does what `approved` says, under the stack's lease, after another look. `tell` hears how far it is.
///
/// # Errors
/// That the stack has changed meanwhile; what failed. Running again goes on.
pub async fn heal(
    session: &Session,
    request: &Request<'_>,
    approved: &Verdict,
    task: &Task<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<Healed, Failure> {
    let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    guard(&request.parsed.stack, &account)?;
    under_lease(session, &caller, task, LeasePolicy::default(), async || {
        LeasedWork::on_stack(Box::pin(work(session, request, approved, task, tell)).await)
    })
    .await
}

async fn work(
    session: &Session,
    request: &Request<'_>,
    approved: &Verdict,
    task: &Task<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<Healed, Failure> {
    let sight = look(session, request, task).await?;
    let verdict = &sight.verdict;
    for (hosts, since) in [(&verdict.mark, Some(clock::now().to_string())), (&verdict.unmark, None)] {
        for host in hosts {
            mark(session, &sight.observed, host, (tag::LOST_SINCE, since.as_deref())).await?;
        }
    }
    if verdict.remedy != approved.remedy {
        let failure = Failure::new("what is wrong has changed since it was looked at; nothing was done about it");
        return Err(failure.hint("run it again"));
    }
    let Some(remedy) = &verdict.remedy else { return Ok(Healed::default()) };
    let (design, observed) = (&sight.design, &sight.observed);
    let access = kafka::of(session, design, observed, task, false).await?;
    let may_write = || session.fence.open();
    let run = Run { session, sight: &sight, access: &access, task, may_write: &may_write };
    let done = Box::pin(run.put_right(remedy, tell)).await;
    access.link.way.close().await;
    let done = done.map_err(|failure| Failure { maybe_applied: true, ..failure })?;
    // What is made the next time is another.
    let record = Record { applies: sight.record.applies + 1, ..sight.record.clone() };
    session.aws.clients.put_record(&session.name, &record, true).await?;
    Ok(Healed { done: Some(done) })
}

/// Puts a tag onto the host's interface, such as since when its data is lost, or takes it away.
pub(super) async fn mark(
    session: &Session,
    observed: &Observed,
    host: &str,
    (key, value): (&str, Option<&str>),
) -> Result<(), StepError> {
    let address = Address::new(NetworkInterface::NAME, host);
    let Some(live) = observed.live.get(&address) else { return Ok(()) };
    let (ids, tags) = (IdMap::default(), Tags::new());
    let system = &session.aws;
    let ctx = Ctx {
        system,
        address: &address,
        tags: &tags,
        token: "",
        ids: &ids,
        progress: &|_| (),
        check_instance: false,
        batch: None,
    };
    let key = key.to_owned();
    match value {
        Some(value) => drivers::retag(&live.spec, &ctx, &live.id, &[(key, value.to_owned())].into(), &[]).await,
        None => drivers::retag(&live.spec, &ctx, &live.id, &Tags::new(), &[key]).await,
    }
}

/// A run under the lease.
struct Run<'a> {
    session: &'a Session,
    sight: &'a Sight,
    access: &'a KafkaAccess,
    task: &'a Task<'a>,
    may_write: &'a dyn Fn() -> bool,
}

impl Run<'_> {
    /// Does it, waits until the host is back and in sync, and says what was done.
    async fn put_right(&self, remedy: &Remedy, tell: &mut dyn FnMut(&str)) -> Result<String, Failure> {
        let (host, begun) = (remedy.host(), Instant::now());
        let node = self.sight.design.hosts.iter().find(|one| one.name == host).map(|one| one.cloud.node_id);
        let node = node.ok_or_else(|| Failure::new(format!("{host} is no host of the stack")))?;
        let goal = Goal::Fetch(node);
        let orders = orders_of_plan(&self.sight.design.stack);
        match remedy {
            Remedy::Start(_) | Remedy::Anew(_) => self.execute(host, tell).await?,
            Remedy::Restart(_) => self.restart(host).await?,
            Remedy::Replace(_) => {
                let plan = heal::part(&self.sight.plan, host, &self.sight.observed);
                if !plan.refusals.is_empty() {
                    return Err(refused_with_causes(&plan));
                }
                // It fetches as soon as it runs.
                let admin = self.admin();
                self.task.signals.unless_stopped(moves::throttle(&admin, orders, &goal)).await?;
                tell(&format!(
                    "What {host} will fetch is throttled to {} a second at each broker.",
                    amount(orders.rate)
                ));
                self.execute(host, tell).await?;
            }
            Remedy::Fetch(_) => {}
        }
        let mut text = format!("{host} is back");
        if matches!(remedy, Remedy::Replace(_) | Remedy::Fetch(_)) {
            let admin = self.admin();
            let lacks = match admin.look().await {
                Ok(view) => lacking(&view, node).count(),
                Err(_) => 0,
            };
            let mut told = |event: moves::Event| match event {
                moves::Event::Waiting { why } => tell(&format!("Waiting: {why}.")),
                event => tell(&event.text()),
            };
            let fetched = async {
                moves::run(&admin, orders, &goal, &mut told).await.map_err(|(why, remedy)| {
                    Failure::new(format!("{host} has not fetched all of its replicas yet: {why}"))
                        .hint(remedy.unwrap_or_else(|| "run it again: it goes on where it is".to_owned()))
                })
            };
            self.task.signals.until_signal(INTERRUPTED, fetched).await?;
            let fetched =
                if lacks > 0 { format!(", and has fetched {}", many(lacks, "replica")) } else { String::new() };
            text.push_str(&format!("{fetched}; the throttle is lifted"));
        }
        let back = self.access.after_start(host, begun);
        self.task.signals.until_signal(INTERRUPTED, back).await?;
        mark(self.session, &self.sight.observed, host, (tag::LOST_SINCE, None)).await?;
        self.lead_again(tell).await;
        Ok(format!("{text}. All replicas on it are in sync."))
    }

    fn admin(&self) -> Admin<'_> {
        admin(self.access, &self.sight.observed, self.task, self.may_write)
    }

    /// What of the plan brings the host back.
    async fn execute(&self, host: &str, tell: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let (session, sight) = (self.session, self.sight);
        let plan = heal::part(&sight.plan, host, &sight.observed);
        if !plan.refusals.is_empty() {
            return Err(refused_with_causes(&plan));
        }
        let admin = self.admin();
        let mut report = |report: RunReport<'_>| match report {
            RunReport::Step(Event::Done { address, action, id, .. }) => {
                let did = match action {
                    Action::Create => "made",
                    Action::Roll => "rolled",
                    _ => "changed",
                };
                tell(&format!("{address} is {did} ({id})."));
                admin.count();
            }
            RunReport::Step(Event::Waiting { address, reason }) => tell(&format!("{address}: {reason}.")),
            _ => {}
        };
        let (inside, incarnation) = (Kafka::none(), sight.record.incarnation());
        let parts = (self.access, &inside);
        execute(session, parts, &plan, &sight.observed, &incarnation, self.task, &mut report).await
    }

    /// Stops and starts the instance of the host, once Kafka lets it stop.
    async fn restart(&self, host: &str) -> Result<(), Failure> {
        let (aws, task) = (&self.session.aws, self.task);
        let live = self.sight.observed.live.get(&Address::new(Instance::NAME, host));
        let id = live.map(|live| live.id.clone()).ok_or_else(|| Failure::new(format!("{host} has no instance")))?;
        let may_stop = self.access.before_stop(host, |reason| task.note(&reason));
        task.signals.until_signal("a signal came, and nothing was stopped", may_stop).await?;
        let ids = BTreeSet::from([id]);
        restart::stop_all(aws, &ids).await?;
        task.signals.until_signal(INTERRUPTED, restart::stopped(aws, &ids)).await?;
        self.access.instance_ended(host);
        restart::start_all(aws, &ids).await?;
        task.signals.until_signal(INTERRUPTED, restart::running(aws, &ids)).await?;
        Ok(self.access.instance_resumed(host)?)
    }

    /// Lets preferred leaders lead again. What is in the way is told: everything else is done.
    async fn lead_again(&self, tell: &mut dyn FnMut(&str)) {
        match moves::lead_again(&self.admin()).await {
            Ok(0) => {}
            Ok(count) => tell(&format!("Preferred leaders lead {} again.", many(count, "partition"))),
            Err(MoveError::NoLease) => {}
            Err(why) => tell(&format!("Preferred leaders were not elected: {why}.")),
        }
    }
}
