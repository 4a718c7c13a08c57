//! The IAM permissions that calls to AWS need: one row for each call, in tables by service, and the policy that is made from
//! the rows of a command's calls.
//!
//! A driver declares its calls by these rows, so a call without a row does not compile. What a row allows is from AWS's Service
//! Authorization Reference (docs.aws.amazon.com/service-authorization/latest/reference, 2026): the actions, the resource types
//! that can be named, the condition keys, and the dependent actions.

mod boundary;
mod policy;
mod scope;
mod table;
#[cfg(test)]
mod tests;

pub use boundary::forbidden;
pub use policy::{MANAGED_POLICY_LIMIT, policies, size};
pub use scope::{OfLogs, OfUsers, Scope, Subject};

/// One call to AWS and what it needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// The API operation, such as `CreateVpc`.
    pub operation: &'static str,
    /// What the operation is used for, where it has several uses with permissions of their own; else empty.
    pub of: &'static str,
    /// What must be allowed, the call's own action first; nothing where AWS lets every caller.
    pub permissions: &'static [Permission],
    /// What to do when AWS denies the call.
    pub remedy: &'static str,
}

/// An action that is allowed somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The IAM action, such as `ec2:CreateVpc`.
    pub action: &'static str,
    pub scope: Scope,
}

/// The row of the call `operation`.
///
/// # Panics
/// Where the tables have none: in a constant, that is an error of compilation.
pub const fn call(operation: &str) -> &'static Call {
    call_of(operation, "")
}

/// The row of the call `operation`, used for `of`.
///
/// # Panics
/// As [`call`].
pub const fn call_of(operation: &str, of: &str) -> &'static Call {
    let mut service = 0;
    while service < table::ALL.len() {
        let rows = table::ALL[service];
        let mut row = 0;
        while row < rows.len() {
            if same(rows[row].operation, operation) && same(rows[row].of, of) {
                return &rows[row];
            }
            row += 1;
        }
        service += 1;
    }
    panic!("crates/core/src/permissions/table has no row for this call")
}

/// Whether two texts are the same, in constants too.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Call> {
    table::ALL.iter().copied().flatten()
}

/// What to do when AWS denies `operation`; nothing for an operation without a row.
pub fn remedy(operation: &str) -> Option<&'static str> {
    all().find(|call| call.operation == operation).map(|call| call.remedy)
}
