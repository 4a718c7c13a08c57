//! The hosts of brokers that leave, as steps inside of Kafka need them: what EC2 says of one, and how it is stopped and started.

use std::future::Future;
use std::pin::Pin;

pub use crate::aws::restart::Host;
use crate::error::StepError;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StepError>> + 'a>>;

/// What is done with a host, each by its name and the id of its instance. All may run again.
pub struct Hosts<'a> {
    pub state: Box<dyn Fn(String, String) -> Answer<'a, Host> + 'a>,
    /// Has it stop, and waits until it has.
    pub stop: Box<dyn Fn(String, String) -> Answer<'a, ()> + 'a>,
    /// Has it start, and waits until it runs.
    pub start: Box<dyn Fn(String, String) -> Answer<'a, ()> + 'a>,
}
