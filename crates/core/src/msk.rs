//! Amazon MSK as plain knowledge: what broker types can do, which settings a configuration may have, what clients write
//! down to connect. Pure.

pub mod brokers;
pub mod client_properties;
pub mod settings;
