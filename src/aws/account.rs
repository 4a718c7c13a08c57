//! What is asked of an account beyond one stack: its regions, and the address blocks of its VPCs.

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_ec2::types::VpcCidrBlockStateCode;
use ipnet::Ipv4Net;
use jiff::Timestamp;

use super::{Clients, ec2_tags, failed};
use crate::error::StepError;
use kstack_core::model::Tags;

/// The call takes a thousand.
const TAGGED_AT_ONCE: usize = 1000;

impl Clients {
    /// When the credentials end that calls are signed with now; nothing where they don't, or don't say so. The variables of the
    /// environment that have temporary ones have their end in `AWS_CREDENTIAL_EXPIRATION`, as `aws configure
    /// export-credentials` writes it; the SDK reads the others only.
    pub async fn credentials_end(&self) -> Option<Timestamp> {
        let credentials = self.config.credentials_provider()?.provide_credentials().await.ok()?;
        let variable = |name: &str| std::env::var(name).ok();
        let of_environment = variable("AWS_ACCESS_KEY_ID").is_some_and(|key| key == credentials.access_key_id());
        let told = || variable("AWS_CREDENTIAL_EXPIRATION").filter(|_| of_environment)?.parse().ok();
        credentials.expiry().and_then(|end| Timestamp::try_from(end).ok()).or_else(told)
    }

    /// The regions that the account can use.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn regions(&self) -> Result<Vec<String>, StepError> {
        let answer = self.ec2.describe_regions().send().await.map_err(failed("DescribeRegions"))?;
        let mut names: Vec<String> =
            answer.regions.unwrap_or_default().into_iter().filter_map(|region| region.region_name).collect();
        names.sort();
        Ok(names)
    }

    /// Sets `tags` on EC2 resources of any kind, as many as there are.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn tag_ec2(&self, ids: Vec<String>, tags: &Tags) -> Result<(), StepError> {
        for ids in ids.chunks(TAGGED_AT_ONCE) {
            let call = self.ec2.create_tags().set_resources(Some(ids.to_vec())).set_tags(Some(ec2_tags(tags)));
            call.send().await.map_err(failed("CreateTags"))?;
        }
        Ok(())
    }

    /// The address blocks of every VPC in the region, whoever made it.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn vpc_blocks(&self) -> Result<Vec<Ipv4Net>, StepError> {
        let pages = self.ec2.describe_vpcs().max_results(1000).into_paginator().items().send();
        let vpcs = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeVpcs"))?;
        let associated = vpcs.iter().flat_map(|vpc| vpc.cidr_block_association_set()).filter(|one| {
            let state = one.cidr_block_state().and_then(|state| state.state());
            !matches!(state, Some(VpcCidrBlockStateCode::Disassociated | VpcCidrBlockStateCode::Failed))
        });
        let blocks =
            vpcs.iter().filter_map(|vpc| vpc.cidr_block()).chain(associated.filter_map(|one| one.cidr_block()));
        Ok(blocks.filter_map(|block| block.parse().ok()).collect())
    }
}
