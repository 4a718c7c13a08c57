//! What is live of a stack, placed by address. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::{Address, Found, Kind, Live, sort_lists, tag};

/// A live resource with this stack's tag or name that kstack cannot place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stray {
    pub kind: String,
    pub ids: Vec<String>,
    /// Why it cannot be placed, as a clause: "have the same address `vpc/main`".
    pub why: String,
    /// Whether it has the stack's name and not its tag: somebody else's.
    pub foreign: bool,
}

/// What is live of one stack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    pub live: BTreeMap<Address, Live>,
    /// Ids of earlier resources at an address that AWS still shows, such as terminated instances.
    pub ended: BTreeMap<Address, BTreeSet<String>>,
    pub strays: Vec<Stray>,
}

impl Observed {
    /// Places what the kinds found: by address tag, with ids turned into addresses; what has none or shares one is a stray.
    pub fn collect(found: Vec<(&'static str, Found<Value>)>) -> Self {
        let mut observed = Observed::default();
        let mut named = BTreeSet::new();
        found.iter().filter(|(_, item)| !item.ended).for_each(|(_, item)| strings(&item.spec, &mut named));
        let ids: BTreeSet<String> = found.iter().map(|(_, item)| item.id.clone()).collect();
        let mut taken: BTreeMap<Address, Vec<Live>> = BTreeMap::new();
        for (kind, item) in found {
            let text = item.tags.get(tag::ADDRESS).cloned().unwrap_or_default();
            let ours = item.tags.contains_key(tag::STACK);
            match Address::parse(&text).filter(|address| address.kind == kind && ours) {
                Some(address) if item.ended => {
                    observed.ended.entry(address).or_default().insert(item.id);
                }
                Some(address) => {
                    taken.entry(address).or_default().push(Live { id: item.id, spec: item.spec, tags: item.tags });
                }
                None if item.ended => {}
                None => {
                    let why = match text.as_str() {
                        _ if !ours => format!("has a name of the stack's, and is not tagged with `{}`", tag::STACK),
                        "" => format!("has the stack's tag but no `{}`", tag::ADDRESS),
                        _ => format!("has the stack's tag and `{text}` as its `{}`", tag::ADDRESS),
                    };
                    observed.strays.push(Stray { kind: kind.to_owned(), ids: vec![item.id], why, foreign: !ours });
                }
            }
        }
        for (address, mut items) in taken {
            set_twins_aside(&address, &mut items, &named, &ids, &mut observed);
            if items.len() > 1 {
                let mut ids: Vec<String> = items.into_iter().map(|item| item.id).collect();
                ids.sort();
                let why = format!("have the same address `{address}`");
                observed.strays.push(Stray { kind: address.kind.clone(), ids, why, foreign: false });
            } else if let Some(item) = items.pop() {
                observed.live.insert(address, item);
            }
        }
        observed.strays.sort();
        let ids: BTreeMap<String, String> =
            observed.live.iter().map(|(address, live)| (live.id.clone(), address.to_string())).collect();
        for live in observed.live.values_mut() {
            name_references(&mut live.spec, &ids);
            sort_lists(&mut live.spec);
        }
        observed
    }

    /// The live resources of `kind` with their specs, by name.
    pub fn of<K: Kind>(&self) -> BTreeMap<&str, (&Live, K)> {
        let all = self.live.iter().filter(|(address, _)| address.kind == K::NAME);
        all.filter_map(|(address, live)| {
            Some((address.name.as_str(), (live, serde_json::from_value(live.spec.clone()).ok()?)))
        })
        .collect()
    }
}

/// Of several at an address that AWS lets be there twice, keeps the one that is used, or else the one with the first id. The
/// others came from calls whose answers were lost: each gets an address of its own, which no stack file asks for.
fn set_twins_aside(
    address: &Address,
    items: &mut Vec<Live>,
    named: &BTreeSet<String>,
    ids: &BTreeSet<String>,
    observed: &mut Observed,
) {
    let used = |item: &Live| {
        let mut names = BTreeSet::new();
        strings(&item.spec, &mut names);
        named.contains(&item.id) || !names.is_disjoint(ids)
    };
    if items.len() < 2 || crate::kinds::is_unique(&address.kind) || items.iter().filter(|item| used(item)).count() > 1 {
        return;
    }
    items.sort_by(|one, other| (!used(one), &one.id).cmp(&(!used(other), &other.id)));
    for twin in items.split_off(1) {
        let address = Address::new(&address.kind, &format!("{}-{}", address.name, twin.id));
        observed.live.insert(address, twin);
    }
}

/// Every text in `value`.
fn strings(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(out.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(map) => map.values().for_each(|item| strings(item, out)),
        _ => {}
    }
}

fn name_references(value: &mut Value, ids: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(address) = ids.get(text) {
                address.clone_into(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_references(item, ids)),
        Value::Object(map) => map.values_mut().for_each(|item| name_references(item, ids)),
        _ => {}
    }
}
