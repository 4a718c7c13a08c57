//! Runs a plan's steps, each as soon as its dependencies are done, and reports events. The only writer; it makes no choices.

mod events;
mod roll;

pub use events::{Event, Outcome};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, mpsc::UnboundedSender, watch};

use crate::aws::kinds as drivers;
use crate::aws::{Aws, Class, neighbours};
use crate::driver::{Ctx, IdMap};
use crate::error::StepError;
use crate::inside::{self, Kafka};
use crate::lease::LIST_DELAY;
use crate::roll::KafkaAccess;
use crate::wait::{Backoff, Look, RETRY_LIMIT, Retries, VISIBLE_LIMIT, may_pass, poll, retry};
use kstack_core::kinds::{self, Resource};
use kstack_core::model::{FieldChange, StepId, is_of_kafka, tag};
use kstack_core::observed::Observed;
use kstack_core::plan::{Action, LiveTarget, Plan, Ready, Step, Work, tag_changes};
use kstack_core::surroundings::{Neighbour, Own};

/// After a signal, running calls still get this long. Steps that only wait are left for the next run.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// How many idempotency tokens of one step may turn out to belong to something that is gone.
const GENERATIONS: u32 = 5;
/// How long a resource is looked for after a lost answer, before it is made again, where AWS knows by a token or a name that it
/// is the same: then looking only saves a call. Where AWS would let a second one be made, it is [`LIST_DELAY`].
const SHORT_LIST_DELAY: Duration = Duration::from_secs(2);

/// Runs `plan`. Rolls ask `kafka`; `inside` is what Kafka has; `incarnation` tells this stack from earlier ones of its name; a signal sets `stop`.
pub async fn apply(
    aws: &Aws,
    (kafka, inside): (&KafkaAccess, &Kafka<'_>),
    plan: &Plan,
    observed: &Observed,
    incarnation: &str,
    mut stop: watch::Receiver<bool>,
    mut emit: impl FnMut(Event),
) -> Outcome {
    let ids = IdMap::default();
    ids.lock().extend(observed.live.iter().map(|(address, live)| (address.clone(), live.id.clone())));
    let own = Own::of(observed);
    let mut outcome = Outcome::default();
    let mut ready = Ready::of(&plan.steps);
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut running = FuturesUnordered::new();
    let mut busy: BTreeMap<StepId, Action> = BTreeMap::new();
    let mut deadline: Option<tokio::time::Instant> = None;
    loop {
        if deadline.is_none() {
            while let Some(place) = ready.begin() {
                let step = &plan.steps[place];
                emit(Event::Started { address: step.id(), action: step.action() });
                busy.insert(step.id(), step.action());
                let token = token(plan, incarnation, step);
                let (ids, own, tell) = (&ids, &own, &tell);
                running.push(async move {
                    let start = Instant::now();
                    let done = match is_of_kafka(&step.address.kind) {
                        true => {
                            Box::pin(inside::run(inside, step, ids, &|reason| {
                                drop(tell.send(Told::Event(Event::Waiting { address: step.id(), reason })));
                            }))
                            .await
                        }
                        false => run(aws, kafka, step, &token, (ids, own), tell).await,
                    };
                    (place, done, start.elapsed())
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
            Some(told) = told.recv() => hear(told, &mut ready, &mut emit),
            Some((place, result, took)) = running.next() => {
                let step: &Step = &plan.steps[place];
                // What a step reports comes before its end.
                while let Ok(told) = told.try_recv() {
                    hear(told, &mut ready, &mut emit);
                }
                busy.remove(&step.id());
                let (address, action) = (step.id(), step.action());
                match result {
                    Ok(id) => {
                        emit(Event::Done { address: address.clone(), action, id, seconds: took.as_secs_f64() });
                        outcome.done.insert(address);
                        ready.done(place);
                    }
                    Err(error) => {
                        let hint = error.remedy().map(str::to_owned);
                        let text = format!("{error:#}");
                        emit(Event::Failed { address: address.clone(), action, error: text, hint });
                        // What is under way still gets the answers to the calls that it has made.
                        if error.class().ends_all() && deadline.is_none() {
                            outcome.ended_by = Some(address.clone());
                            deadline = Some(tokio::time::Instant::now() + SHUTDOWN_GRACE);
                        }
                        outcome.failed.push((address, error));
                        // After an error that ends all, nothing is begun anyway.
                        for (step, because) in outcome.ended_by.is_none().then(|| ready.failed(place)).into_iter().flatten() {
                            outcome.skipped.insert(step.id());
                            emit(Event::Skipped { address: step.id(), action: step.action(), because });
                        }
                    }
                }
            }
            () = expired => break,
            Ok(()) = stop.changed(), if deadline.is_none() => {
                deadline = Some(tokio::time::Instant::now() + SHUTDOWN_GRACE);
                emit(Event::Interrupted);
            }
        }
    }
    if deadline.is_none() {
        let waits_for = |step: &Step| step.after.iter().find(|one| !outcome.done.contains(one)).cloned();
        let stuck = ready.waiting().map(|step| (step.id(), waits_for(step).unwrap_or_else(|| step.id())));
        outcome.stuck = stuck.collect();
    } else {
        outcome.left = busy.into_iter().chain(ready.waiting().map(|step| (step.id(), step.action()))).collect();
    }
    outcome
}

/// The idempotency token of a step's creation, where it makes something: the same whenever the same resource of the same
/// generation is to be made.
fn token(plan: &Plan, incarnation: &str, step: &Step) -> String {
    let generation = match &step.work {
        Work::Create(new) | Work::Roll { new, .. } | Work::Replace { new, .. } => new.generation.as_str(),
        Work::Update { .. } | Work::Delete { .. } => "",
    };
    digest(&[&plan.account, &plan.region, &plan.stack, incarnation, &step.address.to_string(), generation])
}

/// A token made of `parts`.
fn digest(parts: &[&str]) -> String {
    kstack_core::digest::fingerprint(parts.join("\n"), 32)
}

/// What a step tells while it runs.
enum Told {
    Event(Event),
    /// What it makes can be used: what waits for it may begin.
    Usable(StepId),
}

fn hear(told: Told, ready: &mut Ready<'_>, emit: &mut impl FnMut(Event)) {
    match told {
        Told::Event(event) => emit(event),
        Told::Usable(id) => ready.there(&id),
    }
}

/// Runs one step and returns the resource's id.
async fn run(
    aws: &Aws,
    kafka: &KafkaAccess,
    step: &Step,
    token: &str,
    (ids, own): (&IdMap, &Own),
    tell: &UnboundedSender<Told>,
) -> Result<String, StepError> {
    let usable = || drop(tell.send(Told::Usable(step.id())));
    let waiting = |reason| drop(tell.send(Told::Event(Event::Waiting { address: step.id(), reason })));
    let tags = match &step.work {
        Work::Create(new) | Work::Roll { new, .. } | Work::Replace { new, .. } => &new.tags,
        Work::Update { tags, .. } => tags,
        Work::Delete { live } => &live.tags,
    };
    let address = &step.address;
    let ctx = Ctx { system: aws, address, tags, token, ids, progress: &waiting, check_instance: false, batch: None };
    match &step.work {
        Work::Create(new) => {
            let id = create(&ctx, &new.spec, "", usable).await?;
            // What stood for a volume that was lost is lost with it.
            if matches!(new.spec, Resource::Volume(_)) {
                kafka.disks_gone(&address.name);
            }
            // Beside hosts that run, its process runs as soon as its instance does: the next roll needs it.
            if matches!(new.spec, Resource::Instance(_)) && !kafka.brokers.is_empty() {
                kafka.instance_started(&address.name, aws).await?;
            }
            Ok(id)
        }
        Work::Update { live, wanted, changes, .. } => {
            update(&ctx, wanted, &live.id, changes).await?;
            Ok(live.id.clone())
        }
        Work::Roll { live, new, .. } => {
            let (id, by) = roll::roll(&ctx, kafka, live, new).await?;
            let _ = tell.send(Told::Event(Event::Checked { address: step.id(), by }));
            Ok(id)
        }
        Work::Replace { live, new, .. } => {
            delete(&Ctx { tags: &live.tags, ..ctx }, live, own).await?;
            create(&ctx, &new.spec, &live.id, usable).await
        }
        Work::Delete { live } => {
            delete(&ctx, live, own).await?;
            ids.lock().remove(&step.address);
            match &live.spec {
                Resource::Instance(instance) => {
                    kafka.instance_ended(&address.name);
                    if instance.storage.is_some() {
                        kafka.disks_gone(&address.name);
                    }
                }
                Resource::Volume(_) => kafka.disks_gone(&address.name),
                _ => {}
            }
            Ok(live.id.clone())
        }
    }
}

/// For how long a resource of the network is still in use before it is asked by whom: what goes with the stack's own is gone by then
/// as a rule.
const IN_USE_LOOK: Duration = Duration::from_secs(15);

/// Deletes the live resource. While something of the stack's own still uses it, which is about to go, it waits; what is not the
/// stack's is named, and not waited for.
async fn delete(ctx: &Ctx<'_, Aws>, live: &LiveTarget, own: &Own) -> Result<(), StepError> {
    let mut retries = Retries::within(Duration::MAX);
    let mut used: Option<Instant> = None;
    loop {
        let Err(error) = drivers::delete(&live.spec, ctx, &live.id).await else { return Ok(()) };
        if error.code() == Some("DependencyViolation") && used.get_or_insert_with(Instant::now).elapsed() >= IN_USE_LOOK
        {
            let mut own = own.clone();
            own.add(ctx.ids.lock().values().cloned());
            let around = Box::pin(neighbours(&ctx.system.clients, &own)).await?;
            let names: Vec<String> =
                around.in_the_way_of(ctx.address, &live.id, &own).into_iter().map(Neighbour::text).collect();
            if !names.is_empty() {
                return Err(StepError::Ended {
                    what: format!("{} can't be deleted: {} is still in use", live.id, ctx.address),
                    why: format!(
                        "by {}, which {} not the stack's",
                        names.join(", "),
                        if names.len() == 1 { "is" } else { "are" }
                    ),
                    remedy: Some(
                        "delete what uses it, or ask its owner to; then run the command again: it continues where it stopped",
                    ),
                });
            }
            used = Some(Instant::now());
        }
        if !retries.again(&error).await {
            return Err(error);
        }
    }
}

/// Creates the resource, and says when it can be used. `old` is the id of the one that it replaces.
async fn create(ctx: &Ctx<'_, Aws>, wanted: &Resource, old: &str, usable: impl FnOnce()) -> Result<String, StepError> {
    let id = make(ctx, wanted, old).await?;
    finish(ctx, wanted, &id).await?;
    usable();
    retry(|| drivers::tidy(wanted, ctx, &id)).await?;
    Ok(id)
}

/// Waits until the resource can be used.
async fn finish(ctx: &Ctx<'_, Aws>, wanted: &Resource, id: &str) -> Result<(), StepError> {
    retry(|| drivers::finish(wanted, ctx, id)).await
}

/// Makes the resource. `old` is the id of the one that it replaces.
async fn make(ctx: &Ctx<'_, Aws>, wanted: &Resource, old: &str) -> Result<String, StepError> {
    // What is in use where something new is to be made is rarely about to go: no error is waited out for longer than this.
    let mut retries = Retries::within(RETRY_LIMIT);
    let (mut token, mut generations) = (ctx.token.to_owned(), 0_u32);
    let id = loop {
        let error = match drivers::create(wanted, &Ctx { token: &token, ..*ctx }).await {
            Ok(id) => break id,
            Err(error) => error,
        };
        // Something has its name, its address block or its token. Most likely it is the resource itself, from a call whose
        // answer nobody heard, or from a run that was killed, and is not listed yet.
        if error.class() == Class::Conflict {
            // Route 53 has a code of its own for a reference that it remembers.
            let spent = |code: &str| code.starts_with("Idempotent") || code == "HostedZoneAlreadyExists";
            let spent = error.code().is_some_and(spent);
            if let Some(id) = look(ctx, old, if spent { LIST_DELAY } else { VISIBLE_LIMIT }).await? {
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
        if !retries.again(&error).await {
            return Err(error);
        }
        // The call may have been done, and only its answer been lost: look before making another.
        if error.maybe_applied() {
            let lag = if kinds::is_unique(&ctx.address.kind) { SHORT_LIST_DELAY } else { LIST_DELAY };
            if let Some(id) = look(ctx, old, lag).await? {
                break id;
            }
        }
    };
    ctx.ids.lock().insert(ctx.address.clone(), id.clone());
    Ok(id)
}

/// The id of the resource at the address, if it exists; looked for as long as AWS's lists may lag behind a create.
async fn look(ctx: &Ctx<'_, Aws>, old: &str, lag: Duration) -> Result<Option<String>, StepError> {
    let address = ctx.address.to_string();
    // What the last look ended in, should that not be an answer: then nothing is known of the resource.
    let mut failed = None;
    let looked = poll("finding it", lag, Backoff::VISIBLE, async || {
        ctx.system.begin_round();
        failed = None;
        match drivers::discover_one(ctx.system, &ctx.address.kind).await {
            Err(error) if may_pass(error.class()) || error.class() == Class::NotFound => failed = Some(error),
            found => {
                let mine = found?.into_iter().filter(|one| !one.terminated && one.id != old);
                let ids = mine.filter(|one| one.tags.get(tag::ADDRESS) == Some(&address)).map(|one| one.id);
                if let Some(id) = ids.min() {
                    return Ok(Look::Ready(id));
                }
            }
        }
        Ok(Look::Missing(String::new()))
    });
    match (looked.await, failed) {
        (Ok(id), _) => Ok(Some(id)),
        (Err(StepError::Timeout { .. }), None) => Ok(None),
        (Err(StepError::Timeout { .. }), Some(error)) | (Err(error), _) => Err(error),
    }
}

async fn update(ctx: &Ctx<'_, Aws>, wanted: &Resource, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
    let fields: Vec<FieldChange> = changes.iter().filter(|change| change.tag().is_none()).cloned().collect();
    if !fields.is_empty() {
        retry(|| drivers::update(wanted, ctx, id, &fields)).await?;
    }
    let (set, unset) = tag_changes(changes);
    if !set.is_empty() || !unset.is_empty() {
        retry(|| drivers::retag(wanted, ctx, id, &set, &unset)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{Clients, Fence, Place};
    use kstack_core::kinds::ElasticIp;
    use kstack_core::model::{Address, Tags};
    use kstack_core::observed::Live;
    use kstack_core::stack::{Name, Scalar as _};
    use kstack_core::surroundings::Surroundings;

    /// A plan whose two steps wait for each other, which no verified plan does, and AWS that is not asked.
    async fn run_circle(stop: watch::Receiver<bool>) -> Outcome {
        let live = ["one", "other"].map(|name| {
            let live = Live { id: format!("eipalloc-{name}"), spec: ElasticIp::default().into(), tags: Tags::new() };
            (Address::new("elastic_ip", name), live)
        });
        let observed = Observed { live: live.into(), ..Observed::default() };
        let mut plan = kstack_core::plan::destroy(
            &Name::parse("dev").expect("a name"),
            "us-east-1",
            "1",
            &observed,
            &Surroundings::default(),
        );
        let ids: Vec<StepId> = plan.steps.iter().map(Step::id).collect();
        assert_eq!(ids.len(), 2);
        plan.steps.iter_mut().zip(ids.iter().rev()).for_each(|(step, other)| step.after = vec![other.clone()]);
        let place = Place { region: "us-east-1".to_owned(), sandbox: Some("http://127.0.0.1:9".to_owned()) };
        let aws = Aws::new(Clients::connect(&place, Fence::default()).await, &Name("dev".to_owned()));
        apply(&aws, (&KafkaAccess::default(), &Kafka::none()), &plan, &observed, "", stop, |_| {}).await
    }

    #[tokio::test]
    async fn a_plan_that_waits_for_itself_is_stuck_and_not_interrupted() {
        let (_sender, stop) = watch::channel(false);
        let outcome = run_circle(stop).await;
        assert!(!outcome.complete());
        assert!(outcome.left.is_empty() && outcome.done.is_empty() && outcome.failed.is_empty());
        let stuck: Vec<String> = outcome.stuck.iter().map(|(one, other)| format!("{one} waits for {other}")).collect();
        assert_eq!(stuck, ["elastic_ip/one waits for elastic_ip/other", "elastic_ip/other waits for elastic_ip/one"]);
    }
}
