//! `evacuate`: a zone is emptied on purpose, and filled again. What leaves it, and in which order, is the core's; that it is evacuated is a tag on the
//! network interfaces of its brokers, which is put there first and goes first, so a run that dies anywhere is gone on with by the next.

use serde::Serialize;

use super::heal::mark;
use super::rebalance::{asking, leased, moved};
use super::{Failure, Task};
use crate::moves::{Admin, Event, Moved, Orders};
use crate::session::Session;
use kstack_core::evacuation::{self, Zone};
use kstack_core::model::tag;
use kstack_core::moves::{Bands, Left, Mark, Marks, Proposal, View, what_holds};
use kstack_core::observed::Observed;
use kstack_core::stack::Stack;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The zone's name, or its id.
    pub zone: &'a str,
    /// What leaves it; nothing, where that is undone.
    pub left: Option<Left>,
}

/// What it would do.
#[derive(Debug, Serialize)]
pub struct Sight {
    pub zone: String,
    /// Why it can't be done, each a sentence.
    pub refusals: Vec<String>,
    pub proposal: Proposal,
    /// Whether the zone is marked as it is to be, and nothing is left to do.
    pub done: bool,
    #[serde(skip)]
    pub text: String,
    #[serde(skip)]
    of: Zone,
    /// The marks of all brokers afterwards.
    #[serde(skip)]
    marks: Marks,
}

impl Sight {
    fn of(view: View, observed: &Observed, asked: Asked<'_>, rate: u64) -> Result<Sight, Failure> {
        let before = evacuation::marks(observed);
        let of = Zone::find(&view, observed, asked.zone).map_err(|zones| {
            let failure = Failure::new(format!("no broker of the stack is in a zone {}", asked.zone));
            failure.hint(format!("its zones are {}", zones.join(", ")))
        })?;
        let marks: Marks = match asked.left {
            Some(left) => of.marked(&before, left),
            None => before.into_iter().filter(|(_, mark)| mark.zone != of.name).collect(),
        };
        let view = view.evacuating(&marks);
        let proposal = Proposal::of(&view, Bands::default());
        let (refusals, text) = match asked.left {
            Some(_) => (evacuation::refusals(&view, &of), evacuation::text(&view, &of, &proposal, rate)),
            None => {
                let head = format!("{} is not evacuated any more, and gets its share again.\n\n", of.name);
                (evacuation::refusals_of_undo(&view, &of), head + &proposal.text(rate))
            }
        };
        let marked =
            evacuation::hosts(observed, &of.brokers).iter().all(|host| tagged(observed, host) == wanted(&marks, host));
        let done = marked && proposal.is_empty();
        Ok(Sight { zone: of.name.clone(), refusals, proposal, done, text, of, marks })
    }

    /// The refusals as a failure.
    ///
    /// # Errors
    /// That there are some.
    pub fn permitted(&self) -> Result<(), Failure> {
        match self.refusals.is_empty() {
            true => Ok(()),
            false => Err(Failure {
                causes: self.refusals.clone(),
                ..Failure::new(format!("nothing was changed in {}", self.zone))
            }),
        }
    }
}

/// The mark that the host's interface has.
fn tagged(observed: &Observed, host: &str) -> Option<Mark> {
    let id = kstack_core::design::node_id(host)?;
    evacuation::marks(observed).remove(&id)
}

/// The mark that it is to have.
fn wanted(marks: &Marks, host: &str) -> Option<Mark> {
    marks.get(&kstack_core::design::node_id(host)?).cloned()
}

/// What it would do.
///
/// # Errors
/// That the brokers can't be asked, or that there is no such zone.
pub async fn look(
    session: &Session,
    stack: &Stack,
    asked: Asked<'_>,
    rate: u64,
    task: &Task<'_>,
) -> Result<Sight, Failure> {
    let look = async |admin: Admin<'_>, observed: &Observed| {
        let view = task.signals.unless_stopped(admin.look()).await?;
        Sight::of(view, observed, asked, rate)
    };
    asking(session, stack, task, &|| false, look).await
}

/// Does it, under the stack's lease, after another look. Returns what was done, in words.
///
/// # Errors
/// Why it is not done yet. Running again goes on.
pub async fn evacuate(
    session: &Session,
    stack: &Stack,
    asked: Asked<'_>,
    orders: Orders,
    task: &Task<'_>,
    tell: &mut dyn FnMut(Event),
) -> Result<(Moved, String), Failure> {
    let run = async |admin: Admin<'_>, observed: &Observed| {
        let view = task.signals.unless_stopped(admin.look()).await?;
        let sight = Sight::of(view, observed, asked, orders.rate)?;
        sight.permitted()?;
        for host in evacuation::hosts(observed, &sight.of.brokers) {
            let mark_of = wanted(&sight.marks, &host);
            if tagged(observed, &host) != mark_of {
                let value = mark_of.map(|mark| mark.value());
                mark(session, observed, &host, (tag::EVACUATED, value.as_deref())).await?;
                admin.count();
            }
        }
        let admin = admin.evacuating(sight.marks.clone());
        let moved = moved(&admin, orders, task, tell).await?;
        let view = task.signals.unless_stopped(admin.look()).await?;
        ended(&view, &sight, asked).map(|text| (moved, text))
    };
    leased(session, stack, task, run).await.map_err(|failure| Failure { maybe_applied: true, ..failure })
}

/// How it ended.
fn ended(view: &View, sight: &Sight, asked: Asked<'_>) -> Result<String, Failure> {
    let (zone, brokers) = (&sight.zone, sight.of.brokers_text());
    let Some(_) = asked.left else { return Ok(format!("{zone} is not evacuated any more, and has its share again.")) };
    let left = sight.marks.values().filter(|mark| mark.zone == *zone).map(|mark| mark.left).max();
    if left != Some(Left::Replicas) {
        let alone = view.led_by_nobody_else().len();
        let but = match alone {
            0 => String::new(),
            count => format!(", but for {count} that no other broker can lead"),
        };
        return Ok(format!("Leaders have left {zone}: no partition is led by {brokers}{but}."));
    }
    let full = sight.of.brokers.iter().find(|id| view.names(**id));
    match full {
        Some(id) => Err(Failure::new(format!("broker {id} is not empty yet: {}", what_holds(view, *id).join("; ")))
            .hint("run it again: it goes on where it is; topics that were made meanwhile move then too")),
        None => Ok(format!("{zone} is empty: no replica is on {brokers}, whose hosts may be stopped.")),
    }
}
