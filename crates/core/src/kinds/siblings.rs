//! What else there is of the host that a resource is a part of.

use super::Resource;

/// Resources of other kinds with the name of a resource's owner.
pub struct Siblings<'a> {
    /// Whether there is one of this kind.
    pub is_live: &'a dyn Fn(&str) -> bool,
    /// Its spec, where there is exactly one.
    pub spec: &'a dyn Fn(&str) -> Option<&'a Resource>,
    /// The live specs of every resource of this kind, whatever its name.
    pub all: &'a dyn Fn(&str) -> Vec<&'a Resource>,
}
