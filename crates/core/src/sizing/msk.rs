//! The same arithmetic for MSK: the first volumes of standard brokers, how many Express brokers the workload takes, and
//! whether it fits a serverless cluster.

use serde::Serialize;

use super::demand::{Demand, line};
use super::show::{count, gib, mibs, number, table};
use super::warnings::{any_of, given_segment_warning};
use super::{Line, equation_one_terms, segment_gib, whole};
use crate::msk::brokers::{
    Broker, EXPRESS_COPIES, EXPRESS_OUT, MOST_GIB, PLAIN_MIBS, brokers, most_brokers, most_throughput, serverless,
};
use crate::stack::{Msk, MskBrokers, Span, Stack};

const MIBS: &str = "MiB/s";

/// What an MSK cluster needs for its workload, what it can take, and how both come about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MskSizing {
    /// Such as `3 × kafka.m7g.large`.
    pub what: String,
    /// GiB of each standard broker's volume when the cluster is made; absent for Express and serverless, which have none to choose.
    pub size_gib: Option<u64>,
    /// Brokers that the workload takes, spread evenly over the zones; absent for serverless.
    pub brokers_needed: Option<u32>,
    pub lines: Vec<Line>,
    /// The most that producers can send, in MiB/s on the wire.
    pub limit_mibs: f64,
    /// The part of the limit to aim at: the workload's headroom less.
    pub target_mibs: f64,
    /// What producers send at the grown workload's peak, in MiB/s on the wire.
    pub demand_mibs: f64,
    /// What stops the cluster from taking more.
    pub bottleneck: &'static str,
    /// Full sentences: what does not fit, by how much, and a way out.
    pub warnings: Vec<String>,
}

/// The sizes for the MSK cluster of `stack`. `None` only when the stack has none, or its broker type is not known.
pub fn size_msk(stack: &Stack) -> Option<MskSizing> {
    let msk = stack.cluster.msk.as_ref()?;
    if msk.serverless {
        return Some(serverless_cluster(stack));
    }
    let own = msk.brokers.as_ref()?;
    let broker = brokers().get(&own.instance_type)?;
    let copies = if msk.express() { EXPRESS_COPIES.0 } else { stack.workload.replication_factor };
    let demand = Demand::of(&stack.workload, own.count, copies, segment_gib(&msk.config));
    let cluster = Provisioned { stack, msk, own, broker, demand };
    Some(if msk.express() { cluster.express() } else { cluster.standard() })
}

/// GiB of each standard broker's volume when the MSK cluster of `stack` is made: given, or derived from the workload. MSK's
/// least, where it has none to choose.
pub fn msk_volume_gib(stack: &Stack) -> u64 {
    size_msk(stack).and_then(|sizing| sizing.size_gib).unwrap_or(1)
}

/// A provisioned cluster and what is asked of it.
struct Provisioned<'a> {
    stack: &'a Stack,
    msk: &'a Msk,
    own: &'a MskBrokers,
    broker: &'a Broker,
    demand: Demand<'a>,
}

/// A term of the limit: its name for the bottleneck, and MiB/s.
type Term = (&'static str, f64);

fn least(terms: &[Term]) -> Term {
    // Of equal terms the last: the one that is harder to raise.
    terms.iter().copied().reduce(|best, term| if term.1 <= best.1 { term } else { best }).unwrap_or(("nothing", 0.0))
}

impl Provisioned<'_> {
    fn what(&self) -> String {
        format!("{} × {}", self.own.count, self.own.instance_type)
    }

    /// `brokers` in whole ones, spread evenly over the zones.
    fn spread(&self, brokers: f64) -> u32 {
        let zones = self.stack.network.zones.count().max(1) as f64;
        ((whole(brokers) / zones).ceil().max(1.0) * zones).min(1e6) as u32
    }

    /// The way out that is more brokers, where MSK has them.
    fn more(&self, brokers: f64) -> Option<String> {
        let count = self.spread(brokers);
        (count <= most_brokers(true)).then(|| format!("use {count} brokers"))
    }

    fn standard(self) -> MskSizing {
        let (demand, own, broker) = (&self.demand, self.own, self.broker);
        let (needed, storage) = (whole(demand.gib()), &own.storage);
        let most = storage.max.map_or(MOST_GIB, |max| max.gib_ceil().min(MOST_GIB)) as f64;
        let size = storage.size.map_or_else(|| needed.clamp(1.0, most), |size| size.gib_ceil() as f64);
        let volume = storage.throughput.map_or(broker.storage.min(PLAIN_MIBS), |rate| rate.mib().ceil());
        let groups = f64::from(demand.load.consumers.max(1));
        let [by_volume, by_ebs, by_network] =
            equation_one_terms(volume, broker.storage, broker.network, demand.brokers, demand.copies, groups);
        let terms = [("volume", by_volume), ("EBS bandwidth", by_ebs), ("network", by_network)];
        let (bottleneck, limit) = least(&terms);

        let mut lines = demand.rate_lines();
        lines.extend(demand.storage_lines());
        let formula = match storage.size {
            Some(_) => "given".to_owned(),
            None if size < needed && storage.max.is_some() => format!("`storage.max`, for {}", gib(needed)),
            None if size < needed => format!("the most that MSK has, for {}", gib(needed)),
            None => format!("{}, rounded up", gib(demand.gib())),
        };
        lines.push(line("first volume size", formula, size, "GiB"));
        if storage.tiered {
            let kept = demand.average * demand.load.retention.0 as f64 / 1024.0;
            let formula = format!("{} × {} s ÷ 1024, one copy", mibs(demand.average), demand.load.retention.0);
            lines.push(line("tiered storage", formula, kept, "GiB"));
        }
        lines.extend(demand.write_lines());
        let name = &own.instance_type;
        let formula = match storage.throughput {
            Some(_) => "given".to_owned(),
            None => format!("{name}, {PLAIN_MIBS} at most unless provisioned"),
        };
        lines.push(line("volume throughput", formula, volume, MIBS));
        lines.push(line("EBS bandwidth", format!("baseline of {name}"), broker.storage, MIBS));
        lines.push(line("network bandwidth", format!("baseline of {name}"), broker.network, MIBS));
        let (brokers, copies) = (demand.brokers_text(), demand.copies_text());
        let of_each = |rate: f64, by: &str| format!("{} × {brokers} ÷ {by}", mibs(rate));
        lines.push(line("limit by volumes", of_each(volume, &copies), by_volume, MIBS));
        lines.push(line("limit by EBS bandwidth", of_each(broker.storage, &copies), by_ebs, MIBS));
        lines.push(line("limit by network", of_each(broker.network, &demand.readers_text()), by_network, MIBS));
        self.limit_lines(&mut lines, limit, "the least of the three");

        let replicas = f64::from(demand.load.partitions) * demand.copies;
        let by_limit = demand.brokers * demand.peak / (limit * demand.used);
        let needed_brokers = self.spread(by_limit.max(replicas / broker.recommended));
        let mut warnings: Vec<String> = given_segment_warning(&self.msk.config).into_iter().collect();
        warnings.extend(self.warn_size(size, needed));
        warnings.extend(self.warn_target(limit, bottleneck, volume, by_limit));
        warnings.extend(self.warn_replicas());
        self.sized(Some(size as u64), needed_brokers, lines, (limit, bottleneck), warnings)
    }

    fn express(self) -> MskSizing {
        let (demand, broker) = (&self.demand, self.broker);
        let groups = f64::from(demand.load.consumers);
        let (sent, name) = (broker.ingress * EXPRESS_OUT, &self.own.instance_type);
        let by_ingress = broker.ingress * demand.brokers;
        let by_egress = if groups > 0.0 { sent * demand.brokers / groups } else { f64::INFINITY };
        let (bottleneck, limit) = least(&[("egress quota", by_egress), ("ingress quota", by_ingress)]);

        let mut lines = demand.rate_lines();
        let kept = demand.average * demand.load.retention.0 as f64 / 1024.0;
        let formula = format!("{} × {} s ÷ 1024, one copy is paid for", mibs(demand.average), demand.load.retention.0);
        lines.push(line("stored data", formula, kept, "GiB"));
        lines.push(demand.replicas_line());
        let readers = demand.peak * groups;
        let formula = format!("{} × {}", mibs(demand.peak), count(groups, "group", "groups"));
        lines.push(line("peak to consumers", formula, readers, MIBS));
        let each = |rate: f64| format!("{} × {}", mibs(rate), demand.brokers_text());
        lines.push(line(
            "limit by ingress",
            format!("{}, sustained, of {name}", each(broker.ingress)),
            by_ingress,
            MIBS,
        ));
        if groups > 0.0 {
            let formula = format!("{} ÷ {}", each(sent), count(groups, "group", "groups"));
            lines.push(line("limit by egress", formula, by_egress, MIBS));
        }
        self.limit_lines(&mut lines, limit, "the least of these");
        let by_limit = demand.brokers * demand.peak / (limit * demand.used);
        let replicas = f64::from(demand.load.partitions) * demand.copies;
        let needed = self.spread(by_limit.max(replicas / broker.recommended));
        lines.push(line(
            "brokers needed",
            "for the peak and the replicas, spread over the zones".into(),
            needed.into(),
            "brokers",
        ));

        let mut warnings: Vec<String> = self.warn_target(limit, bottleneck, 0.0, by_limit).into_iter().collect();
        warnings.extend(self.warn_replicas());
        self.sized(None, needed, lines, (limit, bottleneck), warnings)
    }

    fn limit_lines(&self, lines: &mut Vec<Line>, limit: f64, formula: &str) {
        lines.push(line("limit", formula.to_owned(), limit, MIBS));
        let formula = format!("{} × {}", mibs(limit), self.demand.free_text());
        lines.push(line("target", formula, limit * self.demand.used, MIBS));
    }

    fn sized(
        &self,
        size_gib: Option<u64>,
        brokers_needed: u32,
        lines: Vec<Line>,
        (limit, bottleneck): (f64, &'static str),
        warnings: Vec<String>,
    ) -> MskSizing {
        MskSizing {
            what: self.what(),
            size_gib,
            brokers_needed: Some(brokers_needed),
            lines,
            limit_mibs: limit,
            target_mibs: limit * self.demand.used,
            demand_mibs: self.demand.peak,
            bottleneck,
            warnings,
        }
    }

    /// Volumes that are too small for the retention, and what would hold it.
    fn warn_size(&self, size: f64, needed: f64) -> Option<String> {
        let (demand, storage) = (&self.demand, &self.own.storage);
        let most = storage.max.map_or(size, |max| max.gib_ceil() as f64).max(size);
        // How long a volume of this size holds the workload.
        let holds = |size: f64| {
            let data = (size - demand.replicas * demand.segment) * demand.used * demand.brokers * 1024.0;
            let seconds = data / demand.average / demand.copies;
            let unit = if seconds >= 2.0 * 86_400.0 { 86_400.0 } else { 3_600.0 };
            (seconds >= unit).then(|| Span((seconds / unit).floor() as u64 * unit as u64))
        };
        if storage.tiered && size < needed {
            // What is not on volumes is in tiered storage, when topics say so.
            return Some(match holds(size) {
                Some(span) => format!(
                    "Volumes of {} hold the last {span} of {}: set `local.retention.ms` of topics with tiered storage to {} or \
                     less.",
                    gib(size),
                    demand.load.retention,
                    span.millis()
                ),
                None => format!("Volumes of {} have no room but for open segments; raise `storage.size`.", gib(size)),
            });
        }
        if most >= needed {
            return None;
        }
        let mut ways = Vec::new();
        if needed <= MOST_GIB as f64 {
            let key = if storage.max.is_some() { "max" } else { "size" };
            ways.push(format!("raise `storage.{key}` to {}", gib(needed)));
        }
        let replicas = f64::from(demand.load.partitions) * demand.copies;
        if most > demand.segment {
            ways.extend(
                self.more((demand.data * demand.brokers + replicas * demand.segment) / (most - demand.segment)),
            );
        }
        if let Some(span) = holds(most) {
            ways.push(format!("keep records for {span} at most"));
        }
        Some(format!(
            "Volumes of at most {} are {} smaller than the {} that each broker needs to keep records for {}; {}.",
            gib(most),
            gib(needed - most),
            gib(needed),
            demand.load.retention,
            any_of(ways)
        ))
    }

    fn warn_target(&self, limit: f64, bottleneck: &str, volume: f64, brokers: f64) -> Option<String> {
        let (demand, name) = (&self.demand, &self.own.instance_type);
        let target = limit * demand.used;
        // What is derived meets the target exactly: a rounding error is no reason to warn.
        if demand.peak <= target * (1.0 + 1e-9) {
            return None;
        }
        let mut ways = Vec::new();
        let wanted = whole(demand.throughput).max(PLAIN_MIBS);
        if bottleneck == "volume" && most_throughput(name).is_some_and(|most| volume < wanted && wanted <= most) {
            ways.push(format!("provision `storage.throughput: {wanted} MiB/s`"));
        }
        ways.push("use a larger type".to_owned());
        ways.extend(self.more(brokers));
        Some(format!(
            "The peak of {} is {} above the target of {}, which keeps {} free of the {} that the {bottleneck} of {} allows; {}.",
            mibs(demand.peak),
            mibs(demand.peak - target),
            mibs(target),
            demand.load.headroom,
            mibs(limit),
            self.what(),
            any_of(ways)
        ))
    }

    fn warn_replicas(&self) -> Option<String> {
        let (demand, broker) = (&self.demand, self.broker);
        if demand.replicas <= broker.recommended {
            return None;
        }
        let total = f64::from(demand.load.partitions) * demand.copies;
        let mut ways = vec!["use a larger type".to_owned()];
        ways.extend(self.more(total / broker.recommended));
        ways.push("use fewer partitions".to_owned());
        Some(format!(
            "Each broker has {} partition replicas, {} more than the {} that AWS recommends for {}, and above {} MSK refuses \
             updates; {}.",
            number(demand.replicas),
            number(demand.replicas - broker.recommended),
            number(broker.recommended),
            self.own.instance_type,
            number(broker.most),
            any_of(ways)
        ))
    }
}

/// The workload beside the quotas of a serverless cluster.
fn serverless_cluster(stack: &Stack) -> MskSizing {
    use serverless::{IN, OUT, PARTITION_IN, PARTITION_OUT, PARTITIONS};
    let load = &stack.workload;
    let demand = Demand::of(load, 1, 1, 0.0);
    let (groups, partitions) = (f64::from(load.consumers), f64::from(load.partitions));
    let readers = |rate: f64| if groups > 0.0 { rate / groups } else { f64::INFINITY };
    let by_partitions = partitions * PARTITION_IN.min(readers(PARTITION_OUT));
    let terms = [("partitions", by_partitions), ("egress quota", readers(OUT)), ("ingress quota", IN)];
    let (bottleneck, limit) = least(&terms);
    let target = limit * demand.used;
    let mut lines = demand.rate_lines();
    let groups_text = count(groups, "group", "groups");
    lines.push(line("peak to consumers", format!("{} × {groups_text}", mibs(demand.peak)), demand.peak * groups, MIBS));
    let formula = format!("{} × {} s ÷ 1024, one copy is paid for", mibs(demand.average), load.retention.0);
    lines.push(line("stored data", formula, demand.stored, "GiB"));
    lines.push(line("partitions", format!("of {PARTITIONS} at most"), partitions, "partitions"));
    lines.push(line("limit by ingress", "quota of a serverless cluster".to_owned(), IN, MIBS));
    let rates = if groups > 0.0 {
        lines.push(line("limit by egress", format!("quota of {} ÷ {groups_text}", mibs(OUT)), readers(OUT), MIBS));
        format!("the less of {} in and {} out ÷ {groups_text}", mibs(PARTITION_IN), mibs(PARTITION_OUT))
    } else {
        mibs(PARTITION_IN)
    };
    let formula = format!("{} × {rates}", count(partitions, "partition", "partitions"));
    lines.push(line("limit by partitions", formula, by_partitions, MIBS));
    lines.push(line("limit", "the least of these".to_owned(), limit, MIBS));
    lines.push(line("target", format!("{} × {}", mibs(limit), demand.free_text()), target, MIBS));
    let mut warnings = Vec::new();
    if demand.peak > target * (1.0 + 1e-9) {
        let each = PARTITION_IN.min(readers(PARTITION_OUT)) * demand.used;
        let way = match bottleneck {
            "partitions" => format!("use {} partitions", number(whole(demand.peak / each))),
            _ => "use brokers of your own, or divide the workload among several stacks".to_owned(),
        };
        warnings.push(format!(
            "The peak of {} is {} above the target of {}, which keeps {} free of the {} that the {bottleneck} allow{}; {way}.",
            mibs(demand.peak),
            mibs(demand.peak - target),
            mibs(target),
            load.headroom,
            mibs(limit),
            if bottleneck == "partitions" { "" } else { "s" },
        ));
    }
    MskSizing {
        what: "1 serverless cluster".to_owned(),
        size_gib: None,
        brokers_needed: None,
        lines,
        limit_mibs: limit,
        target_mibs: target,
        demand_mibs: demand.peak,
        bottleneck,
        warnings,
    }
}

impl MskSizing {
    /// The arithmetic line by line in aligned columns, then the limit, the bottleneck, the cluster, and the warnings.
    /// Plain text without colour; ends with a newline.
    pub fn render(&self) -> String {
        let mut text = table(&self.lines);
        text += &format!(
            "\nlimit       {} on the wire, of which to use {}; the peak is {}\nbottleneck  {}\ncluster     {}",
            mibs(self.limit_mibs),
            mibs(self.target_mibs),
            mibs(self.demand_mibs),
            self.bottleneck,
            self.what
        );
        text += &match (self.size_gib, self.brokers_needed) {
            (Some(size), _) => format!(", at first with {size} GiB each\n"),
            (None, Some(needed)) => format!("; the workload takes {needed}\n"),
            (None, None) => "\n".to_owned(),
        };
        for warning in &self.warnings {
            text += &format!("\nwarning: {warning}\n");
        }
        text
    }
}
