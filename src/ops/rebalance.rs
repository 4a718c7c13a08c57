//! `rebalance` and `move`: partitions of a live stack, moved into their bands by the core's planner, under the stack's lease.

use std::collections::BTreeMap;

use super::inside::of_msk;
use super::kafka::{brokers, link};
use super::{Failure, LeasePolicy, LeasedWork, Task, guard, under_lease};
use crate::aws::kinds::Sought;
use crate::kafka::Server;
use crate::moves::{self, Admin, Event, MoveError, Moved, Orders};
use crate::roll::trust;
use crate::session::Session;
use kstack_core::engines::Engine;
use kstack_core::engines::moves::{known_rates_of_moves, rates_of_moves};
use kstack_core::evacuation;
use kstack_core::instance_types::InstanceTypes;
use kstack_core::moves::{Bands, Goal, Limits, Progress, Proposal};
use kstack_core::observed::Observed;
use kstack_core::stack::{Rate, Stack};

impl From<MoveError> for Failure {
    fn from(error: MoveError) -> Failure {
        let hint = match error {
            MoveError::Silent(_) => Some("run it where the brokers can be reached, or with --via; see `kstack status`"),
            MoveError::Kafka(_) | MoveError::NoLease => None,
        };
        let failure = Failure::new(error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// How fast moves may go in this stack: half of what each broker has left over the workload's peak, and all of it where half is not
/// enough; or what was asked for.
///
/// # Errors
/// That the file's instance type is not known.
pub fn orders(stack: &Stack, throttle: Option<Rate>, types: &InstanceTypes) -> Result<Orders, Failure> {
    let (bands, limits) = (Bands::default(), Limits::default());
    if let Some(Rate(rate)) = throttle {
        return Ok(Orders { bands, limits, rate, most_rate: rate });
    }
    let known = known_rates_of_moves(&stack.cluster, stack.common(), types);
    let (rate, most_rate) = known.ok_or_else(|| {
        Failure::new("kstack does not know the limits of the brokers' instance type, so it has no throttle for moves")
            .hint("say how fast they may go with --throttle, such as `60 MiB/s`")
    })?;
    Ok(Orders { bands, limits, rate, most_rate })
}

/// The same for a plan, which has no throttle of the user's.
pub fn orders_of_plan(stack: &Stack) -> Orders {
    let (rate, most_rate) = rates_of_moves(&stack.cluster, stack.common());
    Orders { bands: Bands::default(), limits: Limits::default(), rate, most_rate }
}

/// Refuses where the partitions are MSK's own to move.
///
/// # Errors
/// Why they are not kstack's.
pub fn movable(stack: &Stack) -> Result<(), Failure> {
    match &stack.cluster.msk {
        Some(msk) if msk.serverless => {
            Err(Failure::new("a serverless cluster has no brokers of its own, and MSK places its partitions"))
        }
        Some(msk) if !msk.standard() => Err(Failure::new("MSK itself moves the partitions of Express brokers")
            .hint("`rebalancing: true` below `cluster.msk` turns that on where it is off; see `kstack status`")),
        Some(_) | None => Ok(()),
    }
}

/// Asks the stack's brokers what `work` asks, which is told of its live resources, too.
pub(super) async fn asking<T>(
    session: &Session,
    stack: &Stack,
    task: &Task<'_>,
    may_write: &dyn Fn() -> bool,
    work: impl AsyncFnOnce(Admin<'_>, &Observed) -> Result<T, Failure>,
) -> Result<T, Failure> {
    session.sought.get_or_init(|| Sought::of(stack));
    if Engine::of(stack) == Engine::Msk {
        session.aws.begin_round();
        let brokers = task.signals.unless_stopped(of_msk(session, task.via, may_write)).await?;
        let (nodes, link, may_write) = brokers.each();
        let admin = Admin::new(nodes.clone(), link, task.sandbox, may_write).managed(true);
        // MSK's brokers have no hosts here whose zone could be evacuated.
        let done = Box::pin(async { work(admin, &Observed::default()).await }).await;
        brokers.close().await;
        return done;
    }
    let observed = async {
        session.expect_papers(stack).await?;
        session.observe().await
    };
    let observed = task.signals.unless_stopped(observed).await?;
    let servers: BTreeMap<u32, Server> =
        brokers(&observed, task.sandbox).into_iter().map(|(id, address)| (id, address.into())).collect();
    if servers.is_empty() {
        let failure = Failure::new(format!("the stack {} has no brokers that can be asked", stack.name));
        return Err(failure.hint("see `kstack status`"));
    }
    let link = link(session, task.via, trust(&observed).as_ref()).await?;
    // Boxed: the compiler lays out no future that is nested any deeper.
    let done = Box::pin(async {
        let admin = Admin::new(servers, &link, task.sandbox, may_write).evacuating(evacuation::marks(&observed));
        work(admin, &observed).await
    });
    let done = done.await;
    link.way.close().await;
    done
}

/// What a rebalance would do.
///
/// # Errors
/// That the brokers can't be asked.
pub async fn propose(session: &Session, stack: &Stack, bands: Bands, task: &Task<'_>) -> Result<Proposal, Failure> {
    let look = async |admin: Admin<'_>, _: &Observed| {
        let view = task.signals.unless_stopped(admin.look()).await?;
        Ok(Proposal::of(&view, bands))
    };
    asking(session, stack, task, &|| false, look).await
}

/// What is under way.
///
/// # Errors
/// That the brokers can't be asked.
pub async fn status(session: &Session, stack: &Stack, task: &Task<'_>) -> Result<(Progress, Vec<String>), Failure> {
    let look = async |admin: Admin<'_>, _: &Observed| {
        let view = task.signals.unless_stopped(admin.look()).await?;
        Ok((Progress::of(&view, &Goal::Balance(Bands::default())), view.troubles()))
    };
    asking(session, stack, task, &|| false, look).await
}

/// Brings the partitions of the stack into their bands, under its lease.
///
/// # Errors
/// Why they are not there yet. Running again goes on.
pub async fn rebalance(
    session: &Session,
    stack: &Stack,
    orders: Orders,
    task: &Task<'_>,
    mut tell: impl FnMut(Event),
) -> Result<Moved, Failure> {
    let run = async |admin: Admin<'_>, observed: &Observed| {
        evacuation::said(&evacuation::marks(observed)).iter().for_each(|said| task.note(said));
        moved(&admin, orders, task, &mut tell).await
    };
    leased(session, stack, task, run).await
}

/// Brings partitions into their bands, and off what is evacuated.
pub(super) async fn moved(
    admin: &Admin<'_>,
    orders: Orders,
    task: &Task<'_>,
    tell: &mut dyn FnMut(Event),
) -> Result<Moved, Failure> {
    let moved = async {
        moves::run(admin, orders, &Goal::Balance(orders.bands), tell).await.map_err(|(why, remedy)| {
            let failure = Failure::new(why);
            match remedy {
                Some(remedy) => failure.hint(remedy),
                None => failure.hint("run it again: it goes on where it is"),
            }
        })
    };
    let stopped = "a signal came: what is being copied goes on, throttled, and nothing more is started";
    let done = task.signals.until_signal(stopped, moved).await;
    done.map_err(|failure| match failure.hint {
        None => failure.hint("run it again to go on, or take the moves back with `kstack move cancel`"),
        Some(_) => failure,
    })
}

/// Takes back the moves that kstack has started in the stack, under its lease. Returns how many.
///
/// # Errors
/// That the brokers can't be asked, or refuse.
pub async fn cancel(session: &Session, stack: &Stack, task: &Task<'_>) -> Result<usize, Failure> {
    let run = async |admin: Admin<'_>, _: &Observed| {
        let stopped = "a signal came while moves were taken back";
        task.signals.until_signal(stopped, moves::cancel(&admin)).await
    };
    leased(session, stack, task, run).await
}

/// The same, under the stack's lease.
pub(super) async fn leased<T>(
    session: &Session,
    stack: &Stack,
    task: &Task<'_>,
    work: impl AsyncFnOnce(Admin<'_>, &Observed) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (account, caller) = task.signals.unless_stopped(session.aws.clients.identity()).await?;
    guard(stack, &account)?;
    let may_write = || session.fence.open();
    let work = async || LeasedWork::on_stack(asking(session, stack, task, &may_write, work).await);
    under_lease(session, &caller, task, LeasePolicy::default(), work).await
}
