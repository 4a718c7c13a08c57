//! From the stack file, the facts of AWS and what is live to the complete design: zones, hosts, addresses, volumes, images.
//!
//! Every choice that the file leaves open is made here, and a choice once made stays made: the live value wins. Pure.

mod assumed;
mod authorities;
mod client;
mod course;
mod dns;
mod ec2;
mod endpoints;
mod existing;
mod iam;
mod kept;
mod logs;
mod msk;
mod open;
mod papers_key;
mod privatelink;
mod routes;
mod running;
mod unsaid;
mod users;
mod zones;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::cloud_init::Overrides;
use crate::design::{Design, Facts};
use crate::engines::Engine;
use crate::engines::msk::unknown_type_misfit;
use crate::kinds::{MskCluster, Role, SecurityGroup, Vpc};
use crate::model::{Record, Ref, tag};
use crate::observed::{Live, Observed};
use crate::refusal::Refusal;
use crate::sizing::Fit;
use crate::stack::{HOSTS, Stack};
pub use assumed::assumed_facts;
pub use msk::configuration_fingerprint;
pub use unsaid::settle;
use zones::choose_zones;

/// What a plan is made from, beside the file: what AWS was asked, and what is live.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanningInput {
    pub facts: Facts,
    pub observed: Observed,
    pub record: Option<Record>,
    /// When the stack expires.
    pub expires: Option<Timestamp>,
}

/// Makes every choice of `stack` with this `input`. `overrides` are the user's own templates.
///
/// # Errors
/// Every reason why the facts don't allow the stack, all at once.
pub fn design(stack: &Stack, input: &PlanningInput, overrides: &Overrides) -> Result<Design, Vec<Refusal>> {
    let (facts, observed) = (&input.facts, &input.observed);
    let stack = &settle(stack, observed, input.record.as_ref());
    let mut refusals = Vec::new();
    if let Some(account) = stack.account.as_ref().filter(|account| account.0 != facts.account) {
        refusals.push(Refusal::general(
            format!("the file belongs to account {account}, and the credentials are of account {}", facts.account),
            "use the credentials of that account, or change `account` in the file",
        ));
    }
    let engine = Engine::of(stack);
    if let Some(live) = live_engine(observed).filter(|live| *live != engine) {
        let (now, wanted) = (live.words(), engine.words());
        refusals.push(Refusal::general(
            format!("the live stack has {now}, and the file asks for {wanted}: a stack keeps its engine"),
            "create a second stack with another name, move the data with MirrorMaker, and destroy this one",
        ));
    }
    existing::check_move(stack, observed, &mut refusals);
    let named = stack.network.existing.as_ref();
    let network = named.and_then(|named| existing::choose(stack, named, input, &mut refusals));
    existing::check_access(stack, network.as_ref(), input, &mut refusals);
    iam::check(stack, facts, &mut refusals);
    users::check(stack, facts, &mut refusals);
    dns::check(stack, network.as_ref(), input, &mut refusals);
    endpoints::check(stack, facts, observed, network.as_ref(), &mut refusals);
    let (routes, later_routes) = routes::choose(stack, input, &mut refusals);
    let zones = match (named, &network) {
        (Some(_), None) => Vec::new(),
        _ => choose_zones(stack, facts, observed, network.as_ref(), &mut refusals),
    };
    let cluster_id = observed
        .live
        .values()
        .find_map(|live| live.tags.get(tag::CLUSTER_ID).cloned())
        .or_else(|| input.record.as_ref().map(|record| record.cluster_id.clone()))
        .unwrap_or_else(|| derived_uuid(&format!("{}/{}/{}", facts.account, stack.region, stack.name)));
    refusals.extend(impossible(stack, facts));
    let mut design = Design {
        stack: stack.clone(),
        account: facts.account.clone(),
        existing: network,
        routes,
        later_routes,
        zones,
        privatelink: None,
        hosts: Vec::new(),
        course: course::choose(stack, observed, overrides, &mut refusals),
        papers_left: false,
        host_log_group: logs::group(stack, stack.host_logs(), HOSTS, &facts.account),
        running: None,
        kept: Vec::new(),
        msk: None,
        client: None,
        authorities: authorities::choose(stack, observed, &mut refusals),
        cluster_id,
        papers_key: papers_key::choose(stack, facts, &mut refusals),
        expires: input.expires,
    };
    let reads = |role: &Role| role.papers_key.as_ref().is_some_and(|key| *key != Ref::None);
    design.papers_left = !design.has_papers() && observed.of::<Role>().values().any(|(_, role)| reads(role));
    design.privatelink = privatelink::choose(&design, input, &mut refusals);
    existing::check_subnets(&design, input, &mut refusals);
    if let Some(ec2) = stack.cluster.ec2.as_ref().filter(|_| refusals.is_empty()) {
        design.hosts = ec2::choose(&design, ec2, input, overrides, &mut refusals);
        design.running = running::choose(&design, ec2, input);
    }
    kept::choose(&mut design, observed);
    if let Some(msk) = stack.cluster.msk.as_ref().filter(|_| refusals.is_empty()) {
        design.msk = Some(msk::choose(&design, msk, input, &mut refusals));
    }
    if refusals.is_empty() {
        design.client = client::choose(&design, input, overrides, &mut refusals);
    }
    if refusals.is_empty() { Ok(design) } else { Err(refusals) }
}

/// The design of `stack` where nobody is asked and nothing is live: everything that it names is there. Good for what a stack consists of, and
/// not for which zones, images and subnets of others those are.
///
/// # Errors
/// As [`design`].
pub fn assumed_design(stack: &Stack, overrides: &Overrides) -> Result<Design, Vec<Refusal>> {
    let (facts, observed) = (assumed_facts(stack), Observed::default());
    design(stack, &PlanningInput { facts, observed, record: None, expires: None }, overrides)
}

/// The engine of the live stack: MSK where there is a cluster of it; or as the tag of its VPC says, or that of its brokers' group in a
/// VPC of others.
fn live_engine(observed: &Observed) -> Option<Engine> {
    if !observed.of::<MskCluster>().is_empty() {
        return Some(Engine::Msk);
    }
    let of = |live: &Live| Engine::of_tag(live.tags.get(tag::ENGINE).map(String::as_str));
    let (vpcs, groups) = (observed.of::<Vpc>(), observed.of::<SecurityGroup>());
    let tagged = groups.values().map(|(live, _)| *live).filter(|live| live.tags.contains_key(tag::ENGINE));
    vpcs.values().map(|(live, _)| *live).chain(tagged).map(of).next()
}

/// What no volume holds or carries, whatever the live ones are.
fn impossible(stack: &Stack, facts: &Facts) -> Vec<Refusal> {
    let sizing = stack.cluster.size(stack.common(), &facts.types);
    let unsized_msk = stack.cluster.msk.as_ref().and_then(|msk| unknown_type_misfit(msk, stack.common()));
    let misfits = sizing.into_iter().flat_map(|report| report.misfits).chain(unsized_msk);
    let misfits = misfits.filter(|misfit| misfit.fit == Fit::Impossible);
    misfits.map(|misfit| Refusal::general(misfit.what, misfit.remedy)).collect()
}

/// A UUID in Kafka's notation that follows from `name` alone, so that a plan needs no chance, and a first apply that died
/// is gone on with under the same id. The first bit is cleared: the text never begins with a hyphen.
pub fn derived_uuid(name: &str) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(format!("kstack/{name}"))[..16].try_into().unwrap_or_default();
    bytes[0] &= 0x7f;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    URL_SAFE_NO_PAD.encode(bytes)
}
