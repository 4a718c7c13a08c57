//! The arithmetic from workload to brokers as steps, each with the numbers that it works on; and as text.

use serde::Serialize;

use super::demand::Demand;
use super::misfit::{Misfit, Subject};
use super::outage::Remaining;
use super::{GIB, MIBS};
use crate::file::Workload;
use crate::settings::Settings;
use crate::text::{Align, many, number, table};
use crate::units::Percent;

/// One step of the arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizingStep {
    /// What is computed, such as `stored data`.
    pub name: String,
    /// How, with units, such as `16 MiB/s × 604800 s × 3 copies`.
    pub formula: String,
    /// The result, not rounded, in `unit`.
    pub value: f64,
    pub unit: &'static str,
}

impl SizingStep {
    /// A step of the calculation: its name, its formula with the figures in it, and the result.
    pub fn new(name: &str, formula: impl Into<String>, value: f64, unit: &'static str) -> Self {
        SizingStep { name: name.to_owned(), formula: formula.into(), value, unit }
    }
}

/// `40 MiB/s`.
pub fn mibs(rate: f64) -> String {
    format!("{} MiB/s", number(rate))
}

/// `500 GiB`.
pub fn gib(size: f64) -> String {
    format!("{} GiB", number(size))
}

/// The demand of a workload on each of a number of brokers, with the numbers that formulas show.
#[derive(Debug, Clone, Copy)]
pub struct BrokerDemand<'a> {
    pub workload: &'a Workload,
    pub cluster: Demand,
    pub brokers: f64,
    /// What counts of Kafka's settings.
    pub settings: Settings,
}

impl BrokerDemand<'_> {
    /// Partition replicas on each broker.
    pub fn replicas(&self) -> f64 {
        self.cluster.replicas_per_broker(self.brokers)
    }
    /// What an open segment has at most.
    pub fn segment_gib(&self) -> f64 {
        self.settings.segment_gib()
    }
    /// What each broker has to hold.
    pub fn volume_gib(&self) -> f64 {
        self.cluster.volume_gib(self.brokers, self.segment_gib())
    }
    /// Peak writes, copies included.
    pub fn written_mibs(&self) -> f64 {
        self.cluster.peak_mibs * f64::from(self.cluster.copies) / self.brokers
    }
    /// The same with the headroom on top.
    pub fn throughput_mibs(&self) -> f64 {
        self.written_mibs() / self.cluster.usable
    }

    /// What volumes are for: `keep records for 7d`.
    pub fn keeping_text(&self) -> String {
        match self.cluster.is_cut() {
            true => format!("keep {} of each partition", gib(self.settings.partition_gib())),
            false => format!("keep records for {}", self.settings.retention),
        }
    }
    /// How one copy of what is kept, in GiB, comes about; `copies` is put in where it is multiplied.
    pub fn kept_text(&self, copies: &str) -> String {
        let demand = &self.cluster;
        match demand.is_cut() {
            true => {
                let partitions = many(self.workload.partitions, "partition");
                format!("{partitions} × {} of log.retention.bytes{copies}", gib(self.settings.partition_gib()))
            }
            false => {
                format!("{} × {} s{copies} ÷ 1024", mibs(demand.average_mibs), number(demand.retention_seconds))
            }
        }
    }
    /// `6 brokers`.
    pub fn brokers_text(&self) -> String {
        many(number(self.brokers), "broker")
    }
    /// `3 copies`.
    pub fn copies_text(&self) -> String {
        many(self.cluster.copies, "copy")
    }
    /// `(1 − 20%)`.
    pub fn usable_text(&self) -> String {
        format!("(1 − {})", self.workload.headroom)
    }
    /// What leaves a broker for each byte that comes in, in words.
    pub fn sends_text(&self) -> String {
        match self.workload.consumers {
            0 => format!("{} that come in", self.copies_text()),
            groups => format!("({} + {} − 1)", many(groups, "group"), self.copies_text()),
        }
    }

    /// How the network's term for the brokers that are left comes about, `network_mibs` being that of each, and what else bounds it.
    pub fn remaining_text(&self, network_mibs: f64, Remaining { all, left }: Remaining) -> String {
        let copies = format!("{} × {} ÷ {}", self.copies_text(), number(left), number(all));
        let sends = match self.workload.consumers {
            0 => format!("({copies})"),
            groups => format!("({} + {copies} − 1)", many(groups, "group")),
        };
        let brokers = many(number(left), "broker");
        format!("{} × {brokers} ÷ {sends}, at most the limits by volumes and by EBS bandwidth", mibs(network_mibs))
    }

    /// The rates on the wire.
    pub fn rate_steps(&self) -> Vec<SizingStep> {
        let (workload, demand) = (self.workload, &self.cluster);
        let ingress = mibs(workload.ingress.mibs());
        let ratios = format!("÷ {} compression × {} growth", number(workload.compression), number(workload.growth));
        let peak = format!("{} × {} peak", mibs(demand.average_mibs), number(workload.peak));
        vec![
            SizingStep::new("average on the wire", format!("{ingress} {ratios}"), demand.average_mibs, MIBS),
            SizingStep::new("peak on the wire", peak, demand.peak_mibs, MIBS),
        ]
    }

    /// How many replicas each broker has.
    pub fn replicas_step(&self) -> SizingStep {
        let (partitions, copies) = (u64::from(self.workload.partitions), u64::from(self.cluster.copies));
        let rounded = if (partitions * copies).is_multiple_of(self.brokers as u64) { "" } else { ", rounded up" };
        let partitions = many(partitions, "partition");
        let formula = format!("{partitions} × {} ÷ {}{rounded}", self.copies_text(), self.brokers_text());
        SizingStep::new("replicas per broker", formula, self.replicas(), "replicas")
    }

    /// From the retention to what each broker's volume has to hold.
    pub fn storage_steps(&self) -> Vec<SizingStep> {
        let (copies, brokers, demand) = (self.copies_text(), self.brokers_text(), &self.cluster);
        let open_gib = self.replicas() * self.segment_gib();
        let stored_gib = demand.stored_gib();
        let (per_broker, planned) = (stored_gib / self.brokers, demand.planned_data_gib() / self.brokers);
        let kept = self.kept_text(&format!(" × {copies}"));
        let segments = format!(
            "{} × {} of log.segment.bytes, each open segment taken as full",
            number(self.replicas()),
            gib(self.segment_gib())
        );
        vec![
            SizingStep::new("stored data", kept, stored_gib, GIB),
            SizingStep::new("stored per broker", format!("{} ÷ {brokers}", gib(stored_gib)), per_broker, GIB),
            SizingStep::new(
                "data with headroom",
                format!("{} ÷ {}", gib(per_broker), self.usable_text()),
                planned,
                GIB,
            ),
            self.replicas_step(),
            SizingStep::new("open segments", segments, open_gib, GIB),
            SizingStep::new(
                "needed per broker",
                format!("{} + {}", gib(planned), gib(open_gib)),
                self.volume_gib(),
                GIB,
            ),
        ]
    }

    /// What each broker writes at the peak.
    pub fn write_steps(&self) -> Vec<SizingStep> {
        let written = format!("{} × {} ÷ {}", mibs(self.cluster.peak_mibs), self.copies_text(), self.brokers_text());
        let planned = format!("{} ÷ {}", mibs(self.written_mibs()), self.usable_text());
        vec![
            SizingStep::new("written per broker", written, self.written_mibs(), MIBS),
            SizingStep::new("writes with headroom", planned, self.throughput_mibs(), MIBS),
        ]
    }
}

/// What the workload needs beside what the cluster can take, as text: the steps in aligned columns, the limit, and `rest`, which
/// is what was sized; then `outages`, what is left while a part is gone, as lines; then the warnings.
pub fn render(
    steps: &[SizingStep],
    capacity: &Capacity,
    bottleneck: &str,
    rest: &str,
    outages: &str,
    warnings: &[Misfit],
) -> String {
    let values: Vec<String> = steps.iter().map(|step| number(step.value)).collect();
    let width = values.iter().map(String::len).max().unwrap_or(0);
    let rows: Vec<Vec<String>> = steps
        .iter()
        .zip(&values)
        .map(|(step, value)| vec![step.name.clone(), format!("{value:>width$} {}", step.unit), step.formula.clone()])
        .collect();
    let mut text = table(&rows, &[Align::Left, Align::Left, Align::Left]);
    text += &format!(
        "\nlimit       {} on the wire, of which to use {}; the peak is {}\nbottleneck  {bottleneck}\n{rest}\n\n{outages}",
        mibs(capacity.limit_mibs),
        mibs(capacity.target_mibs),
        mibs(capacity.demand_mibs),
    );
    for warning in warnings {
        text += &format!("\nwarning: {warning}\n");
    }
    text
}

/// What a cluster can take, and what is asked of it, on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Capacity {
    /// The most that producers can send.
    pub limit_mibs: f64,
    /// The part of the limit to aim at: the workload's headroom less, 80 % by default.
    pub target_mibs: f64,
    /// What producers send at the grown workload's peak.
    pub demand_mibs: f64,
}

impl Capacity {
    /// The capacity of a cluster that can take `limit_mibs`, for `demand`.
    pub fn new(limit_mibs: f64, demand: &Demand) -> Self {
        Capacity { limit_mibs, target_mibs: limit_mibs * demand.usable, demand_mibs: demand.peak_mibs }
    }
    /// What is said of a peak above the target. `by` is what allows no more, such as `the volumes allow`.
    pub fn excess(&self, headroom: Percent, by: &str, remedy: String) -> Misfit {
        let what = format!(
            "The peak of {} is {} above the target of {}, which keeps {headroom} free of the {} that {by}",
            mibs(self.demand_mibs),
            mibs(self.demand_mibs - self.target_mibs),
            mibs(self.target_mibs),
            mibs(self.limit_mibs),
        );
        Misfit::tight(Subject::Rate, what, remedy)
    }
    /// Whether the peak is above the target. Sizes that are derived meet the target exactly, so a rounding error does not count.
    pub fn is_exceeded(&self) -> bool {
        self.demand_mibs > self.target_mibs * (1.0 + 1e-9)
    }
}
