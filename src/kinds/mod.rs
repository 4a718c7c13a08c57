//! One file a kind of AWS resource, and this one list. The macro makes the enum of all kinds and the dispatch.

use std::collections::BTreeMap;

use crate::aws::{Aws, CloudError, Ctx};
use crate::design::Design;
use crate::resource::{
    Address, Deletion, Effect, Engine, FieldChange, Found, Kind, Observed, Operation, Tags, kinds, sort_lists, tag,
};

kinds! {
    vpc::Vpc,
    internet_gateway::InternetGateway,
    subnet::Subnet,
    elastic_ip::ElasticIp,
    nat_gateway::NatGateway,
    route_table::RouteTable,
    vpc_endpoint::VpcEndpoint,
    security_group::SecurityGroup,
    security_group_rules::SecurityGroupRules,
    role::Role,
    instance_profile::InstanceProfile,
    placement_group::PlacementGroup,
    volume::Volume,
    network_interface::NetworkInterface,
    instance::Instance,
    msk_configuration::MskConfiguration,
    msk_cluster::MskCluster,
    msk_autoscaling::MskAutoscaling,
    msk_scram_association::MskScramAssociation,
    msk_cluster_policy::MskClusterPolicy,
}

mod msk;
pub use msk::fingerprint;
pub use msk::status::{Broker, MskStatus, status as msk_status};
pub use msk_cluster::Provisioned;
/// What is live, by kind.
pub type Finds = Vec<(&'static str, Found<serde_json::Value>)>;

/// Everything that is live of the stack that `aws` works for.
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn discover(aws: &Aws) -> Result<Observed, CloudError> {
    Ok(Observed::collect(find(aws, |_| true).await?))
}

/// The same, as far as a stack with `engine` goes. Where there is no VPC that tells the engine, what is left of the stack
/// may be of the other one, and that is asked for too.
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn discover_of(aws: &Aws, engine: Engine) -> Result<Observed, CloudError> {
    let mut all = find(aws, |one| one.is_none_or(|one| one == engine)).await?;
    if all.iter().all(|(kind, _)| *kind != Vpc::NAME) {
        all.extend(find(aws, |one| one.is_some_and(|one| one != engine)).await?);
    }
    Ok(Observed::collect(all))
}

/// Everything that is live of every stack, by the stack's name. `aws` is [`Aws::of_all`].
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn discover_all(aws: &Aws) -> Result<BTreeMap<String, Observed>, CloudError> {
    let mut stacks: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (kind, found) in find(aws, |_| true).await? {
        if let Some(name) = found.tags.get(tag::STACK).cloned() {
            stacks.entry(name).or_default().push((kind, found));
        }
    }
    Ok(stacks.into_iter().map(|(name, found)| (name, Observed::collect(found))).collect())
}

pub use volume::roots as root_volumes;

/// The finds of one kind with their specs as JSON, as the planner compares them.
fn erase<K: Kind>(found: Vec<Found<K>>) -> Vec<Found<serde_json::Value>> {
    found
        .into_iter()
        .map(|found| {
            let mut spec = serde_json::to_value(&found.spec).unwrap_or_default();
            sort_lists(&mut spec);
            Found { id: found.id, tags: found.tags, spec, ended: found.ended }
        })
        .collect()
}

impl Resource {
    /// The spec as JSON: fields that are not set are absent, lists are sorted.
    pub fn spec(&self) -> serde_json::Value {
        let mut spec = each_kind!(self, spec => serde_json::to_value(spec)).unwrap_or_default();
        sort_lists(&mut spec);
        spec
    }
    /// What comes before the resource `name` although its spec does not name it.
    pub fn after(&self, name: &str) -> Vec<Address> {
        each_kind!(self, spec => spec.after(name))
    }
    /// Tags that keep what AWS can't list of the resource.
    pub fn tags(&self) -> Tags {
        each_kind!(self, spec => spec.tags())
    }
    /// What deleting this live resource would lose.
    pub fn deletion(&self) -> Deletion {
        each_kind!(self, spec => spec.deletion())
    }
    /// Whether the resource has tags of its own.
    pub fn tagged(&self) -> bool {
        fn of<K: Kind>(_: &K) -> bool {
            K::TAGGED
        }
        each_kind!(self, spec => of(spec))
    }
    /// See [`Kind::create`].
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        each_kind!(self, spec => spec.create(ctx).await)
    }
    /// See [`Kind::settle`].
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn settle(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        each_kind!(self, spec => spec.settle(ctx, id).await)
    }
    /// See [`Kind::update`].
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError> {
        each_kind!(self, spec => spec.update(ctx, id, changes).await)
    }
    /// See [`Kind::delete`].
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError> {
        each_kind!(self, spec => spec.delete(ctx, id).await)
    }
    /// See [`Kind::retag`].
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn retag(&self, ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
        async fn of<K: Kind>(_: &K, ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
            K::retag(ctx, id, set, unset).await
        }
        each_kind!(self, spec => of(spec, ctx, id, set, unset).await)
    }
}

/// The refusal for a field that AWS can't change on a live resource.
fn fixed(what: &str, way_out: &str) -> Effect {
    Effect::Refuse(format!("{what} can't be changed on a live resource"), way_out.to_owned())
}

/// The way out where only a new stack can have what is wanted.
const NEW_STACK: &str = "make a second stack with another name, move the data with MirrorMaker, and destroy this one";

/// The answer where AWS gave no id with its success.
fn no_id(operation: &str) -> CloudError {
    CloudError::own(operation, "AWS's answer has no id")
}
