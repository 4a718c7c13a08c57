//! What a plan says beside its steps: what others have put onto the stack's resources, and what waits for somebody else.

use super::{Note, Plan};
use crate::design::Design;
use crate::evacuation;
use crate::kinds::partitions::MAIN;
use crate::kinds::vpc_endpoint::PRIVATELINK;
use crate::kinds::{Kind as _, Partitions, VpcEndpoint};
use crate::model::Address;
use crate::observed::{Live, Observed};

/// Says what others have put onto the stack's resources, where it may do harm.
pub fn of_others(observed: &Observed, plan: &mut Plan) {
    let said = observed.live.iter().filter_map(|(address, live)| Some((address, live.spec.warning()?)));
    plan.notes.extend(said.map(|(address, text)| Note { warning: true, ..Note::of(address, text) }));
}

/// Says in which zones the endpoint of a PrivateLink service has no interface, and that somebody else has to accept it.
pub fn privatelink(design: &Design, observed: &Observed, plan: &mut Plan) {
    let Some(chosen) = &design.privatelink else { return };
    let address = Address::new(VpcEndpoint::NAME, PRIVATELINK);
    if !chosen.without.is_empty() {
        let zones = chosen.without.join(", ");
        let text = format!(
            "its service is not in {zones}: there the endpoint has no interface, and clients reach it in another zone"
        );
        plan.notes.push(Note::of(&address, text));
    }
    let text = match observed.live.get(&address) {
        Some(Live { id, .. }) if chosen.asked => {
            format!(
                "{id} waits until the service's owner accepts it, and nothing gets through it before; apply again then"
            )
        }
        None if chosen.by_hand => {
            "the service's owner has to accept the endpoint once it is made: the next plan has its id, for the owner"
                .to_owned()
        }
        _ => return,
    };
    plan.notes.push(Note { warning: true, ..Note::of(&address, text) });
}

/// Says which zones are evacuated.
pub fn evacuated(observed: &Observed, plan: &mut Plan) {
    let address = Address::new(Partitions::NAME, MAIN);
    let said = evacuation::said(&evacuation::marks(observed)).into_iter();
    plan.notes.extend(said.map(|text| Note { warning: true, ..Note::of(&address, text) }));
}

/// Says which routes wait until somebody attaches their gateway to the stack's VPC.
pub fn later_routes(design: &Design, plan: &mut Plan) {
    plan.notes.extend(design.later_routes.iter().map(|route| {
        let text = format!(
            "the route to {} is not made yet: {} is not attached to the stack's VPC; the next apply after that makes it",
            route.to, route.via
        );
        Note { warning: true, ..Note::of(&Address::new("vpc", "main"), text) }
    }));
}
