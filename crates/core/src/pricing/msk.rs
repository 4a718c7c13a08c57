//! MSK's provisioned clusters: how many brokers a workload takes, and what they cost.
//!
//! Two methods. Equation 1 is what kstack sizes EC2 with. `aws-msk` follows the sizing script of AWS's own skill for MSK
//! (aws/agent-toolkit-for-aws, managing-amazon-msk, 2026), which plans for a lost zone, lagging consumers and a rebalance at once,
//! and so takes several times the brokers. And the monthly bill of a file's own cluster, of every kind.

use serde::Serialize;

use super::cost::{Reads, clients, network};
use super::hosted::serverless_bill;
use super::traffic::Load;
use super::{Bill, HOURS, Market, Prices, plain};
use crate::msk::brokers::{Broker, EXPRESS_OUT, MOST_GIB, PLAIN_MIBS, brokers, most_brokers, most_throughput};
use crate::sizing::MskSizing;
use crate::stack::{MonitoringLevel, Stack};

/// Zones of an Express cluster.
const EXPRESS_ZONES: u32 = 3;

/// How brokers are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// AWS's Equation 1 with the file's headroom, as for EC2.
    #[default]
    EquationOne,
    /// The rules of AWS's sizing script for MSK: room for a lost zone, lagging consumers and a rebalance at once.
    AwsMsk,
}

/// A cluster that is large enough.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cluster {
    pub broker: String,
    pub count: u32,
    /// GiB of volume of each standard broker; GiB in all for Express.
    pub gib: f64,
    /// GiB in tiered storage.
    pub tiered: f64,
    /// MiB/s of provisioned throughput of each standard broker's volume, when it has it.
    pub throughput: Option<f64>,
    /// What asks for the most brokers.
    pub limit: &'static str,
}

/// What a workload asks, in the terms of both methods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub load: Load,
    /// MiB/s to consumers at the peak.
    pub peak_out: f64,
    /// Partitions with their copies.
    pub replicas: f64,
    /// Seconds that records stay on volumes; the rest of the retention is in tiered storage.
    pub primary: f64,
    /// GiB of open segments of each broker's volume for each replica.
    pub segment: f64,
}

impl Demand {
    /// The demand of a workload whose segments have `segment` GiB.
    pub fn of(load: Load, segment: f64) -> Demand {
        Demand {
            load,
            peak_out: load.peak * load.groups,
            replicas: load.partitions * f64::from(load.copies),
            primary: load.retention,
            segment,
        }
    }

    fn tiered(&self) -> f64 {
        self.load.average * (self.load.retention - self.primary) / 1024.0
    }
}

/// The least of the type `name` that carries `demand`; `None` when no number that MSK allows does.
pub(super) fn fit(name: &str, demand: &Demand, method: Method) -> Option<Cluster> {
    let broker = brokers().get(name)?;
    let express = name.starts_with("express.");
    let cluster = match (express, method) {
        (false, Method::EquationOne) => standard(name, broker, demand),
        (false, Method::AwsMsk) => aws_standard(name, broker, demand),
        (true, _) => express_cluster(name, broker, demand, method),
    };
    (cluster.count <= most_brokers(true) && (express || cluster.gib <= MOST_GIB as f64)).then_some(cluster)
}

/// The most of the needs, in whole brokers spread evenly over `zones`, and its name.
fn most(needs: &[(&'static str, f64)], zones: u32) -> (u32, &'static str) {
    let mut found = (zones, "one broker a zone");
    for (name, brokers) in needs {
        let rounded = ((brokers * (1.0 - 1e-12)).ceil().min(1e6) as u32).div_ceil(zones).max(1) * zones;
        if rounded > found.0 {
            found = (rounded, name);
        }
    }
    found
}

/// Equation 1 with MSK's limits, and volumes as kstack sizes them.
fn standard(name: &str, broker: &Broker, demand: &Demand) -> Cluster {
    let load = &demand.load;
    // MSK spreads brokers over two or three zones.
    let zones = load.zones.clamp(2, 3);
    let copies = f64::from(load.copies);
    let provisioned = most_throughput(name).is_some();
    let storage = if provisioned { broker.storage } else { broker.storage.min(PLAIN_MIBS) };
    let per_broker = |rate: f64| rate / load.used;
    let data = load.kept() * copies / load.used;
    let (count, limit) = most(
        &[
            ("volume throughput", per_broker(load.peak * copies) / storage),
            ("network", per_broker(load.peak) * (load.groups.max(1.0) + copies - 1.0) / broker.network),
            ("partitions a broker", demand.replicas / broker.recommended),
            ("volume size", (data + demand.replicas * demand.segment) / MOST_GIB as f64),
        ],
        zones,
    );
    let brokers = f64::from(count);
    let written = per_broker(load.peak * copies) / brokers;
    let gib = (data / brokers + (demand.replicas / brokers).ceil() * demand.segment).ceil();
    let throughput = (provisioned && written > PLAIN_MIBS).then(|| written.ceil());
    Cluster { broker: name.to_owned(), count, gib, tiered: 0.0, throughput, limit }
}

/// Capacity is shared by all that a broker does at once in the worst hour, as multiples of what producers send: with one
/// of three zones lost, writes and copies 1.5 each, lagging consumers 0.5, a rebalance 3, and 1.5 more with tiered storage; half of it is used.
fn aws_standard(name: &str, broker: &Broker, demand: &Demand) -> Cluster {
    const USED: f64 = 0.5;
    const VOLUME: f64 = 6.5;
    const NETWORK: f64 = 5.7;
    const TIERED: f64 = 1.5;
    const ZONE_LOST: f64 = 1.5;
    const DISK_HEADROOM: f64 = 2.0;
    let load = &demand.load;
    let tiered = if load.retention > demand.primary { TIERED } else { 0.0 };
    let fan_out = demand.peak_out / load.peak;
    let by_volume = broker.storage / (VOLUME + tiered);
    let by_network = broker.network / (fan_out * ZONE_LOST + NETWORK + tiered);
    let data = load.average * demand.primary * f64::from(load.copies) / 1024.0 * DISK_HEADROOM;
    let limit = if by_volume < by_network { "volume throughput" } else { "network" };
    let (count, limit) = most(
        &[
            (limit, load.peak / (by_volume.min(by_network) * USED)),
            ("partitions a broker", demand.replicas / broker.recommended),
            ("volume size", data / MOST_GIB as f64),
        ],
        load.zones.clamp(2, 3),
    );
    let gib = data / f64::from(count);
    Cluster { broker: name.to_owned(), count, gib, tiered: demand.tiered(), throughput: None, limit }
}

/// Published sustained limits with the file's headroom; or AWS's script, which uses three quarters of the ingress
/// and counts on two and a half times it to consumers.
fn express_cluster(name: &str, broker: &Broker, demand: &Demand, method: Method) -> Cluster {
    let load = &demand.load;
    let (ingress, egress) = match method {
        Method::EquationOne => (broker.ingress * load.used, broker.ingress * EXPRESS_OUT * load.used),
        Method::AwsMsk => (broker.ingress * 0.75, broker.ingress * 2.5),
    };
    let (count, limit) = most(
        &[
            ("ingress quota", load.peak / ingress),
            ("egress quota", demand.peak_out / egress),
            ("partitions a broker", load.partitions * f64::from(EXPRESS_ZONES) / broker.recommended),
        ],
        EXPRESS_ZONES,
    );
    Cluster { broker: name.to_owned(), count, gib: load.kept(), tiered: 0.0, throughput: None, limit }
}

/// The bill of `cluster`: replication between its brokers is free, clients in other zones are not.
pub(super) fn bill(market: Market<'_>, cluster: &Cluster, load: &Load, reads: Reads) -> Bill {
    let mut bill = Bill::default();
    let Cluster { broker, count, gib, tiered, throughput, .. } = cluster;
    let brokers = f64::from(*count);
    let formula = format!("{count} × {broker} × {HOURS} h");
    bill.charge(market, "brokers", &format!("msk {broker}"), brokers * HOURS, formula);
    if broker.starts_with("express.") {
        let formula = format!("{} GiB, one copy counted", plain(*gib));
        bill.charge(market, "storage", "express storage", *gib, formula);
        let formula = format!("{} MiB/s × {HOURS} h × 3600 s ÷ 1024", plain(load.average));
        bill.charge(market, "data in", "express data in", load.month(), formula);
    } else {
        let formula = format!("{count} × {} GiB", plain(*gib));
        bill.charge(market, "storage", "msk storage", brokers * gib, formula);
    }
    if *tiered > 0.0 {
        bill.charge(market, "tiered storage", "msk tiered storage", *tiered, format!("{} GiB", plain(*tiered)));
    }
    if let Some(rate) = throughput {
        let formula = format!("{count} × {} MiB/s", plain(*rate));
        bill.charge(market, "storage throughput", "msk storage throughput", brokers * rate, formula);
    }
    clients(&mut bill, market, load, reads);
    bill
}

/// What the MSK cluster of `stack` costs in a month, with volumes as `sizing` has them. `None` when the stack has none.
///
/// Volumes are billed as they are at first, not as MSK may let them grow. Tiered storage is billed for the whole retention:
/// closed segments are copied there at once, and stay.
pub fn cost_msk(stack: &Stack, sizing: &MskSizing, prices: &Prices, reads: Reads) -> Option<Bill> {
    let msk = stack.cluster.msk.as_ref()?;
    let market = Market { prices, region: &stack.region };
    let load = Load::of(stack);
    let mut bill = match msk.brokers.as_ref().filter(|_| !msk.serverless) {
        None => serverless_bill(market, &load),
        Some(own) => {
            let express = msk.express();
            let cluster = Cluster {
                broker: own.instance_type.clone(),
                count: own.count,
                gib: if express { load.kept() } else { sizing.size_gib? as f64 },
                tiered: if own.storage.tiered { load.kept() } else { 0.0 },
                throughput: own.storage.throughput.map(|rate| rate.mib().ceil()),
                limit: "",
            };
            let mut bill = bill(market, &cluster, &load, reads);
            if msk.public_access {
                let formula = format!("{} brokers × {HOURS} h", own.count);
                bill.charge(
                    market,
                    "public addresses of brokers",
                    "public address",
                    f64::from(own.count) * HOURS,
                    formula,
                );
            }
            bill
        }
    };
    network(&mut bill, market, stack, 0.0);
    // What these come to follows from topics and traffic in ways that no file says.
    if msk.monitoring.level != MonitoringLevel::Default {
        bill.gaps.push(format!("CloudWatch metrics of the level {}", msk.monitoring.level.word()));
    }
    if msk.logs.cloudwatch.is_some() || msk.logs.s3.is_some() || msk.logs.firehose.is_some() {
        bill.gaps.push("brokers' logs, whose amount is not known".to_owned());
    }
    Some(bill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{How, Price, embedded};
    use crate::sizing::size_msk;
    use crate::stack::parse;

    /// The case `aws-msk-sizing-readme`: the example of the README of aws/agent-toolkit-for-aws,
    /// managing-amazon-msk/scripts/msk_sizing.py, and what the script answers.
    fn readme() -> Demand {
        let hours = 3600.0;
        let load = Load {
            average: 100.0,
            peak: 500.0,
            groups: 2.0,
            copies: 3,
            zones: 3,
            partitions: 1000.0 / 3.0,
            retention: 720.0 * hours,
            used: 0.8,
        };
        Demand { primary: 24.0 * hours, ..Demand::of(load, 0.0) }
    }

    fn sized(broker: &str) -> Cluster {
        fit(broker, &readme(), Method::AwsMsk).expect("it fits")
    }

    #[test]
    fn aws_own_script_counts_the_same_brokers() {
        let counts = ["kafka.m5.2xlarge", "kafka.m7g.xlarge", "express.m7g.large"].map(|name| sized(name).count);
        assert_eq!(counts, [33, 54, 45]);
        let cluster = sized("kafka.m5.2xlarge");
        assert_eq!((cluster.gib * 33.0).round(), 50_625.0, "GiB with twice the room");
        assert_eq!(cluster.limit, "volume throughput");
    }

    /// The script's constants but for one are the table's: it has 0.023 USD for tiered storage, S3's price; the Price List
    /// has 0.06.
    #[test]
    fn aws_own_script_asks_the_same_money() {
        let mut prices = embedded().clone();
        let tiered = Price { unit: "GiB-month".into(), usd: 0.023, how: How::Derived, source: "the script".into() };
        prices.set("us-east-1", "msk tiered storage", tiered);
        let market = Market { prices: &prices, region: "us-east-1" };
        for (name, usd) in
            [("kafka.m5.2xlarge", 34_347.79), ("kafka.m7g.xlarge", 30_195.55), ("express.m7g.large", 44_703.58)]
        {
            let total = bill(market, &sized(name), &readme().load, Reads::Nearest).total();
            assert!((total - usd).abs() < 0.01, "{name}: {total}");
        }
    }

    /// The case `express-docs`: MSK's best practices for Express, 45 MB/s in and 90 MB/s out on express.m7g.large, taken as the
    /// limits themselves. AWS's script keeps a quarter free and so takes twice as many.
    #[test]
    fn express_counts_what_the_documentation_counts() {
        let load = Load { average: 45.0, peak: 45.0, used: 1.0, partitions: 100.0, ..readme().load };
        let demand = Demand::of(load, 0.0);
        let count = |method| fit("express.m7g.large", &demand, method).map(|cluster| cluster.count);
        assert_eq!(count(Method::EquationOne), Some(3));
        assert_eq!(count(Method::AwsMsk), Some(6));
    }

    #[test]
    fn a_cluster_that_msk_does_not_allow_does_not_fit() {
        let load = Load { average: 1000.0, peak: 5000.0, ..readme().load };
        assert_eq!(fit("kafka.m5.large", &Demand::of(load, 0.0), Method::EquationOne), None);
    }

    fn bill_of(network: &str, msk: &str) -> Bill {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, {network}}}\n\
             workload: {{ingress: 10 MiB/s, consumers: 1, retention: 7d}}\ncluster:\n  msk: {{{msk}}}\n"
        );
        let stack = parse("t.yaml", &text).unwrap_or_else(|report| panic!("{report:?}")).stack;
        let sizing = size_msk(&stack).expect("it is sized");
        cost_msk(&stack, &sizing, embedded(), Reads::Leader).expect("it is priced")
    }

    fn usd(bill: &Bill, name: &str) -> Option<f64> {
        let line = bill.lines.iter().find(|line| line.counted && line.name == name)?;
        line.usd.map(|usd| (usd * 100.0).round() / 100.0)
    }

    #[test]
    fn a_standard_cluster_pays_for_all_that_its_file_asks() {
        let bill = bill_of(
            "nat: single, endpoints: [s3, kms], clients: [192.0.2.0/24]",
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
        assert_eq!(
            bill.gaps,
            ["CloudWatch metrics of the level per-broker", "brokers' logs, whose amount is not known"]
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
