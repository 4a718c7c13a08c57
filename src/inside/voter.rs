//! Voters of the controllers' quorum that join and leave. Kafka lets anybody join or leave who is named; that the others are up to date, and
//! that who joins has caught up, is looked at here, before and after.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use kstack_core::design::node_id;
use kstack_core::kinds::Voter;
use kstack_core::kinds::voter::name_of;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;

use super::partitions::failed;
use super::{Kafka, PAUSE, TRIES, again};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::quorum::{self, Changed, Quorum, Replica};

/// How long a controller may take to start and to copy the quorum's log, and the others to be up to date.
const CAUGHT_UP: Duration = Duration::from_secs(900);
/// How long a change may take that is asked for again and again.
const CHANGED: Duration = Duration::from_secs(600);

/// Looks until nothing is in the way, and gives what `found` shows.
async fn until<T>(
    ctx: &Ctx<'_, Kafka<'_>>,
    limit: Duration,
    mut found: impl FnMut(&Quorum) -> Result<T, String>,
) -> Result<T, StepError> {
    let (brokers, begun, mut told) = (ctx.system.brokers().await?, Instant::now(), String::new());
    loop {
        let why = match Quorum::ask(brokers).await {
            Err(error) => error.to_string(),
            Ok(quorum) => match found(&quorum) {
                Ok(found) => return Ok(found),
                Err(why) => why,
            },
        };
        if begun.elapsed() > limit {
            return Err(failed(format!("after {} s, {why}; apply again: it goes on where it is", limit.as_secs())));
        }
        if told != why {
            (ctx.progress)(why.clone());
            told = why;
        }
        tokio::time::sleep(crate::wait::jitter(PAUSE)).await;
    }
}

/// Nothing in the way, or all that is.
fn free(quorum: &Quorum, but: Option<u32>) -> Result<(), String> {
    let reasons = quorum.in_the_way(but);
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}

/// Lets the controller vote under the directory that it has now. It may run again: one that votes so already is left alone.
async fn join(ctx: &Ctx<'_, Kafka<'_>>, id: u32, address: &str) -> Result<(), StepError> {
    let brokers = ctx.system.brokers().await?;
    let address = ctx.system.seen_from_here(address)?;
    let begun = Instant::now();
    loop {
        // One that votes is done; one that is ready is let in.
        let next = until(ctx, CAUGHT_UP, |quorum| {
            if quorum.voter(id).is_some_and(Replica::is_fresh) {
                return Ok(None);
            }
            if quorum.voter(id).is_some() {
                return Err(format!("controller {id} votes, and is behind the active one"));
            }
            free(quorum, None)?;
            let ready = quorum.ready(id).ok_or_else(|| format!("controller {id} has not caught up as an observer"))?;
            let like = quorum.leader.and_then(|leader| quorum.listeners.get(&leader));
            let like = like.ok_or_else(|| "the active controller tells no listeners".to_owned())?;
            Ok(Some((ready.clone(), like.clone())))
        });
        let Some((ready, like)) = next.await? else { return Ok(()) };
        (ctx.progress)(format!("controller {id} has caught up, and joins the quorum"));
        match quorum::add(brokers, &ready, &address, &like).await? {
            Changed::Done => {}
            Changed::NotYet(why) if begun.elapsed() > CHANGED => {
                return Err(failed(format!("{why}; apply again: it goes on where it is")));
            }
            Changed::NotYet(why) => {
                (ctx.progress)(why);
                tokio::time::sleep(crate::wait::jitter(PAUSE)).await;
            }
        }
    }
}

/// Takes the controller out of the quorum, under `directory` alone where one is named. It may run again: one that does not vote is left alone.
async fn leave(ctx: &Ctx<'_, Kafka<'_>>, id: u32, directory: Option<&str>) -> Result<(), StepError> {
    let (brokers, begun) = (ctx.system.brokers().await?, Instant::now());
    loop {
        let next = until(ctx, CAUGHT_UP, |quorum| {
            let own = quorum.voter(id).filter(|own| directory.is_none_or(|directory| own.directory == directory));
            match own {
                None if quorum.leader.is_none() => Err("there is no active controller".to_owned()),
                None => Ok(None),
                // A majority has to be up to date without it, before and after.
                Some(own) => free(quorum, Some(id)).map(|()| Some(own.clone())),
            }
        });
        let Some(own) = next.await? else { return Ok(()) };
        (ctx.progress)(format!("controller {id} leaves the quorum"));
        match quorum::remove(brokers, &own).await? {
            Changed::Done => {}
            Changed::NotYet(why) if begun.elapsed() > CHANGED => {
                return Err(failed(format!("{why}; apply again: it goes on where it is")));
            }
            Changed::NotYet(why) => {
                (ctx.progress)(why);
                tokio::time::sleep(crate::wait::jitter(PAUSE)).await;
            }
        }
    }
}

impl Kafka<'_> {
    /// The address of a host as the cluster knows it.
    fn seen_from_here(&self, address: &str) -> Result<String, StepError> {
        let parsed: Ipv4Addr =
            address.parse().map_err(|_| StepError::Internal(format!("`{address}` is no address of a host")))?;
        Ok((self.address)(parsed).to_string())
    }
}

impl<'a> Driver<Kafka<'a>> for Voter {
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    /// Those that vote, where a plan asks for them.
    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        if !kafka.asks_quorum {
            return Ok(Vec::new());
        }
        let brokers = kafka.brokers().await?;
        let mut quorum = again(async || Quorum::ask(brokers).await).await;
        for _ in 1..TRIES {
            // Without an active controller for a moment.
            if quorum.is_ok() {
                break;
            }
            tokio::time::sleep(crate::wait::jitter(PAUSE)).await;
            quorum = again(async || Quorum::ask(brokers).await).await;
        }
        let one = |voter: Replica| Found {
            id: name_of(voter.node),
            tags: Tags::new(),
            spec: Voter { id: voter.node, directory: voter.directory, address: String::new() },
            terminated: false,
        };
        Ok(quorum?.voters.into_iter().map(one).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        join(ctx, self.id, &self.address).await?;
        Ok(ctx.address.name.clone())
    }

    /// The old directory goes, and the new one comes, once it has caught up: until then the old one takes no vote away.
    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let old = changes.iter().find(|change| change.field == "directory").and_then(|change| change.before.as_str());
        let old = old.ok_or_else(|| StepError::Internal("a voter changes its directory, and nothing else".to_owned()))?;
        let id = self.id;
        until(ctx, CAUGHT_UP, |quorum| match quorum.voter(id) {
            Some(own) if own.directory == old => {
                free(quorum, Some(id))?;
                let caught_up = quorum.ready(id).map(drop);
                caught_up.ok_or_else(|| format!("controller {id} has not caught up as an observer"))
            }
            _ => Ok(()),
        })
        .await?;
        leave(ctx, id, Some(old)).await?;
        join(ctx, id, &self.address).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        let node = node_id(id).ok_or_else(|| StepError::Internal(format!("{id} is no controller")))?;
        leave(ctx, node, None).await
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}
