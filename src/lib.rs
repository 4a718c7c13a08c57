//! kstack: Apache Kafka on AWS, as code. See ARCHITECTURE.md for the map.

pub use kstack_core::{
    check, cloud_init, compare, digest, engines, instance_types, network, pricing, sizing, stack, text, units,
};

pub mod apply;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod design;
pub mod engine;
pub mod expiry;
pub mod health;
pub mod kinds;
pub mod lease;
pub mod observed;
pub mod operation;
pub mod plan;
pub mod resource;
pub mod roll;
pub mod sandbox;
pub mod session;
pub mod survey;
