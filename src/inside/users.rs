//! What the drivers of users share: whose users they are, what is kept of their passwords, and what steps ask at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use kstack_core::rights::Right;
use kstack_core::stack::Stack;

use super::gather::Gather;
use super::{Kafka, again};
use crate::aws::Aws;
use crate::error::StepError;
use crate::kafka::users::takes;
use crate::kafka::{Brokers, BrokersError, Link, Roots, Security, Via, Way};
use crate::pki::PrivateKey;
use crate::wait::{Backoff, Look, poll};

/// How long brokers may take to see what the controllers have done.
const SEEN: Duration = Duration::from_secs(60);
/// The controllers take at most 10,000 records in a request (Kafka's `MAX_RECORDS_PER_USER_OP`).
pub const RECORDS: usize = 4_000;
/// How many passwords are tried at once: each is a connection of its own.
const TRIED: usize = 16;

/// Where the passwords of a stack's users are kept, and by which way they are tried.
#[derive(Clone, Copy)]
pub struct Keeper<'a> {
    pub aws: &'a Aws,
    pub via: &'a Via,
}

/// The stack's users.
#[derive(Default)]
pub struct Users<'a> {
    keeper: Option<Keeper<'a>>,
    /// Those that kstack has made, whether the file has them or no more.
    made: BTreeSet<String>,
    /// The secrets of others, by their ARNs, that have the passwords of users.
    secrets: BTreeMap<String, String>,
    pub(super) passwords: Gather<(String, Option<PrivateKey>)>,
    pub(super) quotas: Gather<(String, BTreeMap<&'static str, Option<f64>>)>,
    /// What users may do now.
    pub(super) had: Gather<String, BTreeSet<Right>>,
    /// One for each part of a change of rights.
    pub(super) rights: [Gather<(String, Vec<Right>)>; 4],
}

impl<'a> Users<'a> {
    /// Users whose passwords `keeper` has; `made` are those that kstack has made.
    pub fn new(keeper: Keeper<'a>, made: BTreeSet<String>, stack: &Stack) -> Users<'a> {
        let secrets = stack.named_secrets().map(|(user, arn)| (user.to_owned(), arn.to_owned())).collect();
        Users { keeper: Some(keeper), made, secrets, ..Users::default() }
    }

    fn keeper(&self) -> Result<Keeper<'a>, StepError> {
        self.keeper.ok_or_else(|| StepError::Internal("nobody keeps passwords".to_owned()))
    }

    /// The passwords that are kept of `users`, of those that have one; and why secrets of others give none.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn kept(
        &self,
        users: &[String],
    ) -> Result<(BTreeMap<String, PrivateKey>, BTreeMap<String, StepError>), StepError> {
        let aws = self.keeper()?.aws;
        let own: Vec<String> = users.iter().filter(|user| !self.secrets.contains_key(*user)).cloned().collect();
        let (mut kept, mut unusable) = (aws.passwords(&own).await?, BTreeMap::new());
        let named = users.iter().filter_map(|user| Some((user, self.secrets.get(user)?)));
        let read = stream::iter(named).map(async |(user, arn)| (user, aws.secret_password(arn, user).await));
        let mut read = std::pin::pin!(read.buffer_unordered(TRIED));
        while let Some((user, password)) = read.next().await {
            match password {
                Ok(password) => drop(kept.insert(user.clone(), password)),
                Err(why @ StepError::Ended { .. }) => drop(unusable.insert(user.clone(), why)),
                Err(error) => return Err(error),
            }
        }
        Ok((kept, unusable))
    }

    /// Those of `users` whose password the brokers do not take; empty where they can't be tried from here, as through a tunnel.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn denied(
        &self,
        brokers: &Brokers<'_>,
        users: &BTreeMap<String, PrivateKey>,
    ) -> Result<BTreeSet<String>, StepError> {
        let Keeper { aws, via } = self.keeper()?;
        let mut denied = BTreeSet::new();
        if users.is_empty() || brokers.scram().is_empty() || *via == Via::Ssm {
            return Ok(denied);
        }
        let security = Security::tls_by(&Roots::Pem(&aws.hosts_roots().await?), None);
        let security = security.map_err(|why| StepError::ended("passwords can't be tried", why))?;
        let tried = stream::iter(users).map(|(user, password)| {
            let link = Link { security: security.clone(), way: Way::new(via.clone(), None) };
            async move { (user, takes(brokers.scram(), link, user, password.expose()).await) }
        });
        let mut tried = std::pin::pin!(tried.buffer_unordered(TRIED));
        while let Some((user, takes)) = tried.next().await {
            match takes {
                Some(true) => {}
                Some(false) => drop(denied.insert(user.clone())),
                None => return Ok(denied),
            }
        }
        Ok(denied)
    }
}

/// Of whom the brokers are asked.
pub struct Sought<'a> {
    stack: &'a Stack,
    /// The users of the file, and those that kstack has made.
    names: BTreeSet<String>,
}

impl<'a> Sought<'a> {
    /// Those that a plan for the file of `kafka` is about.
    pub fn of(kafka: &Kafka<'a>) -> Result<Sought<'a>, StepError> {
        let stack = kafka.stack()?;
        let named = stack.named_users().map(|(name, ..)| name.to_owned());
        Ok(Sought { stack, names: named.chain(kafka.users.made.iter().cloned()).collect() })
    }

    /// Whether there is nobody to be asked of.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.stack.prune.users.is_empty()
    }

    /// Whether a plan is about `user`: the file's, kstack's, or under a beginning that the file has for itself.
    pub fn has(&self, user: &str) -> bool {
        self.is_ours(user) || self.stack.prunes_user(user).is_some()
    }

    /// Whether something may be kept of `user`.
    pub fn is_ours(&self, user: &str) -> bool {
        self.names.contains(user)
    }
}

/// Sends all of `asked` in requests that are not too large, again where there is no answer. Each request gets an answer for each.
pub async fn each<Q>(
    asked: &[Q],
    mut send: impl AsyncFnMut(&[Q]) -> Result<Vec<Result<(), String>>, BrokersError>,
) -> Vec<Result<(), String>> {
    let mut answers = Vec::new();
    for some in asked.chunks(RECORDS) {
        match again(async || send(some).await).await {
            Ok(told) => answers.extend(told),
            Err(error) => answers.extend(some.iter().map(|_| Err(error.to_string()))),
        }
    }
    answers
}

/// Waits until the broker that is asked sees what the controllers have done.
///
/// # Errors
/// That it takes too long, or why it can't be asked.
pub async fn seen(mut done: impl AsyncFnMut() -> Result<bool, StepError>) -> Result<(), StepError> {
    poll("the brokers seeing what was changed", SEEN, Backoff::STATE, async || {
        Ok(if done().await? { Look::Ready(()) } else { Look::Missing(String::new()) })
    })
    .await
}

/// `answers`, unless what was done is not seen: then that for each that was done.
pub fn unless_unseen(answers: Vec<Result<(), String>>, seen: Result<(), StepError>) -> Vec<Result<(), String>> {
    match seen {
        Ok(()) => answers,
        Err(why) => answers.into_iter().map(|answer| answer.and_then(|()| Err(why.to_string()))).collect(),
    }
}
