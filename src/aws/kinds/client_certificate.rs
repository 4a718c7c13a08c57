//! What the client host proves itself with: a parameter that kstack writes again when its certificate is to be renewed.

use super::no_call_for;
use crate::aws::papers::{self, Paper, id, parts, unusable};
use crate::aws::{Aws, Done, failed};
use crate::clock;
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::pki::{self, PrivateKey};
use kstack_core::certificates::{Authority, Facts, Life, Told};
use kstack_core::cloud_init::{client_address, client_parameter};
use kstack_core::kinds::instance::VALID;
use kstack_core::kinds::{ClientCertificate, ClientInstance, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

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
        ctx.system.begin_round();
        let all = ctx.system.every_paper().await?;
        match all.iter().find(|paper| paper.parameter == name) {
            // Nobody knows any more what it has.
            Some(Paper { told: None, .. }) => {
                let renewed = ctx.renew_paper(&name, &ctx.id(&self.key)?, &value, &told).await;
                renewed.map(|()| id(&name, &told.serial))
            }
            Some(paper) => Ok(paper.id()),
            None => Err(unusable(&name, &"AWS says that it exists, and does not list it")),
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
    let number = |one: &Ref| ctx.id(one).map(|id| parts(&id).1.to_owned());
    let (by, hosts) = (number(&wanted.authority)?, number(&wanted.hosts)?);
    let clients = aws.signer(Authority::Clients, Some(&by)).await?;
    let trusted = aws.signer(Authority::Hosts, Some(&hosts)).await?;
    let facts = Facts { life: super::host_life(), ..Facts::client_host() };
    let pair = clients.sign(&facts, clock::now()).map_err(|error| internal(&error))?;
    // Which authority of the hosts it trusts is told in the place of that of the clients whom a host trusts.
    let told = papers::told(&pair.certificate, &by, &hosts).map_err(|error| internal(&error))?;
    let value = pki::papers(&pair, &trusted.pair().certificate, &clients.pair().certificate);
    let address = wanted.address.parse().map_err(|error| internal(&error))?;
    Ok((client_parameter(aws.stack(), address), value, told))
}

fn found(paper: &Paper, all: &[Paper]) -> Option<Found<ClientCertificate>> {
    let address = client_address(&paper.stack, &paper.parameter)?;
    let told = paper.told.as_ref()?;
    // The id of an authority has its certificate's number.
    let authority = |serial: &str| {
        let there = all.iter().find(|one| one.told.as_ref().is_some_and(|told| told.serial == serial));
        Ref::live(Some(&there.map_or_else(|| serial.to_owned(), Paper::id)))
    };
    let due = Life { begins: told.begins, ends: told.ends }.is_due(clock::now());
    let spec = ClientCertificate {
        subject: told.subject.clone(),
        address: address.to_string(),
        authority: authority(&told.by),
        hosts: authority(&told.clients),
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
