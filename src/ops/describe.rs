//! `describe`: the stack file of an MSK cluster that others made. It only reads.

use super::Failure;
use crate::aws::kinds::{Sought, find_of};
use crate::session::Session;
use kstack_core::describe::{Described, DescribedNetwork, describe, describe_network};
use kstack_core::engines::arn;
use kstack_core::kinds::MskCluster;
use kstack_core::kinds::msk_cluster::is_to_be_adopted;
use kstack_core::model::{Ref, tag};
use kstack_core::observed::Observed;
use kstack_core::stack::{Name, Scalar as _};

/// What the ARN of an MSK cluster says.
#[derive(Debug, Clone)]
pub struct ClusterArn {
    arn: String,
    pub region: String,
    account: String,
    /// The cluster's name, which is also that of its stack.
    pub name: Name,
}

impl ClusterArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// That it is none of an MSK cluster, or of one whose name no stack can have.
    pub fn read(text: &str) -> Result<ClusterArn, Failure> {
        let is_instance = text.starts_with("i-") || text.contains(":instance/");
        let cluster = arn(text).filter(|parts| parts[1] == "kafka");
        let name = cluster.and_then(|parts| parts[4].strip_prefix("cluster/")?.split('/').next());
        let (Some([_, _, region, account, _]), Some(name)) = (cluster, name) else {
            let hint = match is_instance {
                true => {
                    "Kafka on hosts that others made is set up inside of them, where kstack can't look: create a stack of its own, \
                         and move the data with MirrorMaker"
                }
                false => "`aws kafka list-clusters-v2 --query ClusterInfoList[].ClusterArn` prints those of a region",
            };
            return Err(Failure::new(format!("`{text}` is not the ARN of an MSK cluster")).hint(hint));
        };
        let name = Name::parse(name).map_err(|error| {
            Failure::new(format!("the cluster can't become a stack, which has the name of its cluster: {error}"))
                .hint("MSK changes no names: create a stack with another name, and move the data with MSK Replicator or MirrorMaker")
        })?;
        Ok(ClusterArn { arn: text.to_owned(), region: region.to_owned(), account: account.to_owned(), name })
    }
}

/// The stack file in the VPC `vpc`, made by a session for the stack's name and the VPC's region.
///
/// # Errors
/// That it is not there, or has no private subnet; AWS's answer.
pub async fn network_file(session: &Session, vpc: &str) -> Result<String, Failure> {
    let clients = &session.aws.clients;
    let ((account, _), network) = tokio::try_join!(clients.identity(), clients.network_of(vpc))?;
    let Some((vpc, subnets)) = network else {
        let message = format!("there is no VPC {vpc} in {} for this account", session.region);
        return Err(Failure::new(message).hint("`aws ec2 describe-vpcs --query Vpcs[].VpcId` prints those of a region"));
    };
    let (name, region) = (&*session.name, session.region.as_str());
    let described = DescribedNetwork { name, region, account: &account, vpc: &vpc, subnets: &subnets };
    describe_network(&described).map_err(|error| {
        Failure::new(format!("{} can't have a stack: {error}", vpc.id))
            .hint("have a private subnet made in each of three zones; or let kstack make a VPC: write `network.cidr`")
    })
}

/// The stack file of `cluster`, made by a session for its name and region.
///
/// # Errors
/// That it is not there, or a stack's already; what of it no file may say; AWS's answer.
pub async fn stack_file(session: &mut Session, cluster: &ClusterArn) -> Result<String, Failure> {
    let ClusterArn { arn, region, account, name } = cluster;
    session.aws.adopting = true;
    session.aws.begin_round();
    let (own, _) = session.aws.clients.identity().await?;
    if own != *account {
        return Err(Failure::new(format!(
            "the cluster is in account {account}, and the credentials are of account {own}"
        )));
    }
    let observed = Observed::collect(find_of(&session.aws, Sought::of_msk()).await?);
    let all = observed.of::<MskCluster>();
    let Some((live, spec)) = all.get("main").filter(|(live, _)| live.id == *arn) else {
        return Err(Failure::new(format!("there is no MSK cluster {arn} that could be described")).hint(
            "`aws kafka list-clusters-v2` prints those of a region; one with kstack's tags is a stack's already",
        ));
    };
    if !is_to_be_adopted(&live.tags) {
        let stack = live.tags.get(tag::STACK).map(String::as_str).unwrap_or_default();
        return Err(Failure::new(format!("the cluster belongs to the stack {stack} already, whose file describes it")));
    }
    let subnet = spec.subnets.first().and_then(Ref::id).unwrap_or_default();
    let vpc = session.aws.clients.vpc_of_subnet(subnet).await?;
    let vpc = vpc.ok_or_else(|| Failure::new(format!("the cluster's subnet {subnet} can't be found")))?;
    let described =
        Described { name, region, account, vpc: &vpc, arn, cluster: spec, tags: &live.tags, observed: &observed };
    describe(&described)
        .map_err(|report| Failure { report: Some(Box::new(report)), ..Failure::new("the cluster can't be described") })
}
