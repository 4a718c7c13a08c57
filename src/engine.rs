//! What runs Kafka in a stack. Pure.

use crate::stack::Stack;

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
