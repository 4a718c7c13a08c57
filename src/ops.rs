//! What commands do, without arguments and output: each use case takes values, reports events, and returns a value or a
//! failure. `cli` parses and prints.

pub mod adopt;
pub mod apply;
pub mod client;
pub mod credentials;
pub mod describe;
pub mod destroy;
pub mod evacuate;
pub mod export;
pub mod extend;
mod failure;
pub mod finalize;
pub mod heal;
pub mod inside;
pub mod kafka;
pub mod lag;
mod lease;
pub mod mirror;
pub mod msk;
pub mod msk_client;
mod msk_sandbox;
pub mod policy;
pub mod prices;
pub mod reap;
pub mod rebalance;
pub mod recover;
mod run;
pub mod shell;
mod signals;
pub mod up;

pub use failure::{Failure, INTERRUPTED};
pub use lease::{LeasePolicy, LeasedWork, caller_and_leases, under_lease};
pub use run::{RunReport, refused};
pub use signals::Signals;

use crate::kafka::Via;
use kstack_core::stack::Stack;

/// What every use case needs of the command that runs it.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub signals: &'a Signals,
    /// Whether the stack is in the sandbox, where its hosts may be processes of this machine.
    pub sandbox: bool,
    /// By which way brokers are asked.
    pub via: &'a Via,
    /// Receives sentences about what is being waited for.
    pub notes: &'a dyn Fn(&str),
}

impl Task<'_> {
    fn note(&self, text: &str) {
        (self.notes)(text);
    }
}

/// Refuses to write into another account than the file's.
///
/// # Errors
/// Both accounts.
pub fn guard(stack: &Stack, account: &str) -> Result<(), Failure> {
    match stack.account.as_ref().filter(|expected| expected.0 != account) {
        Some(expected) => Err(Failure::new(format!(
            "the file is for account {expected}, but the credentials are for account {account}; nothing was changed"
        ))),
        None => Ok(()),
    }
}
