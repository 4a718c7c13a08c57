//! `recover`: brings back a cluster whose hosts run with certificates that have ended. They no longer know each other, so no roll of one
//! after another ever sees a healthy cluster: all of them get new certificates and start again at once.

use std::collections::BTreeMap;

use super::up::ready;
use super::{Failure, LeasePolicy, LeasedWork, Task, kafka, under_lease};
use crate::apply::restart;
use crate::session::Session;
use kstack_core::check::Parsed;
use kstack_core::kinds::Instance;
use kstack_core::kinds::instance::ENDED;
use kstack_core::observed::Observed;
use kstack_core::plan::Source;

/// What a signal cuts short after the hosts have started.
const INTERRUPTED_WAIT: &str = "a signal came; the hosts have started with new certificates, but kstack did not wait until Kafka is healthy: `kstack status --wait` does";

/// Recovers the stack; returns the hosts that were started again, by name.
///
/// # Errors
/// That no certificate has ended, or that hosts would lose data; AWS's answer; why Kafka is not healthy then.
pub async fn recover(
    session: &Session,
    source: &Source,
    parsed: &Parsed,
    task: &Task<'_>,
) -> Result<Vec<String>, Failure> {
    let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    super::guard(&parsed.stack, &account)?;
    under_lease(session, &caller, task, LeasePolicy::default(), async || {
        LeasedWork::on_stack(Box::pin(work(session, source, parsed, task)).await)
    })
    .await
}

async fn work(session: &Session, source: &Source, parsed: &Parsed, task: &Task<'_>) -> Result<Vec<String>, Failure> {
    let seen = task.signals.unless_stopped(session.look(parsed)).await?;
    let observed = &seen.input.observed;
    let hosts = recoverable(observed)?;
    let (design, _) = crate::session::make_plan(source, parsed, &seen.input, false);
    let design =
        design.ok_or_else(|| Failure::new("the file can't be planned").hint("run `kstack plan` for the reasons"))?;
    let all: Vec<(String, String)> = observed
        .of::<Instance>()
        .into_iter()
        .filter(|(name, _)| hosts.contains_key(*name))
        .map(|(name, (live, _))| (name.to_owned(), live.id.clone()))
        .collect();
    let access = kafka::of(session, &design, observed, task, true).await?;
    let restarted = async {
        task.note(&format!("Stopping and starting {} hosts with new certificates ...", all.len()));
        restart::all(&session.aws, &all, || all.iter().for_each(|(host, _)| access.instance_ended(host))).await?;
        let healthy = ready::on_hosts(session, &design, &access, task);
        let healthy = task.signals.until_signal(INTERRUPTED_WAIT, healthy).await;
        healthy.map_err(|failure| Failure { maybe_applied: true, ..failure })
    };
    let restarted = restarted.await;
    access.link.way.close().await;
    restarted?;
    Ok(all.into_iter().map(|(host, _)| host).collect())
}

/// The hosts that run with certificates that have ended, each with what is said of its certificate.
///
/// # Errors
/// That there are none, or that they would lose data.
fn recoverable(observed: &Observed) -> Result<BTreeMap<String, String>, Failure> {
    let instances = observed.of::<Instance>();
    let ended = instances.iter().filter_map(|(name, (_, one))| Some((*name, *one, one.certificate.as_ref()?)));
    let ended: Vec<_> = ended.filter(|(.., certificate)| certificate.starts_with(ENDED)).collect();
    if ended.is_empty() {
        let hint =
            "a certificate that ends soon is renewed by `kstack apply`, which rolls its host while the others run";
        return Err(Failure::new("no host runs with a certificate that has ended; nothing was changed").hint(hint));
    }
    let on_own_disks: Vec<&str> =
        ended.iter().filter(|(_, one, _)| one.storage.is_some()).map(|(name, ..)| *name).collect();
    if !on_own_disks.is_empty() {
        let message =
            format!("{} would lose its data, which is on disks of the instance itself", on_own_disks.join(", "));
        return Err(
            Failure::new(message).hint("restart its units kstack-prepare and kafka in a session on the host instead")
        );
    }
    Ok(ended.into_iter().map(|(name, _, certificate)| (name.to_owned(), certificate.clone())).collect())
}

/// The same of the stack as it is live now.
///
/// # Errors
/// That there are none, or that they would lose data; AWS's answer.
pub async fn preview(session: &Session, parsed: &Parsed) -> Result<BTreeMap<String, String>, Failure> {
    recoverable(&session.look(parsed).await?.input.observed)
}
