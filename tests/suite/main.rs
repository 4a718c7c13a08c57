//! The integration tests: one binary, some LocalStacks for all of them, each test in an account of its own.

mod asked;
mod bad_files;
mod benches;
mod calls;
mod changes;
mod commands;
mod cost;
mod crashes;
mod ephemeral;
mod fleet;
mod hostile;
mod lease;
mod links;
mod localstack_package;
#[path = "../../crates/core/tests/planning/model.rs"]
mod model;
mod msk;
mod msk_complaints;
mod neighbours;
mod networks;
mod others;
mod output;
mod picture;
mod readme;
mod reference;
mod sandbox;
mod scenario;
mod secrets;
mod support;
mod sweep;
mod user_data;
mod weather;
mod with;
mod writers;
