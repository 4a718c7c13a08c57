//! Leases, records and claims in SSM Parameter Store: `/kstack/STACK/lease/N`, `/kstack/STACK/record`, `/kstack/_cidr/BLOCK`.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterType, Tag};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Clients, Done, failed};
use crate::clock;
use crate::error::StepError;
use kstack_core::model::{Claim, Holder, Record, StackMetadata, tag};
use kstack_core::stack::Name;

/// Where claims are; no stack's name begins with an underscore.
const CLAIMS: &str = "/kstack/_cidr";

impl Clients {
    /// The leases and the record of `stack`.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn metadata(&self, stack: &Name) -> Result<StackMetadata, StepError> {
        if let Some(together) = &self.together {
            let all = together.region.once_if_allowed("metadata", || self.all_metadata("/kstack")).await?;
            if let Some(all) = &*all {
                return Ok(all.get(&**stack).cloned().unwrap_or_default());
            }
        }
        Ok(self.all_metadata(&format!("/kstack/{stack}")).await?.remove(&**stack).unwrap_or_default())
    }

    /// The leases and records below `path`, by stack.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn all_metadata(&self, path: &str) -> Result<BTreeMap<String, StackMetadata>, StepError> {
        let pages = self.ssm_lease.get_parameters_by_path().path(path).recursive(true).into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("GetParametersByPath"))?;
        let mut all: BTreeMap<String, StackMetadata> = BTreeMap::new();
        for item in pages.iter().flat_map(|page| page.parameters()) {
            let (Some(name), Some(value)) = (item.name(), item.value()) else { continue };
            match name.split('/').collect::<Vec<_>>()[..] {
                ["", "kstack", stack, "record"] => {
                    all.entry(stack.to_owned()).or_default().record = serde_json::from_str(value).ok();
                }
                ["", "kstack", stack, "lease", number] => {
                    let modified =
                        item.last_modified_date().and_then(|at| Timestamp::from_nanosecond(at.as_nanos()).ok());
                    // Only a plain number is one: kstack writes no other.
                    if let Some(number) = number.parse().ok().filter(|parsed: &u64| parsed.to_string() == number) {
                        let modified = modified.map_or_else(clock::now, clock::seen);
                        all.entry(stack.to_owned()).or_default().insert_lease(number, value, modified);
                    }
                }
                ["", "kstack", "_cidr", _] => {
                    if let Ok(claim) = serde_json::from_str::<Claim>(value) {
                        all.entry(claim.stack.clone()).or_default().claims.push(claim);
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// Every claim on an address block.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn claims(&self) -> Result<Vec<Claim>, StepError> {
        Ok(self.all_metadata(CLAIMS).await?.into_values().flat_map(|metadata| metadata.claims).collect())
    }

    /// Makes `claim`. It fails with a conflict when its block is claimed.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn put_claim(&self, claim: &Claim) -> Result<(), StepError> {
        put(&self.ssm, &claim_name(claim), &claim.stack, &json!(claim), false).await
    }

    /// Releases every claim of `stack`.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn release_claims(&self, stack: &Name) -> Result<(), StepError> {
        // AWS lists ten parameters a page. While others delete theirs, a claim may be missed between two pages, so an empty result
        // counts only when two lists in a row are the same.
        let mut before = None;
        loop {
            let claims = self.claims().await?;
            let names: Vec<String> = claims.iter().filter(|claim| claim.stack == **stack).map(claim_name).collect();
            if !names.is_empty() {
                return self.delete_parameters(names).await;
            }
            if before.as_ref() == Some(&claims) {
                return Ok(());
            }
            before = Some(claims);
        }
    }

    /// Makes lease `number`, or writes it again. Making it fails with a conflict when it exists.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn put_lease(&self, stack: &Name, number: u64, holder: &Holder, again: bool) -> Result<(), StepError> {
        let name = format!("/kstack/{stack}/lease/{number}");
        put(&self.ssm_lease, &name, stack, &json!(holder), again).await
    }

    /// Deletes lease `number`, whoever holds it: for `unlock`.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn delete_lease(&self, stack: &Name, number: u64) -> Result<(), StepError> {
        let call = self.ssm_lease.delete_parameter().name(format!("/kstack/{stack}/lease/{number}"));
        call.send().await.map_err(failed("DeleteParameter")).or_gone()
    }

    /// Writes the record of `stack`.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn put_record(&self, stack: &Name, record: &Record, again: bool) -> Result<(), StepError> {
        put(&self.ssm, &format!("/kstack/{stack}/record"), stack, &json!(record), again).await
    }

    /// Deletes parameters of `stack`, by what follows its name, in order.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn delete_metadata(&self, stack: &Name, names: Vec<String>) -> Result<(), StepError> {
        self.delete_parameters(names.iter().map(|name| format!("/kstack/{stack}/{name}")).collect()).await
    }

    async fn delete_parameters(&self, names: Vec<String>) -> Result<(), StepError> {
        // The call takes 10 names.
        for names in names.chunks(10) {
            let call = self.ssm.delete_parameters().set_names(Some(names.to_vec()));
            call.send().await.map_err(failed("DeleteParameters"))?;
        }
        Ok(())
    }
}

/// Writes a parameter with `ssm`: the lease's own client for a lease, the fenced one for everything else.
async fn put(ssm: &Client, name: &str, stack: &str, value: &Value, again: bool) -> Result<(), StepError> {
    // AWS accepts tags only when a parameter is created.
    let tags = (!again).then(|| Tag::builder().key(tag::STACK).value(stack).build().ok()).flatten();
    let call = ssm.put_parameter().name(name).value(value.to_string()).r#type(ParameterType::String);
    let call = call.overwrite(again).set_tags(tags.map(|tag| vec![tag]));
    call.send().await.map_err(failed("PutParameter")).map(drop)
}

fn claim_name(claim: &Claim) -> String {
    format!("{CLAIMS}/{}-{}", claim.block.network(), claim.block.prefix_len())
}
