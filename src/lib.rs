//! kstack: Apache Kafka on AWS, as code. See ARCHITECTURE.md for the map.

pub mod apply;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod driver;
pub mod error;
pub mod health;
pub mod inside;
pub mod kafka;
pub mod lag;
pub mod lease;
pub mod mirror;
pub mod moves;
pub mod ops;
pub mod pki;
pub mod roll;
pub mod sandbox;
pub mod session;
pub mod survey;
pub mod wait;
