//! The monthly bill of an MSK cluster.

use super::keys::{MonitoringLevel, Msk};
use super::limits::is_express;
use super::serverless;
use super::sizing::first_volume_gib;
use crate::engines::{CommonKeys, alarms, client, graphs};
use crate::pricing::{
    Bill, HOURS_PER_MONTH, Market, Prices, Reads, charge_clients, charge_network, charge_zones, note_flow_logs,
    note_logs, note_privatelink,
};
use crate::sizing::Demand;
use crate::text::five_digits;

/// The brokers of a provisioned cluster, as they are paid for.
#[derive(Debug, Clone, PartialEq)]
pub struct MskBrokerGroup {
    pub broker_type: String,
    pub count: u32,
    /// The volume of each standard broker; what is stored in all for Express.
    pub storage_gib: f64,
    /// In tiered storage, in all.
    pub tiered_gib: f64,
    /// Provisioned throughput of each standard broker's volume, when it has it.
    pub throughput_mibs: Option<f64>,
}

/// The bill of `brokers`: replication between them is free, clients in other zones are not.
pub fn bill(market: Market<'_>, brokers: &MskBrokerGroup, demand: &Demand, reads: Reads) -> Bill {
    let mut bill = Bill::default();
    let MskBrokerGroup { broker_type, count, storage_gib, tiered_gib, throughput_mibs } = brokers;
    let brokers = f64::from(*count);
    let formula = format!("{count} × {broker_type} × {HOURS_PER_MONTH} h");
    bill.charge(market, "brokers", &format!("msk {broker_type}"), brokers * HOURS_PER_MONTH, formula);
    if is_express(broker_type) {
        let formula = format!("{} GiB, one copy counted", five_digits(*storage_gib));
        bill.charge(market, "storage", "express storage", *storage_gib, formula);
        let formula = format!("{} MiB/s × {HOURS_PER_MONTH} h × 3600 s ÷ 1024", five_digits(demand.average_mibs));
        bill.charge(market, "data in", "express data in", demand.month_gib(), formula);
    } else {
        let formula = format!("{count} × {} GiB", five_digits(*storage_gib));
        bill.charge(market, "storage", "msk storage", brokers * storage_gib, formula);
    }
    if *tiered_gib > 0.0 {
        let formula = format!("{} GiB", five_digits(*tiered_gib));
        bill.charge(market, "tiered storage", "msk tiered storage", *tiered_gib, formula);
    }
    if let Some(rate) = throughput_mibs {
        let formula = format!("{count} × {} MiB/s", five_digits(*rate));
        bill.charge(market, "storage throughput", "msk storage throughput", brokers * rate, formula);
    }
    charge_clients(&mut bill, market, demand, reads);
    bill
}

/// What the cluster costs in a month. `None` when the file has neither brokers nor a serverless cluster.
///
/// Volumes are billed as they are at first, not as MSK may let them grow. Tiered storage is billed for the whole retention:
/// closed segments are copied there at once, and stay.
pub(super) fn cost(msk: &Msk, common: CommonKeys<'_>, prices: &Prices, reads: Reads) -> Option<Bill> {
    let market = Market { prices, region: common.region };
    let demand = common.demand();
    let mut bill = match msk.brokers.as_ref() {
        _ if msk.serverless => serverless::bill(market, &demand),
        None => return None,
        Some(own) => {
            let brokers = MskBrokerGroup {
                broker_type: own.instance_type.clone(),
                count: own.count,
                storage_gib: first_volume_gib(msk, common).map_or(demand.one_copy_gib(), |gib| gib as f64),
                tiered_gib: if own.storage.tiered { demand.one_copy_gib() } else { 0.0 },
                throughput_mibs: own.storage.throughput.map(|rate| rate.mibs().ceil()),
            };
            let mut bill = bill(market, &brokers, &demand, reads);
            if msk.public_access {
                let formula = format!("{} brokers × {HOURS_PER_MONTH} h", own.count);
                let hours = f64::from(own.count) * HOURS_PER_MONTH;
                bill.charge(market, "public addresses of brokers", "public address", hours, formula);
            }
            bill
        }
    };
    if common.secrets > 0 {
        let formula = format!("{} passwords of users", common.secrets);
        bill.charge(market, "secrets", "secret", f64::from(common.secrets), formula);
        if common.own_key {
            bill.charge(market, "KMS key", "kms key", 1.0, "1 key, for passwords".to_owned());
        }
    }
    charge_network(&mut bill, market, common.network, 0.0);
    charge_zones(&mut bill, market, common.network);
    client::charge(&mut bill, market, common.client);
    alarms::charge(&mut bill, market, if common.alarms { super::alarms::metrics(msk) } else { 0 });
    graphs::charge(&mut bill, market, common.alarms && msk.brokers.is_some());
    // What these come to follows from topics and traffic in ways that no file says.
    if msk.monitoring.level != MonitoringLevel::Default {
        bill.gaps.push(format!("CloudWatch metrics of the level {}", msk.monitoring.level.word()));
    }
    if msk.vpc_connectivity.as_ref().is_some_and(|ways| ways.iam || ways.scram || ways.tls) {
        bill.gaps.push("private connectivity of other VPCs with their traffic".to_owned());
    }
    if msk.logs.cloudwatch.is_some() || msk.logs.s3.is_some() || msk.logs.firehose.is_some() {
        note_logs(&mut bill, market, "brokers' logs", msk.logs.cloudwatch.is_some());
    }
    note_flow_logs(&mut bill, market, common.network);
    note_privatelink(&mut bill, market, common.network);
    Some(bill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parse;
    use crate::pricing::embedded;

    fn bill_of(network: &str, msk: &str) -> Bill {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, {network}}}\n\
             workload: {{ingress: 10 MiB/s, consumers: 1, retention: 7d}}\ncluster:\n  msk: {{{msk}}}\n"
        );
        let stack = parse("t.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).stack;
        let types = crate::instance_types::embedded();
        stack.cluster.cost(stack.common(), types, embedded(), Reads::Leader).expect("it is priced")
    }

    fn usd(bill: &Bill, name: &str) -> Option<f64> {
        let line = bill.lines.iter().find(|line| line.counted && line.name == name)?;
        line.usd.map(|usd| (usd * 100.0).round() / 100.0)
    }

    #[test]
    fn a_standard_cluster_pays_for_all_that_its_file_asks() {
        let bill = bill_of(
            "nat: single, endpoints: [s3, kms], clients: [192.0.2.0/24], flow_logs: \"arn:aws:s3:::logs\"",
            "kafka: 3.9.x, brokers: {count: 3, instance_type: kafka.m5.4xlarge, storage: {size: 1 TiB, throughput: 300 MiB/s, \
             tiered: true}}, public_access: true, monitoring: {level: per-broker}, logs: {cloudwatch: /kstack/t}",
        );
        assert_eq!(usd(&bill, "brokers"), Some(3679.2));
        assert_eq!(usd(&bill, "storage"), Some(307.2));
        assert_eq!(usd(&bill, "storage throughput"), Some(72.0));
        // 10 MiB/s × 7 days, one copy: 5906.25 GiB.
        assert_eq!(usd(&bill, "tiered storage"), Some(354.38));
        assert_eq!(usd(&bill, "public addresses of brokers"), Some(10.95));
        assert_eq!(usd(&bill, "NAT gateways"), Some(32.85));
        assert_eq!(usd(&bill, "endpoints"), Some(21.9));
        // Clients in other zones are paid for as on EC2; copies between brokers are not.
        assert_eq!(usd(&bill, "traffic: producers"), Some(342.19));
        assert_eq!(usd(&bill, "traffic: replication"), None);
        let logs = "brokers' logs of an unknown amount (0.5 USD each GiB)";
        assert_eq!(
            bill.gaps,
            ["CloudWatch metrics of the level per-broker", logs, "VPC flow logs of an unknown amount"]
        );
    }

    #[test]
    fn express_and_serverless_pay_by_the_byte() {
        let express = bill_of("nat: none", "kafka: 3.9.x, brokers: {count: 3, instance_type: express.m7g.large}");
        assert_eq!((usd(&express, "brokers"), usd(&express, "data in")), (Some(893.52), Some(256.64)));
        assert_eq!(usd(&express, "storage"), Some(590.63));
        let serverless = bill_of("nat: none", "serverless: true");
        assert_eq!((usd(&serverless, "cluster"), usd(&serverless, "data in")), (Some(547.5), Some(2566.41)));
        assert_eq!(usd(&serverless, "traffic: producers"), None);
    }
}
