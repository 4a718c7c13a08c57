//! A stack file in a VPC that others made: the network as it is, and a cluster to begin with.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::design::{SubnetFacts, VpcFacts};

/// A live network, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct DescribedNetwork<'a> {
    /// The name that the stack is to have.
    pub name: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub vpc: &'a VpcFacts,
    pub subnets: &'a [SubnetFacts],
}

/// Why hosts can't be in a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the VPC has no private subnet with an IPv4 block, and hosts are in no other")]
pub struct NoPrivateSubnet;

/// The stack file: of each zone the private subnet that leads out, or else has most free addresses, and the others as comments.
///
/// # Errors
/// That there is no private subnet.
pub fn describe_network(described: &DescribedNetwork<'_>) -> Result<String, NoPrivateSubnet> {
    let DescribedNetwork { name, region, account, vpc, subnets } = *described;
    let mut zones: BTreeMap<&str, Vec<&SubnetFacts>> = BTreeMap::new();
    for subnet in subnets.iter().filter(|one| !one.is_public() && one.block.is_some()) {
        zones.entry(&subnet.zone).or_default().push(subnet);
    }
    if zones.is_empty() {
        return Err(NoPrivateSubnet);
    }
    let mut out = format!(
        "# A stack in {}, which others made: kstack puts hosts into these subnets, and changes or deletes nothing else of the network.\n\
         # Write your own workload and brokers, and run `kstack plan` with this file.\n\
         apiVersion: kstack/v1\nname: {name}\nregion: {region}\naccount: \"{account}\"\nnetwork:\n  existing:\n    vpc: {}\n    subnets:\n",
        vpc.id, vpc.id
    );
    let mut outward = false;
    for all in zones.values_mut() {
        all.sort_by_key(|one| (!one.leads_out(), u32::MAX - one.free, one.id.clone()));
        for (number, one) in all.iter().enumerate() {
            outward |= number == 0 && one.leads_out();
            let mark = if number == 0 { "" } else { "# " };
            let block = one.block.map(|block| format!("{block}, ")).unwrap_or_default();
            let way = match &one.default_route {
                Some(target) => format!("out by {target}"),
                None => "no way out".to_owned(),
            };
            let _ = writeln!(out, "      {mark}- {} # {}, {block}{} addresses free, {way}", one.id, one.zone, one.free);
        }
    }
    if !outward {
        out.push_str("  # Nothing leads out: hosts reach AWS by these, and fetch Kafka from an `archive` inside.\n  endpoints: [s3, ssm, ssmmessages]\n");
    }
    out.push_str(
        "workload:\n  ingress: 1 MiB/s\n  retention: 1d\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    brokers:\n      count: 3\n      instance_type: m7g.large\n",
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Severity, parse};

    fn subnet(id: &str, zone: &str, free: u32, route: Option<&str>) -> SubnetFacts {
        SubnetFacts {
            id: format!("subnet-{id:0>17}"),
            vpc: "vpc-0d5e7c2f9a1b34680".to_owned(),
            zone: format!("eu-west-1{zone}"),
            block: Some("10.67.0.0/24".parse().expect("a block")),
            ipv6: None,
            free,
            used: Vec::new(),
            route_table: "rtb-1".to_owned(),
            default_route: route.map(str::to_owned),
        }
    }

    fn described(subnets: &[SubnetFacts]) -> Result<String, NoPrivateSubnet> {
        let vpc = VpcFacts {
            id: "vpc-0d5e7c2f9a1b34680".to_owned(),
            blocks: Vec::new(),
            dns_support: true,
            dns_hostnames: true,
            ipv6: false,
        };
        let account = "123456789012";
        describe_network(&DescribedNetwork { name: "kafka", region: "eu-west-1", account, vpc: &vpc, subnets })
    }

    #[test]
    fn each_zone_has_the_private_subnet_that_leads_out_and_has_most_room() {
        let nat = Some("nat-0a1b2c3d4e5f60718");
        let all = [
            subnet("a1", "a", 10, nat),
            subnet("a2", "a", 200, nat),
            subnet("a3", "a", 250, Some("igw-1")),
            subnet("b1", "b", 250, None),
            subnet("b2", "b", 10, nat),
            subnet("c1", "c", 250, nat),
        ];
        let text = described(&all).expect("a file");
        let listed: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("- subnet-")).collect();
        let ids: Vec<&str> = listed.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(ids, [&all[1].id, &all[4].id, &all[5].id], "{text}");
        for other in [&all[0].id, &all[3].id] {
            assert!(text.contains(&format!("# - {other} ")), "{text}");
        }
        assert!(!text.contains(&all[2].id) && !text.contains("endpoints"), "{text}");
    }

    #[test]
    fn what_it_gives_is_a_stack_file() {
        for route in [None, Some("tgw-0a1b2c3d4e5f60718")] {
            let text = described(&["a", "b", "c"].map(|zone| subnet(zone, zone, 250, route))).expect("a file");
            let errors = match parse("kafka.yaml", &text) {
                Ok(_) => Vec::new(),
                Err(report) => report.problems.into_iter().filter(|one| one.severity == Severity::Error).collect(),
            };
            assert!(errors.is_empty(), "{errors:?}\n{text}");
            assert_eq!(text.contains("endpoints: [s3, ssm, ssmmessages]"), route.is_none());
        }
        assert_eq!(described(&[subnet("a", "a", 250, Some("igw-1"))]), Err(NoPrivateSubnet));
    }
}
