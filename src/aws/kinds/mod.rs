//! One file a kind: its calls. The list of kinds is the core's; the macro makes the dispatch from it.

use std::collections::BTreeMap;

use kstack_core::all_kinds;
use kstack_core::engines::Engine;
use kstack_core::kinds::{self, InstanceProfile, Kind, KmsKey, Resource, Role, Vpc};
use kstack_core::model::{FieldChange, OWN_ZONE, Record, Tags, tag};
use kstack_core::observed::{Cause, Found, Observed};
use kstack_core::stack::{Logs, Stack};

use crate::aws::declared::{EVERY_STACK, during};
use crate::aws::{Aws, Papers};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;

mod msk;
mod running;

pub use host_certificate::{host_life, host_lives, renew_live as renew_certificate};
pub use instance::{fetch as fetch_instances, may_start, user_data};
pub use msk::status::{MskBroker, MskStatus, Servers, status as msk_status};
pub use security_group::found as found_group;
pub use volume::{failed_volumes, roots as root_volumes};
pub use vpc_endpoint::found as found_endpoint;

/// Where the resources of a kind are, as far as not every stack has any there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// In IAM.
    Iam,
    /// In DNS: the stack's names.
    Names,
    /// In KMS and Parameter Store: keys and certificates.
    Papers,
    /// In CloudWatch.
    Alarms,
    /// In CloudWatch Logs, and what flow logs need to get there.
    Logs(Logs),
    /// In the region: the client host.
    Client,
    /// In the region: what only IPv6 needs.
    Ipv6,
    /// In the region.
    Region,
}

/// Where the resources of `K` are.
const fn part<K: Kind>() -> Part {
    match (K::IN_IAM, K::OF_NAMES, K::OF_PAPERS, K::OF_ALARMS, K::OF_CLIENT) {
        _ if !K::OF_LOGS.is_none() => Part::Logs(K::OF_LOGS),
        (true, ..) => Part::Iam,
        (_, true, ..) => Part::Names,
        (_, _, true, ..) => Part::Papers,
        (.., true, _) => Part::Alarms,
        (.., true) => Part::Client,
        _ if K::OF_IPV6 => Part::Ipv6,
        _ => Part::Region,
    }
}

/// Makes the dispatch to the drivers of all kinds.
macro_rules! drivers {
    (aws { $($module:ident::$kind:ident),* $(,)? } kafka { $($inside:tt)* }) => {
        $(mod $module;)*

        /// Runs `$body` with `$spec` as the kind's own type.
        macro_rules! each_kind {
            ($resource:expr, $spec:ident => $body:expr) => {
                match $resource {
                    $(Resource::$kind($spec) => $body,)*
                    other => Err(StepError::Internal(format!("AWS has no {}", other.kind()))),
                }
            };
        }

        /// Discovers, all at once, the live resources of every kind for which `asked` is true, by its engine and where it is.
        ///
        /// # Errors
        /// The first answer of AWS that is not a list.
        async fn find(aws: &Aws, asked: impl Fn(Option<Engine>, Part) -> bool) -> Result<Vec<Found<Resource>>, StepError> {
            // Each in a box of its own: all in one would be more than the stack of the main thread holds in a debug build.
            $(let $module = async {
                if !asked(kstack_core::kinds::$kind::ENGINE, part::<kstack_core::kinds::$kind>()) {
                    return Ok(Vec::new());
                }
                Box::pin(of_kind::<kstack_core::kinds::$kind>(aws)).await
            };)*
            let ($($module,)*) = tokio::try_join!($($module),*)?;
            Ok([$($module),*].into_iter().flatten().collect())
        }

        /// The calls of the drivers, by kind, and its engine.
        pub const CALLS: &[(&str, Option<Engine>, Calls)] = &[$((
            kstack_core::kinds::$kind::NAME,
            kstack_core::kinds::$kind::ENGINE,
            <kstack_core::kinds::$kind as Driver<Aws>>::CALLS,
        )),*];

        /// The live resources of one kind.
        ///
        /// # Errors
        /// AWS's answer, when it is not a list.
        pub async fn discover_one(aws: &Aws, kind: &str) -> Result<Vec<Found<Resource>>, StepError> {
            $(if kind == kstack_core::kinds::$kind::NAME { return of_kind::<kstack_core::kinds::$kind>(aws).await; })*
            Ok(Vec::new())
        }
    };
}

all_kinds!(drivers);

async fn of_kind<K: Driver<Aws> + Into<Resource>>(aws: &Aws) -> Result<Vec<Found<Resource>>, StepError> {
    let more = if aws.all() || aws.clients.are_shared() { EVERY_STACK } else { &[] };
    Ok(during([K::CALLS.discover, more], K::discover(aws)).await?.into_iter().map(Found::erased).collect())
}

/// What is looked for of a stack by its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    pub engine: Engine,
    /// Whether the hosts' role is kstack's: else IAM is not asked for anything.
    own_role: bool,
    /// Whether there is a client host to look for: else instances are listed for brokers on EC2 alone.
    client: bool,
    ipv6: bool,
}

impl Sought {
    /// What is looked for of `stack`.
    pub fn of(stack: &Stack) -> Sought {
        let engine = Engine::of(stack);
        let client = stack.client.is_some() || engine == Engine::Ec2;
        Sought { engine, own_role: stack.has_own_role(), client, ipv6: stack.network.ipv6 }
    }

    /// What is looked for of an MSK cluster, which has no hosts.
    pub fn of_msk() -> Sought {
        Sought { engine: Engine::Msk, own_role: false, client: false, ipv6: false }
    }
}

/// Everything that is live of the stack that `aws` works for, of whose file nothing is known; in IAM only where its `record` does not
/// tell that it has nothing there, and of its names in DNS only where the record tells of any.
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn discover(aws: &Aws, record: Option<&Record>) -> Result<Observed, StepError> {
    let role = record.is_none_or(Record::may_have_role);
    let asked = |engine, part| match part {
        Part::Iam => role,
        Part::Names => aws.expects_names(),
        Part::Papers => aws.papers() > Papers::None && may_have(record, engine),
        Part::Alarms => aws.expects_alarms(),
        Part::Logs(logs) => aws.expects_logs(logs),
        // Where brokers are on EC2, or may be, instances are listed anyway.
        Part::Client => record.is_none_or(|record| record.may_have_client() || record.engine.is_none()),
        Part::Ipv6 => record.is_none_or(Record::may_have_ipv6),
        Part::Region => true,
    };
    let look = async || with_told(aws, aws.stack(), find(aws, asked).await?, record).await;
    believed(aws, look().await?, look).await
}

/// What was `found`, placed. The kinds are described beside each other: of what is attached or ends in between, one may tell of an instance
/// that another does not list. So where something seems to be with somebody else's, all is looked at once more.
async fn believed(
    aws: &Aws,
    found: Vec<Found<Resource>>,
    look: impl AsyncFn() -> Result<Vec<Found<Resource>>, StepError>,
) -> Result<Observed, StepError> {
    let observed = Observed::collect(found);
    if !observed.unplaced.iter().any(|one| one.cause == Cause::Elsewhere) {
        return Ok(observed);
    }
    aws.begin_round();
    Ok(Observed::collect(look().await?))
}

/// Whether the stack of this record may have what is for `engine` alone.
fn may_have(record: Option<&Record>, engine: Option<Engine>) -> bool {
    let told = record.and_then(|record| record.engine.as_deref());
    engine.is_none_or(|engine| told.is_none_or(|told| told == engine.key()))
}

/// The zones in which there may be names, as the record tells.
fn told_zones(record: &Record) -> impl Iterator<Item = &str> {
    record.zone.as_deref().into_iter().chain(record.privatelink.then_some(OWN_ZONE))
}

/// All of that which is `found`, and what the record of `stack` tells of where it was not looked for: names in DNS, keys and certificates,
/// alarms and log groups.
async fn with_told(
    aws: &Aws,
    stack: &str,
    mut found: Vec<Found<Resource>>,
    record: Option<&Record>,
) -> Result<Vec<Found<Resource>>, StepError> {
    let mut new = false;
    for zone in record.into_iter().flat_map(told_zones) {
        new |= aws.expect_names(stack, zone);
    }
    if new {
        found.retain(|one| !kinds::is_of_names(one.spec.kind()));
        found.extend(find(aws, |_, part| part == Part::Names).await?);
    }
    // A key that was found has its alias.
    let none = !found.iter().any(|one| one.spec.kind() == KmsKey::NAME);
    if record.is_some_and(|record| record.papers) && aws.expect_papers(Papers::Begun) && none {
        found.retain(|one| !kinds::is_of_papers(one.spec.kind()));
        found.extend(find(aws, |engine, part| part == Part::Papers && may_have(record, engine)).await?);
    }
    if record.is_some_and(|record| record.alarms) && aws.expect_alarms() {
        found.extend(find(aws, |_, part| part == Part::Alarms).await?);
    }
    if record.is_some_and(|record| aws.expect_logs(record.logs)) {
        // What hosts may write to is told with their role, which was asked for without it.
        let of_hosts = |one: &Found<Resource>| [Role::NAME, InstanceProfile::NAME].contains(&one.spec.kind());
        let role = found.iter().any(of_hosts);
        found.retain(|one| kinds::of_logs(one.spec.kind()).is_none() && !of_hosts(one));
        let asked = |part| match part {
            Part::Logs(logs) => aws.expects_logs(logs),
            Part::Iam => role,
            _ => false,
        };
        found.extend(find(aws, |_, part| asked(part)).await?);
    }
    Ok(found)
}

/// The same, as far as a stack by its file goes.
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn find_of(aws: &Aws, sought: Sought) -> Result<Vec<Found<Resource>>, StepError> {
    let of_engine = |one: Option<Engine>| one.is_none_or(|one| one == sought.engine);
    let asked = |engine, part| {
        of_engine(engine)
            && match part {
                Part::Iam => sought.own_role,
                Part::Names => aws.expects_names(),
                Part::Papers => aws.papers() > Papers::None,
                Part::Alarms => aws.expects_alarms(),
                Part::Logs(logs) => aws.expects_logs(logs),
                Part::Client => sought.client,
                Part::Ipv6 => sought.ipv6,
                Part::Region => true,
            }
    };
    find(aws, asked).await
}

/// All of that which is `found`, and of other engines, in IAM, of IPv6 and in DNS, what the stack's record tells that there may be. A stack that
/// never had another engine needs no permission to ask for it, nor one that never had a role to ask IAM. Without a record nothing is left
/// of a stack: it is the first that is written, and the last that goes. An old one does not tell of engines, and a VPC or, in a network of
/// others, a group that has the engine's tag does.
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn with_others(
    aws: &Aws,
    sought: Sought,
    found: Vec<Found<Resource>>,
    record: Option<&Record>,
) -> Result<Observed, StepError> {
    let found = with_left(aws, sought, found, record).await?;
    believed(aws, found, async || with_left(aws, sought, find_of(aws, sought).await?, record).await).await
}

async fn with_left(
    aws: &Aws,
    sought: Sought,
    mut found: Vec<Found<Resource>>,
    record: Option<&Record>,
) -> Result<Vec<Found<Resource>>, StepError> {
    let tells = |found: &Found<Resource>| found.spec.kind() == Vpc::NAME || found.tags.contains_key(tag::ENGINE);
    let untold = !found.iter().any(tells);
    if let Some(record) = record {
        let (others, role) = (record.has_others(sought.engine, untold), record.may_have_role());
        // One of MSK that had a client host tells of its role.
        let had_role = match sought.engine {
            Engine::Ec2 => role,
            Engine::Msk => record.own_role == Some(true) || others && role,
        };
        let had_role = had_role && !sought.own_role;
        let had_client = record.may_have_client() && !sought.client;
        let had_ipv6 = record.may_have_ipv6() && !sought.ipv6;
        if others || had_role || had_client || had_ipv6 {
            let of_others = |engine: Option<Engine>| others && engine.is_some_and(|one| one != sought.engine);
            let left = |engine, part| match part {
                Part::Iam => had_role,
                Part::Names | Part::Papers | Part::Alarms | Part::Logs(_) => false,
                Part::Client => had_client,
                Part::Ipv6 => had_ipv6,
                Part::Region => of_others(engine),
            };
            found.extend(find(aws, left).await?);
        }
    }
    with_told(aws, aws.stack(), found, record).await
}

/// Everything that is live of every stack but its names in DNS, and its keys and certificates. `aws` is [`Aws::of_all`].
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn find_all(aws: &Aws) -> Result<Vec<Found<Resource>>, StepError> {
    find(aws, |_, part| !matches!(part, Part::Names | Part::Papers | Part::Alarms | Part::Logs(_))).await
}

/// The names in DNS of every stack of whose records one tells of any, and so the keys and certificates.
///
/// # Errors
/// The first answer of AWS that is not a list.
pub async fn find_all_told<'a>(
    aws: &Aws,
    records: impl Iterator<Item = (&'a str, &'a Record)>,
) -> Result<Vec<Found<Resource>>, StepError> {
    for (stack, record) in records {
        for zone in told_zones(record) {
            aws.expect_names(stack, zone);
        }
        if record.papers {
            aws.expect_papers(Papers::Begun);
        }
        if record.alarms {
            aws.expect_alarms();
        }
        aws.expect_logs(record.logs);
    }
    let (names, papers, alarms) = (aws.expects_names(), aws.papers() > Papers::None, aws.expects_alarms());
    let asked = |part| match part {
        Part::Names => names,
        Part::Papers => papers,
        Part::Alarms => alarms,
        Part::Logs(logs) => aws.expects_logs(logs),
        _ => false,
    };
    match names || papers || alarms || aws.expects_logs(Logs::Groups) {
        true => find(aws, |_, part| asked(part)).await,
        false => Ok(Vec::new()),
    }
}

/// What is found of every stack, by the stack's name.
pub fn by_stack(all: impl IntoIterator<Item = Found<Resource>>) -> BTreeMap<String, Observed> {
    let mut stacks: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for found in all {
        if let Some(name) = found.tags.get(tag::STACK).cloned() {
            stacks.entry(name).or_default().push(found);
        }
    }
    stacks.into_iter().map(|(name, found)| (name, Observed::collect(found))).collect()
}

/// The declared calls of a resource's driver.
fn calls<K: Driver<Aws>>(_: &K) -> Calls {
    K::CALLS
}

/// See [`Driver::create`].
///
/// # Errors
/// AWS's answer.
pub async fn create(resource: &Resource, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
    each_kind!(resource, spec => during([calls(spec).create, &[]], spec.create(ctx)).await)
}

/// See [`Driver::finish`].
///
/// # Errors
/// AWS's answer.
pub async fn finish(resource: &Resource, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    each_kind!(resource, spec => during([calls(spec).create, &[]], spec.finish(ctx, id)).await)
}

/// See [`Driver::tidy`].
///
/// # Errors
/// AWS's answer.
pub async fn tidy(resource: &Resource, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    each_kind!(resource, spec => during([calls(spec).create, &[]], spec.tidy(ctx, id)).await)
}

/// See [`Driver::update`].
///
/// # Errors
/// AWS's answer.
pub async fn update(
    resource: &Resource,
    ctx: &Ctx<'_, Aws>,
    id: &str,
    changes: &[FieldChange],
) -> Result<(), StepError> {
    each_kind!(resource, spec => during([calls(spec).update, &[]], spec.update(ctx, id, changes)).await)
}

/// See [`Driver::delete`].
///
/// # Errors
/// AWS's answer.
pub async fn delete(resource: &Resource, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
    each_kind!(resource, spec => during([calls(spec).delete, &[]], spec.delete(ctx, id)).await)
}

/// See [`Driver::retag`].
///
/// # Errors
/// AWS's answer.
pub async fn retag(
    resource: &Resource,
    ctx: &Ctx<'_, Aws>,
    id: &str,
    set: &Tags,
    unset: &[String],
) -> Result<(), StepError> {
    async fn of<K: Driver<Aws>>(
        _: &K,
        ctx: &Ctx<'_, Aws>,
        id: &str,
        set: &Tags,
        unset: &[String],
    ) -> Result<(), StepError> {
        during([K::CALLS.retag, &[]], K::retag(ctx, id, set, unset)).await
    }
    each_kind!(resource, spec => of(spec, ctx, id, set, unset).await)
}

/// The error for a change that no call of the kind makes: without it, the change would be called done and planned again for ever.
fn no_call_for(change: &FieldChange) -> StepError {
    StepError::Internal(format!("no call changes the field `{}`", change.field))
}

/// The answer where AWS gave no id with its success.
fn no_id(operation: &str) -> StepError {
    StepError::Internal(format!("the answer to {operation} has no id"))
}
