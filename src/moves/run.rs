//! A run: look, act, look again. Its only state is Kafka's; what it remembers between two looks is how fast things go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::admin::{Admin, MoveError};
use kstack_core::moves::{Action, Bands, Goal, Key, Limits, Patience, Progress, RateChange, View, amount};
use kstack_core::text::many;

/// How long it rests between two looks while replicas are copied.
const REST: Duration = Duration::from_secs(2);
/// How often progress is told at most.
const TOLD: Duration = Duration::from_secs(10);
/// How long what moves may come no nearer before it gets more, or the run ends.
const STALLED: Duration = Duration::from_secs(30);
/// How long a broker may know less than the controllers.
const STALE: Duration = Duration::from_secs(20);
/// How long a cluster may be unwell, or not answer, before the run ends. What moves goes on without it.
const UNWELL: Duration = Duration::from_secs(15 * 60);

/// How it may be done.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// In which a rebalance brings each broker.
    pub bands: Bands,
    pub limits: Limits,
    /// Bytes a second of each broker, at first and at most.
    pub rate: u64,
    pub most_rate: u64,
}

/// What a run tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Moves were started: partitions, and bytes to copy.
    Started { moves: usize, bytes: u64 },
    /// Where it is, and bytes a second of late.
    Progress { progress: Progress, speed: Option<u64> },
    /// Why it waits.
    Waiting { why: String },
    /// Something else was done, in words.
    Did { what: String },
}

impl Event {
    /// A sentence.
    pub fn text(&self) -> String {
        match self {
            Event::Started { moves, bytes } => format!("Started {}, {}.", many(moves, "move"), amount(*bytes)),
            Event::Progress { progress, speed } => format!("{}.", progress.text(*speed)),
            Event::Waiting { why } => format!("Nothing new is started: {why}."),
            Event::Did { what } => format!("It {what}."),
        }
    }
}

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    pub moves: usize,
    pub bytes: u64,
    /// Replica lists that were put into another order.
    pub orders: usize,
    /// Whether a throttle of kstack's was lifted.
    pub lifted: bool,
}

/// Why a run ended before its end.
pub type Ended = (String, Option<String>);

/// What time has shown so far.
struct Memory {
    patience: Patience,
    seen: Option<(Instant, View)>,
    /// The least that was left to copy of what moves, and since when it is so.
    nearest: Option<(u64, Vec<Key>, Instant)>,
    silent_since: BTreeMap<u32, Instant>,
    /// Bytes that came per second, smoothed.
    speed: Option<f64>,
    unwell_since: Option<Instant>,
    told: Option<Instant>,
    last_wait: String,
}

/// Brings the cluster to what is wanted.
///
/// # Errors
/// Why it did not get there, and what to do.
pub async fn run(admin: &Admin<'_>, orders: Orders, goal: &Goal, tell: &mut dyn FnMut(Event)) -> Result<Moved, Ended> {
    let mut memory = Memory::new(orders);
    let mut moved = Moved::default();
    loop {
        let done = match admin.look().await {
            Ok(view) if memory.is_stale(&view) => Ok(false),
            Ok(view) => {
                let first = memory.seen.is_none();
                memory.learn(&view, goal, Instant::now());
                let action = goal.next(&view, orders.limits, &memory.patience);
                // What is written to the partitions shows only from the second look on; and that a broker was behind with what it told of
                // a move that has just ended.
                if first && matches!(action, Action::Start { .. } | Action::Drop(_)) {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                match &action {
                    Action::Done => return Ok(moved),
                    Action::Stop { why, remedy } => return Err((why.clone(), Some(remedy.clone()))),
                    Action::Wait(why) => memory.wait(&view, why, goal, tell).map(|()| false),
                    action => act(admin, &view, action, &mut memory, &mut moved, tell).await.map(|()| true),
                }
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(true) => memory.unwell_since = None,
            Ok(false) => tokio::time::sleep(REST).await,
            Err(MoveError::NoLease) => return Err((MoveError::NoLease.to_string(), None)),
            Err(error) => {
                memory.unwell(&error.to_string(), tell)?;
                tokio::time::sleep(REST).await;
            }
        }
        if let Some(since) = memory.unwell_since.filter(|since| since.elapsed() > UNWELL) {
            let why = format!("for {} s nothing could be started: {}", since.elapsed().as_secs(), memory.last_wait);
            return Err((
                why,
                Some("see `kstack status`; once the cluster is well, run it again: it goes on".to_owned()),
            ));
        }
    }
}

async fn act(
    admin: &Admin<'_>,
    view: &View,
    action: &Action,
    memory: &mut Memory,
    moved: &mut Moved,
    tell: &mut dyn FnMut(Event),
) -> Result<(), MoveError> {
    match action {
        Action::Lift { lists, rates } => {
            admin.change_lists(lists).await?;
            admin.change_rates(rates).await?;
            moved.lifted = true;
            if !rates.is_empty() {
                tell(Event::Did { what: format!("lifted the throttle of {}", many(brokers(rates), "broker")) });
            }
        }
        Action::Pace { rates, rate } => {
            admin.change_rates(rates).await?;
            (memory.patience.rate, memory.nearest) = (*rate, None);
            tell(Event::Did {
                what: format!("set the throttle of {} to {} a second", many(brokers(rates), "broker"), amount(*rate)),
            });
        }
        // The lists before the rates, and both before what they throttle.
        Action::Start { lists, rates, moves, bytes, more } => {
            admin.change_lists(lists).await?;
            admin.change_rates(rates).await?;
            if let Some(rate) = rates.iter().find_map(|one| one.rate) {
                memory.patience.rate =
                    memory.patience.rate.max(rate / (1 << 16) * (1 << 16)).min(memory.patience.most_rate);
            }
            moved.bytes += bytes;
            // What a broker fetches by itself is only throttled.
            if !moves.is_empty() {
                admin.reassign(&targets(moves), *more).await?;
                moved.moves += moves.len();
                tell(Event::Started { moves: moves.len(), bytes: *bytes });
            }
        }
        Action::Cancel(keys) => {
            admin.take_back(view, keys).await?;
            tell(Event::Did {
                what: format!("took back {} to a broker that does not serve", many(keys.len(), "move")),
            });
        }
        Action::Order(orders) => {
            admin.reassign(&targets(orders), false).await?;
            moved.orders += orders.len();
            tell(Event::Did { what: format!("put {} into another order", many(orders.len(), "replica list")) });
        }
        Action::Drop(partitions) => {
            admin.reassign(&targets(partitions), true).await?;
            tell(Event::Did { what: format!("took copies of {} away", many(partitions.len(), "partition")) });
        }
        Action::Elect(keys) => {
            admin.elect(keys).await?;
            tell(Event::Did { what: format!("let preferred leaders lead {}", many(keys.len(), "partition")) });
            // Metadata follows in a moment.
            tokio::time::sleep(REST).await;
        }
        Action::Wait(_) | Action::Stop { .. } | Action::Done => {}
    }
    Ok(())
}

fn targets(moves: &[(Key, Vec<u32>)]) -> Vec<(Key, Option<Vec<u32>>)> {
    moves.iter().map(|(key, to)| (key.clone(), Some(to.clone()))).collect()
}

fn brokers(rates: &[RateChange]) -> usize {
    rates.iter().map(|one| one.broker).collect::<std::collections::BTreeSet<_>>().len()
}

/// Throttles at the brokers that run what another one fetches that is about to start, as far as a run for that begins with it.
///
/// # Errors
/// What does not answer, or Kafka's refusal.
pub async fn throttle(admin: &Admin<'_>, orders: Orders, goal: &Goal) -> Result<(), MoveError> {
    let (mut memory, mut moved) = (Memory::new(orders), Moved::default());
    loop {
        let view = admin.look().await?;
        match goal.next(&view, orders.limits, &memory.patience) {
            action @ (Action::Start { .. } | Action::Pace { .. }) => {
                act(admin, &view, &action, &mut memory, &mut moved, &mut |_| {}).await?;
            }
            _ => return Ok(()),
        }
    }
}

/// Takes back all moves that kstack has started, and lifts their throttle. What others move stays. Returns how many.
///
/// # Errors
/// What does not answer, or Kafka's refusal. It may run again.
pub async fn cancel(admin: &Admin<'_>) -> Result<usize, MoveError> {
    let view = admin.look().await?;
    let ours: Vec<Key> = view.moving.keys().filter(|key| view.is_ours(key)).cloned().collect();
    if !ours.is_empty() {
        admin.take_back(&view, &ours).await?;
    }
    let after = admin.look().await?;
    let (lists, rates) = kstack_core::moves::all_lifted(&after);
    admin.change_lists(&lists).await?;
    admin.change_rates(&rates).await?;
    Ok(ours.len())
}

impl Memory {
    fn new(orders: Orders) -> Memory {
        Memory {
            patience: Patience { rate: orders.rate, most_rate: orders.most_rate, ..Patience::default() },
            seen: None,
            nearest: None,
            silent_since: BTreeMap::new(),
            speed: None,
            unwell_since: None,
            told: None,
            last_wait: String::new(),
        }
    }

    /// What this look shows beside the last one.
    fn learn(&mut self, view: &View, goal: &Goal, now: Instant) {
        for broker in &view.brokers {
            match broker.is_fit() {
                true => drop(self.silent_since.remove(&broker.id)),
                false => {
                    self.silent_since.entry(broker.id).or_insert(now);
                }
            }
        }
        let seconds = |since: &Instant| now.duration_since(*since).as_secs();
        self.patience.silent = self.silent_since.iter().map(|(id, since)| (*id, seconds(since))).collect();
        if let Some((then, before)) = &self.seen {
            let seconds = now.duration_since(*then).as_secs_f64().max(0.1);
            for (key, one) in &view.partitions {
                let grown =
                    before.partitions.get(key).map(|old| one.bytes().saturating_sub(old.bytes())).unwrap_or_default();
                let written = self.patience.written.entry(key.clone()).or_default();
                // The most of late, forgotten slowly.
                *written = (*written * 9 / 10).max((grown as f64 / seconds) as u64);
            }
            let held = |view: &View, key: &Key, id: u32| -> u64 {
                view.partitions.get(key).and_then(|one| one.held.get(&id).copied()).unwrap_or_default()
            };
            let coming = goal.coming(before);
            let came = coming.iter().map(|(key, id, _)| held(view, key, *id).saturating_sub(held(before, key, *id)));
            let came: u64 = came.sum();
            if !coming.is_empty() {
                let late = came as f64 / seconds;
                self.speed = Some(self.speed.map_or(late, |speed| speed * 0.8 + late * 0.2));
            }
        }
        let coming = goal.coming(view);
        let left: u64 = coming.iter().map(|(_, _, bytes)| bytes).sum();
        let keys: Vec<Key> = coming.into_iter().map(|(key, ..)| key).collect();
        let nearer = self.nearest.as_ref().is_none_or(|(least, before, _)| left < *least || *before != keys);
        // No rate helps while a broker of them does not serve: it comes back, or they are taken back.
        let serves = |id: &u32| view.brokers.iter().any(|broker| broker.id == *id && broker.is_fit());
        let of = |key: &Key| view.partitions.get(key).into_iter().flat_map(|one| &one.replicas);
        let served = goal.coming(view).iter().all(|(key, to, _)| of(key).chain([to]).all(serves));
        if nearer || keys.is_empty() || !served {
            self.nearest = Some((left, keys, now));
        }
        // With nothing left to copy it is Kafka's to end the move, and no rate helps.
        self.patience.stalled =
            left > 0 && self.nearest.as_ref().is_some_and(|(_, _, since)| now.duration_since(*since) > STALLED);
        self.seen = Some((now, view.clone()));
    }

    /// Whether a move that was under way has ended, and the broker that was asked does not know it yet: its partition seems to have one
    /// replica more then.
    fn is_stale(&self, view: &View) -> bool {
        let Some((_, before)) = self.seen.as_ref().filter(|(then, _)| then.elapsed() < STALE) else { return false };
        let count = |key: &Key| view.partitions.get(key).map(|one| one.replicas.len());
        let ended = before.moving.iter().filter(|(key, _)| !view.moving.contains_key(*key));
        ended.into_iter().any(|(key, one)| {
            count(key)
                .is_some_and(|count| count != one.target().len() && count + one.adding.len() != one.replicas.len())
        })
    }

    /// Tells why nothing is started, or how far it is.
    fn wait(&mut self, view: &View, why: &[String], goal: &Goal, tell: &mut dyn FnMut(Event)) -> Result<(), MoveError> {
        if !why.is_empty() {
            self.unwell_since.get_or_insert_with(Instant::now);
            self.say(&why.join("; "), tell);
            return Ok(());
        }
        self.unwell_since = None;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.told = Some(Instant::now());
            let speed = self.speed.filter(|speed| *speed >= 1.0).map(|speed| speed as u64);
            tell(Event::Progress { progress: Progress::of(view, goal), speed });
        }
        Ok(())
    }

    fn say(&mut self, why: &str, tell: &mut dyn FnMut(Event)) {
        if self.last_wait != why || self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            (self.last_wait, self.told) = (why.to_owned(), Some(Instant::now()));
            tell(Event::Waiting { why: why.to_owned() });
        }
    }

    /// Notes that the cluster could not be asked or changed. A run that never got to see it ends at once.
    fn unwell(&mut self, why: &str, tell: &mut dyn FnMut(Event)) -> Result<(), Ended> {
        if self.seen.is_none() {
            return Err((why.to_owned(), None));
        }
        self.unwell_since.get_or_insert_with(Instant::now);
        self.say(why, tell);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kstack_core::moves::{Broker, Moving, Partition, own_entry};

    /// A partition of one replica that moves from broker 1 to broker 2, which has half of it, and serves or not.
    fn half_way(serves: bool) -> View {
        let mut view = View { quorum: Some(Vec::new()), ..View::default() };
        let broker = |id, fenced| Broker { id, rack: None, fenced, silent: false, disk: None };
        view.brokers = vec![broker(1, false), broker(2, !serves)];
        let key = ("orders".to_owned(), 0);
        let held = BTreeMap::from([(1, 100 << 20), (2, 50 << 20)]);
        let one = Partition { replicas: vec![1, 2], in_sync: vec![1], leader: Some(1), held };
        view.partitions.insert(key.clone(), one);
        view.moving.insert(key, Moving { replicas: vec![1, 2], adding: vec![2], removing: vec![1] });
        view.lists.entry("orders".to_owned()).or_default().follower.push(own_entry(0, 2));
        view
    }

    #[test]
    fn what_stands_still_for_a_broker_that_is_down_is_waited_for_and_taken_back_and_no_rate_is_blamed() {
        let (begun, goal) = (Instant::now(), Goal::Balance(Bands::default()));
        let limits = Limits::default();
        let orders = Orders { bands: Bands::default(), limits, rate: 1 << 20, most_rate: 1 << 20 };
        let mut memory = Memory::new(orders);
        let mut look = |second: u64, serves: bool| {
            let view = half_way(serves);
            memory.learn(&view, &goal, begun + Duration::from_secs(second));
            goal.next(&view, limits, &memory.patience)
        };
        look(0, true);
        for second in [2, 40, 60] {
            let next = look(second, false);
            assert!(!matches!(next, Action::Stop { .. } | Action::Cancel(_)), "{second} s: {next:?}");
        }
        assert!(matches!(look(62, false), Action::Cancel(_)), "a minute after it was missed");
        // It comes back before that, and is given the time that every copy has.
        for second in [70, 92] {
            let next = look(second, true);
            assert!(!matches!(next, Action::Stop { .. }), "{second} s: {next:?}");
        }
        assert!(
            matches!(look(101, true), Action::Stop { .. }),
            "half a minute without a byte, at the most that it may use"
        );
    }
}
