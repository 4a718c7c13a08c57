//! Letting writers and groups of a topic in at the target of a mirror: what must be true before, in order, and what is set then.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Pair, Request, pair, works};
use crate::clock;
use crate::kafka::{BrokersError, acls};
use crate::lag::{EARLIEST, GroupLag, LATEST, Place, Reached};
use crate::mirror::log::first_time;
use crate::mirror::{left, notes};
use crate::ops::{Failure, LeasePolicy, LeasedWork, Task, guard, under_lease};
use crate::session::Session;
use kstack_core::mirror::{MARKS, Mark, Topics, missing, workers};
use kstack_core::text::many;

/// How long nobody may write at the source, and then at the target.
const WATCH: Duration = Duration::from_secs(10);
const WATCH_TARGET: Duration = Duration::from_secs(3);
/// How long the rest may take to be copied.
const COPYING: Duration = Duration::from_secs(90);

/// What has been done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cutover {
    pub topic: String,
    pub partitions: usize,
    /// Each group that has read the topic, and how many offsets before its end it goes on.
    pub groups: BTreeMap<String, u64>,
    /// Rights that users have got.
    pub rights: Vec<String>,
    /// What was left as it is, and why.
    pub notes: Vec<String>,
}

/// Sees that nobody writes to `topic` at the source any more and that all of it is copied; then sets where groups go on, and gives users the
/// rights that they have at the source. It may run again.
///
/// # Errors
/// What is not true yet; that a cluster can't be asked.
pub async fn cutover(
    session: &Session,
    request: &Request<'_>,
    topic: &str,
    task: &Task<'_>,
    tell: impl Fn(&str),
) -> Result<Cutover, Failure> {
    let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    guard(request.stack, &account)?;
    let work = async || {
        let cut = Box::pin(async {
            let pair = pair(session, request, task, None).await?;
            let may_write = || session.fence.open();
            Cut { pair: &pair, topic, may_write: &may_write, tell: &tell }.run(request.back).await
        });
        let stopped = "a signal came; run it again";
        LeasedWork::on_stack(task.signals.until_signal(stopped, cut).await)
    };
    under_lease(session, &caller, task, LeasePolicy::default(), work).await
}

struct Cut<'a> {
    pair: &'a Pair,
    topic: &'a str,
    may_write: &'a dyn Fn() -> bool,
    tell: &'a dyn Fn(&str),
}

type Ends = BTreeMap<Place, i64>;

impl Cut<'_> {
    async fn run(&self, back: bool) -> Result<Cutover, Failure> {
        let (source, target) = (&self.pair.from.name, &self.pair.to.name);
        let topic = self.topic;
        let (mut from, mut to) = self.pair.reach().await?;
        let topics = Topics::parse(topic).ok().filter(|topics| topics.has(topic));
        let topics = topics.ok_or_else(|| Failure::new(format!("`{topic}` is no name of a topic that is copied")))?;
        let places: Vec<Place> = from.partitions.iter().filter(|place| place.0 == topic).cloned().collect();
        if places.is_empty() {
            return Err(Failure::new(format!("{source} has no topic {topic}")));
        }
        if let Some(place) = places.iter().find(|place| !to.partitions.contains(place)) {
            let failure = Failure::new(format!("partition {} of {topic} is not at {target} yet", place.1));
            return Err(failure.hint("`kstack mirror run` copies it"));
        }
        (self.tell)(&format!("Watching for {} s whether anybody writes to {topic} at {source} ...", WATCH.as_secs()));
        let before = ends(&mut from, &places).await?;
        sleep(WATCH).await;
        let closed = ends(&mut from, &places).await?;
        self.still(&before, &closed)?;
        self.copied(&mut from, &mut to, &topics).await?;

        let marks = notes::marks(&mut to, &from.id).await.map_err(Failure::new)?;
        let own = |place: &Place| {
            marks.get(place).filter(|mark| mark.source == closed[place]).map(|mark| (place.clone(), *mark))
        };
        let known: BTreeMap<Place, Mark> = places.iter().filter_map(own).collect();
        let marks = match known.len() == places.len() {
            // An earlier run came as far as this: what was written since is to be copied back, and read.
            true => known,
            false => self.mark(&mut from, &mut to, &places, &closed).await?,
        };
        let mut done = Cutover {
            topic: topic.to_owned(),
            partitions: places.len(),
            groups: BTreeMap::new(),
            rights: Vec::new(),
            notes: Vec::new(),
        };
        self.groups(&mut from, &mut to, &marks, &mut done).await?;
        if !back {
            self.rights(&mut done).await?;
        }
        Ok(done)
    }

    /// That no end has moved.
    fn still(&self, before: &Ends, after: &Ends) -> Result<(), Failure> {
        let moved: i64 = after.iter().map(|(place, end)| end - before[place]).sum();
        if moved == 0 {
            return Ok(());
        }
        let (topic, source) = (self.topic, &self.pair.from.name);
        let records = many(usize::try_from(moved).unwrap_or_default(), "record");
        let failure =
            Failure::new(format!("writers still write to {topic} at {source}: {records} within {} s", WATCH.as_secs()));
        Err(failure.hint("stop them, or take their right to write away at that cluster; one that is denied there comes over to the target"))
    }

    /// Waits until no record is left to copy.
    async fn copied(&self, from: &mut Reached, to: &mut Reached, topics: &Topics) -> Result<(), Failure> {
        let until = Instant::now() + COPYING;
        loop {
            let all = left(from, to, topics).await.map_err(Failure::new)?;
            let mut open = 0;
            for (place, left) in all {
                let unknown =
                    |why: String| Failure::new(format!("what is left of {}-{} can't be told: {why}", place.0, place.1));
                let left = left.map_err(unknown)?;
                if left.offsets() > 0 && first_time(from, &place, left.next).await.map_err(unknown)?.is_some() {
                    open += left.offsets();
                }
            }
            if open == 0 {
                return Ok(());
            }
            if Instant::now() >= until {
                let failure =
                    Failure::new(format!("the mirror still has to copy {} of {}", many(open, "offset"), self.topic));
                return Err(match works(to, &workers(&from.id), &self.pair.to.name).await? {
                    true => failure.hint("`kstack mirror status` shows how far the mirror is; run this again then"),
                    false => failure.hint("no MirrorMaker copies: start it with `kstack mirror run`"),
                });
            }
            (self.tell)(&format!("Waiting for the last {} of {} ...", many(open, "offset"), self.topic));
            sleep(Duration::from_secs(2)).await;
        }
    }

    /// Notes where the target's own records begin, before anybody may write any.
    async fn mark(
        &self,
        from: &mut Reached,
        to: &mut Reached,
        places: &[Place],
        closed: &Ends,
    ) -> Result<BTreeMap<Place, Mark>, Failure> {
        let (topic, target) = (self.topic, &self.pair.to.name);
        let before = ends(to, places).await?;
        sleep(WATCH_TARGET).await;
        let end = ends(to, places).await?;
        if before != end {
            let failure = Failure::new(format!("somebody writes to {topic} at {target} already"));
            return Err(failure.hint("stop that writer until this command has told that writers may start"));
        }
        self.still(closed, &ends(from, places).await?)?;
        let marks: BTreeMap<Place, Mark> = end
            .iter()
            .map(|(place, offset)| (place.clone(), Mark { offset: *offset, source: closed[place] }))
            .collect();
        self.may()?;
        let failed = |why: String| Failure::new(format!("{target} does not take where its own records begin: {why}"));
        *to = self.pair.ensure(MARKS).await?;
        notes::mark(to, &from.id, &marks, clock::now().as_millisecond()).await.map_err(failed)?;
        Ok(marks)
    }

    fn may(&self) -> Result<(), Failure> {
        match (self.may_write)() {
            true => Ok(()),
            false => Err(Failure::new(BrokersError::NoLease.to_string()).hint("run it again")),
        }
    }

    /// Sets where groups go on: behind everything that they have read, and never behind something that they have not.
    async fn groups(
        &self,
        from: &mut Reached,
        to: &mut Reached,
        marks: &BTreeMap<Place, Mark>,
        done: &mut Cutover,
    ) -> Result<(), Failure> {
        let untold = |name: &str, error: &dyn std::fmt::Display| {
            Failure::new(format!("{name} does not tell its groups: {error}"))
        };
        let there = from.groups(None).await.map_err(|error| untold(&self.pair.from.name, &error))?;
        let here = to.groups(None).await.map_err(|error| untold(&self.pair.to.name, &error))?;
        let here: BTreeMap<&str, &GroupLag> = here.iter().map(|group| (group.group.as_str(), group)).collect();
        let at = |time: i64| marks.keys().map(|place| (place.clone(), time)).collect();
        let first_there = told(from.offsets(&at(EARLIEST)).await)?;
        let first_here = told(to.offsets(&at(EARLIEST)).await)?;
        for group in &there {
            let name = group.group.as_str();
            let other = here.get(name);
            let mut set = BTreeMap::new();
            let mut again = None;
            for one in group.partitions.iter().filter(|one| one.topic == self.topic) {
                let place = (one.topic.clone(), i32::try_from(one.partition).unwrap_or_default());
                let Some(mark) = marks.get(&place) else { continue };
                let committed = i64::try_from(one.committed).unwrap_or(i64::MAX).max(first_there[&place]);
                let failed = |why: String| {
                    Failure::new(format!("where {name} goes on in {}-{} can't be told: {why}", place.0, place.1))
                };
                let wanted = match first_time(from, &place, committed).await.map_err(failed)? {
                    None => mark.offset,
                    Some(time) => {
                        let found = told(to.offsets(&BTreeMap::from([(place.clone(), time)])).await)?;
                        found
                            .get(&place)
                            .copied()
                            .filter(|offset| *offset >= 0)
                            .unwrap_or(first_here[&place])
                            .min(mark.offset)
                    }
                };
                let own = |other: &&&GroupLag| {
                    other
                        .partitions
                        .iter()
                        .find(|two| (&two.topic, two.partition) == (&one.topic, one.partition))
                        .map(|two| two.committed)
                };
                let own = other.as_ref().and_then(own).and_then(|offset| i64::try_from(offset).ok());
                if own.is_none_or(|own| own < wanted) {
                    set.insert(place.clone(), wanted);
                }
                let behind = mark.offset - own.unwrap_or(wanted).max(wanted);
                again = Some(again.unwrap_or(0) + u64::try_from(behind).unwrap_or_default());
            }
            let Some(again) = again else { continue };
            if other.is_some_and(|other| !matches!(other.state.as_str(), "Empty" | "Dead" | "")) {
                done.notes.push(format!(
                    "The group {name} has members at {} already: it goes on where these are.",
                    self.pair.to.name
                ));
                continue;
            }
            if !matches!(group.state.as_str(), "Empty" | "Dead" | "") {
                done.notes.push(format!(
                    "The group {name} still has members at {}: end them before others begin.",
                    self.pair.from.name
                ));
            }
            if !set.is_empty() {
                self.may()?;
                let failed = |why: String| Failure::new(format!("the group {name} does not get its position: {why}"));
                notes::commit(to, name, &set).await.map_err(failed)?;
            }
            done.groups.insert(name.to_owned(), again);
        }
        Ok(())
    }

    /// Gives users the rights for the topic that MirrorMaker does not copy.
    async fn rights(&self, done: &mut Cutover) -> Result<(), Failure> {
        let (source, target) = (&self.pair.from, &self.pair.to);
        let nobody = || false;
        let (old, new) = (source.brokers(&nobody), target.brokers(self.may_write));
        let there = match acls::all(&old).await {
            Ok(rights) => rights,
            Err(error) => {
                done.notes.push(format!("Rights are not copied: {} does not tell them: {error}.", source.name));
                return Ok(());
            }
        };
        let here = acls::all(&new)
            .await
            .map_err(|error| Failure::new(format!("{} does not tell its rights: {error}", target.name)))?;
        let (Some(there), Some(here)) = (there, here) else { return Ok(()) };
        let (give, strange) = missing(self.topic, &there, &here);
        if !strange.is_empty() {
            done.notes.push(format!(
                "Rights of {} are not copied: users of {} have no such names. Write what they may do into the stack file.",
                strange.join(", "),
                target.name
            ));
        }
        if give.is_empty() {
            return Ok(());
        }
        let all: Vec<(&str, &kstack_core::rights::Right)> = give.iter().map(|(user, right)| (*user, right)).collect();
        let failed =
            |why: String| Failure::new(format!("{} does not take the rights of its users: {why}", target.name));
        let results = acls::give(&new, &all).await.map_err(|error| failed(error.to_string()))?;
        results.into_iter().collect::<Result<(), String>>().map_err(failed)?;
        done.rights = give.iter().map(|(user, right)| format!("{user}: {right}")).collect();
        Ok(())
    }
}

/// The ends of these partitions.
async fn ends(cluster: &mut Reached, places: &[Place]) -> Result<Ends, Failure> {
    told(cluster.offsets(&places.iter().map(|place| (place.clone(), LATEST)).collect()).await)
}

fn told(answers: crate::lag::Answers) -> Result<Ends, Failure> {
    let one = |(place, answer): (Place, Result<(i64, i64), String>)| match answer {
        Ok((offset, _)) => Ok((place, offset)),
        Err(why) => Err(Failure::new(format!("{}-{} can't be asked: {why}", place.0, place.1))),
    };
    answers.into_iter().map(one).collect()
}
