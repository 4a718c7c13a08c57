//! Runs a plan's steps, each as soon as what it waits for is done, and reports events. The only writer; it has no choices to make.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, mpsc::UnboundedSender, watch};

use crate::aws::kinds as drivers;
use crate::aws::{Aws, Class, CloudError, jitter};
use crate::driver::{Ctx, IdMap};
use crate::lease::LAG;
use crate::roll::{Checks, Kafka};
use kstack_core::kinds::{self, Resource};
use kstack_core::model::{Address, FieldChange, StepId, tag};
use kstack_core::observed::Observed;
use kstack_core::plan::{Action, Creation, Plan, Step, Target, Work, tag_changes};

/// What happens while a plan runs.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    Started {
        address: StepId,
        action: Action,
    },
    /// What a step waits for that takes long: a roll before it stops the host, or what AWS does with a cluster.
    Waiting {
        address: StepId,
        why: String,
    },
    /// A rolled host is well again, by Kafka's word or by its instance's checks.
    Checked {
        address: StepId,
        by: Checks,
    },
    Done {
        address: StepId,
        action: Action,
        id: String,
        seconds: f64,
    },
    Failed {
        address: StepId,
        action: Action,
        error: String,
        hint: Option<&'static str>,
    },
    Skipped {
        address: StepId,
        action: Action,
        because: StepId,
    },
    /// A signal came: no more steps are started.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: BTreeSet<StepId>,
    pub failed: BTreeMap<StepId, CloudError>,
    /// Steps that a failed one held back.
    pub skipped: BTreeSet<StepId>,
    /// Steps that were not begun or not finished when a signal came.
    pub left: Vec<(StepId, Action)>,
}

impl Outcome {
    /// Whether every step is done.
    pub fn complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.left.is_empty()
    }
}

/// After a signal, calls under way are given this long; what only waits is left, and the next run goes on with it.
const GRACE: Duration = Duration::from_secs(3);
/// How long a call is repeated when AWS throttles it or its answer is lost, from its first refusal on.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a throttled call is made at least.
const TRIES: u32 = 6;
/// How many client tokens of one step may turn out to be of something that is gone.
const GENERATIONS: u32 = 5;
/// How long something that was just made may be invisible to a call that uses it.
const VISIBLE: Duration = Duration::from_secs(60);
/// How long a resource is looked for after a lost answer, before it is made again, where AWS knows by a token or a name that it
/// is the same: then looking only saves a call. Where AWS would let a second one be made, it is [`LAG`].
const SHORT_LAG: Duration = Duration::from_secs(2);
/// How long something that is to be deleted may still be in use.
const IN_USE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Runs `plan`. `kafka` is what rolls ask; `life` tells this life of the stack from earlier ones of the same name; `stop` turns
/// true on a signal.
pub async fn apply(
    aws: &Aws,
    kafka: &Kafka,
    plan: &Plan,
    observed: &Observed,
    life: &str,
    mut stop: watch::Receiver<bool>,
    mut emit: impl FnMut(Event),
) -> Outcome {
    let ids = IdMap::default();
    ids.lock().extend(observed.live.iter().map(|(address, live)| (address.clone(), live.id.clone())));
    let mut outcome = Outcome::default();
    let mut waiting: Vec<&Step> = plan.steps.iter().collect();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut running = FuturesUnordered::new();
    let mut busy: BTreeMap<StepId, Action> = BTreeMap::new();
    let mut deadline: Option<tokio::time::Instant> = None;
    loop {
        skip_held_back(&mut waiting, &mut outcome, &mut emit);
        if deadline.is_none() {
            let (ready, rest): (Vec<&Step>, Vec<&Step>) =
                waiting.into_iter().partition(|step| step.after.iter().all(|one| outcome.done.contains(one)));
            waiting = rest;
            for step in ready {
                emit(Event::Started { address: step.id(), action: step.action() });
                busy.insert(step.id(), step.action());
                let token = token(plan, life, step);
                let (ids, tell) = (&ids, &tell);
                running.push(async move {
                    let start = Instant::now();
                    (step, run(aws, kafka, step, &token, ids, tell).await, start.elapsed())
                });
            }
        }
        if running.is_empty() {
            break;
        }
        let expired = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = told.recv() => emit(event),
            Some((step, result, took)) = running.next() => {
                // What a step says comes before its end.
                while let Ok(event) = told.try_recv() {
                    emit(event);
                }
                busy.remove(&step.id());
                let (address, action) = (step.id(), step.action());
                match result {
                    Ok(id) => {
                        emit(Event::Done { address: address.clone(), action, id, seconds: took.as_secs_f64() });
                        outcome.done.insert(address);
                    }
                    Err(error) => {
                        let hint = error.hint();
                        emit(Event::Failed { address: address.clone(), action, error: error.to_string(), hint });
                        outcome.failed.insert(address, error);
                    }
                }
            }
            () = expired => break,
            Ok(()) = stop.changed(), if deadline.is_none() => {
                deadline = Some(tokio::time::Instant::now() + GRACE);
                emit(Event::Interrupted);
            }
        }
    }
    outcome.left = busy.into_iter().chain(waiting.iter().map(|step| (step.id(), step.action()))).collect();
    outcome
}

/// Takes out of `waiting` what can't be done since something before it failed.
fn skip_held_back(waiting: &mut Vec<&Step>, outcome: &mut Outcome, emit: &mut impl FnMut(Event)) {
    loop {
        let held = |step: &&Step| {
            let broken = |one: &&StepId| outcome.failed.contains_key(*one) || outcome.skipped.contains(*one);
            step.after.iter().find(broken).cloned()
        };
        let found = waiting.iter().enumerate().find_map(|(index, step)| held(step).map(|because| (index, because)));
        let Some((index, because)) = found else { return };
        let step = waiting.remove(index);
        outcome.skipped.insert(step.id());
        emit(Event::Skipped { address: step.id(), action: step.action(), because });
    }
}

/// The idempotency token of a step's creation, where it makes something: the same whenever the same resource of the same
/// generation is to be made.
fn token(plan: &Plan, life: &str, step: &Step) -> String {
    let generation = match &step.work {
        Work::Create(new) | Work::Roll { new, .. } | Work::Replace { new, .. } => new.generation.as_str(),
        Work::Update { .. } | Work::Delete { .. } => "",
    };
    digest(&[&plan.account, &plan.region, &plan.stack, life, &step.address.to_string(), generation])
}

/// A token made of `parts`.
fn digest(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\n"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Does one step and returns the resource's id.
async fn run(
    aws: &Aws,
    kafka: &Kafka,
    step: &Step,
    token: &str,
    ids: &IdMap,
    tell: &UnboundedSender<Event>,
) -> Result<String, CloudError> {
    let waiting = |why| drop(tell.send(Event::Waiting { address: step.id(), why }));
    let tags = match &step.work {
        Work::Create(new) | Work::Roll { new, .. } | Work::Replace { new, .. } => &new.tags,
        Work::Update { tags, .. } => tags,
        Work::Delete { live } => &live.tags,
    };
    let address = &step.address;
    let mut ctx =
        Ctx { system: aws, address, tags, token, ids, progress: &waiting, check_instance: false, batch: None };
    match &step.work {
        Work::Create(new) => create(&ctx, &new.spec, "").await,
        Work::Update { live, wanted, changes, .. } => {
            update(&ctx, wanted, &live.id, changes).await?;
            Ok(live.id.clone())
        }
        Work::Roll { live, new, .. } => {
            let host = step.address.name.as_str();
            let by = kafka.before_stop(host, waiting).await?;
            ctx.check_instance = by == Checks::Instance;
            if by == Checks::Instance {
                let others =
                    |(address, _): &(&Address, &String)| address.kind == step.address.kind && **address != step.address;
                let others = ids.lock().iter().filter(others).map(|(_, id)| id.clone()).collect::<Vec<_>>();
                aws.clients.started(&others, waiting).await?;
            }
            let stopped = Instant::now();
            kafka.instance_ended(host);
            let id = replace(&ctx, live, new).await?;
            kafka.instance_started(host)?;
            if by == Checks::Kafka {
                kafka.after_start(host, stopped).await?;
            }
            let _ = tell.send(Event::Checked { address: step.id(), by });
            Ok(id)
        }
        Work::Replace { live, new, .. } => replace(&ctx, live, new).await,
        Work::Delete { live } => {
            persist(|| drivers::delete(&live.spec, &ctx, &live.id)).await?;
            ids.lock().remove(&step.address);
            Ok(live.id.clone())
        }
    }
}

/// Deletes the live resource, and makes the new one in its place.
async fn replace(ctx: &Ctx<'_, Aws>, live: &Target, new: &Creation) -> Result<String, CloudError> {
    persist(|| drivers::delete(&live.spec, ctx, &live.id)).await?;
    create(ctx, &new.spec, &live.id).await
}

/// Makes the resource, and brings it to where it can be used. `old` is the id of the one that it follows.
async fn create(ctx: &Ctx<'_, Aws>, wanted: &Resource, old: &str) -> Result<String, CloudError> {
    let mut refusals = Refusals::default();
    let mut pause = FIRST_PAUSE;
    let (mut token, mut generations) = (ctx.token.to_owned(), 0_u32);
    let id = loop {
        let error = match drivers::create(wanted, &Ctx { token: &token, ..*ctx }).await {
            Ok(id) => break id,
            Err(error) => error,
        };
        // Something has its name, its address block or its token. Most likely it is the resource itself, from a call whose
        // answer nobody heard, or from a run that was killed, and is not listed yet.
        if error.class == Class::Conflict {
            let spent = error.code.as_deref().is_some_and(|code| code.starts_with("Idempotent"));
            if let Some(id) = look(ctx, old, if spent { LAG } else { VISIBLE }).await? {
                break id;
            }
            // What was made with the token failed, and is gone: such as a volume whose key could not be used. AWS remembers the
            // token for long. The next one is the same in each run, so that a death here is as good as any.
            if !spent || generations == GENERATIONS {
                return Err(error);
            }
            generations += 1;
            token = digest(&[ctx.token, &generations.to_string()]);
            continue;
        }
        // What is in use where something new is to be made is seldom on its way out.
        let limit = limit(&error).map(|limit| limit.min(PATIENCE));
        let Some(limit) = limit.filter(|limit| refusals.go_on(&error, *limit)) else { return Err(error) };
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE).min(limit);
        // The call may have been done, and only its answer been lost: look before making another.
        if error.class == Class::Unknown {
            let lag = if kinds::is_unique(&ctx.address.kind) { SHORT_LAG } else { LAG };
            if let Some(id) = look(ctx, old, lag).await? {
                break id;
            }
        }
    };
    ctx.ids.lock().insert(ctx.address.clone(), id.clone());
    persist(|| drivers::finish(wanted, ctx, &id)).await?;
    Ok(id)
}

/// The id of the resource at the address, if it is there; looked for as long as a describe may lag behind a create.
async fn look(ctx: &Ctx<'_, Aws>, old: &str, lag: Duration) -> Result<Option<String>, CloudError> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let address = ctx.address.to_string();
    loop {
        ctx.system.begin_round();
        let last = start.elapsed() >= lag;
        match drivers::discover_one(ctx.system, &ctx.address.kind).await {
            Err(error) if !last && matches!(error.class, Class::Unknown | Class::Throttled | Class::NotFound) => {}
            found => {
                let mine = found?.into_iter().filter(|one| !one.terminated && one.id != old);
                let ids = mine.filter(|one| one.tags.get(tag::ADDRESS) == Some(&address)).map(|one| one.id);
                match ids.min() {
                    None if !last => {}
                    id => return Ok(id),
                }
            }
        }
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE / 2);
    }
}

async fn update(ctx: &Ctx<'_, Aws>, wanted: &Resource, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
    let fields: Vec<FieldChange> = changes.iter().filter(|change| change.tag().is_none()).cloned().collect();
    if !fields.is_empty() {
        persist(|| drivers::update(wanted, ctx, id, &fields)).await?;
    }
    let (set, unset) = tag_changes(changes);
    if !set.is_empty() || !unset.is_empty() {
        persist(|| drivers::retag(wanted, ctx, id, &set, &unset)).await?;
    }
    Ok(())
}

/// How long a call that ended in `error` is repeated; `None` when it would not help.
fn limit(error: &CloudError) -> Option<Duration> {
    match error.class {
        Class::Throttled | Class::Unknown | Class::AlreadyDone => Some(PATIENCE),
        Class::NotFound => Some(VISIBLE),
        Class::InUse => Some(IN_USE),
        Class::Denied | Class::Conflict | Class::LeaseEnded | Class::Other => None,
    }
}

/// The refusals of one call so far.
#[derive(Default)]
struct Refusals {
    first: Option<Instant>,
    count: u32,
}

impl Refusals {
    /// Notes one more, and says whether the call is made again: for `limit` from the first refusal on. A call that is throttled
    /// may wait for longer than that for its turn, and is made some times whatever it takes.
    fn go_on(&mut self, error: &CloudError, limit: Duration) -> bool {
        self.count += 1;
        let first = *self.first.get_or_insert_with(Instant::now);
        first.elapsed() < limit || error.class == Class::Throttled && self.count < TRIES
    }
}

/// Repeats `call`, which may run again at any time, while its errors may pass.
async fn persist<F>(call: impl Fn() -> F) -> Result<(), CloudError>
where
    F: Future<Output = Result<(), CloudError>>,
{
    let mut refusals = Refusals::default();
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(error) = call().await else { return Ok(()) };
        let Some(limit) = limit(&error).filter(|limit| refusals.go_on(&error, *limit)) else { return Err(error) };
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE).min(limit);
    }
}
