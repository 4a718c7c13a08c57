//! The roll of one host: its instance ends, and another starts on the same volume and interface. Where EC2 refuses the new one,
//! such as for want of capacity, the host runs again as it was. Reserving capacity before is no way: spread and partition
//! placement groups, in which hosts are, do not support it (EC2's guide, "Use Capacity Reservations with placement groups").

use std::time::Instant;

use super::{digest, finish, make};
use crate::aws::kinds as drivers;
use crate::aws::{Aws, Class};
use crate::driver::Ctx;
use crate::error::StepError;
use crate::roll::{Checks, KafkaAccess};
use crate::wait::{Backoff, RETRY_LIMIT, may_pass, retry};
use kstack_core::cloud_init::UserData;
use kstack_core::kinds::{Instance, OfKind as _, Resource};
use kstack_core::model::{Address, Tags};
use kstack_core::plan::{Creation, LiveTarget};

/// EC2's codes for having no room now, by its page "Error codes for the Amazon EC2 API".
const NO_CAPACITY: &[&str] = &["InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity"];

/// What to do where the host runs as it was.
const AS_BEFORE: &str = "run the command again later, it tries again; where EC2 has no capacity for the type in the zone, it may have for another `instance_type`";
/// What to do where it does not run at all.
const DOWN: &str =
    "run the command again: it starts the host as soon as EC2 allows it; or choose another `instance_type` first";

/// Rolls the host at the address of `ctx`; returns its new instance, and by what it is known to be well.
///
/// # Errors
/// Why the host was not stopped; that EC2 refused the new instance, and how the host is now; what failed since.
pub(super) async fn roll(
    ctx: &Ctx<'_, Aws>,
    kafka: &KafkaAccess,
    live: &LiveTarget,
    new: &Creation,
) -> Result<(String, Checks), StepError> {
    let host = ctx.address.name.as_str();
    let wanted = instance(&new.spec)?;
    retry(|| drivers::may_start(wanted, ctx)).await?;
    // What does not run is not stopped, so nothing has to be well for it. It may have been started since the plan was made.
    let down = live.spec.is_down() && ctx.system.clients.is_down(&live.id).await?;
    // Whoever goes from one listener to another needs all controllers to have that.
    let by =
        if down && !kafka.turns() { kafka.instead(host).await } else { kafka.before_stop(host, ctx.progress).await? };
    let ctx = &Ctx { check_instance: by == Checks::Instance, ..*ctx };
    if by == Checks::Instance && !down {
        let others = |(address, _): &(&Address, &String)| address.kind == ctx.address.kind && *address != ctx.address;
        let all = ctx.ids.lock().clone();
        let others = all.iter().filter(others).map(|(address, id)| (address.name.clone(), id.clone()));
        ctx.system.clients.others_well(host, &others.collect(), ctx.progress).await?;
    }
    // It reads the new certificate when it starts.
    if wanted.certificate.is_some() {
        retry(|| drivers::renew_certificate(ctx)).await?;
    }
    // Asked while the instance is there. Who may not ask can still roll, without a way back.
    let before = match recall(ctx, live).await {
        Err(error) if may_pass(error.class()) || error.class().ends_all() => return Err(error),
        before => before,
    };
    let stopped = Instant::now();
    kafka.instance_ended(host);
    // The live tags say whether the instance is protected against termination.
    let deleting = Ctx { tags: &live.tags, ..*ctx };
    retry(|| drivers::delete(&live.spec, &deleting, &live.id)).await?;
    let (id, undone) = match make(ctx, &new.spec, &live.id).await {
        Ok(id) => match finish(ctx, &new.spec, &id).await {
            Ok(()) => (id, None),
            // EC2 ended it again.
            Err(error @ StepError::Ended { .. }) => go_back(ctx, live, new, before, error).await?,
            Err(error) => return Err(error),
        },
        Err(error) if refused(&error) => go_back(ctx, live, new, before, error).await?,
        Err(error) => return Err(error),
    };
    kafka.instance_started(host, ctx.system).await?;
    if by == Checks::Kafka {
        kafka.after_start(host, stopped).await?;
    }
    undone.map_or(Ok((id, by)), Err)
}

/// Whether EC2 said that it will not start the instance. Then none is there, and none will be.
fn refused(error: &StepError) -> bool {
    match error {
        // It does not take the profile.
        StepError::Ended { .. } => true,
        StepError::Cloud(error) if error.operation == "RunInstances" => {
            matches!(error.class, Class::Other | Class::Denied | Class::NotFound)
        }
        _ => false,
    }
}

fn no_capacity(error: &StepError) -> bool {
    error.code().is_some_and(|code| NO_CAPACITY.contains(&code))
}

/// What starts the live host again as it is.
async fn recall(ctx: &Ctx<'_, Aws>, live: &LiveTarget) -> Result<Instance, StepError> {
    let user_data = drivers::user_data(ctx.system, &live.id).await?;
    Ok(Instance { user_data: UserData::Text(user_data.into()), ..instance(&live.spec)?.clone() })
}

fn instance(resource: &Resource) -> Result<&Instance, StepError> {
    let other = || StepError::Internal(format!("{} can't be rolled", resource.kind()));
    Instance::of(resource).ok_or_else(other)
}

/// Starts the host as it was `before`, since EC2 `refused` the new instance; and in its new form after all where only capacity was
/// missing and the type is the same: then there is room again as soon as EC2 has seen the old one end. Returns the instance,
/// and that the roll is undone.
async fn go_back(
    ctx: &Ctx<'_, Aws>,
    live: &LiveTarget,
    new: &Creation,
    before: Result<Instance, StepError>,
    refused: StepError,
) -> Result<(String, Option<StepError>), StepError> {
    let (host, wanted) = (&ctx.address.name, instance(&new.spec)?);
    let down = |error: Option<StepError>, kind: &str| {
        let tried = error.map(|error| format!("; as {kind} it does not start either: {error}")).unwrap_or_default();
        StepError::Ended {
            what: format!("{host} is down, since EC2 refused its new instance, {}", wanted.instance_type),
            why: format!("{refused}{tried}"),
            remedy: Some(DOWN),
        }
    };
    let old = match before {
        Ok(old) if ctx.id(&old.data_volume)? == ctx.id(&wanted.data_volume)? => old,
        // On another volume it would not be the same host.
        Ok(_) => return Err(down(None, "")),
        Err(error) => return Err(down(Some(error), &instance(&live.spec)?.instance_type)),
    };
    let forward = no_capacity(&refused) && old.instance_type == wanted.instance_type && old.subnet == wanted.subnet;
    let kind = old.instance_type.clone();
    let tags: Tags = live.tags.iter().filter(|(key, _)| !key.starts_with("aws:")).map(owned).collect();
    let token = digest(&[ctx.token, &live.id, "as before"]);
    let back = Ctx { tags: &tags, token: &token, ..*ctx };
    let (ctx, spec) = if forward { (ctx, new.spec.clone()) } else { (&back, old.into()) };
    let (start, mut pauses) = (Instant::now(), Backoff::STATE.pauses());
    let id = loop {
        (ctx.progress)(format!("EC2 refused the new instance ({refused}): {host} is started as {kind}"));
        match make(ctx, &spec, &live.id).await {
            Ok(id) => break id,
            Err(error) if no_capacity(&error) && start.elapsed() < RETRY_LIMIT => pauses.sleep(RETRY_LIMIT).await,
            Err(error) if self::refused(&error) => return Err(down(Some(error), &kind)),
            Err(error) => return Err(error),
        }
    };
    finish(ctx, &spec, &id).await?;
    let undone = (!forward).then(|| StepError::Ended {
        what: format!("{host} runs as it was, as {kind}: EC2 refused its new instance, {}", wanted.instance_type),
        why: refused.to_string(),
        remedy: Some(AS_BEFORE),
    });
    Ok((id, undone))
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CloudError;
    use std::time::Duration;

    #[test]
    fn only_a_definite_refusal_leads_back() {
        let cloud = |operation: &str, class| {
            let (operation, message) = (operation.to_owned(), String::new());
            StepError::Cloud(CloudError { operation, code: None, message, request_id: None, class })
        };
        let cases = [
            (Class::Other, true),
            (Class::Denied, true),
            (Class::NotFound, true),
            (Class::Unknown, false),
            (Class::Throttled, false),
            (Class::Conflict, false),
            (Class::AlreadyDone, false),
            (Class::InUse, false),
            (Class::LeaseEnded, false),
            (Class::Credentials, false),
            (Class::Clock, false),
        ];
        for (class, expected) in cases {
            assert_eq!(refused(&cloud("RunInstances", class)), expected, "{class:?}");
            for other in ["DescribeInstances", "DescribeNetworkInterfaces"] {
                assert!(!refused(&cloud(other, class)), "the instance may be there: {other}, {class:?}");
            }
        }
        let timeout = StepError::Timeout { what: String::new(), limit: Duration::ZERO, missing: String::new() };
        assert!(!refused(&timeout), "it may still come");
    }
}
