//! Strimzi on EKS in a comparison: the cluster of `kstack render --target strimzi`, on nodes of EC2's types.

use super::candidates::{Best, best, network_of};
use super::price::bill;
use crate::engines::ComparisonRequest;
use crate::instance_types::{Arch, InstanceLimits, InstanceTypes, embedded};
use crate::pricing::{Bill, Choice, HOURS_PER_MONTH, Purpose, Terms, Unfit};

/// The choice's name.
const NAME: &str = "Strimzi on EKS";
/// What of a node's memory is left to the kubelet, the system and the operator: as in the manifests, whose pods ask for the rest.
const LEFT_TO_KUBERNETES: u64 = 4;
/// GiB of a node's root volume. Source: EKS's user guide, "Managed node groups", 2026: the default.
const ROOT_GIB: f64 = 20.0;

/// Brokers and controllers, each on a node of its own, of the architecture that costs less. Volumes are those of brokers on EC2, which the EBS CSI
/// driver makes, and what goes between zones is paid for as there. The control plane is EKS's, in standard support.
pub(crate) fn candidate(request: &ComparisonRequest<'_>) -> Result<Choice, Unfit> {
    let rest = |limits: &InstanceLimits| InstanceLimits {
        memory_mib: limits.memory_mib - limits.memory_mib / LEFT_TO_KUBERNETES,
        ..limits.clone()
    };
    let types: InstanceTypes = embedded().iter().map(|(name, limits)| (name.clone(), rest(limits))).collect();
    let found = [Arch::X86, Arch::Arm].into_iter().filter_map(|arch| {
        let best = best(request, arch, true, &types)?;
        Some((priced(request, &best), best))
    });
    let cheapest = found.min_by(|(left, _), (right, _)| left.total().total_cmp(&right.total()));
    let Some((bill, Best { hosts, bottleneck })) = cheapest else {
        let why = format!("no instance type with a price in {} can carry the workload", request.market.region);
        return Err(Unfit { name: NAME.to_owned(), reason: why });
    };
    let also = hosts.controllers.as_ref();
    let also = also.map(|hosts| format!(" + {} × {}", hosts.count, hosts.instance_type)).unwrap_or_default();
    Ok(Choice {
        name: NAME.to_owned(),
        what: format!("{} × {}{also}", hosts.brokers, hosts.broker_type),
        brokers: Some(hosts.brokers),
        storage_gib: f64::from(hosts.brokers) * hosts.volume.map_or(0.0, |volume| volume.size_gib as f64),
        usd: bill.total(),
        estimated: bill.estimated(),
        limit: bottleneck.to_string(),
        purpose: Purpose::Own,
        terms: Terms {
            patches: "you",
            heals: "the operator; nodes EKS",
            versions: "Strimzi's list",
            reach: "VPC, as Kubernetes lets in",
        },
        bill,
    })
}

/// What `best` costs as nodes of a Kubernetes cluster.
fn priced(request: &ComparisonRequest<'_>, Best { hosts, .. }: &Best) -> Bill {
    let market = request.market;
    let mut bill = bill(hosts, &network_of(request), &request.common.demand(), market, ROOT_GIB, request.reads);
    let formula = format!("1 cluster × {HOURS_PER_MONTH} h, standard support");
    bill.charge(market, "EKS control plane", "eks cluster", HOURS_PER_MONTH, formula);
    bill
}
