//! What the client host proves itself with: a parameter that kstack writes again when its certificate is to be renewed.

use std::collections::BTreeSet;

use super::host_certificate::authority;
use super::no_call_for;
use crate::aws::papers::{self, Paper, id, parts};
use crate::aws::{Aws, Done, failed};
use crate::clock;
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::pki::{self, PrivateKey};
use kstack_core::certificates::{Authority, Facts, Told};
use kstack_core::cloud_init::{authority_parameter, client_address, client_parameter};
use kstack_core::kinds::instance::VALID;
use kstack_core::kinds::{ClientCertificate, ClientInstance, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};
use kstack_core::trust::Trust;

impl Driver<Aws> for ClientCertificate {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeParameters")],
        create: &[call_of("GetParameters", "papers"), call_of("PutParameter", "papers"), call("DescribeParameters")],
        update: &[call_of("GetParameters", "papers"), call_of("PutParameter", "papers")],
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
            Paper { told: None, .. } => {
                let renewed = ctx.renew_paper(&name, &ctx.id(&self.key)?, &value, &told).await;
                renewed.map(|()| id(&name, &told.serial))
            }
            paper => Ok(paper.id()),
        }
    }

    /// A certificate is never changed: another takes its place. The host fetches it by itself, and its tools have the one before until then.
    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let known = ["subject", "authority", "hosts", "key", "certificate"];
        if let Some(other) = changes.iter().find(|change| !known.contains(&change.field.as_str())) {
            return Err(no_call_for(other));
        }
        let (name, value, told) = sign(self, ctx).await?;
        ctx.renew_paper(&name, &ctx.id(&self.key)?, &value, &told).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ssm.delete_parameter().name(parts(id).0);
        call.send().await.map_err(failed("DeleteParameter")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its name says whose it is.
    }
}

/// A new key and certificate, as the parameter of this name has them, and what its description tells.
async fn sign(wanted: &ClientCertificate, ctx: &Ctx<'_, Aws>) -> Result<(String, PrivateKey, Told), StepError> {
    let (aws, internal) = (ctx.system, |error: &dyn std::fmt::Display| StepError::Internal(error.to_string()));
    let (by, (_, newest)) = (parts(&ctx.id(&wanted.authority)?).1.to_owned(), authority(&wanted.authority, ctx)?);
    let clients = aws.signer(Authority::Clients, newest, Some(&by)).await?;
    let hosts = wanted.hosts.iter().map(|one| authority(one, ctx).map(|(_, number)| number));
    let hosts = hosts.collect::<Result<BTreeSet<u32>, _>>()?;
    let trust = Trust { signer: hosts.last().copied().unwrap_or(1), hosts, clients: [newest].into() };
    let trusted = aws.trusted(&trust).await?;
    let facts = Facts { life: super::host_life(), ..Facts::client_host() };
    let pair = clients.sign(&facts, clock::now()).map_err(|error| internal(&error))?;
    let told = papers::told(&pair.certificate, &by, "").map_err(|error| internal(&error))?;
    let told = Told { trust, ..told };
    let value = pki::papers(&pair, &trusted.hosts, &trusted.clients);
    let address = wanted.address.parse().map_err(|error| internal(&error))?;
    Ok((client_parameter(aws.stack(), address), value, told))
}

fn found(paper: &Paper, all: &[Paper]) -> Option<Found<ClientCertificate>> {
    let address = client_address(&paper.stack, &paper.parameter)?;
    let told = paper.told.as_ref()?;
    // The id of an authority has its certificate's number.
    let signed = |serial: &str| {
        let there = all.iter().find(|one| one.told.as_ref().is_some_and(|told| told.serial == serial));
        Ref::live(Some(&there.map_or_else(|| serial.to_owned(), Paper::id)))
    };
    let hosts = told.trust.hosts.iter().map(|number| authority_parameter(&paper.stack, Authority::Hosts, *number));
    let hosts = hosts.map(|name| {
        let there = all.iter().find(|one| one.parameter == name);
        Ref::live(Some(&there.map_or(name, Paper::id)))
    });
    let due = told.life().is_due(clock::now());
    let spec = ClientCertificate {
        subject: told.subject.clone(),
        address: address.to_string(),
        authority: signed(&told.by),
        hosts: hosts.collect(),
        key: Ref::live(Some(&paper.key)),
        certificate: match due {
            true => format!("ends {}", told.ends.strftime("%F %R UTC")),
            false => VALID.to_owned(),
        },
    };
    let address = Address::new(ClientCertificate::NAME, ClientInstance::CLIENT).to_string();
    let tags = [(tag::STACK, paper.stack.clone()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    Some(Found { id: paper.id(), tags: tags.into(), spec, terminated: false })
}
