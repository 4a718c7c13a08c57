//! kstack: Apache Kafka on AWS, as code. See ARCHITECTURE.md for the map.

pub use kstack_core::{cloud_init, instance_types, msk, network, pricing, sizing, stack};

pub mod apply;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod design;
pub mod engine;
pub mod error;
pub mod expiry;
pub mod health;
pub mod kinds;
pub mod lease;
pub mod observed;
pub mod operation;
pub mod ops;
pub mod plan;
pub mod resource;
pub mod roll;
pub mod sandbox;
pub mod session;
pub mod survey;
pub mod wait;
