//! kstack: Apache Kafka on AWS, as code. See ARCHITECTURE.md for the map.

pub mod apply;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod cloud_init;
pub mod design;
pub mod engine;
pub mod expiry;
pub mod health;
pub mod instance_types;
pub mod kinds;
pub mod lease;
pub mod msk;
pub mod network;
pub mod observed;
pub mod operation;
pub mod plan;
pub mod pricing;
pub mod resource;
pub mod roll;
pub mod sandbox;
pub mod session;
pub mod sizing;
pub mod stack;
pub mod survey;
