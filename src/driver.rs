//! Drivers: what a kind of resource does with the system that it lives in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kstack_core::kinds::Kind;
use kstack_core::model::{Address, FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::{Call, call};

use crate::error::StepError;

/// The ids of the stack's resources that are known so far.
#[derive(Debug, Clone, Default)]
pub struct IdMap(Arc<Mutex<BTreeMap<Address, String>>>);

impl IdMap {
    /// The ids, for this process alone until the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a driver needs to write one resource in the system `S`.
pub struct Ctx<'a, S> {
    pub system: &'a S,
    pub address: &'a Address,
    /// Every tag that the resource is to have, kstack's own among them.
    pub tags: &'a Tags,
    /// The idempotency token of its creation: the same for each try to make the same generation.
    pub token: &'a str,
    pub ids: &'a IdMap,
    /// Receives what a long step waits for, in words.
    pub progress: &'a dyn Fn(String),
    /// Whether an instance is waited for until it passes EC2's checks: it takes the place of one that ran, and Kafka can't be
    /// asked.
    pub check_instance: bool,
    /// Where many are tagged at once: the EC2 resources are only noted here, for one call with all of them.
    pub batch: Option<&'a Mutex<BTreeSet<String>>>,
}

impl<S> Ctx<'_, S> {
    /// The id of what `reference` names; empty where it names nothing.
    ///
    /// # Errors
    /// That it does not exist, which a plan's order rules out unless it was deleted meanwhile.
    pub fn id(&self, reference: &Ref) -> Result<String, StepError> {
        match reference {
            Ref::Id(id) => Ok(id.clone()),
            Ref::None => Ok(String::new()),
            Ref::Address(address) => {
                let id = self.ids.lock().get(address).cloned();
                id.ok_or_else(|| StepError::Internal(format!("{address} does not exist")))
            }
        }
    }

    /// The ids of `references`, in order.
    ///
    /// # Errors
    /// As [`Ctx::id`].
    pub fn all_ids(&self, references: &[Ref]) -> Result<Vec<String>, StepError> {
        references.iter().map(|reference| self.id(reference)).collect()
    }
}

/// The calls of a driver, for each of its functions. A call that is not here is refused by builds for tests, and missing in the
/// policies that `kstack policy` prints.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    /// Those of [`Driver::discover`] of one stack.
    pub discover: &'static [&'static Call],
    /// Those of [`Driver::create`], and of [`Driver::finish`] and [`Driver::tidy`] after it.
    pub create: &'static [&'static Call],
    /// Those of [`Driver::update`].
    pub update: &'static [&'static Call],
    /// Those of [`Driver::delete`].
    pub delete: &'static [&'static Call],
    /// Those of [`Driver::retag`].
    pub retag: &'static [&'static Call],
}

/// The calls that set and remove tags of EC2's resources.
pub const EC2_TAGS: &[&Call] = &[call("CreateTags"), call("DeleteTags")];

/// What a kind of resource does in the system `S` that it lives in. The rules of the kind are in the core.
#[allow(async_fn_in_trait)] // Used inside this crate only, on one task.
pub trait Driver<S>: Kind {
    /// Every call that the functions below make.
    const CALLS: Calls;

    /// The live resources of the stack, all at once, with the system's own defaults and orders normalised.
    ///
    /// # Errors
    /// The first call that failed.
    async fn discover(system: &S) -> Result<Vec<Found<Self>>, StepError>;

    /// Makes the resource in one call, tagged in that call, and returns its id. The executor repeats it when the call is
    /// throttled, and looks for the resource before it repeats a call whose answer was lost.
    ///
    /// # Errors
    /// The call's own, or that a resource which it refers to does not exist.
    async fn create(&self, ctx: &Ctx<'_, S>) -> Result<String, StepError>;

    /// What follows the creating call: attachments, and waiting until the resource can be used. It may run again.
    ///
    /// # Errors
    /// The first call that failed, that the resource ended in a state that it does not leave, or that it took too long.
    async fn finish(&self, _ctx: &Ctx<'_, S>, _id: &str) -> Result<(), StepError> {
        Ok(())
    }

    /// What is left once the resource can be used, and what waits for it goes on beside. It may run again.
    ///
    /// # Errors
    /// The first call that failed.
    async fn tidy(&self, _ctx: &Ctx<'_, S>, _id: &str) -> Result<(), StepError> {
        Ok(())
    }

    /// Brings the live resource to this spec; `changes` names the fields that differ. It may run again.
    ///
    /// # Errors
    /// As [`Driver::finish`]; and [`StepError::Internal`] for a field that no call changes.
    async fn update(&self, ctx: &Ctx<'_, S>, id: &str, changes: &[FieldChange]) -> Result<(), StepError>;

    /// Deletes the live resource with this spec and waits until it is gone. It may run again.
    ///
    /// # Errors
    /// As [`Driver::finish`]. A resource that is gone already is no error.
    async fn delete(&self, ctx: &Ctx<'_, S>, id: &str) -> Result<(), StepError>;

    /// Sets and removes tags.
    ///
    /// # Errors
    /// The call's own.
    async fn retag(ctx: &Ctx<'_, S>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError>;
}
