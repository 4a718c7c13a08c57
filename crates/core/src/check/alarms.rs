//! Rules of alarms.

use crate::engines::msk;
use crate::file::{AlarmsChoice, Checker, Region};
use crate::stack::{Account, Msk};
use crate::units::TimeSpan;

/// Checks `alarms`.
pub fn check(checker: &mut Checker<'_>) {
    let Some(alarms) = checker.part::<AlarmsChoice>("alarms").and_then(|choice| choice.0) else { return };
    if let Some(topic) = &alarms.notify {
        let region = checker.part::<Region>("region");
        if let Some(region) = region.filter(|region| **region != *topic.region()) {
            checker.error(
                "alarms.notify",
                format!("the topic is in {}, and the stack in {region}", topic.region()),
                "CloudWatch tells topics of its own region only: name one there, which may pass on what it is told",
            );
        }
        let account = checker.part::<Option<Account>>("account").flatten();
        if let Some(account) = account.filter(|account| **account != *topic.account()) {
            checker.warning(
                "alarms.notify",
                format!("the topic is in the account {}, and the stack in {account}", topic.account()),
                "let the topic's policy allow `sns:Publish` to `cloudwatch.amazonaws.com` for the stack's account",
            );
        }
    }
    if checker.part::<Option<TimeSpan>>("ttl").flatten().is_some() && !alarms.with_ttl {
        let message = "a stack with a `ttl` has no alarms unless it is asked for them";
        checker.warning("alarms", message, "write `with_ttl: true` below `alarms`, or remove one of the two keys");
    }
    let Some(msk) = checker.part::<Option<Msk>>("cluster.msk").flatten() else { return };
    if msk.serverless {
        let message = "a serverless cluster has no metrics of its health, so there is nothing to watch";
        checker.warning("alarms", message, "remove `alarms`; AWS's own health events tell of failures there");
    }
    let missing = msk::alarms::missing(&msk);
    if !missing.is_empty() {
        checker.warning(
            "alarms",
            format!("MSK has no {} at the level `default`, so these are not watched", missing.join(", ")),
            "write `monitoring: {level: per-broker}` below `msk`, which costs money for each metric; or leave it",
        );
    }
}
