//! Passwords of users, as Kafka has them: one request for all of them, and one try of each that is kept.

use std::collections::BTreeMap;

use kstack_core::engines::Engine;
use kstack_core::kinds::ScramCredential;
use kstack_core::kinds::scram_credential::{ANOTHER, KEPT};
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;

use super::users::{Sought, each, seen, unless_unseen};
use super::{Kafka, again};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::Brokers;
use crate::kafka::users::{alter_passwords, with_passwords};
use crate::pki::PrivateKey;

type Asked = (String, Option<PrivateKey>);

async fn alter(kafka: &Kafka<'_>, brokers: &Brokers<'_>, asked: Vec<Asked>) -> Vec<Result<(), String>> {
    let answers = each(&asked, async |some: &[Asked]| {
        let users: Vec<(&str, Option<&str>)> =
            some.iter().map(|(user, password)| (user.as_str(), password.as_ref().map(PrivateKey::expose))).collect();
        alter_passwords(brokers, &users).await
    })
    .await;
    let done = || asked.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(one, _)| one);
    let given: BTreeMap<String, PrivateKey> =
        done().filter_map(|(user, password)| Some((user.clone(), password.clone()?))).collect();
    let seen = seen(async || {
        let live = again(async || with_passwords(brokers, None).await).await?;
        let all = done().all(|(user, password)| live.contains(user) == password.is_some());
        Ok(all && kafka.users.denied(brokers, &given).await?.is_empty())
    })
    .await;
    unless_unseen(answers, seen)
}

/// Gives the user of `ctx` the password that is kept.
async fn give(ctx: &Ctx<'_, Kafka<'_>>) -> Result<String, StepError> {
    let (kafka, user) = (ctx.system, &ctx.address.name);
    let brokers = kafka.brokers().await?;
    let (mut kept, mut unusable) = kafka.users.kept(std::slice::from_ref(user)).await?;
    if let Some(why) = unusable.remove(user) {
        return Err(why);
    }
    let password = kept.remove(user);
    let password = password.ok_or_else(|| StepError::ended(format!("{user} gets no password"), "none is kept"))?;
    let one = (user.clone(), Some(password));
    kafka.users.passwords.ask(one, async |asked| alter(kafka, brokers, asked).await).await?;
    Ok(user.clone())
}

impl<'a> Driver<Kafka<'a>> for ScramCredential {
    /// Calls are AWS's.
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let sought = Sought::of(kafka)?;
        // MSK takes passwords from Secrets Manager by itself, and away.
        if sought.is_empty() || Engine::of(kafka.stack()?) == Engine::Msk {
            return Ok(Vec::new());
        }
        let brokers = kafka.brokers().await?;
        let mut live = again(async || with_passwords(brokers, None).await).await?;
        live.retain(|user| sought.has(user));
        let ours: Vec<String> = live.iter().filter(|user| sought.is_ours(user)).cloned().collect();
        let (kept, _) = kafka.users.kept(&ours).await?;
        let denied = kafka.users.denied(brokers, &kept).await?;
        let one = |user: String| {
            let same = kept.contains_key(&user) && !denied.contains(&user);
            let spec = ScramCredential { password: if same { KEPT } else { ANOTHER }.to_owned() };
            Found { id: user, tags: Tags::new(), spec, terminated: false }
        };
        Ok(live.into_iter().map(one).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        give(ctx).await
    }

    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        give(ctx).await.map(drop)
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        let kafka = ctx.system;
        let brokers = kafka.brokers().await?;
        kafka.users.passwords.ask((id.to_owned(), None), async |asked| alter(kafka, brokers, asked).await).await
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}
