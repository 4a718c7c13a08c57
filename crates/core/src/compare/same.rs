//! The file's brokers beside the same type and number on the other engine: what published comparisons of EC2 and MSK show.

use serde::Serialize;

use super::crossing::break_even;
use super::with_ingress;
use crate::engines::ec2::keys::{Brokers, Ec2, Storage, VolumeType};
use crate::engines::ec2::{Ec2Hosts, charge_bare_machines};
use crate::engines::msk::keys::Msk;
use crate::engines::msk::limits::brokers;
use crate::engines::msk::{MskBrokerGroup, bill};
use crate::engines::{CommonKeys, ec2, msk};
use crate::instance_types::embedded;
use crate::pricing::{Bill, Market, Reads, charge_replication};
use crate::sizing::Demand;
use crate::stack::Stack;
use crate::units::Size;

/// How many points a chart has between its ends, and one.
const POINTS: i32 = 10;

/// What both cost at one ingress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostPoint {
    pub ingress_mibs: f64,
    /// USD a month.
    pub ec2_usd: f64,
    pub msk_usd: f64,
}

impl Serialize for CostPoint {
    /// As an array of three numbers, in the order of the fields.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.ingress_mibs, self.ec2_usd, self.msk_usd).serialize(serializer)
    }
}

/// The file's brokers on EC2 and on MSK, with the same volumes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SameBrokers {
    pub ec2: String,
    pub msk: String,
    /// USD a month for the brokers alone.
    pub ec2_brokers: f64,
    pub msk_brokers: f64,
    /// MSK's over EC2's: what published comparisons show.
    pub ratio: f64,
    /// USD a month with volumes.
    pub ec2_usd: f64,
    pub msk_usd: f64,
    /// Average ingress of the file's kind, in MiB/s, from which EC2 is no longer cheaper, as it pays for replication between zones.
    pub break_even_mibs: Option<f64>,
    /// Both costs over the ingress, for a chart.
    pub points: Vec<CostPoint>,
}

/// Brokers, volumes and replication of the file's brokers on both engines; all else is the same. `None` where one of them does not
/// have the type, or a price is not known.
pub(super) fn same(stack: &Stack, market: Market<'_>) -> Option<SameBrokers> {
    let (common, cluster) = (stack.common(), &stack.cluster);
    let converted = cluster.msk.as_ref().and_then(|msk| on_hosts(msk, common));
    let hosts = cluster.ec2.as_ref().or(converted.as_ref())?;
    let Brokers { count, instance_type, .. } = &hosts.brokers;
    let msk_type = format!("kafka.{instance_type}");
    brokers().get(&msk_type)?;
    let ec2::Ec2Sizing { volume, volumes, .. } = ec2::size(hosts, common, embedded())?;
    let machines = Ec2Hosts {
        brokers: *count,
        broker_type: instance_type.clone(),
        volume: Some(volume),
        volumes,
        controllers: None,
    };
    let mut ec2_bill = Bill::default();
    charge_bare_machines(&mut ec2_bill, market, &machines);
    let group = MskBrokerGroup {
        broker_type: msk_type.clone(),
        count: *count,
        storage_gib: volume.size_gib as f64 * f64::from(volumes),
        tiered_gib: 0.0,
        throughput_mibs: None,
    };
    let demand = common.demand();
    let msk_bill = bill(market, &group, &Demand { average_mibs: 0.0, ..demand }, Reads::Leader);
    if !(ec2_bill.gaps.is_empty() && msk_bill.gaps.is_empty()) {
        return None;
    }
    let (ec2_usd, msk_usd) = (ec2_bill.total(), msk_bill.total());
    let with_replication = |ingress_mibs: f64| {
        let mut copies = Bill::default();
        let workload = with_ingress(common.workload, ingress_mibs);
        charge_replication(&mut copies, market, &CommonKeys { workload: &workload, ..common }.demand());
        ec2_usd + copies.total()
    };
    let break_even_mibs = break_even(with_replication, |_| msk_usd);
    let end = break_even_mibs.unwrap_or(common.workload.ingress.mibs()) * 2.0;
    let points = (0..=POINTS).map(|step| end * f64::from(step) / f64::from(POINTS));
    let points =
        points.map(|ingress_mibs| CostPoint { ingress_mibs, ec2_usd: with_replication(ingress_mibs), msk_usd });
    let first = |bill: &Bill| bill.lines.first().and_then(|line| line.usd);
    let (ec2_brokers, msk_brokers) = (first(&ec2_bill)?, first(&msk_bill)?);
    Some(SameBrokers {
        ec2: format!("{count} × {instance_type}"),
        msk: format!("{count} × {msk_type}"),
        ec2_brokers,
        msk_brokers,
        ratio: msk_brokers / ec2_brokers,
        ec2_usd,
        msk_usd,
        break_even_mibs,
        points: points.collect(),
    })
}

/// Converts MSK's standard brokers to EC2 hosts: as many, of the same type and with the same volumes. `None` where EC2 does not
/// have the type.
fn on_hosts(cluster: &Msk, common: CommonKeys<'_>) -> Option<Ec2> {
    let own = cluster.brokers.as_ref().filter(|_| !cluster.serverless)?;
    let instance_type = own.instance_type.strip_prefix("kafka.").filter(|name| embedded().contains_key(*name))?;
    let storage = Storage {
        kind: VolumeType::Gp3,
        volumes: 1,
        size: msk::size(cluster, common).and_then(|sizing| sizing.size_gib).map(Size::gib),
        iops: None,
        throughput: own.storage.throughput,
    };
    let brokers = Brokers { count: own.count, instance_type: instance_type.to_owned(), storage, generation: 0 };
    Some(Ec2::combined(brokers))
}
