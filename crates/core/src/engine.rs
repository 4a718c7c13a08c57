//! The engine of a stack, as a value that specs have.

use crate::model::references;

pub use crate::engines::Engine;

references!(Engine);
