//! What runs Kafka in a stack.

pub use crate::engines::Engine;
