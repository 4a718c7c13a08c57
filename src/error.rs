//! Errors of the parts that talk to AWS, Kafka and the sandbox. Data only: what makes them stands above.

mod cloud;
mod step;

pub use cloud::{Class, CloudError};
pub use step::{DELETE_FAILED_CLUSTER, StepError};
