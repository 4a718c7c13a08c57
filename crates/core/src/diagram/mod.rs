//! Pictures of a stack: its network, zones, subnets, hosts, volumes, endpoints, and the ways in and out; of a live one also what is up,
//! and how many partitions each broker leads.
//!
//! [`Diagram`] is what is shown (`shown`, `ways`, `live`), [`Picture`] where it is (`layout`, `measure`), and the rest draws: `svg` for
//! people, `mermaid` for comments on pull requests, where no SVG is shown.

mod fold;
mod layout;
mod live;
mod measure;
mod mermaid;
mod shown;
mod svg;
mod ways;

pub use layout::{Picture, Rect};
pub use live::{BrokerSeen, KafkaSeen, Seen};
pub use shown::{Diagram, Line, Part, Role, State, SubnetPart, Tone, ZonePart, ZonesBy};
pub use ways::{Flow, WayPart};
