//! What a roll asks Kafka: whether a host may be stopped, and whether it is back in sync. Where no broker can be reached from
//! here, the instance's own checks have to do, for one host: whether Kafka on it came back is not known then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::aws::{Aws, kinds as drivers};
use crate::error::StepError;
use crate::health::{self, AskError, KafkaHealth, shortened};
use crate::kafka::{Link, Server};
use crate::sandbox;
use kstack_core::certificates::Authority;
use kstack_core::cloud_init::{CLIENT_PORT, Course, INTERNAL_PORT};
use kstack_core::design::{HostDesign, node_id};
use kstack_core::kinds::{CertificateAuthority, Instance, NetworkInterface};
use kstack_core::moves::Marks;
use kstack_core::observed::Observed;
use kstack_core::trust::{Running, Trust};

/// How long a cluster is given to get well enough that the host may be stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long a host is given to fetch what was written without it.
const RESYNC_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// A stack's Kafka as this process can ask it.
#[derive(Debug, Default)]
pub struct KafkaAccess {
    /// Where each broker takes clients, by node id.
    pub brokers: BTreeMap<u32, Server>,
    /// As whom and by which way they are asked.
    pub link: Link,
    /// The hosts as processes of this machine, with a sandbox that has them.
    pub local: Option<Local>,
    /// Whether hosts roll one after another although Kafka can't be asked: it was asked for, or there is no Kafka.
    pub blind: bool,
    /// Where the hosts are on their way between plaintext and TLS; absent where it is not asked after: hosts without Kafka.
    pub course: Option<Course>,
    /// Brokers of zones that are evacuated.
    pub evacuated: Marks,
    so_far: Mutex<SoFar>,
}

/// What is known of the rolls of this run so far.
#[derive(Debug, Default)]
struct SoFar {
    /// Whether Kafka has answered.
    answered: bool,
    /// The host that was rolled without asking it.
    unasked: Option<String>,
}

/// What to do where one host was rolled and Kafka could not be asked.
const LOOK_FIRST: &str = "see that Kafka on it is back and every replica in sync, and run the command again: each run rolls one host more. \
    Run from where the brokers can be reached, it asks them itself; `kstack apply --blind` goes on by EC2's checks alone";

const TURN_KNOWING: &str = "run the command from where the brokers can be reached, or with `--via`: without Kafka's word no host goes from one listener to another";

/// The processes that stand for a stack's hosts.
#[derive(Debug)]
pub struct Local {
    pub cluster: sandbox::kafka::SandboxCluster,
    pub distribution: PathBuf,
    pub hosts: Vec<HostDesign>,
    /// The authorities of those that speak TLS.
    pub trust: Option<Trust>,
}

/// By what a rolled host is known to be well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Checks {
    /// Kafka's own word: the node is back, and in sync.
    Kafka,
    /// EC2's checks of the instance.
    Instance,
}

/// Where kstack reaches the brokers of what is `observed` inside the VPC, by node id.
pub fn brokers(observed: &Observed) -> BTreeMap<u32, SocketAddrV4> {
    brokers_at(observed, if secured(observed) { INTERNAL_PORT } else { CLIENT_PORT })
}

/// Whether all hosts of what is `observed` have listeners with TLS.
pub fn secured(observed: &Observed) -> bool {
    let instances = observed.of::<Instance>();
    !instances.is_empty() && instances.values().all(|(_, instance)| instance.speaks_tls())
}

/// By which authority kstack's own certificate is, so that every host of what is `observed` takes it, and by which those of hosts and
/// clients are; `None` where not every host has listeners with TLS.
pub fn trust(observed: &Observed) -> Option<Trust> {
    if !secured(observed) {
        return None;
    }
    let instances = observed.of::<Instance>();
    let all: Vec<Option<Trust>> =
        instances.values().map(|(_, one)| Trust::parse(one.trust.as_deref().unwrap_or_default())).collect();
    let live = |of: Authority| -> BTreeSet<u32> {
        let all = observed.of::<CertificateAuthority>();
        let numbers = all.keys().filter_map(|name| Authority::of(name)).filter(|(one, _)| *one == of);
        numbers.map(|(_, number)| number).collect()
    };
    let signer = Running::of(&all, &live(Authority::Hosts))?.signer();
    // Clients take what every broker takes.
    let mut taken = all.into_iter().flatten().map(|one| one.clients).filter(|clients| !clients.is_empty());
    let first = taken.next().unwrap_or_else(|| live(Authority::Clients));
    Some(Trust { signer, hosts: live(Authority::Hosts), clients: taken.fold(first, |all, one| &all & &one) })
}

/// Where those brokers are with this port.
pub fn brokers_at(observed: &Observed, port: u16) -> BTreeMap<u32, SocketAddrV4> {
    let interfaces = observed.of::<NetworkInterface>();
    let brokers = interfaces.iter().filter(|(name, _)| name.starts_with("broker-"));
    let address = |text: &str| text.parse::<Ipv4Addr>().ok().map(|ip| SocketAddrV4::new(ip, port));
    brokers.filter_map(|(name, (_, interface))| Some((node_id(name)?, address(&interface.address)?))).collect()
}

impl Local {
    /// What hosts that speak TLS get their papers with.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn papers(&self, aws: &Aws) -> Result<sandbox::kafka::Papers, StepError> {
        let Some(trust) = &self.trust else { return Ok(None) };
        let trusted = aws.trusted(trust).await?;
        Ok(Some(sandbox::kafka::Signed { trusted, lives: drivers::host_lives(aws).await? }))
    }
}

impl KafkaAccess {
    /// Access over `link` to `brokers` and what stands for their hosts, before any roll.
    pub fn new(brokers: BTreeMap<u32, SocketAddrV4>, link: Link, local: Option<Local>, blind: bool) -> KafkaAccess {
        let brokers = brokers.into_iter().map(|(node, address)| (node, address.into())).collect();
        KafkaAccess { brokers, link, local, blind, course: None, evacuated: Marks::new(), so_far: Mutex::default() }
    }

    /// Where every broker takes clients.
    pub fn servers(&self) -> Vec<Server> {
        self.brokers.values().cloned().collect()
    }

    /// Whether the hosts that are rolled reach the others by other listeners afterwards.
    pub fn turns(&self) -> bool {
        self.course.is_some_and(|course| course.turns())
    }

    /// Whether `host` may be stopped although no broker can be asked, for the reason `why`: the first of a run may.
    fn unasked(&self, host: &str, why: Option<&AskError>) -> Result<Checks, StepError> {
        if let Some(listener) = self.course.filter(Course::turns).and_then(|course| course.needs()) {
            let why = why.map_or_else(|| "no broker can be reached from here".to_owned(), ToString::to_string);
            return Err(StepError::Ended {
                what: format!("{host} was not stopped"),
                why: format!(
                    "{why}, so it is not known whether every controller has its listener {listener}, by which the host reaches them afterwards"
                ),
                remedy: Some(TURN_KNOWING),
            });
        }
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        match &so_far.unasked {
            Some(first) if !self.blind => Err(StepError::Ended {
                what: format!("{host} was not stopped"),
                why: format!(
                    "{}, so it is not known whether Kafka on {first}, which was rolled before, is in sync",
                    match why {
                        None | Some(AskError::Unreachable(None)) => "no broker can be reached from here".to_owned(),
                        Some(AskError::Unreachable(Some(why))) => format!("no broker can be reached from here: {why}"),
                        Some(other) => format!("Kafka can't be asked: {other}"),
                    }
                ),
                remedy: Some(LOOK_FIRST),
            }),
            _ => {
                so_far.unasked = Some(host.to_owned());
                Ok(Checks::Instance)
            }
        }
    }

    /// By what a host is to be known as well that takes the place of one which does not run. Any number of them may be started.
    pub async fn instead(&self, host: &str) -> Checks {
        let asked = health::ask(&self.servers(), &self.link).await;
        if node_id(host).is_none() || asked.is_err_and(|error| error.is_unasked()) {
            self.so_far.lock().unwrap_or_else(PoisonError::into_inner).unasked = Some(host.to_owned());
            return Checks::Instance;
        }
        self.answered(true);
        Checks::Kafka
    }

    /// Whether Kafka has answered in this run; from now on it has if `now`.
    fn answered(&self, now: bool) -> bool {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        so_far.answered |= now;
        so_far.answered
    }

    /// Whether Kafka has answered in this run.
    pub fn has_answered(&self) -> bool {
        self.answered(false)
    }

    /// Waits until the host may be stopped. `tell` hears why it has to wait.
    ///
    /// # Errors
    /// What is still in the way at the end of the time.
    pub async fn before_stop(&self, host: &str, tell: impl Fn(String)) -> Result<Checks, StepError> {
        let Some(node) = node_id(host) else { return self.unasked(host, None) };
        let needs = self.course.and_then(|course| course.needs());
        let way = |cluster: &KafkaHealth| {
            let without = needs.map(|listener| cluster.voters_without(listener, None)).unwrap_or_default();
            [cluster.in_the_way_of_stopping(node), without].concat()
        };
        let all = self.servers();
        match health::ask(&all, &self.link).await {
            Err(error) if error.is_unasked() && !self.answered(false) => return self.unasked(host, Some(&error)),
            Err(AskError::Unreachable(None)) => tell("no broker is reachable any more".to_owned()),
            Err(error) => tell(format!("Kafka can be reached, and does not answer: {error}")),
            Ok(cluster) => {
                self.answered(true);
                match way(&cluster) {
                    reasons if reasons.is_empty() => return Ok(Checks::Kafka),
                    reasons => tell(format!("it can't be stopped yet: {}", shortened(&reasons))),
                }
            }
        }
        match health::wait_until(&all, &self.link, STOP_TIMEOUT, way).await {
            Ok(_) => Ok(Checks::Kafka),
            Err(reasons) => Err(StepError::Kafka {
                what: format!("{host} was not stopped: for {} s, {}", STOP_TIMEOUT.as_secs(), shortened(&reasons)),
                source: None,
            }),
        }
    }

    /// Waits until the host, which was `stopped` then, is back, and every replica on it in sync. A broker is asked itself: it
    /// answers when it is registered anew, while the others may still believe in the one that was stopped.
    ///
    /// # Errors
    /// What is still missing at the end of the time.
    pub async fn after_start(&self, host: &str, stopped: Instant) -> Result<(), StepError> {
        let Some(node) = node_id(host) else { return Ok(()) };
        let asked = match self.brokers.get(&node) {
            Some(broker) => vec![broker.clone()],
            None => self.servers(),
        };
        let ago = || u64::try_from(stopped.elapsed().as_millis()).unwrap_or(u64::MAX);
        let brings = self.course.map_or(&[][..], |course| course.brings());
        let missing = |cluster: &KafkaHealth| {
            let without = brings.iter().flat_map(|listener| cluster.voters_without(listener, Some(node)));
            cluster.missing_of(node, ago()).into_iter().chain(without).collect()
        };
        match health::wait_until(&asked, &self.link, RESYNC_TIMEOUT, missing).await {
            Ok(_) => Ok(()),
            Err(reasons) => Err(StepError::Kafka {
                what: format!(
                    "{host} was started again, and after {} s {}",
                    RESYNC_TIMEOUT.as_secs(),
                    shortened(&reasons)
                ),
                source: None,
            }),
        }
    }

    /// Ends the process that stands for the host, if one does, as its instance ends.
    pub fn instance_ended(&self, host: &str) {
        if let Some(local) = &self.local {
            local.cluster.kill(host);
        }
    }

    /// Removes what stands for the data of a host that goes with its disks.
    pub fn disks_gone(&self, host: &str) {
        if let Some(local) = &self.local {
            local.cluster.remove_host(host);
        }
    }

    /// Starts the process again that stands for a host which leaves, and was stopped, if one does.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn instance_resumed(&self, host: &str) -> Result<(), StepError> {
        let Some(local) = &self.local else { return Ok(()) };
        local.cluster.resume(host).map_err(|error| StepError::Kafka {
            what: format!("Kafka on {host} was not started again"),
            source: Some(Box::new(error)),
        })
    }

    /// Starts the processes that stand for these hosts, if some do and one of them does not run: an earlier run died between an instance
    /// and its process. A real instance would have booted by itself.
    ///
    /// # Errors
    /// Why one does not start.
    pub async fn instances_run(&self, hosts: &[&str], aws: &Aws) -> Result<(), StepError> {
        let Some(local) = self.local.as_ref().filter(|_| !self.brokers.is_empty()) else { return Ok(()) };
        for host in hosts.iter().filter(|host| !local.cluster.runs(host)) {
            self.instance_started(host, aws).await?;
        }
        Ok(())
    }

    /// Starts the process that stands for the host, if one does, as its instance has started.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn instance_started(&self, host: &str, aws: &Aws) -> Result<(), StepError> {
        let Some(local) = &self.local else { return Ok(()) };
        let Some(host) = local.hosts.iter().find(|one| one.name == host) else { return Ok(()) };
        let papers = if host.cloud.security.is_some() { local.papers(aws).await? } else { None };
        let started = local.cluster.start_host(&local.distribution, host, &papers);
        started.map_err(|error| StepError::Kafka {
            what: format!("Kafka on {} was not started", host.name),
            source: Some(Box::new(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kstack_core::cloud_init::Phase;
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener};

    async fn may_stop(kafka: &KafkaAccess, host: &str) -> Result<Checks, String> {
        kafka.before_stop(host, |_| {}).await.map_err(|error| error.to_string())
    }

    /// A broker that nobody can reach from here: its port was free a moment ago.
    fn nowhere() -> BTreeMap<u32, SocketAddrV4> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        BTreeMap::from([(1, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))])
    }

    #[tokio::test]
    async fn without_kafka_one_host_of_a_run_is_stopped_and_the_next_one_is_not() {
        for brokers in [BTreeMap::new(), nowhere()] {
            let kafka = KafkaAccess::new(brokers, Link::default(), None, false);
            assert_eq!(may_stop(&kafka, "controller-1").await, Ok(Checks::Instance));
            for next in ["controller-2", "broker-1", "broker-1"] {
                let error = may_stop(&kafka, next).await.expect_err("the second host");
                assert!(error.starts_with(&format!("{next} was not stopped: no broker can be reached")), "{error}");
                assert!(error.contains("Kafka on controller-1"), "{error}");
            }
        }
        let error = StepError::Ended { what: String::new(), why: String::new(), remedy: Some(LOOK_FIRST) };
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("--blind")));
    }

    #[tokio::test]
    async fn hosts_that_are_down_are_started_and_none_that_runs_is_stopped_after_them() {
        let kafka = KafkaAccess::new(nowhere(), Link::default(), None, false);
        assert_eq!(kafka.instead("broker-2").await, Checks::Instance);
        assert_eq!(kafka.instead("broker-3").await, Checks::Instance);
        let error = may_stop(&kafka, "broker-1").await.expect_err("its Kafka is not known");
        assert!(error.contains("Kafka on broker-3"), "{error}");
    }

    #[tokio::test]
    async fn who_insists_rolls_on_without_kafka() {
        let kafka = KafkaAccess::new(nowhere(), Link::default(), None, true);
        for host in ["controller-1", "broker-1", "broker-2"] {
            assert_eq!(may_stop(&kafka, host).await, Ok(Checks::Instance), "{host}");
        }
    }

    #[tokio::test]
    async fn nobody_goes_to_another_listener_without_kafkas_word() {
        let course = |live: Phase, goal| Some(Course::to(goal, std::iter::once(live)));
        for blind in [false, true] {
            let mut kafka = KafkaAccess::new(nowhere(), Link::default(), None, blind);
            // Each host gets both, and reaches the others as before.
            kafka.course = course(Phase::Plaintext, Phase::Switched);
            assert_eq!(may_stop(&kafka, "broker-1").await, Ok(Checks::Instance));
            for (live, goal, listener) in
                [(Phase::Open, Phase::Switched, "QUORUM"), (Phase::Switched, Phase::Plaintext, "CONTROLLER")]
            {
                kafka.course = course(live, goal);
                let error = may_stop(&kafka, "broker-1").await.expect_err("it is not known");
                assert!(error.contains(&format!("every controller has its listener {listener}")), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn what_answers_and_is_no_kafka_is_as_good_as_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|mut one| drop(one.read(&mut [0; 16]))));
        let brokers = BTreeMap::from([(1, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))]);
        let kafka = KafkaAccess::new(brokers, Link::default(), None, false);
        assert_eq!(may_stop(&kafka, "broker-1").await, Ok(Checks::Instance));
        assert!(may_stop(&kafka, "broker-2").await.is_err());
    }
}
