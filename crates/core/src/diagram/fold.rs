//! Many hosts of a subnet that are alike, as one part: a picture of thirty boxes is read by nobody.

use super::shown::{Diagram, Line, Part, Role, State, Tone};
use crate::text::{first_of, many};

/// So many alike are drawn one by one.
const MOST: usize = 3;

impl Diagram {
    /// The same, with more than three hosts that are alike as one in each subnet.
    pub fn folded(mut self) -> Diagram {
        for subnet in self.zones.iter_mut().flat_map(|zone| &mut zone.subnets) {
            subnet.parts = fold(std::mem::take(&mut subnet.parts));
        }
        self
    }
}

fn fold(parts: Vec<Part>) -> Vec<Part> {
    let mut groups: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        let alike = |group: &&mut Vec<Part>| group[0].role == part.role && group[0].lines == part.lines;
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    groups.into_iter().flat_map(|group| if group.len() > MOST { vec![together(&group)] } else { group }).collect()
}

fn together(group: &[Part]) -> Part {
    let noun = match group[0].role {
        Role::Controller => "controller",
        Role::Broker | Role::Client | Role::Nat | Role::Endpoint => "broker",
    };
    let names: Vec<String> = group.iter().map(|part| part.name.clone()).collect();
    let mut part = Part::new(group[0].role, many(group.len(), noun), group[0].lines.clone());
    part.lines.iter_mut().take(1).for_each(|line| line.text = format!("each {}", line.text));
    part.lines.push(Line::of(first_of(&names)));
    part.count = group.len();
    part.state = state(group);
    part
}

/// How all of them are: what is wrong with the first that is not well, if one is not.
fn state(group: &[Part]) -> Option<State> {
    let states: Vec<(&Part, &State)> = group.iter().filter_map(|part| Some((part, part.state.as_ref()?))).collect();
    let tone = states.iter().map(|(_, state)| state.tone).max()?;
    let (worst, said) = states.iter().find(|(_, state)| state.tone == tone)?;
    let others = states.iter().filter(|(_, state)| state.tone == Tone::Well).count();
    let text = match tone == Tone::Well {
        true => format!("all {}", said.text),
        false => format!("{others} of {} well; {} {}", group.len(), worst.name, said.text),
    };
    let leads: Option<usize> =
        states.iter().map(|(_, state)| state.leads).collect::<Option<Vec<_>>>().map(|all| all.iter().sum());
    let text = match leads {
        Some(count) if tone == Tone::Well => format!("{text}, lead {}", many(count, "partition")),
        _ => text,
    };
    Some(State::new(tone, text))
}
