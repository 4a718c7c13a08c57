//! The first volumes of standard brokers, and how many brokers of either kind the workload takes.

use serde::Serialize;

use super::keys::{Msk, MskBrokers, MskStorage};
use super::limits::{
    BrokerLimits, EXPRESS_OUT_PER_IN, MOST_ZONES, UNPROVISIONED_MIBS, VOLUME_GIB, brokers, most_brokers,
};
use super::serverless;
use super::warnings::size_misfit;
use crate::engines::CommonKeys;
use crate::sizing::{
    BrokerDemand, BrokerRates, Capacity, EquationOne, GIB, Left, MIBS, Misfit, OutageModel, Remaining, SizingStep,
    ceil, gib, mibs, outages_text, render, spread_over_zones,
};
use crate::text::{many, number};

/// What an MSK cluster needs for its workload, what it can take, and how both come about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MskSizing {
    /// Such as `3 × kafka.m7g.large`.
    pub what: String,
    /// The volume of each standard broker when the cluster is made; absent for Express and serverless, which have none to choose.
    pub size_gib: Option<u64>,
    /// How many brokers the workload takes, spread evenly over the zones; absent for serverless.
    pub brokers_needed: Option<u32>,
    pub lines: Vec<SizingStep>,
    #[serde(flatten)]
    pub capacity: Capacity,
    /// What stops the cluster from taking more.
    pub bottleneck: &'static str,
    /// What is left while one broker, or one zone, is gone; empty for serverless, which has neither of its user's.
    pub outages: Vec<Left<&'static str>>,
    /// Full sentences: what does not fit, by how much, and how to fix it.
    pub warnings: Vec<Misfit>,
}

impl MskSizing {
    /// The arithmetic in aligned columns, then the limit, the bottleneck, the cluster, and the warnings. Plain text without
    /// colour; ends with a newline.
    pub fn render(&self) -> String {
        let cluster = match (self.size_gib, self.brokers_needed) {
            (Some(size), _) => format!("cluster     {}, at first with {size} GiB each", self.what),
            (None, Some(needed)) => format!("cluster     {}; the workload takes {needed}", self.what),
            (None, None) => format!("cluster     {}", self.what),
        };
        let outages = match self.outages.as_slice() {
            [] => "outages     MSK runs the brokers, and the quotas do not follow from how many are there\n".to_owned(),
            outages => outages_text(outages, self.size_gib.map(|size| size as f64)),
        };
        render(&self.lines, &self.capacity, self.bottleneck, &cluster, &outages, &self.warnings)
    }
}

/// The sizes for `msk`. `None` when its broker type is not known.
pub fn size(msk: &Msk, common: CommonKeys<'_>) -> Option<MskSizing> {
    if msk.serverless {
        return Some(serverless::size(common, common.demand()));
    }
    let own = msk.brokers.as_ref()?;
    let limits = brokers().get(&own.instance_type)?;
    let cluster = ProvisionedNeeds { own, limits, demand: broker_demand(own, common) };
    Some(if msk.express() { cluster.express() } else { cluster.standard() })
}

fn broker_demand<'a>(own: &MskBrokers, common: CommonKeys<'a>) -> BrokerDemand<'a> {
    let (cluster, brokers) = (common.demand(), own.count.max(1).into());
    BrokerDemand { workload: common.workload, cluster, brokers, settings: common.settings }
}

/// The volume of each standard broker when the cluster is made. It follows from the workload, whatever the broker type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FirstVolume {
    /// Whole GiB, within what MSK has.
    pub size_gib: f64,
    /// Whole GiB that the workload takes.
    pub needed_gib: f64,
}

impl FirstVolume {
    fn of(storage: &MskStorage, demand: &BrokerDemand<'_>) -> Self {
        let needed_gib = ceil(demand.volume_gib());
        let most_gib = storage.max.map_or(VOLUME_GIB.most, |max| max.gib_ceil().min(VOLUME_GIB.most)) as f64;
        let size_gib = match storage.size {
            Some(size) => size.gib_ceil() as f64,
            None => needed_gib.clamp(VOLUME_GIB.least as f64, most_gib),
        };
        FirstVolume { size_gib, needed_gib }
    }
}

/// The GiB of each standard broker's first volume, also of a broker type that the table lacks; `None` for Express and serverless.
pub fn first_volume_gib(msk: &Msk, common: CommonKeys<'_>) -> Option<u64> {
    let own = msk.brokers.as_ref().filter(|_| !msk.serverless && !msk.express())?;
    Some(FirstVolume::of(&own.storage, &broker_demand(own, common)).size_gib as u64)
}

/// What of the data does not fit volumes of a standard broker type that the table lacks; nothing for a known one, whose sizing
/// has it.
pub fn unknown_type_misfit(msk: &Msk, common: CommonKeys<'_>) -> Option<Misfit> {
    let own = msk.brokers.as_ref().filter(|own| !msk.serverless && !brokers().contains_key(&own.instance_type))?;
    let demand = broker_demand(own, common);
    if msk.express() { None } else { size_misfit(&own.storage, &demand, FirstVolume::of(&own.storage, &demand)) }
}

/// What each standard broker has left over the workload's peak, in MiB/s: of its volume and its link to EBS, which write all copies, and of its
/// network, which sends to consumers and followers. Negative where the peak is more than it can do; `None` for other brokers, and where the
/// type is not known.
pub fn spare_mibs(msk: &Msk, common: CommonKeys<'_>) -> Option<f64> {
    let own = msk.brokers.as_ref().filter(|_| msk.standard())?;
    let (limits, demand) = (brokers().get(&own.instance_type)?, broker_demand(own, common));
    let rates = standard_rates(&own.storage, limits);
    let sent_mibs = demand.cluster.peak_mibs * demand.cluster.sends_per_byte() / demand.brokers;
    Some((rates.volume.min(rates.ebs) - demand.written_mibs()).min(rates.network - sent_mibs))
}

/// What each standard broker can do.
fn standard_rates(storage: &MskStorage, limits: &BrokerLimits) -> BrokerRates {
    let unprovisioned = limits.storage_mibs.min(UNPROVISIONED_MIBS);
    let volume = storage.throughput.map_or(unprovisioned, |rate| rate.mibs().ceil());
    BrokerRates { volume, ebs: limits.storage_mibs, network: limits.network_mibs }
}

/// A limit that has a name, and the most that producers can send by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LimitTerm {
    pub name: &'static str,
    pub mibs: f64,
}

impl LimitTerm {
    /// The smallest of `terms`. Of equal ones the last: the one that is harder to raise.
    pub fn smallest<const N: usize>(terms: [(&'static str, f64); N]) -> LimitTerm {
        let terms = terms.into_iter().map(|(name, mibs)| LimitTerm { name, mibs });
        let smallest = terms.reduce(|best, term| if term.mibs <= best.mibs { term } else { best });
        smallest.unwrap_or(LimitTerm { name: "nothing", mibs: 0.0 })
    }
}

/// What the workload asks of each broker of a provisioned cluster, and what its type offers.
pub(super) struct ProvisionedNeeds<'a> {
    pub own: &'a MskBrokers,
    pub limits: &'a BrokerLimits,
    pub demand: BrokerDemand<'a>,
}

impl ProvisionedNeeds<'_> {
    pub fn what(&self) -> String {
        format!("{} × {}", self.own.count, self.own.instance_type)
    }

    fn standard(self) -> MskSizing {
        let (demand, limits, storage) = (&self.demand, self.limits, &self.own.storage);
        let first = FirstVolume::of(storage, demand);
        let FirstVolume { size_gib, needed_gib } = first;
        let rates = standard_rates(storage, limits);
        let volume = rates.volume;
        let terms = EquationOne::of(rates, demand);
        let (limit_mibs, bottleneck) = terms.limit();
        let limit = LimitTerm { name: bottleneck.name(), mibs: limit_mibs };

        let mut lines = demand.rate_steps();
        lines.extend(demand.storage_steps());
        let formula = match storage.size {
            Some(_) => "given".to_owned(),
            None if size_gib < needed_gib && storage.max.is_some() => format!("`storage.max`, for {}", gib(needed_gib)),
            None if size_gib < needed_gib => format!("the most that MSK has, for {}", gib(needed_gib)),
            None => format!("{}, rounded up", gib(demand.volume_gib())),
        };
        lines.push(SizingStep::new("first volume size", formula, size_gib, GIB));
        if storage.tiered {
            lines.push(one_copy_step("tiered storage", "one copy", demand));
        }
        lines.extend(demand.write_steps());
        let name = &self.own.instance_type;
        let throughput = match storage.throughput {
            Some(_) => "given".to_owned(),
            None => format!("{name}, {UNPROVISIONED_MIBS} at most unless provisioned"),
        };
        let (brokers, copies) = (demand.brokers_text(), demand.copies_text());
        let of_each = |rate: f64, by: &str| format!("{} × {brokers} ÷ {by}", mibs(rate));
        let baseline = format!("baseline of {name}");
        let by_network = of_each(rates.network, &demand.sends_text());
        lines.extend([
            SizingStep::new("volume throughput", throughput, volume, MIBS),
            SizingStep::new("EBS bandwidth", baseline.clone(), rates.ebs, MIBS),
            SizingStep::new("network bandwidth", baseline, rates.network, MIBS),
            SizingStep::new("limit by volumes", of_each(volume, &copies), terms.by_volume, MIBS),
            SizingStep::new("limit by EBS bandwidth", of_each(rates.ebs, &copies), terms.by_ebs, MIBS),
            SizingStep::new("limit by network", by_network, terms.by_network, MIBS),
        ]);
        lines.extend(limit_steps(limit.mibs, "the least of the three", demand));

        let mut warnings: Vec<Misfit> = size_misfit(storage, demand, first).into_iter().collect();
        warnings.extend(self.warn_target(limit, Some(volume)));
        warnings.extend(self.warn_replicas());
        let needed = self.brokers_needed(limit);
        let of_remaining = |remaining| {
            let (mibs, bottleneck) = EquationOne::of_remaining(rates, &demand.cluster, remaining).limit();
            (mibs, bottleneck.name())
        };
        let formula = |remaining| demand.remaining_text(rates.network, remaining);
        let sizing = self.sized(Some(size_gib as u64), needed, lines, limit, warnings);
        self.with_outages(sizing, &of_remaining, formula)
    }

    fn express(self) -> MskSizing {
        let (demand, limits, name) = (&self.demand, self.limits, &self.own.instance_type);
        let groups = demand.cluster.consumer_groups;
        let sent_mibs = limits.ingress_mibs * EXPRESS_OUT_PER_IN;
        let by_ingress = limits.ingress_mibs * demand.brokers;
        let by_egress = if groups > 0.0 { sent_mibs * demand.brokers / groups } else { f64::INFINITY };
        let limit = LimitTerm::smallest([("egress quota", by_egress), ("ingress quota", by_ingress)]);

        let mut lines = demand.rate_steps();
        lines.push(one_copy_step("stored data", "one copy is paid for", demand));
        lines.push(demand.replicas_step());
        let groups_text = many(groups, "group");
        let readers = format!("{} × {groups_text}", mibs(demand.cluster.peak_mibs));
        lines.push(SizingStep::new("peak to consumers", readers, demand.cluster.peak_out_mibs(), MIBS));
        let each = |rate: f64| format!("{} × {}", mibs(rate), demand.brokers_text());
        let ingress = format!("{}, sustained, of {name}", each(limits.ingress_mibs));
        lines.push(SizingStep::new("limit by ingress", ingress, by_ingress, MIBS));
        if groups > 0.0 {
            let egress = format!("{} ÷ {groups_text}", each(sent_mibs));
            lines.push(SizingStep::new("limit by egress", egress, by_egress, MIBS));
        }
        lines.extend(limit_steps(limit.mibs, "the least of these", demand));
        let needed = self.brokers_needed(limit);
        let formula = "for the peak and the replicas, spread over the zones";
        lines.push(SizingStep::new("brokers needed", formula, needed.into(), "brokers"));

        let mut warnings: Vec<Misfit> = self.warn_target(limit, None).into_iter().collect();
        warnings.extend(self.warn_replicas());
        // The quotas are each broker's own, whichever replicas lead there.
        let of_remaining = |remaining: Remaining| (limit.mibs / demand.brokers * remaining.left, limit.name);
        let formula = |Remaining { all, left }: Remaining| {
            format!("{} × {} ÷ {}", mibs(limit.mibs), many(number(left), "broker"), number(all))
        };
        let sizing = self.sized(None, needed, lines, limit, warnings);
        self.with_outages(sizing, &of_remaining, formula)
    }

    /// The brokers that `limit`, which these brokers have together, and the recommended replicas ask for.
    fn brokers_needed(&self, limit: LimitTerm) -> u32 {
        let by_replicas = self.demand.cluster.replicas() / self.limits.recommended_replicas;
        spread_over_zones(self.brokers_for(limit).max(by_replicas), self.demand.cluster.zones)
    }

    /// The brokers that `limit` asks for, not yet whole.
    pub fn brokers_for(&self, limit: LimitTerm) -> f64 {
        self.demand.brokers * self.demand.cluster.planned_mibs() / limit.mibs
    }

    /// `sizing`, and what is left while a part of the cluster is gone: `limit` gives what brokers that are left can take, and
    /// `formula` says how.
    fn with_outages(
        &self,
        mut sizing: MskSizing,
        limit: &dyn Fn(Remaining) -> (f64, &'static str),
        formula: impl Fn(Remaining) -> String,
    ) -> MskSizing {
        let model = OutageModel {
            demand: &self.demand,
            limit,
            quorum: None,
            volume_gib: sizing.size_gib.map(|size| size as f64),
            most_brokers: most_brokers(true),
            most_zones: MOST_ZONES,
        };
        sizing.outages = model.left();
        sizing.lines.extend(model.steps(&sizing.outages, formula));
        sizing.warnings.extend(model.misfits(&sizing.outages, &sizing.capacity, "use a larger type"));
        sizing
    }

    fn sized(
        &self,
        size_gib: Option<u64>,
        needed: u32,
        lines: Vec<SizingStep>,
        limit: LimitTerm,
        warnings: Vec<Misfit>,
    ) -> MskSizing {
        MskSizing {
            what: self.what(),
            size_gib,
            brokers_needed: Some(needed),
            lines,
            capacity: Capacity::new(limit.mibs, &self.demand.cluster),
            bottleneck: limit.name,
            outages: Vec::new(),
            warnings,
        }
    }
}

/// One copy of what is kept.
pub(super) fn one_copy_step(name: &str, why: &str, demand: &BrokerDemand<'_>) -> SizingStep {
    let formula = format!("{}, {why}", demand.kept_text(""));
    SizingStep::new(name, formula, demand.cluster.one_copy_gib(), GIB)
}

/// The limit, and the part of it to aim at.
pub(super) fn limit_steps(limit_mibs: f64, formula: &str, demand: &BrokerDemand<'_>) -> [SizingStep; 2] {
    let target = format!("{} × {}", mibs(limit_mibs), demand.usable_text());
    [
        SizingStep::new("limit", formula, limit_mibs, MIBS),
        SizingStep::new("target", target, limit_mibs * demand.cluster.usable, MIBS),
    ]
}
