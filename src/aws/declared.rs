//! Which calls are made: those of a driver by its own declaration, and here those beside the drivers. Policies are made from both,
//! and builds for tests refuse a call that is in neither, so that none can be forgotten.

use std::future::Future;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use futures::future::LocalBoxFuture;
use kstack_core::permissions::{Call, call, call_of};

/// Calls, by what makes them.
type Lists = [&'static [&'static Call]; 2];

/// What every plan asks beside the drivers: the caller, zones, the record and the lease.
pub const PLAN: &[&Call] = &[call("GetCallerIdentity"), call("DescribeAvailabilityZones"), call("GetParametersByPath")];
/// What a plan asks about the endpoint services that the file names.
pub const PLAN_ENDPOINTS: &[&Call] = &[call("DescribeVpcEndpointServices")];
/// What a plan asks about a network of others.
pub const PLAN_EXISTING: &[&Call] = &[
    call("DescribeNetworkInterfaces"),
    call("DescribeRouteTables"),
    call("DescribeSubnets"),
    call("DescribeVpcAttribute"),
    call("DescribeVpcEndpoints"),
    call("DescribeVpcs"),
];
/// What a plan asks about security groups of others.
pub const PLAN_GROUPS: &[&Call] = &[call("DescribeSecurityGroups")];
/// What a plan asks about the gateways of the file's routes.
pub const PLAN_ROUTES: &[&Call] =
    &[call("DescribeTransitGatewayVpcAttachments"), call("DescribeVpcPeeringConnections"), call("DescribeVpnGateways")];
/// What a plan asks about prefix lists.
pub const PLAN_PREFIX_LISTS: &[&Call] = &[call("DescribeManagedPrefixLists")];
/// What a plan asks about the managed policies that the file names.
pub const PLAN_POLICIES: &[&Call] = &[call("GetPolicy"), call("GetPolicyVersion")];
/// What a plan asks about the hosted zone of others that the file names.
pub const PLAN_ZONE: &[&Call] = &[call("GetHostedZone")];
/// What a plan asks about the hosted zones that an existing VPC sees, before it makes one.
pub const PLAN_ZONES_OF_VPC: &[&Call] = &[call("ListHostedZonesByVPC")];
/// What a plan asks for brokers on EC2.
pub const PLAN_EC2: &[&Call] =
    &[call("DescribeInstanceTypes"), call("DescribeInstanceTypeOfferings"), call("GetParameters")];
/// What a plan asks about the KMS key that the file names for its hosts' keys and certificates.
pub const PLAN_KEY: &[&Call] = &[call("DescribeKey")];
/// What a plan asks about what the file names for users: secrets, and roles.
pub const PLAN_SECRETS: &[&Call] = &[call_of("DescribeSecret", "others")];
pub const PLAN_ROLES: &[&Call] = &[call_of("GetRole", "users")];
/// What reads passwords of users from secrets that the file names, which brokers on EC2 take.
pub const READ_SECRETS: &[&Call] = &[call_of("GetSecretValue", "others")];
/// What a plan asks for a provisioned MSK cluster.
pub const PLAN_MSK: &[&Call] = &[call("ListKafkaVersions")];
/// What a plan asks about where the brokers of an MSK cluster are, which it asks for topics, and where partitions are.
pub const INSIDE_MSK: &[&Call] =
    &[call("ListClustersV2"), call("ListNodes"), call("ListClusterOperationsV2"), call("GetBootstrapBrokers")];
/// How a cluster that others made gets the stack's tags.
pub const ADOPT: &[&Call] = &[call_of("TagResource", "adoption")];
/// What holding the lease takes, and writing the record.
pub const LEASE: &[&Call] =
    &[call("GetCallerIdentity"), call("GetParametersByPath"), call("PutParameter"), call("DeleteParameters")];
/// What a roll asks about the other instances, and about the one that it ends, so that it may be started again.
pub const ROLL: &[&Call] = &[call("DescribeInstanceStatus"), call("DescribeInstanceAttribute")];
/// What stops and starts hosts whose certificates have ended, and reboots those with disks of their own.
pub const RESTART: &[&Call] = &[
    call("StopInstances"),
    call("StartInstances"),
    call("RebootInstances"),
    call("CreateTags"),
    call("DescribeInstances"),
];
/// What kstack's own certificate is signed with, for brokers that speak TLS, and what credentials of clients are made from.
pub const AUTHORITIES: &[&Call] = &[call_of("GetParameters", "papers")];
/// What a way to the brokers through Session Manager calls.
pub const SESSIONS: &[&Call] = &[call("DescribeInstances"), call("StartSession"), call("TerminateSession")];
/// What a shell on the client host calls, once the host is found.
pub const SHELL: &[&Call] = &[call_of("StartSession", "shell"), call("TerminateSession")];
/// What is asked about everything in the stack's VPC: before a destroy, and wherever something can't be deleted because it is in use.
pub const SURROUNDINGS: &[&Call] = &[
    call("DescribeEgressOnlyInternetGateways"),
    call("DescribeInternetGateways"),
    call("DescribeNatGateways"),
    call("DescribeNetworkAcls"),
    call("DescribeNetworkInterfaces"),
    call("DescribeRouteTables"),
    call("DescribeSecurityGroups"),
    call("DescribeSubnets"),
    call("DescribeTransitGatewayVpcAttachments"),
    call("DescribeVpcEndpoints"),
    call("DescribeVpcPeeringConnections"),
    call("DescribeVpnGateways"),
];
/// What a destroy asks about the instances.
pub const DESTROY_EC2: &[&Call] = &[call("DescribeInstanceAttribute")];
/// How the drivers delete what GuardDuty has put into the VPC, which goes with a stack that is destroyed.
pub const DESTROY: &[&Call] =
    &[call_of("DeleteVpcEndpoints", "GuardDuty"), call_of("DeleteSecurityGroup", "GuardDuty")];
/// What releases the claims of a stack that is gone.
pub const RELEASE: &[&Call] = &[call_of("GetParametersByPath", "claims"), call_of("DeleteParameters", "claims")];
/// What a discovery of every stack calls beside the drivers' own discoveries.
pub const EVERY_STACK: &[&Call] =
    &[call("ListRoles"), call("ListInstanceProfiles"), call("ListAliases"), call("ListDashboards")];
/// What other commands call beside the drivers: `up` and `extend`, `status`, `list` and `reap`, `prices`, `unlock`,
/// `credentials`.
const OTHERS: &[&Call] = &[
    call("DescribeVpcs"),
    call_of("PutParameter", "claims"),
    call("CreateTags"),
    call("DescribeVolumes"),
    call("ListClustersV2"),
    call("ListNodes"),
    call("GetBootstrapBrokers"),
    call("ListClusterOperationsV2"),
    call("DescribeRegions"),
    call("GetProducts"),
    call("DeleteParameter"),
    call("GetSecretValue"),
];

/// Every list of calls that are made where no driver works.
const BESIDE: &[&[&Call]] = &[
    PLAN,
    PLAN_ENDPOINTS,
    PLAN_EXISTING,
    PLAN_GROUPS,
    PLAN_PREFIX_LISTS,
    PLAN_ROUTES,
    PLAN_POLICIES,
    PLAN_ZONE,
    PLAN_ZONES_OF_VPC,
    PLAN_EC2,
    PLAN_KEY,
    PLAN_SECRETS,
    PLAN_ROLES,
    READ_SECRETS,
    PLAN_MSK,
    LEASE,
    ROLL,
    SESSIONS,
    AUTHORITIES,
    RESTART,
    SHELL,
    SURROUNDINGS,
    DESTROY_EC2,
    RELEASE,
    OTHERS,
];

tokio::task_local! {
    /// The calls that are declared for what is under way, where a driver works.
    static UNDER_WAY: Lists;
}

/// Does `work`, which makes no calls but those in `declared`. In a box, since futures that hold those of all kinds would take most of a
/// stack.
pub fn during<'a, T: 'a>(declared: Lists, work: impl Future<Output = T> + 'a) -> LocalBoxFuture<'a, T> {
    Box::pin(UNDER_WAY.scope(declared, work))
}

/// Whether `operation` is declared for what is under way.
fn is_declared(operation: &str) -> bool {
    let has = |lists: &[&[&Call]]| lists.iter().copied().flatten().any(|call| call.operation == operation);
    UNDER_WAY.try_with(|lists| has(lists)).unwrap_or_else(|_| has(BESIDE))
}

/// Sees that every call is declared. Only builds for tests do; a release makes the call, which AWS then allows or not.
#[derive(Debug, Clone, Copy)]
pub struct Declared;

#[dyn_dispatch_hint]
impl Intercept for Declared {
    fn name(&self) -> &'static str {
        "kstack's declared calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if cfg!(debug_assertions) {
            let operation = config.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default();
            assert!(
                is_declared(&operation),
                "the call {operation} is not declared here: add it to CALLS of the driver, or to src/aws/declared.rs"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_declared_for_what_is_under_way_and_for_nothing_else() {
        const VPC: &[&Call] = &[call("CreateVpc")];
        assert!(is_declared("GetCallerIdentity") && !is_declared("CreateVpc"));
        during([VPC, &[]], async {
            assert!(is_declared("CreateVpc") && !is_declared("GetCallerIdentity"));
            during([&[], EVERY_STACK], async {
                assert!(is_declared("ListRoles") && !is_declared("CreateVpc"));
            })
            .await;
        })
        .await;
        assert!(!is_declared("CreateVpc"));
    }
}
