//! What hosts prove themselves with: a parameter for each, which kstack writes again with each roll of the host.

use super::instance::{fetch, started};
use super::no_call_for;
use crate::aws::declared::during;
use crate::aws::papers::{self, Paper, id, parts, unusable};
use crate::aws::{Aws, Done, failed};
use crate::clock;
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::pki::{self, PrivateKey};
use jiff::SignedDuration;
use kstack_core::certificates::{Authority, Facts, Life, Told};
use kstack_core::cloud_init::{authority_of, authority_parameter, papers_address, papers_parameter};
use kstack_core::kinds::certificate_authority::all_of;
use kstack_core::kinds::instance::{ENDED, VALID};
use kstack_core::kinds::{HostCertificate, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};
use kstack_core::trust::Trust;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

impl Driver<Aws> for HostCertificate {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeParameters")],
        create: &[call_of("GetParameters", "papers"), call_of("PutParameter", "papers"), call("DescribeParameters")],
        update: &[
            call_of("GetParameters", "papers"),
            call_of("PutParameter", "papers"),
            call("DescribeParameters"),
            call("DescribeInstances"),
        ],
        delete: &[call_of("DeleteParameter", "papers")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.every_paper().await?;
        Ok(all.iter().filter_map(|paper| found(paper, &all)).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let (name, value, told) = sign(self, ctx).await?;
        if ctx.make_paper(&name, &ctx.id(&self.key)?, &value, &told).await? {
            return Ok(id(&name, &told.serial));
        }
        match ctx.made_before(&name).await? {
            // Nobody knows any more what it has.
            Paper { told: None, .. } => renew(self, ctx).await.map(|()| id(&name, "")),
            paper => Ok(paper.id()),
        }
    }

    /// A certificate is never changed: another takes its place.
    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let known = ["subject", "names", "authority", "clients", "trusted", "key"];
        if let Some(other) = changes.iter().find(|change| !known.contains(&change.field.as_str())) {
            return Err(no_call_for(other));
        }
        renew(self, ctx).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ssm.delete_parameter().name(parts(id).0);
        call.send().await.map_err(failed("DeleteParameter")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its name says whose it is.
    }
}

/// Makes another key and certificate for the host of `ctx`, which it reads when it starts again. It may run again.
///
/// # Errors
/// The call's own, or that the authority can't sign.
pub async fn renew(wanted: &HostCertificate, ctx: &Ctx<'_, Aws>) -> Result<(), StepError> {
    let (name, value, told) = sign(wanted, ctx).await?;
    ctx.system.begin_round();
    let all = ctx.system.every_paper().await?;
    let running = ctx.system.instances.since(ctx.system.round(), || fetch(ctx.system)).await?;
    let running = running.iter().find(|one| one.private_ip_address() == Some(&wanted.address));
    let old = all.iter().find(|paper| paper.parameter == name).and_then(|paper| paper.told.as_ref());
    let told = told.renewed(old, running.and_then(started));
    ctx.renew_paper(&name, &ctx.id(&wanted.key)?, &value, &told).await
}

/// The same for the host of `ctx`, as it is live.
///
/// # Errors
/// The call's own, that the authority can't sign, or that the host has none.
pub async fn renew_live(ctx: &Ctx<'_, Aws>) -> Result<(), StepError> {
    let work = async {
        ctx.system.begin_round();
        let (all, host) = (ctx.system.every_paper().await?, &ctx.address.name);
        let address = Address::new(HostCertificate::NAME, host).to_string();
        let mut live = all.iter().filter_map(|paper| found(paper, &all));
        match live.find(|live| live.tags.get(tag::ADDRESS) == Some(&address)) {
            Some(live) => renew(&live.spec, ctx).await,
            None => Err(StepError::Ended {
                what: format!("{host} is not stopped"),
                why: "its certificate is gone, and it would not start without".to_owned(),
                remedy: Some("plan again: kstack makes another"),
            }),
        }
    };
    during([HostCertificate::CALLS.update, &[]], work).await
}

/// From when to when the newest certificate of each host is valid, by the host's address, as of now.
///
/// # Errors
/// AWS's answer.
pub async fn host_lives(aws: &Aws) -> Result<BTreeMap<Ipv4Addr, Life>, StepError> {
    aws.begin_round();
    let all = during([HostCertificate::CALLS.discover, &[]], aws.every_paper()).await?;
    let life = |paper: &Paper| Some((papers_address(&paper.stack, &paper.parameter)?, paper.told.as_ref()?.life()));
    Ok(all.iter().filter_map(life).collect())
}

/// How long a host's certificate is valid. Only builds for tests take another life, in seconds, from `KSTACK_TEST_CERTIFICATE_LIFE`.
pub fn host_life() -> SignedDuration {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_CERTIFICATE_LIFE").ok() } else { None };
    test.and_then(|seconds| seconds.parse().ok()).map_or(Facts::HOST_LIFE, SignedDuration::from_secs)
}

/// What the host at `address` runs with that started at `started`; `None` where nothing tells of it.
pub fn of_running(all: &[Paper], stack: &str, address: &str, started: jiff::Timestamp) -> Option<Life> {
    let name = papers_parameter(stack, address.parse().ok()?);
    let paper = all.iter().find(|paper| paper.parameter == name);
    paper?.told.as_ref()?.started_with(started)
}

/// Its certificate, as an instance has it.
pub fn certificate_of(life: Option<&Life>) -> String {
    match life {
        Some(life) if life.ends <= clock::now() => format!("{ENDED} {}", life.ends.strftime("%F %R UTC")),
        Some(life) if life.is_due(clock::now()) => format!("ends {}", life.ends.strftime("%F %R UTC")),
        Some(_) => VALID.to_owned(),
        None => "unknown".to_owned(),
    }
}

/// A new key and certificate, as the parameter of this name has them, and what its description tells.
async fn sign(wanted: &HostCertificate, ctx: &Ctx<'_, Aws>) -> Result<(String, PrivateKey, Told), StepError> {
    let (aws, internal) = (ctx.system, |error: &dyn std::fmt::Display| StepError::Internal(error.to_string()));
    let trust = trust(wanted, ctx)?;
    let trusted = aws.trusted(&trust).await?;
    // They may be others than were planned with.
    let serial = |one: &Ref| match one {
        Ref::None => Ok(None),
        one => ctx.id(one).map(|id| Some(parts(&id).1.to_owned())),
    };
    let (by, clients) = (serial(&wanted.authority)?.unwrap_or_default(), serial(&wanted.clients)?);
    let hosts = aws.signer(Authority::Hosts, trust.signer, Some(&by)).await?;
    if let (Some(clients), Some(newest)) = (&clients, trust.clients.last()) {
        aws.signer(Authority::Clients, *newest, Some(clients)).await?;
    }
    // Brokers have the user's own CA by their user data. One that has not been rolled yet looks for one here when it starts, and may find one
    // that signs for no client.
    let of_clients = if trusted.clients.is_empty() { &trusted.hosts } else { &trusted.clients };
    let facts = wanted.facts(aws.stack(), &ctx.address.name);
    let facts = facts.ok_or_else(|| internal(&format!("{} is no address", wanted.address)))?;
    let facts = Facts { life: host_life(), ..facts };
    let pair = hosts.sign(&facts, clock::now()).map_err(|error| internal(&error))?;
    let told = papers::told(&pair.certificate, &by, clients.as_deref().unwrap_or_default())
        .map_err(|error| internal(&error))?;
    let told = Told { trust, ..told };
    let value = pki::papers(&pair, &trusted.hosts, of_clients);
    let address = wanted.address.parse().map_err(|error| internal(&error))?;
    Ok((papers_parameter(aws.stack(), address), value, told))
}

/// The authority that `one` names, and its number.
pub(super) fn authority(one: &Ref, ctx: &Ctx<'_, Aws>) -> Result<(Authority, u32), StepError> {
    let id = ctx.id(one)?;
    let known = authority_of(ctx.system.stack(), parts(&id).0);
    known.ok_or_else(|| unusable(parts(&id).0, &"it is no authority's"))
}

/// The authorities that it names, by number.
fn trust(wanted: &HostCertificate, ctx: &Ctx<'_, Aws>) -> Result<Trust, StepError> {
    let (_, signer) = authority(&wanted.authority, ctx)?;
    let mut trust = Trust { signer, hosts: [signer].into(), clients: BTreeSet::new() };
    for one in [&wanted.clients].into_iter().chain(&wanted.trusted).filter(|one| **one != Ref::None) {
        match authority(one, ctx)? {
            (Authority::Hosts, number) => trust.hosts.insert(number),
            (Authority::Clients, number) => trust.clients.insert(number),
        };
    }
    Ok(trust)
}

fn found(paper: &Paper, all: &[Paper]) -> Option<Found<HostCertificate>> {
    let address = papers_address(&paper.stack, &paper.parameter)?;
    let told = paper.told.as_ref()?;
    let host = told.subject.rsplit_once("CN=").map_or("", |(_, host)| host);
    // The id of an authority has its certificate's number.
    let authority = |serial: &str| {
        let there = all.iter().find(|one| one.told.as_ref().is_some_and(|told| told.serial == serial));
        Ref::live(Some(&there.map_or_else(|| serial.to_owned(), Paper::id)))
    };
    let further = all_of(&told.trust).map(|(of, number)| authority_parameter(&paper.stack, of, number)).map(|name| {
        let there = all.iter().find(|one| one.parameter == name);
        Ref::live(Some(&there.map_or(name, Paper::id)))
    });
    let (by, clients) = (authority(&told.by), authority(&told.clients));
    let trusted = further.filter(|one| *one != by && *one != clients).collect();
    let mut names = told.names.clone();
    names.sort();
    let spec = HostCertificate {
        address: address.to_string(),
        names,
        authority: by,
        clients,
        trusted,
        key: Ref::live(Some(&paper.key)),
        subject: told.subject.clone(),
    };
    let address = Address::new(HostCertificate::NAME, host).to_string();
    let tags = [(tag::STACK, paper.stack.clone()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    Some(Found { id: paper.id(), tags: tags.into(), spec, terminated: false })
}
