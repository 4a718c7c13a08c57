//! What every command does first: read the stack file, ask AWS, plan.

mod files;

use std::io;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use jiff::Timestamp;

use crate::aws::kinds as drivers;
use crate::aws::kinds::Sought;
use crate::aws::names;
use crate::aws::{Aws, Class, Clients, Fence, Papers, Place, surroundings};
use crate::clock;
use crate::driver::{Ctx, IdMap};
use crate::error::StepError;
use crate::pki;
use kstack_core::check::{self, Parsed, Problem, Report};
use kstack_core::choose::PlanningInput;
use kstack_core::cloud_init::Overrides;
use kstack_core::design::Design;
use kstack_core::engines::Engine;
use kstack_core::expiry::{ExpiryRequest, Lifetime};
use kstack_core::kinds::{self, ClusterSettings, Instance, Resource};
use kstack_core::model::Tags;
use kstack_core::model::{Holder, OWN_ZONE, Record, StackMetadata};
use kstack_core::observed::{Found, Observed};
use kstack_core::plan::{self, Plan, Source};
use kstack_core::stack::{Name, Stack, TimeSpan};
use kstack_core::surroundings::{Own, Surroundings};
use kstack_core::text::without_number;

pub use files::{check_writable, read_file, replace_file, write_file};

/// Why a file can't be worked with.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{file} can't be read: {error}")]
    Read { file: String, error: std::io::Error },
    #[error("{} has {} problems", .0.file, .0.problems.len())]
    Problems(Report),
}

/// Reads and checks `file` alone: what it names beside it may be gone.
///
/// # Errors
/// That it can't be read, or every problem of it.
pub fn read_stack(file: &str) -> Result<Parsed, SourceError> {
    let unreadable = |error| SourceError::Read { file: file.to_owned(), error };
    let bytes = read_file(Path::new(file)).map_err(unreadable)?;
    check::parse(file, &String::from_utf8_lossy(&bytes)).map_err(SourceError::Problems)
}

/// The certificates in the file of the user's own CAs of clients that the stack file `text` at `path` names, and what is wrong with them.
fn read_clients_ca(path: &Path, text: &str) -> Option<(String, Vec<Problem>)> {
    let (name, at) = check::clients_ca(text)?;
    Some(match read_file(&path.parent().unwrap_or(Path::new(".")).join(&name)) {
        Ok(bytes) => pki::clients_ca(&name, &bytes, at, clock::now()),
        Err(error) => {
            let help = "name a PEM file with the certificates of your CAs, by its path from the stack file";
            (
                String::new(),
                vec![
                    Problem::new(at, format!("`{name}` can't be read: {}", without_number(&error.to_string())))
                        .help(help),
                ],
            )
        }
    })
}

/// Reads and checks `file`, the templates in the folder that it names, and the CAs of clients.
///
/// # Errors
/// That a file can't be read, or every problem of the stack file.
pub fn read_source(file: &str) -> Result<(Source, Parsed), SourceError> {
    let unreadable = |file: &Path| {
        let file = file.display().to_string();
        move |error| SourceError::Read { file, error }
    };
    let path = Path::new(file);
    let bytes = read_file(path).map_err(unreadable(path))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (clients_ca, problems) = read_clients_ca(path, &text).unzip();
    let problems: Vec<Problem> = problems.unwrap_or_default();
    let mut parsed = match check::parse(file, &text) {
        Ok(parsed) => parsed,
        Err(mut report) => {
            report.problems.extend(problems);
            return Err(SourceError::Problems(report));
        }
    };
    parsed.warnings.problems.extend(problems);
    if parsed.warnings.counts().0 > 0 {
        return Err(SourceError::Problems(parsed.warnings));
    }
    clients_ca.iter().for_each(|pem: &String| parsed.stack.trust(pem));
    let mut overrides = Overrides::new();
    if let Some(folder) = parsed.stack.cluster.ec2.as_ref().and_then(|ec2| ec2.templates.as_ref()) {
        let folder = path.parent().unwrap_or(Path::new(".")).join(folder);
        for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let entry = entry.map_err(unreadable(&folder))?.path();
            if entry.extension().is_some_and(|extension| extension == "hbs") {
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = read_file(&entry).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
                overrides.insert(name, text.map_err(unreadable(&entry))?);
            }
        }
    }
    Ok((Source { file: file.to_owned(), text, overrides, clients_ca }, parsed))
}

/// A stack and its AWS.
#[derive(Debug)]
pub struct Session {
    pub name: Name,
    pub aws: Aws,
    pub fence: Fence,
    pub region: String,
    /// What is looked for by the stack's file. Without it, as where only the name is known, resources of every engine are.
    pub sought: OnceLock<Sought>,
    /// `--ttl`.
    pub ttl: Option<TimeSpan>,
    /// When its plans are made: at its first look, or as a saved plan says.
    pub planned_at: OnceLock<Timestamp>,
}

/// What AWS reported of a stack at one moment.
#[derive(Debug)]
pub struct Observation {
    pub input: PlanningInput,
    /// Who holds the stack's lease.
    pub holder: Option<Holder>,
    /// How long the stack lives at present.
    pub term: Lifetime,
}

impl Session {
    /// A session for the stack `name` at `place`.
    pub async fn open(place: &Place, name: &Name) -> Session {
        let fence = Fence::default();
        let clients = Clients::connect(place, fence.clone()).await;
        Session::with(clients, fence, name)
    }

    /// A session for the stack `name` that shares `clients` with other sessions.
    pub fn beside(clients: &Clients, name: &Name) -> Session {
        let fence = Fence::default();
        Session::with(clients.fenced(&fence), fence, name)
    }

    fn with(clients: Clients, fence: Fence, name: &Name) -> Session {
        let region = clients.region.clone();
        let (sought, ttl, planned_at) = (OnceLock::new(), None, OnceLock::new());
        Session { name: name.clone(), aws: Aws::new(clients, name), fence, region, sought, ttl, planned_at }
    }

    /// What is asked of the stack's expiry, always as of the same moment. To be asked after AWS has answered, which sets the clock.
    pub fn expiry(&self) -> ExpiryRequest {
        ExpiryRequest { now: *self.planned_at.get_or_init(clock::now), ttl: self.ttl }
    }

    /// Asks AWS for everything that planning `parsed` needs, all at once.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn look(&self, parsed: &Parsed) -> Result<Observation, StepError> {
        self.aws.begin_round();
        let sought = *self.sought.get_or_init(|| Sought::of(&parsed.stack));
        if let Some(zone) = names::place(&parsed.stack) {
            self.aws.expect_names(&self.name, &zone);
        }
        if names::has_privatelink(&parsed.stack) {
            self.aws.expect_names(&self.name, OWN_ZONE);
        }
        let found = self.find_with_metadata(&parsed.stack, sought);
        // Boxed: the compiler lays out no future that is nested any deeper.
        let facts = Box::pin(self.aws.clients.facts(&parsed.stack));
        let (facts, (found, metadata)) = tokio::try_join!(facts, found)?;
        let observed = drivers::with_others(&self.aws, sought, found, metadata.record.as_ref()).await?;
        let holder = metadata.holder(clock::now()).cloned();
        let term = Lifetime::of(&observed, metadata.record.as_ref(), None);
        let expires = self.expiry().choose(&parsed.stack, term);
        Ok(Observation { input: PlanningInput { facts, observed, record: metadata.record, expires }, holder, term })
    }

    /// What is found of `stack`, and its metadata.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn find_with_metadata(
        &self,
        stack: &Stack,
        sought: Sought,
    ) -> Result<(Vec<Found<Resource>>, StackMetadata), StepError> {
        if !stack.leaves_listeners() {
            self.expect_papers(stack).await?;
            return tokio::try_join!(drivers::find_of(&self.aws, sought), self.aws.clients.metadata(&self.name));
        }
        self.expect_watched(stack);
        // What is live tells whether there are keys and certificates: they are looked for in the same round.
        self.aws.expect_papers(Papers::Wanted);
        let (found, metadata) =
            tokio::join!(drivers::find_of(&self.aws, sought), self.aws.clients.metadata(&self.name));
        let metadata = metadata?;
        let without = metadata.record.as_ref().is_some_and(|record| !record.papers);
        match found {
            // Nobody may have been allowed to ask for those of a stack that has none.
            Err(error) if without && error.class() == Class::Denied => {
                self.aws.expect_no_papers();
                self.aws.begin_round();
                Ok((drivers::find_of(&self.aws, sought).await?, metadata))
            }
            found => Ok((found?, metadata)),
        }
    }

    /// Has alarms and log groups looked for where the file of `stack` has some.
    fn expect_watched(&self, stack: &Stack) {
        if stack.has_alarms(false) {
            self.aws.expect_alarms();
        }
        self.aws.expect_logs(stack.logs());
    }

    /// Has alarms and log groups looked for where the file of `stack` has some, and keys and certificates where it may have some: as its file says; where
    /// that leaves it to what is live, as the stack's record says.
    ///
    /// # Errors
    /// Parameter Store's answer.
    pub async fn expect_papers(&self, stack: &Stack) -> Result<(), StepError> {
        self.expect_watched(stack);
        let has = match stack.leaves_listeners() {
            false => stack.has_papers(),
            true => self.aws.clients.metadata(&self.name).await?.record.is_some_and(|record| record.papers),
        };
        if has {
            self.aws.expect_papers(Papers::Wanted);
        }
        Ok(())
    }

    /// The live resources of the stack, of its engine and of what may be left of another.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn observe(&self) -> Result<Observed, StepError> {
        self.aws.begin_round();
        // Boxed: the compiler lays out no future that is nested any deeper.
        Box::pin(async {
            let Some(sought) = self.sought.get().copied() else {
                let metadata = self.aws.clients.metadata(&self.name).await?;
                return drivers::discover(&self.aws, metadata.record.as_ref()).await;
            };
            let (found, metadata) =
                tokio::try_join!(drivers::find_of(&self.aws, sought), self.aws.clients.metadata(&self.name))?;
            drivers::with_others(&self.aws, sought, found, metadata.record.as_ref()).await
        })
        .await
    }

    /// The same, with what AWS's services put into its VPC, and everything else that is there: what a destroy must know.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn observe_all(&self) -> Result<(Observed, Surroundings), StepError> {
        let mut observed = self.observe().await?;
        let surroundings = Box::pin(surroundings(&self.aws.clients, &Own::of(&observed))).await?;
        surroundings.adopt_into(&mut observed);
        Ok((observed, surroundings))
    }

    /// Sets `tags` on all live resources of the stack: one call for everything of EC2, and one for each other resource.
    ///
    /// # Errors
    /// The first call that failed. It may run again.
    pub async fn retag(&self, observed: &Observed, tags: &Tags) -> Result<(), StepError> {
        let (ids, batch, aws) = (IdMap::default(), Mutex::default(), &self.aws);
        let all = observed.live.iter().filter(|(address, _)| kinds::is_tagged(&address.kind));
        let each = all.map(|(address, live)| {
            let (ids, batch) = (&ids, Some(&batch));
            async move {
                let ctx =
                    Ctx { system: aws, address, tags, token: "", ids, progress: &|_| (), check_instance: false, batch };
                drivers::retag(&live.spec, &ctx, &live.id, tags, &[]).await
            }
        });
        let (_, roots) = tokio::try_join!(futures::future::try_join_all(each), drivers::root_volumes(aws))?;
        let noted = batch.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        aws.clients.tag_ec2(noted.into_iter().chain(roots).collect(), tags).await
    }

    /// Creates the stack's record, or marks in it that an apply is under way: always the first write.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn ensure_record(&self, design: &Design, input: &PlanningInput) -> Result<Record, StepError> {
        let own_role = design.stack.has_own_role();
        let secured = design.has_papers() || design.stack.has_papers();
        if secured {
            // From now on there may be some that a lost answer does not tell of.
            self.aws.expect_papers(Papers::Begun);
        }
        if let Some(record) = &input.record {
            // One that is to go may be there until it is gone.
            let own_role = if own_role { Some(true) } else { record.own_role };
            let zone = names::place(&design.stack).or_else(|| record.zone.clone());
            let privatelink = names::has_privatelink(&design.stack) || record.privatelink;
            let papers = secured || record.papers;
            let settings = record.settings || gives_settings(design, &input.observed);
            let alarms = design.has_alarms() || record.alarms;
            let client = if design.stack.client.is_some() { Some(true) } else { record.client };
            let ipv6 = if design.stack.network.ipv6 { Some(true) } else { record.ipv6 };
            let begun = Record {
                expires_at: design.expires,
                own_role,
                client,
                ipv6,
                zone,
                privatelink,
                papers,
                settings,
                unfinalized: record.unfinalized || changes_kafka(&design.stack, &input.observed),
                alarms,
                logs: design.stack.logs().max(record.logs),
                resources: None,
                ..record.clone()
            };
            return self.write_record(record, begun).await;
        }
        let record = Record {
            cluster_id: design.cluster_id.clone(),
            made_at: clock::now(),
            made_by: input.facts.caller.clone(),
            expires_at: design.expires,
            engine: Some(Engine::of(&design.stack).key().to_owned()),
            own_role: Some(own_role),
            client: design.stack.client.is_some().then_some(true),
            ipv6: Some(design.stack.network.ipv6),
            zone: names::place(&design.stack),
            privatelink: names::has_privatelink(&design.stack),
            papers: secured,
            settings: false,
            unfinalized: false,
            alarms: design.has_alarms(),
            logs: design.stack.logs(),
            resources: None,
            applies: 0,
        };
        match self.aws.clients.put_record(&self.name, &record, false).await {
            // A first try that arrived but whose answer did not: what it wrote is the record.
            Err(error) if error.class() == Class::Conflict => {
                let metadata = self.aws.clients.metadata(&self.name).await?;
                metadata.record.ok_or(error)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(record),
        }
    }

    /// Marks in the stack's record that everything in `design` exists, after an apply that had `steps`. Where it is not known what Kafka has,
    /// as `unknown` says, what is kept of users that are no longer in the file may still be there.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn complete_record(
        &self,
        design: &Design,
        record: &Record,
        (steps, unknown): (bool, bool),
    ) -> Result<Record, StepError> {
        let resources =
            Some(kinds::desired(design).keys().filter(|address| !kinds::is_of_kafka(&address.kind)).count());
        let applies = record.applies + u64::from(steps);
        let engine = Some(Engine::of(&design.stack).key().to_owned());
        let own_role = Some(design.stack.has_own_role());
        let client = design.stack.client.is_some().then_some(true);
        let zone = names::place(&design.stack);
        let complete = Record {
            zone,
            privatelink: names::has_privatelink(&design.stack),
            papers: design.has_papers() || design.stack.has_papers() || unknown && record.papers,
            alarms: design.has_alarms(),
            logs: design.stack.logs(),
            expires_at: design.expires,
            engine,
            own_role,
            client,
            ipv6: Some(design.stack.network.ipv6),
            resources,
            applies,
            ..record.clone()
        };
        self.write_record(record, complete).await
    }

    /// Marks in the stack's record that the features of the Kafka that runs are finalized.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn note_finalized(&self, record: &Record) -> Result<(), StepError> {
        self.write_record(record, Record { unfinalized: false, ..record.clone() }).await?;
        Ok(())
    }

    /// Writes the record if it has changed.
    async fn write_record(&self, old: &Record, new: Record) -> Result<Record, StepError> {
        if *old != new {
            self.aws.clients.put_record(&self.name, &new, true).await?;
        }
        Ok(new)
    }
}

/// Whether a live host runs another Kafka than `stack` has.
pub fn changes_kafka(stack: &Stack, observed: &Observed) -> bool {
    let Some(ec2) = &stack.cluster.ec2 else { return false };
    let wanted = ec2.kafka.to_string();
    observed.of::<Instance>().values().any(|(_, host)| host.kafka.as_ref().is_some_and(|one| *one != wanted))
}

/// Whether brokers are to be given other settings while they run.
fn gives_settings(design: &Design, observed: &Observed) -> bool {
    let wanted = design.running.iter().flatten();
    let live = observed.of::<ClusterSettings>();
    wanted.into_iter().any(|(name, value)| live.values().any(|(_, live)| live.config.get(name) != Some(value)))
}

/// The plan for `parsed`; a plan with refusals where the facts don't allow a design.
pub fn make_plan(
    source: &Source,
    parsed: &Parsed,
    input: &PlanningInput,
    allow_data_loss: bool,
) -> (Option<Design>, Plan) {
    plan::make_plan(&parsed.stack, input, &source.overrides, allow_data_loss)
}
