//! Moves of partitions in a live cluster: one look at it, one action on it, and the run that repeats both until nothing is left to do.
//! What is to be done is the core's (`kstack_core::moves`); nothing is kept here but what time shows.

mod act;
mod admin;
mod lead;
mod look;
mod run;

pub use admin::{Admin, MoveError};
pub use lead::lead_again;
pub use run::{Event, Moved, Orders, cancel, run, throttle};

#[cfg(test)]
mod tests;
