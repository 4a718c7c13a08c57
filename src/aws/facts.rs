//! The facts that a plan needs from AWS: caller, zones, instance types, images. Six calls at most and those about the policies
//! that a file names, all at once; what a file names of others' networks is in `network_facts`.

mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::types::{Filter, InstanceTypeInfo, LocationType, ServiceDetail, ServiceType};
use aws_sdk_kafka::types::KafkaVersionStatus;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Class, Clients, failed};
use crate::error::StepError;
use kstack_core::cloud_init::Os;
use kstack_core::design::{Facts, KeyFacts, NetworkFacts};
use kstack_core::endpoint_services::{EndpointService, full_name};
use kstack_core::engines::Engine;
use kstack_core::instance_types::{Arch, InstanceLimits, InstanceTypes};
use kstack_core::stack::{Iam, Stack};

/// The zones that offer a type, by type.
type Offers = BTreeMap<String, BTreeSet<String>>;

/// The instance types that the file of `stack` names.
pub(super) fn types_of(stack: &Stack) -> BTreeSet<String> {
    let ec2 = stack.cluster.ec2.as_ref();
    let brokers = ec2.map(|ec2| &ec2.brokers.instance_type);
    let controllers = ec2.and_then(|ec2| ec2.controllers.as_ref()).map(|controllers| &controllers.instance_type);
    let client = stack.client.as_ref().map(|client| &client.instance_type);
    [brokers, controllers, client].into_iter().flatten().cloned().collect()
}

/// The endpoint services that the file of `stack` names, as it names them, by their full names.
pub(super) fn services_of(stack: &Stack) -> BTreeMap<String, String> {
    let of_aws = stack.network.endpoints.iter().map(|endpoint| &endpoint.0);
    let of_aws = of_aws.map(|name| (full_name(&stack.region, name), name.clone()));
    let of_others = stack.network.privatelink.iter().map(|link| (link.service.0.clone(), link.service.0.clone()));
    of_aws.chain(of_others).collect()
}

impl Clients {
    /// The account and the caller's ARN.
    ///
    /// # Errors
    /// AWS's answer, such as that there are no credentials.
    pub async fn identity(&self) -> Result<(String, String), StepError> {
        match &self.together {
            Some(together) => Ok((*together.account.once("identity", || self.own_identity()).await?).clone()),
            None => self.own_identity().await,
        }
    }

    async fn own_identity(&self) -> Result<(String, String), StepError> {
        let caller = self.sts.get_caller_identity().send().await.map_err(failed("GetCallerIdentity"))?;
        Ok((caller.account().unwrap_or_default().to_owned(), caller.arn().unwrap_or_default().to_owned()))
    }

    /// The facts for `stack`.
    ///
    /// # Errors
    /// The first call that failed, or AWS's answer that lacks something.
    pub async fn facts(&self, stack: &Stack) -> Result<Facts, StepError> {
        let of_engine = async {
            match Engine::of(stack) {
                Engine::Ec2 => self.facts_of_ec2(stack).await,
                Engine::Msk => self.facts_of_msk(stack).await,
            }
        };
        let (facts, network, (bad_secrets, missing_roles)) =
            tokio::try_join!(of_engine, self.network_facts(stack), self.named_of_users(stack))?;
        Ok(Facts { network, bad_secrets, missing_roles, ..facts })
    }

    async fn facts_of_ec2(&self, stack: &Stack) -> Result<Facts, StepError> {
        let ec2 = stack.cluster.ec2.as_ref();
        let ec2 = ec2.ok_or_else(|| StepError::Internal("the stack has no brokers on EC2".to_owned()))?;
        let types: Vec<String> = types_of(stack).into_iter().collect();
        let ((account, caller), zones, types, offers, images, endpoints, (missing_policies, boundary), papers_key) = tokio::try_join!(
            self.identity(),
            self.zones(),
            self.types(types.clone()),
            self.offers(types),
            self.images(ec2.os),
            self.endpoints(stack),
            self.policies(stack),
            self.papers_key(stack)
        )?;
        Ok(Facts {
            account,
            caller,
            zones,
            types,
            offers,
            images,
            endpoints,
            msk_versions: BTreeSet::new(),
            network: NetworkFacts::default(),
            missing_policies,
            boundary,
            papers_key,
            bad_secrets: BTreeMap::new(),
            missing_roles: BTreeSet::new(),
        })
    }

    async fn facts_of_msk(&self, stack: &Stack) -> Result<Facts, StepError> {
        let versions = async {
            if stack.cluster.msk.as_ref().is_some_and(|msk| msk.serverless) {
                return Ok(BTreeSet::new());
            }
            let pages = self.msk.list_kafka_versions().into_paginator().items().send();
            let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListKafkaVersions"))?;
            let active = all.into_iter().filter(|one| one.status() == Some(&KafkaVersionStatus::Active));
            Ok(active.filter_map(|one| one.version).collect())
        };
        let of_client = async {
            let Some(client) = &stack.client else {
                return Ok((InstanceTypes::default(), BTreeMap::new(), BTreeMap::new(), (BTreeSet::new(), None)));
            };
            let types = vec![client.instance_type.clone()];
            tokio::try_join!(
                self.types(types.clone()),
                self.offers(types),
                self.images(client.os.unwrap_or(Os::Al2023)),
                self.policies(stack)
            )
        };
        let ((account, caller), zones, msk_versions, endpoints, of_client, papers_key) = tokio::try_join!(
            self.identity(),
            self.zones(),
            versions,
            self.endpoints(stack),
            Box::pin(of_client),
            self.papers_key(stack)
        )?;
        let (types, offers, images, (missing_policies, boundary)) = of_client;
        let network = NetworkFacts::default();
        Ok(Facts {
            account,
            caller,
            zones,
            types,
            offers,
            images,
            endpoints,
            msk_versions,
            network,
            missing_policies,
            boundary,
            papers_key,
            bad_secrets: BTreeMap::new(),
            missing_roles: BTreeSet::new(),
        })
    }

    /// The KMS key that the file names for its hosts' keys and certificates, where there is one.
    async fn papers_key(&self, stack: &Stack) -> Result<Option<KeyFacts>, StepError> {
        let Some((named, _)) = stack.named_papers_key() else { return Ok(None) };
        let key = match self.kms.describe_key().key_id(named).send().await.map_err(failed("DescribeKey")) {
            Err(error) if error.class() == Class::NotFound => return Ok(None),
            // One of another account, of which the file tells.
            Err(error) if error.class() == Class::Denied && named.starts_with("arn:") => return Ok(None),
            answer => answer?.key_metadata,
        };
        Ok(key.map(|key| KeyFacts {
            state: key.key_state().map_or("unknown", |state| state.as_str()).to_owned(),
            usage: key.key_usage().map_or("unknown", |usage| usage.as_str()).to_owned(),
            spec: key.key_spec().map_or("unknown", |spec| spec.as_str()).to_owned(),
            arn: key.arn.unwrap_or_default(),
        }))
    }

    /// The managed policies that the file names and IAM does not have, and the document of the boundary: a call for each, all at once,
    /// and one for the document. Who may not read them can still plan, and IAM says what is wrong when they are used. So it does of those
    /// of another account.
    async fn policies(&self, stack: &Stack) -> Result<(BTreeSet<String>, Option<Value>), StepError> {
        let boundary = stack.iam().and_then(|iam| iam.permissions_boundary.as_ref());
        let named = stack.iam().into_iter().flat_map(Iam::named_policies);
        let look = named.map(|arn| async move {
            let version = match self.iam.get_policy().policy_arn(&**arn).send().await.map_err(failed("GetPolicy")) {
                Err(error) if error.class() == Class::NotFound => return Ok((Some(arn.to_string()), None)),
                Err(error) if error.class() == Class::Denied => return Ok((None, None)),
                answer => answer?.policy.and_then(|policy| policy.default_version_id),
            };
            let Some(version) = version.filter(|_| boundary == Some(arn)) else { return Ok((None, None)) };
            let call = self.iam.get_policy_version().policy_arn(&**arn).version_id(version);
            let version = match call.send().await.map_err(failed("GetPolicyVersion")) {
                Err(error) if error.class() == Class::Denied => return Ok((None, None)),
                answer => answer?.policy_version,
            };
            let document = version.and_then(|version| version.document).unwrap_or_default();
            // IAM answers with the document percent-encoded.
            let text = percent_decode_str(&document).decode_utf8_lossy();
            Ok::<_, StepError>((None, serde_json::from_str(&text).ok()))
        });
        let (missing, documents): (Vec<_>, Vec<_>) = futures::future::try_join_all(look).await?.into_iter().unzip();
        Ok((missing.into_iter().flatten().collect(), documents.into_iter().flatten().next()))
    }

    async fn zones(&self) -> Result<BTreeMap<String, String>, StepError> {
        match &self.together {
            Some(together) => Ok((*together.region.once("zones", || self.own_zones()).await?).clone()),
            None => self.own_zones().await,
        }
    }

    async fn own_zones(&self) -> Result<BTreeMap<String, String>, StepError> {
        let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
        let answer = self
            .ec2
            .describe_availability_zones()
            .filters(filter("zone-type", "availability-zone"))
            .filters(filter("state", "available"))
            .send()
            .await
            .map_err(failed("DescribeAvailabilityZones"))?;
        let zones = answer.availability_zones.unwrap_or_default().into_iter();
        Ok(zones.filter_map(|zone| Some((zone.zone_name?, zone.zone_id?))).collect())
    }

    /// The endpoint services that the file names and the region has, in one call; in none, where it names none.
    async fn endpoints(&self, stack: &Stack) -> Result<BTreeMap<String, EndpointService>, StepError> {
        let names = services_of(stack);
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let details = match &self.together {
            Some(together) => together.region.once("services", || self.services(together.services())).await?,
            None => Arc::new(self.services(names.keys().cloned().collect()).await?),
        };
        let mut found: BTreeMap<String, EndpointService> = BTreeMap::new();
        // A service with endpoints of both forms is there once for each.
        for detail in details.iter() {
            let Some(name) = detail.service_name().and_then(|name| names.get(name)) else { continue };
            let service = found.entry(name.clone()).or_default();
            service.by_hand |= detail.acceptance_required() == Some(true);
            let has = |form: ServiceType| detail.service_type().iter().any(|one| one.service_type() == Some(&form));
            service.gateway |= has(ServiceType::Gateway);
            if has(ServiceType::Interface) {
                service.interface = true;
                service.zones.extend(detail.availability_zones().iter().cloned());
            }
        }
        Ok(found)
    }

    /// Those of these endpoint services that there are.
    async fn services(&self, names: Vec<String>) -> Result<Vec<ServiceDetail>, StepError> {
        // By filter: with a name that is not known, a call by names is an error for all of them.
        let filter = Filter::builder().name("service-name").set_values(Some(names)).build();
        let call = self.ec2.describe_vpc_endpoint_services().filters(filter);
        let answer = call.send().await.map_err(failed("DescribeVpcEndpointServices"))?;
        Ok(answer.service_details.unwrap_or_default())
    }

    /// The limits of `names`; a type that the region does not have is absent.
    async fn types(&self, names: Vec<String>) -> Result<InstanceTypes, StepError> {
        let Some(together) = &self.together else { return self.own_types(names).await };
        let all = together.region.once("types", || self.own_types(together.types(&names))).await?;
        Ok(all.iter().filter(|(name, _)| names.contains(name)).map(|(name, of)| (name.clone(), of.clone())).collect())
    }

    async fn own_types(&self, names: Vec<String>) -> Result<InstanceTypes, StepError> {
        // By filter: a name that is not known is then an empty answer, not an error.
        let filter = Filter::builder().name("instance-type").set_values(Some(names)).build();
        let answer =
            self.ec2.describe_instance_types().filters(filter).send().await.map_err(failed("DescribeInstanceTypes"))?;
        let types = answer.instance_types.unwrap_or_default();
        Ok(types.iter().filter_map(|info| Some((info.instance_type()?.as_str().to_owned(), limits(info)?))).collect())
    }

    /// The zones that offer each of `names`.
    async fn offers(&self, names: Vec<String>) -> Result<Offers, StepError> {
        let Some(together) = &self.together else { return self.own_offers(names).await };
        let all = together.region.once("offers", || self.own_offers(together.types(&names))).await?;
        Ok(all.iter().filter(|(name, _)| names.contains(name)).map(|(name, of)| (name.clone(), of.clone())).collect())
    }

    async fn own_offers(&self, names: Vec<String>) -> Result<Offers, StepError> {
        let filter = Filter::builder().name("instance-type").set_values(Some(names)).build();
        let call =
            self.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone).filters(filter);
        let pages = call.into_paginator().items().send();
        let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeInstanceTypeOfferings"))?;
        let mut offers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for offer in all {
            if let (Some(name), Some(zone)) = (offer.instance_type, offer.location) {
                offers.entry(name.as_str().to_owned()).or_default().insert(zone);
            }
        }
        Ok(offers)
    }

    /// The newest images of `os`, by architecture, from the parameters that their publishers keep.
    async fn images(&self, os: Os) -> Result<BTreeMap<String, String>, StepError> {
        let Some(together) = &self.together else { return self.own_images(os).await };
        Ok((*together.region.once(&format!("images of {os:?}"), || self.own_images(os)).await?).clone())
    }

    async fn own_images(&self, os: Os) -> Result<BTreeMap<String, String>, StepError> {
        let parameter = |arch: Arch| {
            let (aws, debian) = match arch {
                Arch::X86 => ("x86_64", "amd64"),
                Arch::Arm => ("arm64", "arm64"),
            };
            match os {
                Os::Al2023 => format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{aws}"),
                Os::Debian12 => format!("/aws/service/debian/release/12/latest/{debian}"),
                Os::Ubuntu2404 => {
                    format!("/aws/service/canonical/ubuntu/server/24.04/stable/current/{debian}/hvm/ebs-gp3/ami-id")
                }
            }
        };
        let names = [Arch::X86, Arch::Arm].map(|arch| (parameter(arch), arch));
        let wanted = names.iter().map(|(name, _)| name.clone()).collect();
        let answer = self.ssm.get_parameters().set_names(Some(wanted)).send().await.map_err(failed("GetParameters"))?;
        let found = answer.parameters.unwrap_or_default().into_iter();
        Ok(found
            .filter_map(|parameter| {
                let (_, arch) = names.iter().find(|(name, _)| Some(name) == parameter.name.as_ref())?;
                Some((arch.word().to_owned(), parameter.value?))
            })
            .collect())
    }
}

/// The baseline limits in one answer of `DescribeInstanceTypes`.
fn limits(info: &InstanceTypeInfo) -> Option<InstanceLimits> {
    let archs = info.processor_info()?.supported_architectures();
    let ebs = info.ebs_info()?.ebs_optimized_info()?;
    // A host has one network interface, on the first card: what other cards add is not its own.
    // Source: EC2 User Guide, "Network cards".
    let card = info.network_info()?.network_cards().iter().find(|card| card.network_card_index() == Some(0))?;
    let own = info.instance_storage_info();
    let disks_gb = own.and_then(|own| own.total_size_in_gb()).unwrap_or_default();
    let disks = own.map_or(0, |own| own.disks().iter().filter_map(|disk| disk.count()).sum::<i32>());
    let vcpus = info.v_cpu_info().and_then(|vcpus| vcpus.default_v_cpus());
    Some(InstanceLimits {
        arch: archs.iter().find_map(|arch| Arch::parse(arch.as_str()))?,
        memory_mib: u64::try_from(info.memory_info()?.size_in_mib()?).ok()?,
        ebs_mbs: ebs.baseline_throughput_in_m_bps()?,
        ebs_iops: u32::try_from(ebs.baseline_iops()?).ok()?,
        network_gbps: card.baseline_bandwidth_in_gbps()?,
        disks_gb: u64::try_from(disks_gb).unwrap_or_default(),
        disks: u32::try_from(disks).unwrap_or_default(),
        vcpus: u32::try_from(vcpus.unwrap_or_default()).unwrap_or_default(),
    })
}
