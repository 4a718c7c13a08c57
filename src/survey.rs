//! Every stack of an account and region, found by tags and metadata alone, without its file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::aws::kinds as drivers;
use crate::aws::{Aws, Clients};
use crate::error::StepError;
use kstack_core::expiry::Lifetime;
use kstack_core::kinds::{self, Instance, MskCluster, Volume};
use kstack_core::model::{Holder, Record, StackMetadata};
use kstack_core::observed::Observed;
use kstack_core::plan::running_cost;
use kstack_core::pricing::{HOURS_PER_MONTH, Prices};
use kstack_core::stack::{Name, Scalar as _};

/// A stack that was discovered.
#[derive(Debug, Default)]
pub struct DiscoveredStack {
    pub name: String,
    pub observed: Observed,
    pub metadata: StackMetadata,
}

/// How much of a stack exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything that its last apply created.
    Complete,
    /// Less: an apply or a destroy did not finish, or something was deleted by hand.
    Partial,
    /// It has expired, whatever exists of it.
    Expired,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Complete => "complete",
            State::Partial => "partial",
            State::Expired => "expired",
        }
    }
}

/// A stack as `list` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct StackSummary {
    pub name: String,
    pub region: String,
    pub state: State,
    /// The ARN of the caller that created it.
    pub owner: Option<String>,
    pub made_at: Option<Timestamp>,
    /// Since it was created.
    pub age_seconds: Option<i64>,
    pub expires_at: Option<Timestamp>,
    pub protected: bool,
    /// Brokers whose instances run, or that MSK has; a serverless cluster has none.
    pub brokers: usize,
    pub controllers: usize,
    pub resources: usize,
    pub volume_gib: u64,
    /// USD a month for its live resources, without traffic.
    pub usd_month: f64,
    /// USD since it was created, as if it had always been as it is now.
    pub usd_so_far: Option<f64>,
    /// Unknown prices, which the sums are without.
    pub gaps: Vec<String>,
    /// Who holds its lease.
    pub lease: Option<Holder>,
    pub record: Option<Record>,
}

/// The stacks of the clients' account and region: every name with a tagged resource, a record, a claim or a lease. It takes a
/// constant number of calls, all at once.
///
/// # Errors
/// The first call that failed.
pub async fn survey(clients: &Clients) -> Result<Vec<DiscoveredStack>, StepError> {
    let all = Aws::of_all(clients.clone());
    let (mut found, metadata) = tokio::try_join!(drivers::find_all(&all), clients.all_metadata("/kstack"))?;
    let records = metadata.iter().filter_map(|(name, of)| Some((name.as_str(), of.record.as_ref()?)));
    found.extend(drivers::find_all_told(&all, records).await?);
    let observed = drivers::by_stack(found);
    let mut stacks: BTreeMap<String, DiscoveredStack> = BTreeMap::new();
    for (name, metadata) in metadata {
        stacks.entry(name).or_default().metadata = metadata;
    }
    for (name, observed) in observed {
        stacks.entry(name).or_default().observed = observed;
    }
    for (name, found) in &mut stacks {
        found.name.clone_from(name);
        // A resource that is listed by name alone, without metadata, has its expiry only when it is described by itself.
        let live = &found.observed.live;
        let by_name_alone = !live.is_empty() && live.keys().all(|one| kinds::is_named(&one.kind));
        if found.metadata.record.is_none()
            && by_name_alone
            && let Ok(name) = Name::parse(name)
        {
            found.observed = drivers::discover(&Aws::new(clients.clone(), &name), None).await?;
        }
    }
    Ok(stacks.into_values().collect())
}

impl DiscoveredStack {
    /// How long the stack lives.
    pub fn term(&self) -> Lifetime {
        Lifetime::of(
            &self.observed,
            self.metadata.record.as_ref(),
            self.metadata.claims.iter().max_by_key(|claim| claim.expires_at),
        )
    }

    /// Whether it is more than the lease of a crashed process.
    pub fn exists(&self, now: Timestamp) -> bool {
        self.term() != Lifetime::Nothing || self.metadata.holder(now).is_some()
    }

    /// How much of it exists at `now`.
    pub fn state(&self, now: Timestamp) -> State {
        let complete = self.metadata.record.as_ref().and_then(|record| record.resources);
        match self.term() {
            Lifetime::Until(at) if at <= now => State::Expired,
            _ if complete == Some(self.observed.live.len()) && self.observed.unplaced.is_empty() => State::Complete,
            _ => State::Partial,
        }
    }

    /// The stack as `list` shows it, with what it costs at `prices`.
    pub fn summary(&self, region: &str, prices: &Prices, now: Timestamp) -> StackSummary {
        let instances = self.observed.of::<Instance>();
        let run = |role: &str| {
            instances.iter().filter(|(name, (_, one))| name.starts_with(role) && one.state == "running").count()
        };
        let clusters = self.observed.of::<MskCluster>();
        let msk: usize =
            clusters.values().filter_map(|(_, one)| one.provisioned.as_ref()).map(|one| one.brokers as usize).sum();
        let bill = running_cost(&self.observed, region, prices);
        let record = self.metadata.record.as_ref();
        let age_seconds = record.map(|record| now.duration_since(record.made_at).as_secs().max(0));
        let cents = |usd: f64| (usd * 1e4).round() / 1e4;
        let term = self.term();
        StackSummary {
            name: self.name.clone(),
            region: region.to_owned(),
            state: self.state(now),
            owner: record.map(|record| record.made_by.clone()),
            made_at: record.map(|record| record.made_at),
            age_seconds,
            expires_at: term.at(),
            protected: term == Lifetime::Protected,
            brokers: run("broker-") + msk,
            controllers: run("controller-"),
            resources: self.observed.live.len(),
            volume_gib: self.observed.of::<Volume>().values().map(|(_, volume)| volume.size_gib).sum(),
            usd_month: cents(bill.total()),
            usd_so_far: age_seconds.map(|seconds| cents(bill.total() / HOURS_PER_MONTH * seconds as f64 / 3600.0)),
            gaps: bill.gaps,
            lease: self.metadata.holder(now).cloned(),
            record: self.metadata.record.clone(),
        }
    }
}
