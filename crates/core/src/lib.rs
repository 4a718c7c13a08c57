//! kstack's core: the stack file, its checks, sizing, pricing, the design, the rules of each kind of resource, planning and
//! rendering. Pure: no clock, no network, no environment, no files. The same input gives the same result, byte for byte.

pub mod certificates;
pub mod check;
pub mod choose;
pub mod client_files;
pub mod cloud_init;
pub mod compare;
pub mod describe;
pub mod design;
pub mod digest;
pub mod endpoint_services;
pub mod engines;
pub mod expiry;
pub mod file;
pub mod host_policy;
pub mod instance_types;
pub mod kinds;
pub mod model;
pub mod monitoring;
pub mod moves;
pub mod network;
pub mod observed;
pub mod offline;
pub mod permissions;
pub mod plan;
pub mod pricing;
pub mod refusal;
pub mod rights;
pub mod settings;
pub mod sizing;
pub mod stack;
pub mod surroundings;
pub mod tables;
pub mod text;
pub mod trust;
pub mod units;
