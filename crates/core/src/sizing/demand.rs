//! What a workload asks of each broker, whatever the broker runs on.

use super::Line;
use super::show::{count, gib, mibs, number};
use crate::stack::Workload;

const MIBS: &str = "MiB/s";

/// What a workload asks of each of a number of brokers.
pub(super) struct Demand<'a> {
    pub load: &'a Workload,
    pub brokers: f64,
    /// Copies of each partition.
    pub copies: f64,
    /// The part that may be used: one less the headroom.
    pub used: f64,
    /// Average and peak ingress on the wire, grown, in MiB/s.
    pub average: f64,
    pub peak: f64,
    /// Data of the whole retention and all copies, in GiB.
    pub stored: f64,
    /// One broker's part of it over the used part, in GiB.
    pub data: f64,
    /// Partition replicas of each broker.
    pub replicas: f64,
    /// `log.segment.bytes`, in GiB.
    pub segment: f64,
    /// Peak writes of each broker, copies included, in MiB/s; and the same over the used part.
    pub written: f64,
    pub throughput: f64,
}

impl<'a> Demand<'a> {
    /// The demand of `load` on each of `brokers`, with `copies` of each partition and segments of `segment` GiB.
    pub fn of(load: &'a Workload, brokers: u32, copies: u32, segment: f64) -> Self {
        let (brokers, copies) = (f64::from(brokers.max(1)), f64::from(copies));
        let used = 1.0 - load.headroom.0;
        let average = load.ingress.mib() / load.compression * load.growth;
        let peak = average * load.peak;
        let stored = average * load.retention.0 as f64 * copies / 1024.0;
        let written = peak * copies / brokers;
        Demand {
            load,
            brokers,
            copies,
            used,
            average,
            peak,
            stored,
            data: stored / brokers / used,
            replicas: (f64::from(load.partitions) * copies / brokers).ceil(),
            segment,
            written,
            throughput: written / used,
        }
    }

    /// GiB that each broker has to have. Only closed segments are deleted: each replica keeps one more than its data.
    pub fn gib(&self) -> f64 {
        self.data + self.replicas * self.segment
    }

    /// `6 brokers`.
    pub fn brokers_text(&self) -> String {
        count(self.brokers, "broker", "brokers")
    }
    /// `3 copies`.
    pub fn copies_text(&self) -> String {
        count(self.copies, "copy", "copies")
    }
    /// `(1 − 20%)`.
    pub fn free_text(&self) -> String {
        format!("(1 − {})", self.load.headroom)
    }

    /// The rates on the wire.
    pub fn rate_lines(&self) -> Vec<Line> {
        let load = self.load;
        let ingress = mibs(load.ingress.mib());
        let ratios = format!("÷ {} compression × {} growth", number(load.compression), number(load.growth));
        vec![
            line("average on the wire", format!("{ingress} {ratios}"), self.average, MIBS),
            line("peak on the wire", format!("{} × {} peak", mibs(self.average), number(load.peak)), self.peak, MIBS),
        ]
    }

    /// How many replicas each broker has.
    pub fn replicas_line(&self) -> Line {
        let (partitions, copies) = (u64::from(self.load.partitions), self.copies as u64);
        let rounded = if (partitions * copies).is_multiple_of(self.brokers as u64) { "" } else { ", rounded up" };
        let partitions = count(self.load.partitions.into(), "partition", "partitions");
        let formula = format!("{partitions} × {} ÷ {}{rounded}", self.copies_text(), self.brokers_text());
        line("replicas per broker", formula, self.replicas, "replicas")
    }

    /// From the retention to what each broker's volume has to hold.
    pub fn storage_lines(&self) -> Vec<Line> {
        let (copies, brokers) = (self.copies_text(), self.brokers_text());
        let (open_segments, per_broker) = (self.replicas * self.segment, self.stored / self.brokers);
        let kept = format!("{} × {} s × {copies} ÷ 1024", mibs(self.average), self.load.retention.0);
        let segments = format!(
            "{} × {} of log.segment.bytes, each open segment taken as full",
            number(self.replicas),
            gib(self.segment)
        );
        vec![
            line("stored data", kept, self.stored, "GiB"),
            line("stored per broker", format!("{} ÷ {brokers}", gib(self.stored)), per_broker, "GiB"),
            line("data with headroom", format!("{} ÷ {}", gib(per_broker), self.free_text()), self.data, "GiB"),
            self.replicas_line(),
            line("open segments", segments, open_segments, "GiB"),
            line("needed per broker", format!("{} + {}", gib(self.data), gib(open_segments)), self.gib(), "GiB"),
        ]
    }

    /// What each broker writes at the peak.
    pub fn write_lines(&self) -> Vec<Line> {
        let formula = format!("{} × {} ÷ {}", mibs(self.peak), self.copies_text(), self.brokers_text());
        vec![
            line("written per broker", formula, self.written, MIBS),
            line(
                "writes with headroom",
                format!("{} ÷ {}", mibs(self.written), self.free_text()),
                self.throughput,
                MIBS,
            ),
        ]
    }

    /// What leaves a broker for each byte that comes in, in words.
    pub fn readers_text(&self) -> String {
        match self.load.consumers {
            0 => format!("{} that come in", self.copies_text()),
            groups => format!("({} + {} − 1)", count(groups.into(), "group", "groups"), self.copies_text()),
        }
    }
}

pub(super) fn line(name: &str, formula: String, value: f64, unit: &'static str) -> Line {
    Line { name: name.to_owned(), formula, value, unit }
}
