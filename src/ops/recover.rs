//! `recover`: brings back a cluster whose hosts run with certificates that have ended. They no longer know each other, so no roll of one
//! after another ever sees a healthy cluster: all of them get new certificates and start again at once. A host whose data is on disks of
//! its own would lose it by a stop, and keeps it over a reboot; the others are stopped, so that EC2 itself tells when they started.

use std::collections::{BTreeMap, BTreeSet};

use super::up::ready;
use super::{Failure, LeasePolicy, LeasedWork, Task, kafka, under_lease};
use crate::aws::{Aws, kinds as drivers, restart};
use crate::driver::{Ctx, IdMap};
use crate::error::StepError;
use crate::session::Session;
use crate::wait::retry;
use kstack_core::check::Parsed;
use kstack_core::kinds::instance::ENDED;
use kstack_core::kinds::{Instance, Kind as _};
use kstack_core::model::{Address, Tags};
use kstack_core::observed::{Live, Observed};
use kstack_core::plan::Source;
use kstack_core::text::many;

/// What a signal cuts short, before a host was stopped, while hosts stop, and after they have started.
const INTERRUPTED_RENEWAL: &str = "a signal came; no host was stopped, and some have new certificates to start with: run the same command again, it goes on";
const INTERRUPTED_STOP: &str = "a signal came while hosts were being stopped; they have new certificates, and nothing starts them but the same command: run it again, it goes on";
const INTERRUPTED_WAIT: &str = "a signal came; the hosts start with new certificates, but kstack did not wait until Kafka is healthy: `kstack status --wait` does";

/// A host whose certificate has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub id: String,
    /// What is said of its certificate.
    pub certificate: String,
    /// Whether it is rebooted: it runs, and its data is on disks of its own.
    pub reboots: bool,
}

/// Recovers the stack; returns the hosts that were started again, by name.
///
/// # Errors
/// That no certificate has ended; AWS's answer; that a signal came; why Kafka is not healthy then.
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
    let access = kafka::of(session, &design, observed, task, true).await?;
    let restarted = async {
        let ended = || hosts.keys().for_each(|host| access.instance_ended(host));
        restart(&session.aws, &hosts, task, ended).await?;
        task.signals.until_signal(INTERRUPTED_WAIT, ready::on_hosts(session, &design, &access, task)).await
    };
    let restarted = restarted.await.map_err(|failure| Failure { maybe_applied: true, ..failure });
    access.link.way.close().await;
    restarted?;
    Ok(hosts.into_keys().collect())
}

/// Gives `hosts` new certificates, and has them start again with these; `ended` hears that no process runs any more that has an old one. It
/// may run again, wherever it was cut short: a host is known for the certificate that it had, until it has started again. No call is cut
/// short by a signal, but what comes between the calls.
async fn restart(
    aws: &Aws,
    hosts: &BTreeMap<String, Host>,
    task: &Task<'_>,
    ended: impl FnOnce(),
) -> Result<(), Failure> {
    let of = |reboots: bool| -> BTreeSet<String> {
        hosts.values().filter(|host| host.reboots == reboots).map(|host| host.id.clone()).collect()
    };
    let (stopped, rebooted) = (of(false), of(true));
    let doing = [("Stopping and starting", stopped.len()), ("Rebooting", rebooted.len())];
    for (what, count) in doing.into_iter().filter(|(_, count)| *count > 0) {
        task.note(&format!("{what} {} with new certificates ...", many(count, "host")));
    }
    let unless = async |text: &str| task.signals.until_signal(text, async { Ok::<(), Failure>(()) }).await;
    for host in hosts.keys() {
        unless(INTERRUPTED_RENEWAL).await?;
        renew(aws, host).await?;
    }
    unless(INTERRUPTED_RENEWAL).await?;
    if !stopped.is_empty() {
        restart::stop_all(aws, &stopped).await?;
        task.signals.until_signal(INTERRUPTED_STOP, restart::stopped(aws, &stopped)).await?;
    }
    if !rebooted.is_empty() {
        restart::reboot_all(aws, &rebooted).await?;
    }
    ended();
    if !stopped.is_empty() {
        restart::start_all(aws, &stopped).await?;
        task.signals.until_signal(INTERRUPTED_WAIT, restart::running(aws, &stopped)).await?;
    }
    Ok(())
}

/// Gives the host another certificate.
async fn renew(aws: &Aws, host: &str) -> Result<(), StepError> {
    let (ids, tags, address) = (IdMap::default(), Tags::new(), Address::new(Instance::NAME, host));
    let ctx = Ctx {
        system: aws,
        address: &address,
        tags: &tags,
        token: "",
        ids: &ids,
        progress: &|_| (),
        check_instance: false,
        batch: None,
    };
    retry(|| drivers::renew_certificate(&ctx)).await
}

/// The hosts that run with certificates that have ended, by name.
///
/// # Errors
/// That there are none.
fn recoverable(observed: &Observed) -> Result<BTreeMap<String, Host>, Failure> {
    let host = |(name, (live, one)): (&str, (&_, &Instance))| ended(name, live, one);
    let hosts: BTreeMap<String, Host> = observed.of::<Instance>().into_iter().filter_map(host).collect();
    if hosts.is_empty() {
        let hint =
            "a certificate that ends soon is renewed by `kstack apply`, which rolls its host while the others run";
        return Err(Failure::new("no host runs with a certificate that has ended; nothing was changed").hint(hint));
    }
    Ok(hosts)
}

fn ended(name: &str, live: &Live, one: &Instance) -> Option<(String, Host)> {
    let certificate = one.certificate.clone().filter(|certificate| certificate.starts_with(ENDED))?;
    // What does not run can't be rebooted.
    let reboots = one.storage.is_some() && !one.is_down();
    Some((name.to_owned(), Host { id: live.id.clone(), certificate, reboots }))
}

/// The same of the stack as it is live now.
///
/// # Errors
/// That there are none; AWS's answer.
pub async fn preview(session: &Session, parsed: &Parsed) -> Result<BTreeMap<String, Host>, Failure> {
    recoverable(&session.look(parsed).await?.input.observed)
}
