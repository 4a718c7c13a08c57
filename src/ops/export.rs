//! The topics, users, rights and quotas of a live cluster, as the stack file has them.

use std::collections::BTreeMap;

use super::Failure;
use super::inside::{Looking, reach};
use crate::error::StepError;
use crate::inside::every_topic;
use crate::kafka::{Brokers, acls, quotas, users};
use crate::session::Session;
use kstack_core::describe::{LiveUser, access_block, topics_block};
use kstack_core::stack::Stack;

/// The blocks `topics` and `access` of what the brokers of `stack` have. No secret is in them.
///
/// # Errors
/// That no broker can be asked, or AWS's answer.
pub async fn export(session: &Session, stack: &Stack, looking: Looking<'_>) -> Result<String, Failure> {
    session.aws.begin_round();
    let observed = session.observe().await?;
    let brokers = reach(session, stack, &observed, looking).await?;
    let told = blocks(&brokers).await;
    brokers.close().await;
    Ok(told?)
}

async fn blocks(brokers: &Brokers<'_>) -> Result<String, StepError> {
    let topics = topics_block(&every_topic(brokers).await?);
    let Some(rights) = acls::all(brokers).await? else {
        return Ok(format!("{topics}# The brokers ask nobody who he is, so there are no users.\n"));
    };
    let mut all: BTreeMap<String, LiveUser> = BTreeMap::new();
    for (name, rights) in rights {
        all.entry(name).or_default().rights = rights;
    }
    for (name, quotas) in quotas::all(brokers).await? {
        all.entry(name).or_default().quotas = quotas;
    }
    for name in users::with_passwords(brokers, None).await? {
        all.entry(name).or_default().password = true;
    }
    Ok(format!("{topics}{}", access_block(&all)))
}
