//! Quotas of users: all are asked for in one request, and changed in one.

use std::collections::BTreeMap;

use kstack_core::kinds::UserQuota;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;

use super::users::{Sought, each, seen, unless_unseen};
use super::{Kafka, again};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::Brokers;
use crate::kafka::quotas::{self, CONSUME, PRODUCE, Quotas, REQUEST};

type Asked = (String, BTreeMap<&'static str, Option<f64>>);

/// Quotas by Kafka's names, and those that are to be taken away.
fn wanted([produce, consume, request]: [Option<f64>; 3]) -> BTreeMap<&'static str, Option<f64>> {
    [(PRODUCE, produce), (CONSUME, consume), (REQUEST, request)].into()
}

/// What the file has words for; `None` where nothing of that is set.
fn found(live: &Quotas) -> Option<UserQuota> {
    let [produce, consume, request] = [PRODUCE, CONSUME, REQUEST].map(|key| live.get(key).copied());
    UserQuota::of(produce, consume, request)
}

async fn alter(brokers: &Brokers<'_>, asked: Vec<Asked>) -> Vec<Result<(), String>> {
    let answers = each(&asked, async |some: &[Asked]| {
        let users: Vec<_> = some.iter().map(|(user, quotas)| (user.as_str(), quotas.clone())).collect();
        quotas::alter(brokers, &users).await
    })
    .await;
    let seen = seen(async || {
        let live = again(async || quotas::all(brokers).await).await?;
        let has = |(user, quotas): &Asked| {
            let of = live.get(user);
            quotas.iter().all(|(key, value)| of.and_then(|of| of.get(*key)) == value.as_ref())
        };
        Ok(asked.iter().zip(&answers).all(|(one, answer)| answer.is_err() || has(one)))
    })
    .await;
    unless_unseen(answers, seen)
}

async fn set(ctx: &Ctx<'_, Kafka<'_>>, user: &str, limits: [Option<f64>; 3]) -> Result<(), StepError> {
    let brokers = ctx.system.brokers().await?;
    let one = (user.to_owned(), wanted(limits));
    ctx.system.users.quotas.ask(one, async |asked| alter(brokers, asked).await).await
}

impl<'a> Driver<Kafka<'a>> for UserQuota {
    /// Calls are AWS's.
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let sought = Sought::of(kafka)?;
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let brokers = kafka.brokers().await?;
        let live = again(async || quotas::all(brokers).await).await?;
        let one = |(user, quotas)| {
            let spec = found(&quotas)?;
            Some(Found { id: user, tags: Tags::new(), spec, terminated: false })
        };
        Ok(live.into_iter().filter(|(user, _)| sought.has(user)).filter_map(one).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        set(ctx, &ctx.address.name, self.limits()).await?;
        Ok(ctx.address.name.clone())
    }

    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        set(ctx, id, self.limits()).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        set(ctx, id, [None; 3]).await
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}
