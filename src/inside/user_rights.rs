//! What users may do: all lists are asked for in one request. A change gives and takes in an order in which no user may do more at any
//! moment than before or afterwards; what many steps ask at the same time goes out together.

use std::collections::BTreeSet;

use kstack_core::kinds::UserRights;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;
use kstack_core::rights::{GIVES, Right, in_order};

use super::users::{Sought, each, seen, unless_unseen};
use super::{Kafka, again};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::Brokers;
use crate::kafka::acls::{self, Rights};

type Asked = (String, Vec<Right>);

/// What every user may do.
async fn live(brokers: &Brokers<'_>) -> Result<Rights, StepError> {
    let all = again(async || acls::all(brokers).await).await?;
    all.ok_or_else(|| StepError::ended("Kafka can't be asked", "its brokers ask nobody yet what he may do"))
}

/// What these users may do.
async fn look(brokers: &Brokers<'_>, users: Vec<String>) -> Vec<Result<BTreeSet<Right>, String>> {
    match live(brokers).await {
        Ok(mut live) => users.iter().map(|user| Ok(live.remove(user).unwrap_or_default())).collect(),
        Err(error) => users.iter().map(|_| Err(error.to_string())).collect(),
    }
}

/// Gives or takes rights of many users.
async fn alter(brokers: &Brokers<'_>, gives: bool, asked: Vec<Asked>) -> Vec<Result<(), String>> {
    let all: Vec<(&str, &Right)> =
        asked.iter().flat_map(|(user, rights)| rights.iter().map(move |right| (user.as_str(), right))).collect();
    let answers = each(&all, async |some: &[(&str, &Right)]| match gives {
        true => acls::give(brokers, some).await,
        false => acls::take(brokers, some).await,
    })
    .await;
    let seen = seen(async || {
        let live = live(brokers).await?;
        let has =
            |(user, right): &(&str, &Right)| live.get(*user).is_some_and(|rights| rights.contains(*right)) == gives;
        Ok(all.iter().zip(&answers).all(|(one, answer)| answer.is_err() || has(one)))
    })
    .await;
    // A user's are right when each of them is.
    let mut answers = unless_unseen(answers, seen).into_iter();
    asked.iter().map(|(_, rights)| answers.by_ref().take(rights.len()).fold(Ok(()), Result::and)).collect()
}

/// Brings the rights of `user` to `wanted`, from what they are now.
async fn set(ctx: &Ctx<'_, Kafka<'_>>, user: &str, wanted: &[String]) -> Result<(), StepError> {
    let brokers = ctx.system.brokers().await?;
    let read = |text: &String| Right::parse(text).ok_or_else(|| StepError::Internal(format!("`{text}` is no right")));
    let wanted = wanted.iter().map(read).collect::<Result<BTreeSet<Right>, _>>()?;
    let now = ctx.system.users.had.ask(user.to_owned(), async |users| look(brokers, users).await).await?;
    for ((rights, gives), gather) in in_order(&now, &wanted).into_iter().zip(GIVES).zip(&ctx.system.users.rights) {
        if !rights.is_empty() {
            let one = (user.to_owned(), rights.into_iter().cloned().collect());
            gather.ask(one, async |asked| alter(brokers, gives, asked).await).await?;
        }
    }
    Ok(())
}

impl<'a> Driver<Kafka<'a>> for UserRights {
    /// Calls are AWS's.
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let sought = Sought::of(kafka)?;
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let live = live(kafka.brokers().await?).await?;
        let one = |(user, rights): (String, BTreeSet<Right>)| {
            let mut rights: Vec<String> = rights.iter().map(ToString::to_string).collect();
            rights.sort();
            Found { id: user, tags: Tags::new(), spec: UserRights { rights }, terminated: false }
        };
        Ok(live.into_iter().filter(|(user, _)| sought.has(user)).map(one).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        set(ctx, &ctx.address.name, &self.rights).await?;
        Ok(ctx.address.name.clone())
    }

    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        set(ctx, id, &self.rights).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        set(ctx, id, &[]).await
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}
