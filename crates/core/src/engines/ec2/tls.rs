//! What TLS takes of a broker's processor: records are encrypted for each receiver, where a broker in plaintext hands them from the page
//! cache to the network card.
//!
//! Measured with `benches/tls/measure` (benches/README.md, "What TLS takes of a broker"): Kafka 4.1.1 with Java 17 on two shared x86 cores,
//! records of 1 KiB, medians of four rounds. Other processors take more or less, so this is orientation, and never a limit.

use super::sizing::Needs;
use crate::sizing::{Misfit, SizingStep, Subject, any_way, mibs};
use crate::text::number;

/// Milliseconds of one core, more than in plaintext, for each MiB that a broker receives.
const RECEIVED_MS: f64 = 0.9;
/// The same for each MiB that it sends.
const SENT_MS: f64 = 1.4;
/// The part of the cores that TLS may take before there is a warning: by choice, as Kafka itself needs the rest.
const MOST_PART: f64 = 0.5;

impl Needs<'_> {
    fn sent_mibs(&self) -> f64 {
        self.demand.cluster.peak_mibs * self.demand.cluster.sends_per_byte() / self.demand.brokers
    }

    /// Cores that TLS takes of each broker at the peak; `None` in plaintext.
    fn tls_cores(&self) -> Option<f64> {
        let milliseconds = self.demand.written_mibs() * RECEIVED_MS + self.sent_mibs() * SENT_MS;
        self.ec2.listeners.secured().then_some(milliseconds / 1000.0)
    }

    pub(super) fn tls_step(&self) -> Option<SizingStep> {
        let (received, sent) = (mibs(self.demand.written_mibs()), mibs(self.sent_mibs()));
        let of = match self.limits.vcpus {
            0 => String::new(),
            vcpus => format!(", of {vcpus} vCPUs"),
        };
        let formula = format!("{received} received × {RECEIVED_MS} ms/MiB + {sent} sent × {SENT_MS} ms/MiB{of}");
        self.tls_cores().map(|cores| SizingStep::new("processor for TLS", formula, cores, "cores"))
    }

    pub(super) fn warn_tls(&self) -> Option<Misfit> {
        let (cores, vcpus) = (self.tls_cores()?, f64::from(self.limits.vcpus));
        if vcpus == 0.0 || cores <= vcpus * MOST_PART {
            return None;
        }
        let mut ways = vec!["use a type with more vCPUs".to_owned()];
        ways.extend(self.more_brokers(self.demand.brokers * cores / (vcpus * MOST_PART)));
        let what = format!(
            "At the peak TLS takes about {} of the {} vCPUs of {}, more than half of them",
            number((cores * 10.0).round() / 10.0),
            number(vcpus),
            self.ec2.brokers.instance_type
        );
        Some(Misfit::tight(Subject::InstanceType, what, any_way(&ways)))
    }
}
