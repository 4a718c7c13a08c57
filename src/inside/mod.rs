//! Kafka's own resources, which are inside of the cluster: a driver for each kind, as AWS's kinds have theirs, and how steps on them run.
//! What many steps ask at the same time goes out in few requests.

mod beside;
mod copies;
mod gather;
mod hosts;
mod send;
mod users;

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kstack_core::all_kinds;
use kstack_core::kinds::Resource;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::moves::View;
use kstack_core::observed::Found;
use kstack_core::plan::{Step, Work};
use kstack_core::stack::Stack;
use tokio::sync::OnceCell;

pub use self::beside::{Beside, beside};
pub use self::copies::Mover;
pub use self::hosts::Hosts;
use self::topic::Topics;
pub use self::topic::every as every_topic;
pub use self::users::{Keeper, Users};
use crate::driver::{Ctx, Driver, IdMap};
use crate::error::StepError;
use crate::kafka::{Brokers, BrokersError};

/// How often a request without an answer is sent again: what it does twice it does once.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// What gives the brokers of a cluster once it serves.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Brokers<'a>, StepError>> + 'a>>;

/// What is inside of a cluster, as far as kstack can reach it.
pub struct Kafka<'a> {
    /// Waits until the cluster serves, and is asked once.
    open: Box<dyn Fn() -> Opening<'a> + 'a>,
    brokers: OnceCell<Result<Brokers<'a>, String>>,
    /// Whether a step has said that it waits for them.
    waited: AtomicBool,
    /// What the file has of it.
    stack: Option<&'a Stack>,
    topics: Topics,
    users: Users<'a>,
    /// How replicas are moved.
    mover: Option<Mover>,
    /// Whether a plan asks who votes in the controllers' quorum.
    asks_quorum: bool,
    /// Whether a plan asks where partitions are, and what the brokers told of it.
    asks_moves: bool,
    seen: OnceCell<View>,
    /// How hosts of brokers that leave are stopped.
    hosts: Option<Hosts<'a>>,
    /// The address by which the cluster knows a host: its private one, but for processes of this machine.
    address: fn(Ipv4Addr) -> Ipv4Addr,
}

impl<'a> Kafka<'a> {
    /// The cluster to which `open` leads, and what `stack` has of it.
    pub fn new(stack: &'a Stack, open: impl Fn() -> Opening<'a> + 'a) -> Kafka<'a> {
        Kafka {
            open: Box::new(open),
            brokers: OnceCell::new(),
            waited: AtomicBool::new(false),
            stack: Some(stack),
            topics: Topics::default(),
            users: Users::default(),
            mover: None,
            asks_quorum: false,
            asks_moves: false,
            seen: OnceCell::new(),
            hosts: None,
            address: |private| private,
        }
    }

    /// The same with these users.
    #[must_use]
    pub fn with_users(self, users: Users<'a>) -> Kafka<'a> {
        Kafka { users, ..self }
    }

    /// The same, which moves replicas so.
    #[must_use]
    pub fn with_mover(self, mover: Mover) -> Kafka<'a> {
        Kafka { mover: Some(mover), ..self }
    }

    /// The same, which tells where partitions are if `asks` says so.
    #[must_use]
    pub fn asking_moves(self, asks: bool) -> Kafka<'a> {
        Kafka { asks_moves: asks, ..self }
    }

    /// The same, which knows hosts by other addresses.
    #[must_use]
    pub fn with_addresses(self, address: fn(Ipv4Addr) -> Ipv4Addr) -> Kafka<'a> {
        Kafka { address, ..self }
    }

    /// The same, which tells who votes if `asks` says so.
    #[must_use]
    pub fn asking_quorum(self, asks: bool) -> Kafka<'a> {
        Kafka { asks_quorum: asks, ..self }
    }

    /// The same, whose hosts can be stopped so.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts<'a>) -> Kafka<'a> {
        Kafka { hosts: Some(hosts), ..self }
    }

    /// How hosts are stopped and started.
    fn hosts(&self) -> Result<&Hosts<'a>, StepError> {
        self.hosts.as_ref().ok_or_else(|| StepError::Internal("nobody says how hosts are stopped".to_owned()))
    }

    /// No cluster: for plans that have nothing inside of one.
    pub fn none() -> Kafka<'a> {
        let open = || -> Opening<'a> {
            Box::pin(async { Err(StepError::Internal("no cluster was named to be asked".to_owned())) })
        };
        Kafka {
            open: Box::new(open),
            brokers: OnceCell::new(),
            waited: AtomicBool::new(false),
            stack: None,
            topics: Topics::default(),
            users: Users::default(),
            mover: None,
            asks_quorum: false,
            asks_moves: false,
            seen: OnceCell::new(),
            hosts: None,
            address: |private| private,
        }
    }

    /// The brokers, once they serve. All who ask wait together.
    ///
    /// # Errors
    /// Why they don't.
    pub async fn brokers(&self) -> Result<&Brokers<'a>, StepError> {
        let open = || async {
            (self.open)().await.map_err(|error| match error {
                StepError::Ended { why, .. } if !why.is_empty() => why,
                other => other.to_string(),
            })
        };
        match self.brokers.get_or_init(open).await {
            Ok(brokers) => Ok(brokers),
            Err(why) => Err(unasked(why.clone())),
        }
    }

    /// The file's part.
    pub fn stack(&self) -> Result<&'a Stack, StepError> {
        self.stack.ok_or_else(|| StepError::Internal("no stack file was named to be asked for".to_owned()))
    }

    /// Ends what was started for the way to the brokers.
    pub async fn close(&self) {
        if let Some(Ok(brokers)) = self.brokers.get() {
            brokers.close().await;
        }
    }
}

/// The error where the brokers can't be asked.
fn unasked(why: String) -> StepError {
    StepError::Ended {
        what: "Kafka can't be asked".to_owned(),
        why,
        remedy: Some(
            "run it where the brokers can be reached, or name a way with --via or --proxy: it continues where it stopped",
        ),
    }
}

impl From<BrokersError> for StepError {
    fn from(error: BrokersError) -> StepError {
        match error {
            BrokersError::Unasked(why) => unasked(why),
            BrokersError::Lost(_) | BrokersError::Refused(_) | BrokersError::NoLease => {
                StepError::Kafka { what: error.to_string(), source: None }
            }
        }
    }
}

/// Makes the dispatch to the drivers of Kafka's kinds.
macro_rules! drivers {
    (aws { $($aws:tt)* } kafka { $($module:ident::$kind:ident),* $(,)? }) => {
        $(mod $module;)*

        /// Runs `$body` with `$spec` as the kind's own type.
        macro_rules! each_kind {
            ($resource:expr, $spec:ident => $body:expr) => {
                match $resource {
                    $(Resource::$kind($spec) => $body,)*
                    other => Err(StepError::Internal(format!("Kafka has no {}", other.kind()))),
                }
            };
        }

        /// What the cluster has of what the file names.
        ///
        /// # Errors
        /// Why that is not known.
        pub async fn discover(kafka: &Kafka<'_>) -> Result<Vec<Found<Resource>>, StepError> {
            let mut all = Vec::new();
            $(all.extend(kstack_core::kinds::$kind::discover(kafka).await?.into_iter().map(Found::erased));)*
            Ok(all)
        }
    };
}

all_kinds!(drivers);

/// Runs one step, and returns the resource's id.
///
/// # Errors
/// What Kafka refuses, or why it can't be asked.
pub async fn run(kafka: &Kafka<'_>, step: &Step, ids: &IdMap, progress: &dyn Fn(String)) -> Result<String, StepError> {
    let (address, tags) = (&step.address, &Tags::new());
    let ctx = &Ctx { system: kafka, address, tags, token: "", ids, progress, check_instance: false, batch: None };
    if !kafka.waited.swap(true, Ordering::Relaxed) {
        progress("Kafka has to serve on every broker first".to_owned());
    }
    match &step.work {
        Work::Create(new) => each_kind!(&new.spec, spec => spec.create(ctx).await),
        Work::Update { live, wanted, changes, .. } => {
            update(ctx, wanted, &live.id, changes).await?;
            Ok(live.id.clone())
        }
        Work::Delete { live } => {
            each_kind!(&live.spec, spec => spec.delete(ctx, &live.id).await)?;
            ctx.ids.lock().remove(&step.address);
            Ok(live.id.clone())
        }
        Work::Roll { .. } | Work::Replace { .. } => {
            Err(StepError::Internal(format!("{} can't be made anew", step.id())))
        }
    }
}

async fn update(
    ctx: &Ctx<'_, Kafka<'_>>,
    wanted: &Resource,
    id: &str,
    changes: &[FieldChange],
) -> Result<(), StepError> {
    each_kind!(wanted, spec => spec.update(ctx, id, changes).await)
}

/// Sends a request that may be sent twice, until there is an answer.
///
/// # Errors
/// The last one.
async fn again<T>(mut send: impl AsyncFnMut() -> Result<T, BrokersError>) -> Result<T, BrokersError> {
    for _ in 1..TRIES {
        match send().await {
            Err(BrokersError::Lost(_) | BrokersError::Unasked(_)) => {
                tokio::time::sleep(crate::wait::jitter(PAUSE)).await
            }
            done => return done,
        }
    }
    send().await
}
