//! Mirroring another cluster into a stack, or a stack into another cluster, by MirrorMaker 2: which two clusters, as whom they are asked,
//! and the run of the process.

mod cutover;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub use cutover::{Cutover, cutover};

use jiff::SignedDuration;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::{self, Who};
use super::{Failure, Task, guard, kafka};
use crate::clock;
use crate::kafka::{Brokers, BrokersError, Identity, Link, Roots, Sasl, Security, Server, Via, Way, acls};
use crate::lag::{Reached, reach};
use crate::mirror::{Process, Tools, TopicProgress, by_topic, copied, left, log, notes};
use crate::roll;
use crate::session::Session;
use kstack_core::choose::settle;
use kstack_core::client_files::Format;
use kstack_core::engines::Engine;
use kstack_core::mirror::{
    Access, ClientSettings, Mechanism, Mirror, Pem, Side, Topics, copied_key, copied_value, files, offsets_topic,
    workers,
};
use kstack_core::stack::Stack;
use kstack_core::text::many;

/// How long MirrorMaker's certificate for a stack with TLS is valid, and when it gets the next one.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
const RENEWED: Duration = Duration::from_secs(20 * 3600);
/// How often a run looks how far it is.
const PACE: Duration = Duration::from_secs(10);
/// How long a new topic may take until all brokers know it.
const MADE: Duration = Duration::from_secs(30);
/// How long workers of a run that has died may still count as there.
const GONE: Duration = Duration::from_secs(90);

/// What is to be mirrored.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub stack: &'a Stack,
    /// How the other cluster is reached.
    pub other: &'a ClientSettings,
    pub topics: &'a Topics,
    /// From the stack into the other cluster.
    pub back: bool,
}

/// How far a mirror is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Whether MirrorMaker copies now.
    pub runs: bool,
    pub topics: Vec<TopicProgress>,
}

/// One of the two clusters, and how it is asked.
struct End {
    name: String,
    settings: ClientSettings,
    known: BTreeMap<i32, Server>,
    servers: Vec<Server>,
    security: Security,
}

impl End {
    fn link(&self) -> Link {
        Link { security: self.security.clone(), way: Way::new(Via::Direct, None) }
    }

    async fn reach(&self) -> Result<Reached, Failure> {
        let reached = reach(&self.known, &self.servers, &self.link()).await;
        let reached = reached.map_err(|error| {
            let failure = Failure::new(format!("{} can't be asked: {error}", self.name));
            failure.hint("run kstack where both clusters are reached: MirrorMaker knows neither proxies nor tunnels")
        })?;
        match reached.id.is_empty() {
            true => Err(Failure::new(format!("{} tells no id, as Kafka 0.10.1 and newer do", self.name))),
            false => Ok(reached),
        }
    }

    fn brokers<'a>(&self, may_write: &'a dyn Fn() -> bool) -> Brokers<'a> {
        let servers = if self.known.is_empty() { self.servers.clone() } else { self.known.values().cloned().collect() };
        Brokers::new(servers, self.link(), may_write)
    }
}

/// From where to where.
struct Pair {
    from: End,
    to: End,
    back: bool,
}

impl Pair {
    /// Both clusters.
    ///
    /// # Errors
    /// Which of them can't be asked, or that they are the same.
    async fn reach(&self) -> Result<(Reached, Reached), Failure> {
        let (from, to) = futures::future::try_join(Box::pin(self.from.reach()), Box::pin(self.to.reach())).await?;
        match from.id == to.id {
            true => {
                Err(Failure::new(format!("{} and {} are the same cluster, {}", self.from.name, self.to.name, from.id)))
            }
            false => Ok((from, to)),
        }
    }
}

impl Pair {
    /// Makes a topic for notes in the target unless it is there, and gives the target as soon as all of it knows the topic.
    async fn ensure(&self, topic: &str) -> Result<Reached, Failure> {
        let failed = |why: String| Failure::new(format!("{} does not take the topic {topic}: {why}", self.to.name));
        let until = Instant::now() + MADE;
        notes::ensure(&mut self.to.reach().await?, topic).await.map_err(failed)?;
        loop {
            let mut cluster = self.to.reach().await?;
            match notes::read(&mut cluster, topic).await {
                Ok(_) if cluster.partitions.iter().any(|place| place.0 == topic) => return Ok(cluster),
                Err(why) if Instant::now() >= until => return Err(failed(why)),
                _ if Instant::now() >= until => return Err(failed("brokers do not know it".to_owned())),
                _ => sleep(Duration::from_millis(500)).await,
            }
        }
    }

    /// The topics of a request that are copied. Back go only those of which it is known which records the other cluster has not.
    async fn topics(&self, asked: &Topics, from: &mut Reached, to: &str) -> Result<Topics, Failure> {
        if !self.back {
            return Ok(asked.clone());
        }
        let marks = notes::marks(from, to).await.map_err(Failure::new)?;
        let topics = asked
            .among(marks.keys().map(|place| place.0.as_str()).collect::<std::collections::BTreeSet<_>>().into_iter());
        match topics.is_empty() {
            false => Ok(topics),
            true => Err(Failure::new(format!("no such topic of {} was cut over", self.from.name))
                .hint("only a topic that `kstack mirror cutover` was run for can go back: of no other is it known which records are new")),
        }
    }

    /// Has MirrorMaker begin where records begin that the target has not: what came from there does not go back.
    async fn begin(&self, topics: &Topics, from: &mut Reached, to: &mut Reached) -> Result<(), Failure> {
        let marks = notes::marks(from, &to.id).await.map_err(Failure::new)?;
        let copied = copied(to, &from.id).await.map_err(Failure::new)?;
        let later = |place: &crate::lag::Place, offset: i64| copied.get(place).map_or(0, |last| last + 1) < offset;
        let wanted = marks.iter().filter(|(place, mark)| topics.has(&place.0) && later(place, mark.offset));
        let records: Vec<(String, String)> = wanted
            .map(|((topic, partition), mark)| (copied_key(&from.id, topic, *partition), copied_value(mark.offset - 1)))
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        let topic = offsets_topic(&from.id);
        *to = self.ensure(&topic).await?;
        let written = log::write(to, &(topic, 0), &records, clock::now().as_millisecond()).await;
        written
            .map_err(|why| Failure::new(format!("where the mirror begins can't be noted in {}: {why}", self.to.name)))
    }
}

/// The two clusters of a request. `life` is how long the settings for the stack are good for MirrorMaker, where it needs any.
async fn pair(
    session: &Session,
    request: &Request<'_>,
    task: &Task<'_>,
    life: Option<SignedDuration>,
) -> Result<Pair, Failure> {
    let stack = request.stack;
    if Engine::of(stack) == Engine::Msk {
        return Err(Failure::new(
            "kstack mirrors into and from stacks on EC2: an MSK cluster lets nobody in with all rights",
        )
        .hint("to leave MSK, name it with --from and --from-config, and a stack on EC2 as the file"));
    }
    session.sought.get_or_init(|| crate::aws::kinds::Sought::of(stack));
    session.expect_papers(stack).await?;
    let observed = session.observe().await?;
    let brokers = kafka::brokers(&observed, task.sandbox);
    if brokers.is_empty() {
        let failure = Failure::new(format!("the stack {} has no brokers that can be asked", stack.name));
        return Err(failure.hint("see `kstack status`"));
    }
    let trust = roll::trust(&observed);
    let link = kafka::link(session, &Via::Direct, trust.as_ref()).await?;
    let settings = match (life, &trust) {
        (Some(life), Some(_)) => {
            let stack = &settle(stack, &observed, None);
            let (via, format) = (&Via::Direct, Format::Java);
            let asked = client::Request { stack, observed: &observed, sandbox: task.sandbox, via, format };
            let text = asked.settings(session, Who::Admin { life }).await?;
            ClientSettings::read(&text).map_err(Failure::new)?
        }
        _ => {
            let servers: Vec<String> = brokers.values().map(ToString::to_string).collect();
            ClientSettings::default().with("bootstrap.servers", &servers.join(","))
        }
    };
    let own = End {
        name: format!("the stack {}", stack.name),
        settings,
        known: brokers.into_iter().filter_map(|(id, at)| Some((i32::try_from(id).ok()?, at.into()))).collect(),
        servers: Vec::new(),
        security: link.security,
    };
    let other = other(request.other)?;
    let (from, to) = if request.back { (own, other) } else { (other, own) };
    Ok(Pair { from, to, back: request.back })
}

/// The cluster that is no stack.
fn other(settings: &ClientSettings) -> Result<End, Failure> {
    let servers = settings.get("bootstrap.servers").unwrap_or_default();
    let read: Option<Vec<Server>> = servers.split(',').map(|one| Server::parse(one.trim())).collect();
    let servers = read.ok_or_else(|| {
        Failure::new("where the other cluster is can't be read")
            .hint("write --from HOST:PORT, with commas between several")
    })?;
    let wrong = |why: String| Failure::new(format!("the settings of --from-config can't be used: {why}"));
    let access = settings.access().map_err(wrong)?;
    let name = format!("the cluster at {}", servers[0]);
    Ok(End {
        name,
        settings: settings.clone(),
        known: BTreeMap::new(),
        servers,
        security: security(&access).map_err(wrong)?,
    })
}

fn security(access: &Access) -> Result<Security, String> {
    let text = |pem: &Pem| match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => fs::read_to_string(path).map_err(|error| format!("{path} can't be read: {error}")),
    };
    let mut security = Security::default();
    if let Some(tls) = &access.tls {
        let roots = tls.roots.as_ref().map(text).transpose()?;
        let roots = roots.as_deref().map_or(Roots::Public, Roots::Pem);
        let identity = match &tls.identity {
            Some((chain, key)) => Some(Identity { certificate: text(chain)?, key: text(key)? }),
            None => None,
        };
        security = Security::tls_by(&roots, identity.as_ref())?;
    }
    let Some(user) = &access.user else { return Ok(security) };
    let (user, password, mechanism) = (user.name.clone(), user.password.clone(), user.mechanism);
    Ok(security.with_sasl(match mechanism {
        Mechanism::Scram512 => Sasl::Scram { user, password },
        Mechanism::Scram256 => Sasl::Scram256 { user, password },
        Mechanism::Plain => Sasl::Plain { user, password },
    }))
}

/// How far the mirror is.
///
/// # Errors
/// That a cluster can't be asked.
pub async fn status(session: &Session, request: &Request<'_>, task: &Task<'_>) -> Result<Status, Failure> {
    let look = async {
        let pair = pair(session, request, task, None).await?;
        look(&pair, request.topics).await
    };
    task.signals.unless_stopped(look).await
}

async fn look(pair: &Pair, topics: &Topics) -> Result<Status, Failure> {
    let (mut from, mut to) = pair.reach().await?;
    let runs = works(&mut to, &workers(&from.id), &pair.to.name).await?;
    let topics = &pair.topics(topics, &mut from, &to.id).await?;
    let all = left(&mut from, &mut to, topics).await;
    let all = all.map_err(|why| Failure::new(format!("how far the mirror is can't be told: {why}")))?;
    Ok(Status { runs, topics: by_topic(&all, &to.partitions) })
}

/// Whether this group of workers has members.
async fn works(cluster: &mut Reached, group: &str, name: &str) -> Result<bool, Failure> {
    let groups = cluster.groups(Some(group)).await;
    let groups = groups.map_err(|error| Failure::new(format!("{name} does not tell its groups: {error}")))?;
    Ok(groups.iter().any(|one| !matches!(one.state.as_str(), "Empty" | "Dead" | "")))
}

/// Mirrors until a signal comes.
///
/// # Errors
/// That a cluster can't be asked, that a mirror of the two runs already, or why MirrorMaker has ended.
pub async fn run(
    session: &Session,
    request: &Request<'_>,
    folder: &Path,
    task: &Task<'_>,
    mut tell: impl FnMut(&str),
) -> Result<(), Failure> {
    let tools = Tools::of(folder).map_err(|why| {
        Failure::new(why).hint("name the folder of a distribution of Kafka 4 with --kafka, or in KAFKA_HOME")
    })?;
    let before = task.signals.count();
    loop {
        let prepared = async {
            let (account, _) = session.aws.clients.identity().await?;
            guard(request.stack, &account)?;
            let pair = pair(session, request, task, Some(LIFE)).await?;
            let files = prepare(&pair, request.topics, &mut tell).await?;
            Ok::<_, Failure>((pair, files))
        };
        let (pair, files) = task.signals.unless_stopped(prepared).await?;
        let started = Process::start(&tools, &files);
        let mut process = started.map_err(|error| Failure::new(format!("MirrorMaker can't be started: {error}")))?;
        drop(files);
        tell(&format!(
            "MirrorMaker copies from {} to {}. Ctrl-C ends it; another run goes on.",
            pair.from.name, pair.to.name
        ));
        let renewal = Instant::now() + RENEWED;
        let ended = tokio::select! {
            ended = process.ended() => Some(ended),
            () = task.signals.beyond(before) => None,
            _ = timeout_at(renewal, report(&pair, request.topics, &mut tell)) => None,
        };
        if let Some(ended) = ended {
            let (status, told) =
                ended.map_err(|error| Failure::new(format!("MirrorMaker can't be waited for: {error}")))?;
            let failure = Failure::new(format!("MirrorMaker has ended by itself ({status})"));
            return Err(failure.hint(format!("what it told last:\n{}", told.trim_end())));
        }
        let whole = process.end().await;
        if task.signals.count() > before {
            tell(if whole {
                "MirrorMaker has ended, and noted how far it was. Another run goes on from there."
            } else {
                "MirrorMaker was killed. Another run goes on from what it had noted, and copies some records twice."
            });
            return Ok(());
        }
        tell("MirrorMaker gets another certificate.");
    }
}

/// Tells how far the mirror is whenever that is something else, and never ends.
async fn report(pair: &Pair, topics: &Topics, tell: &mut impl FnMut(&str)) {
    let mut last = String::new();
    loop {
        sleep(PACE).await;
        let now = match Box::pin(look(pair, topics)).await {
            Ok(status) => status.line(),
            Err(failure) => format!("How far it is is not known: {}.", failure.text()),
        };
        if now != last {
            tell(&now);
            last = now;
        }
    }
}

impl Status {
    /// All topics in one line.
    fn line(&self) -> String {
        let partitions: usize = self.topics.iter().map(|one| one.partitions).sum();
        let left: u64 = self.topics.iter().filter_map(|one| one.left).sum();
        let open = self.topics.iter().filter(|one| one.problem.is_some() || one.left.is_none()).count();
        let open =
            if open == 0 { String::new() } else { format!(", and {} not known or not made yet", many(open, "topic")) };
        format!(
            "{} in {}: {left} offsets are to be copied{open}.",
            many(partitions, "partition"),
            many(self.topics.len(), "topic")
        )
    }
}

/// Waits until no other mirror of the two runs, and gives what MirrorMaker is to read.
async fn prepare(
    pair: &Pair,
    topics: &Topics,
    tell: &mut impl FnMut(&str),
) -> Result<kstack_core::mirror::Files, Failure> {
    let (mut from, mut to) = pair.reach().await?;
    let patience = Instant::now() + GONE;
    let mut waits = false;
    loop {
        let failure = if works(&mut from, &workers(&to.id), &pair.from.name).await? {
            let what = format!("a mirror runs the other way round, from {} to {}", pair.to.name, pair.from.name);
            Failure::new(what).hint("end it first: both together would copy each record again and again")
        } else if works(&mut to, &workers(&from.id), &pair.to.name).await? {
            Failure::new(format!("a mirror from {} to {} runs already", pair.from.name, pair.to.name))
                .hint("end that one first")
        } else {
            break;
        };
        if Instant::now() >= patience {
            return Err(failure);
        }
        if !waits {
            tell("Waiting until an earlier mirror of the two has ended ...");
        }
        waits = true;
        sleep(Duration::from_secs(2)).await;
    }
    let topics = &pair.topics(topics, &mut from, &to.id).await?;
    pair.begin(topics, &mut from, &mut to).await?;
    // The other cluster's rights are its owner's.
    let rights = !pair.back && knows_rights(&pair.from, tell).await? && knows_rights(&pair.to, tell).await?;
    Ok(files(&Mirror {
        from: Side { id: &from.id, settings: &pair.from.settings },
        to: Side { id: &to.id, settings: &pair.to.settings },
        topics,
        rights,
    }))
}

/// Whether the cluster asks who may do what, and tells it.
async fn knows_rights(end: &End, tell: &mut impl FnMut(&str)) -> Result<bool, Failure> {
    match acls::all(&end.brokers(&|| false)).await {
        Ok(rights) => Ok(rights.is_some()),
        Err(BrokersError::Refused(why)) => {
            tell(&format!("Rights are not copied: {} does not tell them: {why}.", end.name));
            Ok(false)
        }
        Err(error) => Err(Failure::new(format!("{} does not tell its rights: {error}", end.name))),
    }
}
