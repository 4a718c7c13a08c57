//! The live resources of a stack, placed by address.

use std::collections::{BTreeMap, BTreeSet};

use crate::features::Levels;
use crate::kinds::{self, Instance, KafkaUser, Kind as _, MskCluster, OfKind, Resource, UserSecret, Volume};
use crate::model::{Address, Ref, Tags, tag};

/// A live resource as its driver finds it, references still by id.
#[derive(Debug, Clone)]
pub struct Found<K> {
    pub id: String,
    pub tags: Tags,
    pub spec: K,
    /// Whether it is on its way out (deleting, terminated): it counts as absent, but its id names the generation that was.
    pub terminated: bool,
}

impl<K: Into<Resource>> Found<K> {
    /// The same as a resource of any kind.
    pub fn erased(self) -> Found<Resource> {
        Found { id: self.id, tags: self.tags, spec: self.spec.into(), terminated: self.terminated }
    }
}

/// A live resource, references by address.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    pub id: String,
    pub spec: Resource,
    /// All tags, kstack's own among them.
    pub tags: Tags,
}

/// A live resource with this stack's tag or name that kstack cannot place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unplaced {
    pub kind: String,
    pub ids: Vec<String>,
    /// Why it cannot be placed, as a clause: "have the same address `vpc/main`".
    pub reason: String,
    pub cause: Cause,
}

/// Why a live resource can't be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It has the stack's name and not its tag: somebody else's.
    Foreign,
    /// Its tags do not say which resource of the stack it is.
    Unclear,
    /// It is in, or attached to, what is not the stack's.
    Elsewhere,
}

/// What is known of Kafka's own resources, such as topics, which only the brokers tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Inside {
    /// No broker was asked: nothing is known, unless nothing of a cluster is live.
    #[default]
    NotAsked,
    /// The brokers have told; or there is no cluster yet, which has nothing.
    Known,
    /// There is a cluster, and nothing is known of what it has: why, as a clause.
    Unknown(String),
}

/// The live resources of one stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    pub live: BTreeMap<Address, Live>,
    /// Ids of earlier resources at an address that AWS still shows, such as terminated instances.
    pub terminated: BTreeMap<Address, BTreeSet<String>>,
    pub unplaced: Vec<Unplaced>,
    /// The unplaced that say which resource of the stack they are: their addresses by their ids.
    pub contested: BTreeMap<String, Address>,
    /// What is known of what Kafka has; where it is known, that is among `live`.
    pub inside: Inside,
    /// The levels of Kafka's features that are finalized, where the brokers have told.
    pub features: Option<Levels>,
}

impl Observed {
    /// Places what the drivers found: by address tag, with ids turned into addresses. What has no address, or shares one, is
    /// unplaced.
    pub fn collect(found: Vec<Found<Resource>>) -> Self {
        let mut observed = Observed::default();
        let named: BTreeSet<String> =
            found.iter().filter(|item| !item.terminated).flat_map(|item| ids_of(&item.spec)).collect();
        let ids: BTreeSet<String> = found.iter().map(|item| item.id.clone()).collect();
        // What uses another may be on its way out, and still use it.
        let used: BTreeSet<String> = found.iter().flat_map(|item| ids_of(&item.spec)).collect();
        let mut taken: BTreeMap<Address, Vec<Live>> = BTreeMap::new();
        let mut elsewhere: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for item in found {
            let kind = item.spec.kind();
            let text = item.tags.get(tag::ADDRESS).cloned().unwrap_or_default();
            let ours = item.tags.contains_key(tag::STACK);
            match Address::parse(&text).filter(|address| address.kind == kind && ours) {
                Some(address) if item.terminated => {
                    observed.terminated.entry(address).or_default().insert(item.id);
                }
                Some(address) => match place_elsewhere(&item, &ids, &used) {
                    Some(place) => {
                        observed.contested.insert(item.id.clone(), address);
                        elsewhere.entry((kind.to_owned(), place)).or_default().push(item.id);
                    }
                    None => {
                        taken.entry(address).or_default().push(Live { id: item.id, spec: item.spec, tags: item.tags });
                    }
                },
                None if item.terminated => {}
                None => {
                    let reason = match text.as_str() {
                        _ if !ours && !kinds::is_tagged(kind) => {
                            "has a name of the stack's, and nothing there says that it is the stack's".to_owned()
                        }
                        _ if !ours => format!("has the stack's name but not its tag `{}`", tag::STACK),
                        "" => format!("has the stack's tag but no `{}`", tag::ADDRESS),
                        _ => format!("has the stack's tag, and `{text}` as its `{}`", tag::ADDRESS),
                    };
                    observed.unplaced.push(Unplaced {
                        kind: kind.to_owned(),
                        ids: vec![item.id],
                        reason,
                        cause: if ours { Cause::Unclear } else { Cause::Foreign },
                    });
                }
            }
        }
        for ((kind, place), mut ids) in elsewhere {
            ids.sort();
            let verb = if ids.len() == 1 { "has" } else { "have" };
            let reason = format!("{verb} the stack's tags, and {place}, which is not the stack's");
            observed.unplaced.push(Unplaced { kind, ids, reason, cause: Cause::Elsewhere });
        }
        for (address, mut items) in taken {
            set_duplicates_aside(&address, &mut items, &named, &ids, &mut observed);
            if items.len() > 1 {
                let mut ids: Vec<String> = items.into_iter().map(|item| item.id).collect();
                ids.sort();
                let reason = format!("have the same address `{address}`");
                observed.contested.extend(ids.iter().map(|id| (id.clone(), address.clone())));
                observed.unplaced.push(Unplaced { kind: address.kind.clone(), ids, reason, cause: Cause::Unclear });
            } else if let Some(item) = items.pop() {
                observed.live.insert(address, item);
            }
        }
        observed.unplaced.sort();
        observed.name_references();
        observed
    }

    /// Turns the ids in references into addresses, where a live resource has them.
    fn name_references(&mut self) {
        let mut addresses: BTreeMap<String, Address> =
            self.live.iter().map(|(address, live)| (live.id.clone(), address.clone())).collect();
        // Which of several is meant is not known, but it is one at that address.
        addresses.extend(self.contested.clone());
        for live in self.live.values_mut() {
            for reference in live.spec.refs_mut() {
                if let Ref::Id(id) = reference
                    && let Some(address) = addresses.get(id)
                {
                    *reference = Ref::Address(address.clone());
                }
            }
            live.spec.set_others_aside();
        }
    }

    /// Places `found`, which kstack did not make, each by its id.
    pub fn adopt(&mut self, found: Vec<Found<Resource>>) {
        for Found { id, tags, spec, .. } in found {
            self.live.insert(Address::new(spec.kind(), &id), Live { id, spec, tags });
        }
        self.name_references();
    }

    /// Places what the brokers have told, each by its name: Kafka has no tags. From now on all of it is known.
    pub fn tell(&mut self, found: Vec<Found<Resource>>) {
        self.inside = Inside::Known;
        self.adopt(found);
    }

    /// Why it is not known what Kafka has, as a clause; `None` where it is.
    pub fn unknown_inside(&self) -> Option<&str> {
        match &self.inside {
            Inside::Known => None,
            Inside::Unknown(why) => Some(why),
            Inside::NotAsked => self.has_cluster().then_some("the brokers were not asked"),
        }
    }

    /// The users that kstack has made, whether the file has them or no more: what it keeps of them outside of the cluster tells.
    pub fn made_users(&self) -> BTreeSet<&str> {
        self.of::<KafkaUser>().into_keys().chain(self.of::<UserSecret>().into_keys()).collect()
    }

    /// Whether anything is live in which a cluster may be.
    pub fn has_cluster(&self) -> bool {
        let of_cluster = |kind: &str| [Volume::NAME, Instance::NAME, MskCluster::NAME].contains(&kind);
        self.live.keys().any(|address| of_cluster(&address.kind))
    }

    /// Whether `address` is claimed by several resources, or by one that is elsewhere: what is there is neither known nor missing.
    pub fn is_contested(&self, address: &Address) -> bool {
        self.contested.values().any(|claimed| claimed == address)
    }

    /// The live resource of one kind that has this name, with its spec.
    pub fn get<K: OfKind>(&self, name: &str) -> Option<(&Live, &K)> {
        let live = self.live.get(&Address::new(K::NAME, name))?;
        Some((live, K::of(&live.spec)?))
    }

    /// The live resources of one kind with their specs, by name: all are gone through.
    pub fn of<K: OfKind>(&self) -> BTreeMap<&str, (&Live, &K)> {
        let all = self.live.iter().filter(|(address, _)| address.kind == K::NAME);
        all.filter_map(|(address, live)| Some((address.name.as_str(), (live, K::of(&live.spec)?)))).collect()
    }
}

/// Where `found` is or what has it, as a clause, when that is no resource of the stack: none of `ids`. Tags are copied to what is
/// somebody else's more easily than it is attached to the stack's; and what is used elsewhere is neither changed nor deleted.
///
/// In a network of others, what a resource is in is not the stack's either; its tag has the ids of that, which are others wherever the
/// tag was copied to.
fn place_elsewhere(found: &Found<Resource>, ids: &BTreeSet<String>, used: &BTreeSet<String>) -> Option<String> {
    let others: BTreeSet<&str> = found.tags.get(tag::NETWORK).map(|text| text.split(' ').collect()).unwrap_or_default();
    let home = found.spec.home().into_iter().find(|id| !ids.contains(*id) && !others.contains(id));
    let home = home.map(|id| format!("belongs to {id}"));
    let held = || found.spec.holders().into_iter().filter(|_| !used.contains(&found.id)).find(|id| !ids.contains(*id));
    home.or_else(|| held().map(|id| format!("is attached to {id}")))
}

/// Of several at an address that AWS lets be there twice, keeps the one that is used, or else the one with the first id. The
/// others came from calls whose answers were lost: each gets an address of its own, which no stack file asks for.
fn set_duplicates_aside(
    address: &Address,
    items: &mut Vec<Live>,
    named: &BTreeSet<String>,
    ids: &BTreeSet<String>,
    observed: &mut Observed,
) {
    let used = |item: &Live| named.contains(&item.id) || ids_of(&item.spec).iter().any(|id| ids.contains(id));
    if items.len() < 2 || kinds::is_unique(&address.kind) || items.iter().filter(|item| used(item)).count() > 1 {
        return;
    }
    items.sort_by(|one, other| (!used(one), &one.id).cmp(&(!used(other), &other.id)));
    for duplicate in items.split_off(1) {
        let address = Address::new(&address.kind, &format!("{}-{}", address.name, duplicate.id));
        observed.live.insert(address, duplicate);
    }
}

/// The ids that the references of `spec` have.
fn ids_of(spec: &Resource) -> BTreeSet<String> {
    spec.refs().into_iter().filter_map(Ref::id).map(str::to_owned).collect()
}
