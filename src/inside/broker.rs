//! Brokers that leave: emptied, stopped, looked at again, and only then unregistered. Kafka itself unregisters one that runs, or has replicas.

use std::time::Duration;

use kstack_core::kinds::Broker;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::moves::{View, what_holds};
use kstack_core::observed::Found;

use super::Kafka;
use super::hosts::Host;
use super::partitions::{failed, host_of, id_of, instance_of, look, until};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::moves::Admin;

/// How long a broker may take to say that its disks are empty once nothing is assigned to it.
const EMPTY: Duration = Duration::from_secs(300);
/// How long the controllers may take to fence a broker whose host is stopped, and brokers to see that one is gone.
const FENCED: Duration = Duration::from_secs(300);
/// How often topics may be made on it just when it stops.
const ROUNDS: u32 = 5;

/// Whether the cluster knows the broker no more.
fn is_gone(view: &View, id: u32) -> bool {
    !view.is_registered(id) && !view.names(id)
}

/// Sees that nothing is on the broker, which MSK takes away then: by the metadata, by the reassignments, and by its own disk. What came to be on it
/// since partitions moved, moves too. MSK itself refuses where something comes later.
async fn emptied(ctx: &Ctx<'_, Kafka<'_>>, name: &str) -> Result<(), StepError> {
    let (kafka, id) = (ctx.system, id_of(name)?);
    let admin = kafka.admin().await?;
    let _one = kafka.topics.moving.lock().await;
    if !what_holds(&look(&admin).await?, id).is_empty() {
        kafka.move_all(ctx, &admin).await?;
    }
    empty(&admin, id).await?;
    (ctx.progress)(format!("{name} is empty"));
    Ok(())
}

/// Waits until nothing is on the broker by three words: the metadata, the reassignments, and its own disk.
async fn empty(admin: &Admin<'_>, id: u32) -> Result<(), StepError> {
    let missing = |view: &View| {
        let holds = what_holds(view, id);
        (!holds.is_empty()).then(|| format!("broker {id} is not empty: {}", holds.join("; ")))
    };
    until(admin, EMPTY, missing).await.map(drop)
}

/// Takes the broker away. It may run again: it goes on with what is missing, by Kafka's word and EC2's.
async fn leave(ctx: &Ctx<'_, Kafka<'_>>, name: &str) -> Result<(), StepError> {
    let (kafka, id) = (ctx.system, id_of(name)?);
    let admin = kafka.admin().await?;
    // One after another, so that the quorum and every partition lose one host at a time.
    let _one = kafka.topics.moving.lock().await;
    for _ in 0..ROUNDS {
        let view = look(&admin).await?;
        if is_gone(&view, id) {
            return Ok(());
        }
        if kafka.state(ctx, name).await? == Host::Runs {
            if !what_holds(&view, id).is_empty() {
                kafka.move_all(ctx, &admin).await?;
            }
            empty(&admin, id).await?;
            (ctx.progress)(format!("{name} is empty, and is stopped"));
            let instance = instance_of(ctx, name).unwrap_or_default();
            (kafka.hosts()?.stop)(name.to_owned(), instance).await?;
            admin.written().await;
        }
        // From now on nobody puts anything on it; what came before shows in this look.
        (ctx.progress)(format!("{name} is stopped, and is looked at once more"));
        let view = until(&admin, FENCED, |view| {
            let lives = view.brokers.iter().any(|broker| broker.id == id && !broker.fenced);
            lives.then(|| format!("{name} is stopped, and the controllers take broker {id} for one that runs"))
        })
        .await?;
        if view.names(id) {
            kafka.restart(ctx, &admin, id).await?;
            continue;
        }
        if view.is_registered(id) {
            admin.unregister(id).await.map_err(|error| failed(error.to_string()))?;
        }
        until(&admin, FENCED, |view| view.is_registered(id).then(|| format!("broker {id} is registered still"))).await?;
    }
    let view = look(&admin).await?;
    if is_gone(&view, id) {
        return Ok(());
    }
    Err(failed(format!(
        "broker {id} got replicas each time that it was stopped: {}; apply again when no topics are made",
        what_holds(&view, id).join("; ")
    )))
}

impl<'a> Driver<Kafka<'a>> for Broker {
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    /// Those that are registered, and those that a partition names although they are not.
    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let Some(view) = kafka.told().await? else { return Ok(Vec::new()) };
        let mut ids: Vec<u32> = view.brokers.iter().map(|one| one.id).chain(view.leaving.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let one = |id| Found { id: host_of(id), tags: Tags::new(), spec: Broker { id }, terminated: false };
        Ok(ids.into_iter().map(one).collect())
    }

    async fn create(&self, _: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        Err(StepError::Internal("a broker registers by itself".to_owned()))
    }

    async fn update(&self, _: &Ctx<'_, Kafka<'a>>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        Err(StepError::Internal("nothing of a broker's registration is changed".to_owned()))
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        if ctx.system.of_msk() { emptied(ctx, id).await } else { leave(ctx, id).await }
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}
