//! The monthly bill of a stack on EC2, line by line.

use super::ebs::EbsVolume;
use super::keys::Ec2;
use crate::engines::CommonKeys;
use crate::file::Network;
use crate::pricing::{
    Bill, HOURS_PER_MONTH, Market, Prices, Reads, charge_clients, charge_network, charge_replication, charge_zones,
    note_logs,
};
use crate::sizing::Demand;

/// GiB of the root volume of each host, as the images of all three operating systems have it.
pub const ROOT_GIB: f64 = 8.0;

/// The hosts of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Ec2Hosts {
    pub brokers: u32,
    pub broker_type: String,
    /// The volume of each broker; absent where the limits of the type, from which it follows, are not known.
    pub volume: Option<EbsVolume>,
    /// How many of them each broker has.
    pub volumes: u32,
    /// Dedicated controllers.
    pub controllers: Option<ControllerHosts>,
}

/// The dedicated controllers of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct ControllerHosts {
    pub count: u32,
    pub instance_type: String,
    /// Of each one's metadata volume.
    pub volume_gib: f64,
}

impl Ec2Hosts {
    fn count(&self) -> f64 {
        f64::from(self.brokers + self.controllers.as_ref().map_or(0, |controllers| controllers.count))
    }
}

/// What the cluster costs in a month with `volume` for each broker, where it is known.
pub(super) fn cost(
    ec2: &Ec2,
    common: CommonKeys<'_>,
    volume: Option<EbsVolume>,
    prices: &Prices,
    reads: Reads,
) -> Bill {
    let hosts = Ec2Hosts {
        brokers: ec2.brokers.count,
        broker_type: ec2.brokers.instance_type.clone(),
        volume,
        volumes: ec2.brokers.storage.volumes,
        controllers: ec2.controllers.as_ref().map(|controllers| ControllerHosts {
            count: controllers.count,
            instance_type: controllers.instance_type.clone(),
            volume_gib: controllers.storage.gib_ceil() as f64,
        }),
    };
    let market = Market { prices, region: common.region };
    let mut bill = bill(&hosts, common.network, &common.demand(), market, ROOT_GIB, reads);
    charge_zones(&mut bill, market, common.network);
    if ec2.listeners.secured() && ec2.listeners.kms_key.is_none() {
        bill.charge(market, "KMS key", "kms key", 1.0, "1 key, for certificates and passwords".to_owned());
    }
    match ec2.logs {
        Some(_) => note_logs(&mut bill, market, "hosts' logs", true),
        None => {
            bill.charge(market, "logs", "logs", 0.0, "0 GiB: hosts keep their logs on their root volumes".to_owned())
        }
    }
    bill
}

/// The bill of `hosts` under `demand`: machines, the network, replication between zones, and clients in other zones.
pub(super) fn bill(
    hosts: &Ec2Hosts,
    network: &Network,
    demand: &Demand,
    market: Market<'_>,
    root_gib: f64,
    reads: Reads,
) -> Bill {
    let mut bill = Bill::default();
    charge_bare_machines(&mut bill, market, hosts);
    let formula = format!("{} hosts × {root_gib} GiB, gp3", hosts.count());
    bill.charge(market, "root volumes", "gp3 size", hosts.count() * root_gib, formula);
    charge_network(&mut bill, market, network, hosts.count());
    charge_replication(&mut bill, market, demand);
    charge_clients(&mut bill, market, demand, reads);
    bill
}

/// Instances and data volumes, without root volumes, which belong to no published comparison of brokers.
pub fn charge_bare_machines(bill: &mut Bill, market: Market<'_>, hosts: &Ec2Hosts) {
    let hours = |bill: &mut Bill, name: &str, count: u32, instance_type: &str| {
        let formula = format!("{count} × {instance_type} × {HOURS_PER_MONTH} h");
        bill.charge(market, name, &format!("ec2 {instance_type}"), f64::from(count) * HOURS_PER_MONTH, formula);
    };
    hours(bill, "brokers", hosts.brokers, &hosts.broker_type);
    if let Some(controllers) = &hosts.controllers {
        hours(bill, "controllers", controllers.count, &controllers.instance_type);
    }
    match hosts.volume {
        Some(volume) => charge_volumes(bill, market, hosts, volume),
        None => bill.gaps.push(format!("brokers' volumes, which follow from the limits of {}", hosts.broker_type)),
    }
    if let Some(ControllerHosts { count, volume_gib, .. }) = &hosts.controllers {
        let formula = format!("{count} × {volume_gib} GiB, gp3");
        bill.charge(market, "controller volumes", "gp3 size", f64::from(*count) * volume_gib, formula);
    }
}

/// The data volumes of the brokers, each of them being `volume`.
fn charge_volumes(bill: &mut Bill, market: Market<'_>, hosts: &Ec2Hosts, volume: EbsVolume) {
    let Ec2Hosts { brokers, volumes, .. } = hosts;
    let count = if *volumes == 1 { brokers.to_string() } else { format!("{brokers} × {volumes}") };
    for charge in volume.charges() {
        let (name, formula) = (format!("broker volumes{}", charge.part), format!("{count} × {}", charge.formula));
        bill.charge(market, &name, charge.item, f64::from(brokers * volumes) * charge.quantity, formula);
    }
}
