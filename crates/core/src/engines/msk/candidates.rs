//! MSK in a comparison: which brokers, and how many, carry a workload.
//!
//! Two methods count brokers. Equation 1 is what kstack sizes EC2 with. `aws-msk` follows the sizing script of AWS's own skill for
//! MSK (aws/agent-toolkit-for-aws, managing-amazon-msk, 2026), which plans for a lost zone, lagging consumers and a rebalance at
//! once, and so takes several times the brokers.

use super::limits::{
    BrokerLimits, EXPRESS_COPIES, EXPRESS_OUT_PER_IN, EXPRESS_ZONES, UNPROVISIONED_MIBS, VOLUME_GIB, brokers,
    is_express, most_brokers, most_throughput_mibs,
    serverless::{IN_MIBS, OUT_MIBS},
};
use super::price::{MskBrokerGroup, bill};
use super::serverless;
use crate::engines::ComparisonRequest;
use crate::pricing::{Bill, Choice, CountingMethod, Purpose, Terms, Unfit};
use crate::sizing::{Demand, ceil, spread_over_zones};

/// Each kind of broker with its cheapest type, and serverless. MSK's brokers need neither NAT gateways nor endpoints.
pub(crate) fn candidates(request: &ComparisonRequest<'_>) -> Vec<Result<Choice, Unfit>> {
    // AWS recommends its burstable brokers for development only.
    let kinds = [
        ("kafka.m", "MSK standard", Purpose::Managed),
        ("kafka.t3.", "MSK t3", Purpose::Test),
        ("express.", "MSK Express", Purpose::Managed),
    ];
    let provisioned = kinds.map(|(prefix, name, purpose)| provisioned(request, prefix, name, purpose));
    provisioned.into_iter().chain([serverless_choice(request)]).collect()
}

pub(crate) fn assumption(_: &ComparisonRequest<'_>) -> Option<String> {
    None
}

fn provisioned(request: &ComparisonRequest<'_>, prefix: &str, name: &str, purpose: Purpose) -> Result<Choice, Unfit> {
    let (market, common) = (request.market, request.common);
    let asked = BrokerRequest {
        demand: common.demand(),
        volume_seconds: common.settings.retention.seconds(),
        segment_gib: common.settings.segment_gib(),
    };
    let types = brokers().keys().filter(|broker| broker.starts_with(prefix));
    let priced = types.filter(|broker| market.prices.get(market.region, &format!("msk {broker}")).is_some());
    let fits = priced.filter_map(|broker| fit(broker, &asked, request.method));
    let bills = fits.map(|fit| (bill(market, &fit.brokers, &asked.demand, request.reads), fit));
    let best = bills.min_by(|left, right| left.0.total().total_cmp(&right.0.total()));
    let Some((bill, MskFit { brokers, limit })) = best else {
        let why = format!("no broker type with a price in {} can carry the workload with 60 brokers", market.region);
        return Err(Unfit { name: name.to_owned(), reason: why });
    };
    let MskBrokerGroup { broker_type, count, storage_gib, .. } = brokers;
    let express = is_express(&broker_type);
    let storage_gib = if express { storage_gib } else { storage_gib * f64::from(count) };
    let terms = if express {
        terms("3.6, 3.8, 3.9, 4.2", "VPC")
    } else {
        terms("AWS's list, to 4.1", "VPC; public if switched on later")
    };
    let what = format!("{count} × {broker_type}");
    Ok(choice(name, what, Some(count), storage_gib, limit.to_owned(), purpose, terms, bill))
}

fn serverless_choice(request: &ComparisonRequest<'_>) -> Result<Choice, Unfit> {
    let name = "MSK Serverless";
    let demand = request.common.demand();
    if let Some(why) = serverless::above_quota(&demand) {
        return Err(Unfit { name: name.to_owned(), reason: why });
    }
    let limit = format!("{IN_MIBS} MiB/s in and {OUT_MIBS} out a cluster");
    let (bill, terms) = (serverless::bill(request.market, &demand), terms("AWS's choice", "VPC, with IAM only"));
    Ok(choice(name, "1 cluster".to_owned(), None, demand.one_copy_gib(), limit, Purpose::Managed, terms, bill))
}

fn terms(versions: &'static str, reach: &'static str) -> Terms {
    Terms { patches: "AWS", heals: "AWS", versions, reach }
}

#[allow(clippy::too_many_arguments)] // Every field of a choice but those that the bill has.
fn choice(
    name: &str,
    what: String,
    brokers: Option<u32>,
    storage_gib: f64,
    limit: String,
    purpose: Purpose,
    terms: Terms,
    bill: Bill,
) -> Choice {
    let (usd, estimated) = (bill.total(), bill.estimated());
    Choice { name: name.to_owned(), what, brokers, storage_gib, usd, estimated, limit, purpose, terms, bill }
}

/// What brokers have to carry.
#[derive(Debug, Clone, Copy)]
struct BrokerRequest {
    demand: Demand,
    /// How long records stay on volumes; the rest of the retention is in tiered storage.
    volume_seconds: f64,
    /// `log.segment.bytes`.
    segment_gib: f64,
}

/// Brokers that are enough, and what asks for the most of them.
#[derive(Debug, Clone, PartialEq)]
struct MskFit {
    brokers: MskBrokerGroup,
    limit: &'static str,
}

/// The least brokers of the type `name` that carry what is asked; `None` when no number that MSK allows does.
fn fit(name: &str, asked: &BrokerRequest, method: CountingMethod) -> Option<MskFit> {
    let limits = brokers().get(name)?;
    let express = is_express(name);
    let fit = match (express, method) {
        (false, CountingMethod::EquationOne) => standard(name, limits, asked),
        (false, CountingMethod::AwsMsk) => standard_by_aws(name, limits, asked),
        (true, _) => express_brokers(name, limits, asked, method),
    };
    let holds = express || fit.brokers.storage_gib <= VOLUME_GIB.most as f64;
    (fit.brokers.count <= most_brokers(true) && holds).then_some(fit)
}

/// The most of the needs, in whole brokers spread evenly over `zones`, and its name.
fn largest(needs: &[(&'static str, f64)], zones: u32) -> (u32, &'static str) {
    let mut largest = (zones, "one broker a zone");
    for (name, brokers) in needs {
        let count = spread_over_zones(*brokers, zones);
        if count > largest.0 {
            largest = (count, name);
        }
    }
    largest
}

/// MSK spreads standard brokers over two or three zones.
fn broker_zones(demand: &Demand) -> u32 {
    demand.zones.clamp(2, 3)
}

/// Equation 1 with MSK's limits, and volumes as kstack sizes them.
fn standard(name: &str, limits: &BrokerLimits, asked: &BrokerRequest) -> MskFit {
    let (demand, segment_gib) = (&asked.demand, asked.segment_gib);
    let provisioned = most_throughput_mibs(name).is_some();
    let volume_mibs = if provisioned { limits.storage_mibs } else { limits.storage_mibs.min(UNPROVISIONED_MIBS) };
    let total_gib = demand.planned_data_gib() + demand.replicas() * segment_gib;
    let (count, limit) = largest(
        &[
            ("volume throughput", demand.planned_writes_mibs() / volume_mibs),
            ("network", demand.planned_sends_mibs() / limits.network_mibs),
            ("partitions a broker", demand.replicas() / limits.recommended_replicas),
            ("volume size", total_gib / VOLUME_GIB.most as f64),
        ],
        broker_zones(demand),
    );
    let written_mibs = demand.planned_writes_mibs() / f64::from(count);
    let brokers = MskBrokerGroup {
        broker_type: name.to_owned(),
        count,
        storage_gib: ceil(demand.volume_gib(count.into(), segment_gib)),
        tiered_gib: 0.0,
        throughput_mibs: (provisioned && written_mibs > UNPROVISIONED_MIBS).then(|| ceil(written_mibs)),
    };
    MskFit { brokers, limit }
}

/// Capacity is shared by all that a broker does at once in the worst hour, as multiples of what producers send: with one
/// of three zones lost, writes and copies 1.5 each, lagging consumers 0.5, a rebalance 3, and 1.5 more with tiered storage; half of it is used.
fn standard_by_aws(name: &str, limits: &BrokerLimits, asked: &BrokerRequest) -> MskFit {
    const USED: f64 = 0.5;
    const VOLUME: f64 = 6.5;
    const NETWORK: f64 = 5.7;
    const TIERED: f64 = 1.5;
    const ZONE_LOST: f64 = 1.5;
    const DISK_HEADROOM: f64 = 2.0;
    let demand = &asked.demand;
    let tiered_seconds = demand.retention_seconds - asked.volume_seconds;
    let tiered = if tiered_seconds > 0.0 { TIERED } else { 0.0 };
    let by_volume = limits.storage_mibs / (VOLUME + tiered);
    let by_network = limits.network_mibs / (demand.consumer_groups * ZONE_LOST + NETWORK + tiered);
    let data_gib = demand.one_copy_of_gib(asked.volume_seconds) * f64::from(demand.copies) * DISK_HEADROOM;
    let limit = if by_volume < by_network { "volume throughput" } else { "network" };
    let (count, limit) = largest(
        &[
            (limit, demand.peak_mibs / (by_volume.min(by_network) * USED)),
            ("partitions a broker", demand.replicas() / limits.recommended_replicas),
            ("volume size", data_gib / VOLUME_GIB.most as f64),
        ],
        broker_zones(demand),
    );
    let brokers = MskBrokerGroup {
        broker_type: name.to_owned(),
        count,
        storage_gib: data_gib / f64::from(count),
        tiered_gib: demand.one_copy_of_gib(tiered_seconds),
        throughput_mibs: None,
    };
    MskFit { brokers, limit }
}

/// Published sustained limits with the file's headroom; or AWS's script, which uses three quarters of the ingress
/// and counts on two and a half times it to consumers.
fn express_brokers(name: &str, limits: &BrokerLimits, asked: &BrokerRequest, method: CountingMethod) -> MskFit {
    const AWS_USED: f64 = 0.75;
    const AWS_OUT_PER_IN: f64 = 2.5;
    let demand = &asked.demand;
    let ingress = limits.ingress_mibs;
    let (in_mibs, out_mibs) = match method {
        CountingMethod::EquationOne => (ingress * demand.usable, ingress * EXPRESS_OUT_PER_IN * demand.usable),
        CountingMethod::AwsMsk => (ingress * AWS_USED, ingress * AWS_OUT_PER_IN),
    };
    let replicas = demand.partitions * f64::from(EXPRESS_COPIES);
    let (count, limit) = largest(
        &[
            ("ingress quota", demand.peak_mibs / in_mibs),
            ("egress quota", demand.peak_out_mibs() / out_mibs),
            ("partitions a broker", replicas / limits.recommended_replicas),
        ],
        EXPRESS_ZONES,
    );
    let brokers = MskBrokerGroup {
        broker_type: name.to_owned(),
        count,
        storage_gib: demand.one_copy_gib(),
        tiered_gib: 0.0,
        throughput_mibs: None,
    };
    MskFit { brokers, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Market, Price, PriceOrigin, Reads, embedded};

    /// The case `aws-msk-sizing-readme`: the example of the README of aws/agent-toolkit-for-aws,
    /// managing-amazon-msk/scripts/msk_sizing.py, and what the script answers.
    fn readme() -> BrokerRequest {
        let hour = 3600.0;
        let demand = Demand {
            average_mibs: 100.0,
            peak_mibs: 500.0,
            consumer_groups: 2.0,
            copies: 3,
            zones: 3,
            partitions: 1000.0 / 3.0,
            retention_seconds: 720.0 * hour,
            partition_gib: f64::INFINITY,
            usable: 0.8,
        };
        BrokerRequest { demand, volume_seconds: 24.0 * hour, segment_gib: 0.0 }
    }

    fn asked(demand: Demand) -> BrokerRequest {
        BrokerRequest { demand, volume_seconds: demand.retention_seconds, segment_gib: 0.0 }
    }

    fn sized(broker: &str) -> MskFit {
        fit(broker, &readme(), CountingMethod::AwsMsk).expect("it fits")
    }

    #[test]
    fn aws_own_script_counts_the_same_brokers() {
        let counts =
            ["kafka.m5.2xlarge", "kafka.m7g.xlarge", "express.m7g.large"].map(|name| sized(name).brokers.count);
        assert_eq!(counts, [33, 54, 45]);
        let fit = sized("kafka.m5.2xlarge");
        assert_eq!((fit.brokers.storage_gib * 33.0).round(), 50_625.0, "GiB with twice the room");
        assert_eq!(fit.limit, "volume throughput");
    }

    /// The script's constants but for one are the table's: it has 0.023 USD for tiered storage, S3's price; the Price List
    /// has 0.06.
    #[test]
    fn aws_own_script_asks_the_same_money() {
        let mut prices = embedded().clone();
        let tiered =
            Price { unit: "GiB-month".into(), usd: 0.023, how: PriceOrigin::Derived, source: "the script".into() };
        prices.set("us-east-1", "msk tiered storage", tiered);
        let market = Market { prices: &prices, region: "us-east-1" };
        for (name, usd) in
            [("kafka.m5.2xlarge", 34_347.79), ("kafka.m7g.xlarge", 30_195.55), ("express.m7g.large", 44_703.58)]
        {
            let total = bill(market, &sized(name).brokers, &readme().demand, Reads::Nearest).total();
            assert!((total - usd).abs() < 0.01, "{name}: {total}");
        }
    }

    /// The case `express-docs`: MSK's best practices for Express, 45 MB/s in and 90 MB/s out on express.m7g.large, taken as the
    /// limits themselves. AWS's script keeps a quarter free and so takes twice as many.
    #[test]
    fn express_counts_what_the_documentation_counts() {
        let readme = readme().demand;
        let demand = Demand { average_mibs: 45.0, peak_mibs: 45.0, usable: 1.0, partitions: 100.0, ..readme };
        let count = |method| fit("express.m7g.large", &asked(demand), method).map(|fit| fit.brokers.count);
        assert_eq!(count(CountingMethod::EquationOne), Some(3));
        assert_eq!(count(CountingMethod::AwsMsk), Some(6));
    }

    #[test]
    fn a_cluster_that_msk_does_not_allow_does_not_fit() {
        let demand = Demand { average_mibs: 1000.0, peak_mibs: 5000.0, ..readme().demand };
        assert_eq!(fit("kafka.m5.large", &asked(demand), CountingMethod::EquationOne), None);
    }

    /// The comparison and `kstack size` count by code of their own: what one takes must be what the other asks for.
    #[test]
    fn the_comparison_takes_the_brokers_that_size_asks_for() {
        for name in ["kafka.m7g.large", "kafka.m5.4xlarge", "express.m7g.large"] {
            for ingress in [1, 4, 12, 30, 75, 200] {
                let file = |count: u32| {
                    format!(
                        "apiVersion: kstack/v1\nname: orders\nregion: us-east-1\nnetwork: {{cidr: 10.50.0.0/16}}\n\
                         workload: {{ingress: {ingress} MiB/s, retention: 1d, partitions: 300}}\ncluster:\n  msk:\n    kafka: 3.8.x\n    \
                         brokers: {{count: {count}, instance_type: {name}}}\n    auth: {{iam: true}}\n"
                    )
                };
                // Three brokers may be too few.
                let (_, parsed) = crate::check::read("orders.yaml", &file(3)).expect("a file without problems");
                let common = parsed.stack.common();
                let asked = BrokerRequest { segment_gib: common.settings.segment_gib(), ..asked(common.demand()) };
                let Some(fit) = fit(name, &asked, CountingMethod::EquationOne) else { continue };
                let parsed = crate::check::parse("orders.yaml", &file(fit.brokers.count)).expect("no problems");
                let msk = parsed.stack.cluster.msk.as_ref().expect("an MSK cluster");
                let sizing = super::super::sizing::size(msk, parsed.stack.common()).expect("a sizing");
                assert_eq!(
                    sizing.brokers_needed,
                    Some(fit.brokers.count),
                    "{name} at {ingress} MiB/s, by {}",
                    fit.limit
                );
            }
        }
    }
}
