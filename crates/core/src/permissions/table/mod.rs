//! The rows, by service.

mod alarms;
mod ec2;
mod hosts;
mod logs;
mod msk;
mod names;
mod papers;

use super::Call;

/// A row: the service's prefix and the operation, what it is used for, the scopes of its own action, and after `with` the actions
/// that it needs beside it. `brief` rows have so many of these that the remedy does not list them.
macro_rules! call {
    (brief $service:literal $operation:literal, $($rest:tt)*) => {
        $crate::permissions::Call {
            remedy: concat!(
                "let the policy of these credentials allow `", $service, ":", $operation,
                "` and what AWS asks for with it; `kstack policy FILE` prints what each command needs",
            ),
            ..$crate::permissions::table::call!($service $operation, $($rest)*)
        }
    };
    ($service:literal $operation:literal $(of $of:literal)? $(, $scope:expr)* $(; with $($action:literal $on:expr),*)?) => {
        $crate::permissions::Call {
            operation: $operation,
            of: concat!($($of)?),
            permissions: &[
                $($crate::permissions::Permission { action: concat!($service, ":", $operation), scope: $scope },)*
                $($($crate::permissions::Permission { action: $action, scope: $on },)*)?
            ],
            remedy: concat!(
                "let the policy of these credentials allow `", $service, ":", $operation, "`",
                $($(" and `", $action, "`",)*)?
                "; `kstack policy FILE` prints what each command needs",
            ),
        }
    };
}
use call;

/// Every service's rows.
pub const ALL: [&[Call]; 7] =
    [alarms::CALLS, ec2::CALLS, hosts::CALLS, logs::CALLS, msk::CALLS, names::CALLS, papers::CALLS];
