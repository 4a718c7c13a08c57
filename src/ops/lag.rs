//! The lag of a stack's consumer groups: which brokers are asked, and as whom.

use std::collections::BTreeMap;

use super::msk::{self, Reached};
use super::{Failure, kafka};
use crate::aws::kinds as drivers;
use crate::aws::kinds::{Sought, msk_status};
use crate::clock;
use crate::kafka::{Server, Via};
use crate::lag::{self, Lags};
use crate::session::Session;
use kstack_core::engines::Engine;
use kstack_core::stack::Stack;

/// The lag of all groups of `stack`, or of the one named `only`.
///
/// # Errors
/// That the stack has no brokers, that none can be asked, or AWS's answer.
pub async fn lags(
    session: &Session,
    stack: &Stack,
    sandbox: bool,
    via: &Via,
    only: Option<&str>,
) -> Result<Lags, Failure> {
    let nothing = || Failure::new(format!("stack `{}` has no live brokers to ask", stack.name));
    let now = || clock::now().as_millisecond();
    session.aws.begin_round();
    if Engine::of(stack) == Engine::Msk {
        let cluster = msk_status(&session.aws).await?.ok_or_else(nothing)?;
        let links = msk::links(session, &cluster, via).await.map_err(unasked)?;
        let mut reasons: Vec<String> = Vec::new();
        for Reached { servers, link, .. } in links {
            let asked = lag::ask(&BTreeMap::new(), &servers, &link, only, now()).await;
            link.way.close().await;
            match asked {
                Ok(lags) => return Ok(lags),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        reasons.dedup();
        return Err(unasked(reasons.join("; ")));
    }
    session.expect_papers(stack).await?;
    let found = drivers::find_of(&session.aws, Sought::of(stack)).await?;
    let observed = drivers::with_others(&session.aws, Sought::of(stack), found, None).await?;
    let brokers = kafka::brokers(&observed, sandbox);
    if brokers.is_empty() {
        return Err(nothing());
    }
    let node = |node: u32| i32::try_from(node).ok();
    let known: BTreeMap<i32, Server> =
        brokers.into_iter().filter_map(|(id, address)| Some((node(id)?, address.into()))).collect();
    let link = kafka::link(session, via, crate::roll::trust(&observed).as_ref()).await?;
    let asked = lag::ask(&known, &[], &link, only, now()).await;
    link.way.close().await;
    asked.map_err(|error| unasked(error.to_string()))
}

fn unasked(why: String) -> Failure {
    Failure::new(format!("the lag is not known: {why}"))
        .hint("run it where the brokers can be reached, or name a way with --via or --proxy")
}
