//! The planner without AWS: fixtures, and properties over random stacks, live states and ends half-way.

mod invariants;
mod model;
mod msk_order;
mod plans;
mod rolls;
