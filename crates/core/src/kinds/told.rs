//! What is asked of a kind by its name.

use super::*;

/// Whether AWS itself makes no second resource of `kind` at the same address.
pub fn is_unique(kind: &str) -> bool {
    with_kind!(kind, K => K::UNIQUE, true)
}

/// Whether hosts or clients reach something by resources of `kind`.
pub fn is_access(kind: &str) -> bool {
    with_kind!(kind, K => K::ACCESS, false)
}

/// Whether resources of `kind` carry tags of their own.
pub fn is_tagged(kind: &str) -> bool {
    with_kind!(kind, K => K::TAGGED, false)
}

/// Whether resources of `kind` are of a stack's names in DNS.
pub fn is_of_names(kind: &str) -> bool {
    with_kind!(kind, K => K::OF_NAMES, false)
}

/// Whether resources of `kind` are of a stack's keys and certificates.
pub fn is_of_papers(kind: &str) -> bool {
    with_kind!(kind, K => K::OF_PAPERS, false)
}

/// Whether resources of `kind` are of a client host.
pub fn is_of_client(kind: &str) -> bool {
    with_kind!(kind, K => K::OF_CLIENT, false)
}

/// Whether resources of `kind` are found by name, and by their tags only when they are asked for one by one.
pub fn is_named(kind: &str) -> bool {
    with_kind!(kind, K => K::NAMED, false)
}

/// Kinds whose resources of the same name tell one making of a resource of `kind` from the next.
pub fn generation_by(kind: &str) -> &'static [&'static str] {
    with_kind!(kind, K => K::GENERATION_BY, &[])
}

/// Whether resources of `kind` are of a stack's alarms.
pub fn is_of_alarms(kind: &str) -> bool {
    with_kind!(kind, K => K::OF_ALARMS, false)
}

/// What a stack has for its logs where it has resources of `kind`.
pub fn of_logs(kind: &str) -> Logs {
    with_kind!(kind, K => K::OF_LOGS, Logs::None)
}

/// The field of resources of `kind` whose references are set again when what one names is made anew.
pub fn follows(kind: &str) -> Option<&'static str> {
    with_kind!(kind, K => K::FOLLOWS, None)
}
