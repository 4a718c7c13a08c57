//! Where partitions are, and their moves in an apply: to brokers that are new, and off those that leave. What moves next is the core's.

use std::collections::BTreeSet;

use kstack_core::design::node_id;
use kstack_core::kinds::partitions::{MAIN, ids_text};
use kstack_core::kinds::{Kind as _, Partitions};
use kstack_core::model::{Address, FieldChange, Tags};
use kstack_core::moves::{Goal, View, members, what_holds};
use kstack_core::observed::Found;

use super::hosts::Host;
use super::{Kafka, PAUSE, TRIES};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::moves::{Admin, Event, Orders, run};

/// The name of the host of a broker.
pub(super) fn host_of(id: u32) -> String {
    format!("broker-{id}")
}

pub(super) fn failed(what: impl Into<String>) -> StepError {
    StepError::Kafka { what: what.into(), source: None }
}

impl<'a> Kafka<'a> {
    /// The ids of the brokers that the file has; of MSK's those that stay, as they show themselves now.
    async fn stay(&self, admin: &Admin<'_>) -> Result<BTreeSet<u32>, StepError> {
        let cluster = &self.stack()?.cluster;
        let Some(brokers) = cluster.msk.as_ref().and_then(|msk| msk.brokers.as_ref()) else {
            return Ok(cluster.ec2.as_ref().map(|ec2| ec2.brokers.ids().collect()).unwrap_or_default());
        };
        let has = u32::try_from(admin.ids().len()).unwrap_or(u32::MAX);
        let members = members(&look(admin).await?, has, brokers.count);
        let unclear = |why| format!("it can't be said which brokers leave: {why}; apply again once all of them serve");
        members.map_err(|why| failed(unclear(why)))
    }

    /// Whether MSK runs the brokers.
    pub(super) fn of_msk(&self) -> bool {
        self.mover.as_ref().is_some_and(|mover| mover.managed)
    }

    /// Each broker.
    async fn each(&self) -> Result<Admin<'_>, StepError> {
        let mover = self.mover.as_ref().ok_or_else(|| failed("nobody says how fast replicas may be moved"))?;
        let admin = mover.admin(self.brokers().await?);
        admin.ok_or_else(|| failed("which broker is which is not known, so no replica can be moved"))
    }

    /// Each broker, to be looked at as the file has them.
    pub(super) async fn admin(&self) -> Result<Admin<'_>, StepError> {
        let admin = self.each().await?;
        let stay = self.stay(&admin).await?;
        Ok(admin.staying(stay))
    }

    /// What the brokers tell for a plan, where it asks: once.
    pub(super) async fn told(&self) -> Result<Option<&View>, StepError> {
        if !self.asks_moves {
            return Ok(None);
        }
        // Which of MSK's brokers leave is the plan's to say.
        let look = async || {
            let admin = if self.of_msk() { self.each().await? } else { self.admin().await? };
            look(&admin).await
        };
        self.seen.get_or_try_init(look).await.map(Some)
    }

    /// What EC2 says of the host of a broker; one without an instance is gone.
    pub(super) async fn state(&self, ctx: &Ctx<'_, Kafka<'a>>, name: &str) -> Result<Host, StepError> {
        match instance_of(ctx, name) {
            Some(id) => (self.hosts()?.state)(name.to_owned(), id).await,
            None => Ok(Host::Gone),
        }
    }

    /// Starts the stopped host of a broker that has replicas, and waits until the broker serves.
    pub(super) async fn restart(
        &self,
        ctx: &Ctx<'_, Kafka<'a>>,
        admin: &Admin<'_>,
        id: u32,
    ) -> Result<(), StepError> {
        let name = host_of(id);
        let instance = instance_of(ctx, &name).ok_or_else(|| failed(format!("{name} has replicas, and no instance")))?;
        (ctx.progress)(format!("{name} is started again: there are replicas on it"));
        (self.hosts()?.start)(name, instance).await?;
        admin.written().await;
        until(admin, SERVES, |view| {
            let broker = view.brokers.iter().find(|one| one.id == id);
            (!broker.is_some_and(kstack_core::moves::Broker::is_fit)).then(|| format!("broker {id} does not serve"))
        })
        .await
        .map(drop)
    }

    /// Moves what has to move, and tells how far it is. Who calls it holds the lock on moves.
    pub(super) async fn move_all(&self, ctx: &Ctx<'_, Kafka<'a>>, admin: &Admin<'_>) -> Result<(), StepError> {
        let view = look(admin).await?;
        for id in view.leaving.iter().copied().filter(|id| view.names(*id)) {
            if self.state(ctx, &host_of(id)).await? == Host::Stopped {
                self.restart(ctx, admin, id).await?;
            }
        }
        let (_, bands) = view.share(&admin.stays(), self.stack()?.balances());
        let mover = self.mover.as_ref().ok_or_else(|| failed("nobody says how fast replicas may be moved"))?;
        let orders = Orders { bands, ..mover.orders };
        let mut tell = |event: Event| (ctx.progress)(event.text());
        let ran = Box::pin(run(admin, orders, &Goal::Balance(bands), &mut tell)).await;
        ran.map(drop).map_err(|(why, remedy)| match remedy {
            Some(remedy) => failed(format!("{why}; {remedy}")),
            None => failed(format!("{why}; apply again: it goes on where it is")),
        })
    }
}

/// How long a broker may take to serve after its host has started.
const SERVES: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) fn instance_of(ctx: &Ctx<'_, Kafka<'_>>, name: &str) -> Option<String> {
    ctx.ids.lock().get(&Address::new(kstack_core::kinds::Instance::NAME, name)).cloned()
}

/// One look; again where the cluster did not show itself.
pub(super) async fn look(admin: &Admin<'_>) -> Result<View, StepError> {
    for _ in 1..TRIES {
        if let Ok(view) = Box::pin(admin.look()).await {
            return Ok(view);
        }
        tokio::time::sleep(crate::wait::jitter(PAUSE)).await;
    }
    Box::pin(admin.look()).await.map_err(|error| failed(error.to_string()))
}

/// Looks until nothing is `missing`, and gives the look that showed it.
pub(super) async fn until(
    admin: &Admin<'_>,
    limit: std::time::Duration,
    missing: impl Fn(&View) -> Option<String>,
) -> Result<View, StepError> {
    let begun = std::time::Instant::now();
    loop {
        let why = match Box::pin(admin.look()).await {
            Err(error) => error.to_string(),
            Ok(view) => match missing(&view) {
                None => return Ok(view),
                Some(why) => why,
            },
        };
        if begun.elapsed() > limit {
            return Err(failed(format!("after {} s, {why}; apply again: it goes on where it is", limit.as_secs())));
        }
        tokio::time::sleep(crate::wait::jitter(PAUSE)).await;
    }
}

impl<'a> Driver<Kafka<'a>> for Partitions {
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let Some(view) = kafka.told().await? else { return Ok(Vec::new()) };
        let has = view.brokers.iter().map(|one| one.id).filter(|id| view.names(*id)).collect();
        let spec =
            Partitions { brokers: ids_text(&has), cut_off: view.is_cut_off(), view: Some(Box::new(view.clone())) };
        Ok(vec![Found { id: MAIN.to_owned(), tags: Tags::new(), spec, terminated: false }])
    }

    async fn create(&self, _: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        Err(StepError::Internal("partitions are there with the cluster".to_owned()))
    }

    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        let kafka = ctx.system;
        let admin = kafka.admin().await?;
        let _one = kafka.topics.moving.lock().await;
        kafka.move_all(ctx, &admin).await?;
        // Whose host has something still is looked at again before it is stopped; what has no host here holds nothing up.
        let view = look(&admin).await?;
        let stuck = view.leaving.iter().filter(|id| instance_of(ctx, &host_of(**id)).is_some() && view.names(**id));
        match stuck.into_iter().next().map(|id| (id, what_holds(&view, *id))) {
            Some((id, holds)) => Err(failed(format!("broker {id} can't be emptied: {}", holds.join("; ")))),
            None => Ok(()),
        }
    }

    async fn delete(&self, _: &Ctx<'_, Kafka<'a>>, _: &str) -> Result<(), StepError> {
        Err(StepError::Internal("partitions are not deleted".to_owned()))
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}

/// The id of the broker on the host `name`.
pub(super) fn id_of(name: &str) -> Result<u32, StepError> {
    node_id(name).ok_or_else(|| StepError::Internal(format!("{name} is no broker")))
}
