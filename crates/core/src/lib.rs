//! kstack's core: the stack file, its checks, sizing, pricing, the design, the rules of each kind of resource, planning and
//! rendering. Pure: no clock, no network, no environment, no files. The same input gives the same result, byte for byte.
//!
//! From the bottom up, each module using only those before it: `text`, `units`, `digest`, `tables`; `instance_types`,
//! `cloud_init`; `file`; `network`; `sizing`; `pricing`; `engines`; `stack`; `check` and `compare`.

pub mod check;
pub mod cloud_init;
pub mod compare;
pub mod digest;
pub mod engines;
pub mod file;
pub mod instance_types;
pub mod network;
pub mod pricing;
pub mod sizing;
pub mod stack;
pub mod tables;
pub mod text;
pub mod units;
