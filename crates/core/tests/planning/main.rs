//! The planner without AWS: fixtures, and properties over random stacks, live states and ends half-way.

mod access;
mod adopt;
mod effects;
mod elsewhere;
mod existing;
mod fields;
mod fit;
mod heal;
mod init;
mod invariants;
mod migration;
#[allow(dead_code, reason = "the fixtures use the rest")]
mod model;
mod msk_order;
mod open;
mod prune;
mod quorum;
mod rolls;
mod shapes;
