//! The arithmetic as lines, and a sizing as text.

use super::{CACHE_SECONDS, GP3_IOPS_PER_GIB, GP3_MIBS_PER_IOPS, Line, Needs, SYSTEM_MIB, Sizing, Volume, demand};
use super::{gib_for, iops_for, whole};
use crate::stack::{GP3_GIB, GP3_IOPS, GP3_MIBS};

const MIBS: &str = "MiB/s";

impl Needs<'_> {
    /// Every step, each with the numbers that it works on.
    pub(super) fn lines(&self, volume: Volume, terms: [f64; 3]) -> Vec<Line> {
        let limits = self.limits;
        let instance_type = &self.ec2.brokers.instance_type;
        let (brokers, copies, free) = (self.brokers_text(), self.copies_text(), self.free_text());
        let heap = self.heap_mib();
        let mut lines = self.rate_lines();
        lines.extend(self.storage_lines());
        let mut line = |name: &str, formula: String, value: f64, unit: &'static str| {
            lines.push(demand::line(name, formula, value, unit));
        };
        line("volume size", self.size_formula(volume), volume.size_gib as f64, "GiB");

        lines.extend(self.write_lines());
        let mut line = |name: &str, formula: String, value: f64, unit: &'static str| {
            lines.push(demand::line(name, formula, value, unit));
        };
        let ebs = format!("{} MB/s × 10^6 ÷ 2^20, baseline of {instance_type}", number(limits.ebs_mbs));
        line("EBS bandwidth", ebs, self.ebs, MIBS);
        line("volume throughput", self.throughput_formula(volume), volume.throughput_mibs.into(), MIBS);
        line("volume IOPS", self.iops_formula(volume), volume.iops.into(), "IOPS");
        let gbps = number(limits.network_gbps);
        let network = format!("{gbps} Gbit/s × 10^9 ÷ 8 ÷ 2^20, baseline of {instance_type}");
        line("network bandwidth", network, self.network, MIBS);

        let of_each = |rate: f64, by: &str| format!("{} × {brokers} ÷ {by}", mibs(rate));
        line("limit by volumes", of_each(volume.throughput_mibs.into(), &copies), terms[0], MIBS);
        line("limit by EBS bandwidth", of_each(self.ebs, &copies), terms[1], MIBS);
        line("limit by network", of_each(self.network, &self.readers_text()), terms[2], MIBS);
        let (limit, _) = super::least(terms);
        line("limit", "the least of the three".to_owned(), limit, MIBS);
        line("target", format!("{} × {free}", mibs(limit)), limit * self.used, MIBS);

        let wanted = format!("{} × {} s", mibs(self.written), number(CACHE_SECONDS));
        line("page cache wanted", wanted, self.written * CACHE_SECONDS, "MiB");
        let left = format!("{} MiB − {heap} MiB heap − {SYSTEM_MIB} MiB for the system", limits.memory_mib);
        line("page cache left", left, self.cache_mib() as f64, "MiB");
        lines
    }

    fn size_formula(&self, volume: Volume) -> String {
        let needed = whole(self.gib());
        if self.ec2.brokers.storage.size.is_some() {
            "given".to_owned()
        } else if needed > volume.size_gib as f64 {
            format!("the most that gp3 has, {}", gib(GP3_GIB.1 as f64))
        } else if needed < volume.size_gib as f64 && gib_for(volume.iops) == volume.size_gib {
            format!("{} IOPS ÷ {GP3_IOPS_PER_GIB} IOPS per GiB", volume.iops)
        } else {
            format!("{}, rounded up", gib(self.gib()))
        }
    }

    fn throughput_formula(&self, volume: Volume) -> String {
        let throughput = f64::from(volume.throughput_mibs);
        let given = self.ec2.brokers.storage.throughput.map(|rate| rate.mib().floor());
        if given == Some(throughput) {
            "given".to_owned()
        } else if given.is_some() || throughput < whole(self.throughput).min(self.most_throughput()) {
            format!("{} IOPS × {GP3_MIBS_PER_IOPS} MiB/s per IOPS", volume.iops)
        } else if throughput >= whole(self.throughput) {
            format!("{}, rounded up, at least {}", mibs(self.throughput), number(GP3_MIBS.0))
        } else if throughput >= GP3_MIBS.1 {
            format!("the most that gp3 has, for {}", mibs(self.throughput))
        } else {
            format!("the EBS bandwidth, rounded up, for {}", mibs(self.throughput))
        }
    }

    fn iops_formula(&self, volume: Volume) -> String {
        let throughput = f64::from(volume.throughput_mibs);
        if self.ec2.brokers.storage.iops == Some(volume.iops) {
            "given".to_owned()
        } else if volume.iops == iops_for(throughput) {
            format!("{} ÷ {GP3_MIBS_PER_IOPS} MiB/s per IOPS, at least {}", mibs(throughput), GP3_IOPS.0)
        } else {
            format!("{} GiB × {GP3_IOPS_PER_GIB} IOPS per GiB", volume.size_gib)
        }
    }
}

impl Sizing {
    /// The arithmetic line by line in aligned columns, then the limit, the bottleneck, the volume, and the warnings.
    /// Plain text without colour; ends with a newline.
    pub fn render(&self) -> String {
        let mut text = table(&self.lines);
        let Volume { size_gib, iops, throughput_mibs } = self.volume;
        text += &format!(
            "\nlimit       {} on the wire, of which to use {}; the peak is {}\nbottleneck  {}\n",
            mibs(self.limit_mibs),
            mibs(self.target_mibs),
            mibs(self.demand_mibs),
            self.bottleneck
        );
        text += &format!("volume      gp3, {size_gib} GiB, {iops} IOPS, {throughput_mibs} MiB/s for each broker\n");
        for warning in &self.warnings {
            text += &format!("\nwarning: {warning}\n");
        }
        text
    }
}

/// Lines of arithmetic in aligned columns.
pub(super) fn table(lines: &[Line]) -> String {
    let width = |text: &str| text.chars().count();
    let names = lines.iter().map(|line| width(&line.name)).max().unwrap_or(0);
    let values = lines.iter().map(|line| width(&number(line.value))).max().unwrap_or(0);
    let units = lines.iter().map(|line| width(line.unit)).max().unwrap_or(0);
    let mut text = String::new();
    for Line { name, formula, value, unit } in lines {
        text += &format!("{name:<names$}  {:>values$} {unit:<units$}  {formula}\n", number(*value));
    }
    text
}

/// A number without needless digits: five significant ones, and at least two decimals.
pub(super) fn number(value: f64) -> String {
    let decimals = if value > 0.0 { (4.0 - value.log10().floor()).clamp(2.0, 12.0) as usize } else { 2 };
    format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn mibs(rate: f64) -> String {
    format!("{} MiB/s", number(rate))
}

pub(super) fn gib(size: f64) -> String {
    format!("{} GiB", number(size))
}

pub(super) fn count(value: f64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1.0 { one } else { many })
}
