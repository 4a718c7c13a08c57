//! The integration tests: one binary, one LocalStack for all of them, each test in an account of its own.

mod bad_files;
mod calls;
mod changes;
mod commands;
mod cost;
mod crashes;
mod ephemeral;
mod fleet;
mod invariants;
mod lease;
mod localstack_package;
mod model;
mod picture;
mod plans;
mod readme;
mod reference;
mod rolls;
mod sandbox;
mod support;
mod sweep;
mod user_data;
mod walls;
mod weather;
mod with;
mod writers;
