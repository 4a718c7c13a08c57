//! Which replica should be where: the moves that bring the partitions of a live cluster into balance, or off a broker that leaves.
//!
//! The planner keeps nothing. [`State::next_move`] looks at the present assignment only, so a plan that was cut off and is made
//! again is the rest of the plan. Its aims, in this order: no replica on a broker that leaves; replicas spread over racks; the bytes
//! of each broker within a band around the mean; the same for the number of replicas. What is inside its bands is left alone.
//!
//! Each move lowers, in this order, the replicas on leaving brokers, the replicas that crowd a rack, the bytes outside of the
//! band, and the difference between the counts; and raises nothing that comes before. So there is an end.
//!
//! The same run gives topics another number of replicas ([`Goal::Copies`]), and throttles what a broker fetches that has lost its disk
//! ([`Goal::Fetch`]): with the same limits, throttle and patience. A zone that is evacuated is left by leaders, and by replicas, in any run.

mod balance;
mod batch;
mod copies;
mod drain;
mod evacuate;
mod fetch;
mod leaders;
mod members;
mod next;
mod progress;
mod proposal;
mod shares;
mod state;
mod throttle;
mod view;

pub use batch::{Limits, Room};
pub use copies::Copies;
pub use evacuate::{Left, Mark, Marks, brokers_text, said as said_of_evacuated, zones as evacuated_zones};
pub use fetch::{fetching, lacking};
pub use leaders::{elections, leader_counts, leader_orders, led_by_others};
pub use members::members;
pub use next::{Action, Goal, Patience, all_lifted};
pub use progress::{Progress, time_text};
pub use proposal::{Proposal, amount};
pub use state::{Bands, Move, Node, Place, Reason, Replicas, State, Stuck};
pub use throttle::{
    ListChange, Lists, RateChange, Rates, Side, copies_entry, fetch_entry, is_of_copies, is_ours, own_entry, own_rate,
};
pub use view::{Broker, Disk, Key, Moving, Partition, View, what_holds};
