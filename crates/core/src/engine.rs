//! What runs Kafka in a stack.

use crate::model::references;
use crate::stack::Stack;

references!(Engine);

/// What runs Kafka. A stack has one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Ec2,
    Msk,
}

impl Engine {
    /// The engine that `stack` asks for.
    pub fn of(stack: &Stack) -> Engine {
        if stack.cluster.msk.is_some() { Engine::Msk } else { Engine::Ec2 }
    }
}
