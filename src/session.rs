//! One stack file at work: reads the file, asks AWS, plans. What every command does before its own part.

mod saved;

use std::io;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::aws::kinds as drivers;
use crate::aws::{Aws, Class, Clients, CloudError, Fence, Place};
use crate::clock;
use crate::driver::{Ctx, IdMap};
use kstack_core::check::{self, Parsed, Report};
use kstack_core::choose::PlanningInput;
use kstack_core::cloud_init::Overrides;
use kstack_core::design::Design;
use kstack_core::engine::Engine;
use kstack_core::expiry::{Asked, Term};
use kstack_core::kinds;
use kstack_core::model::{Holder, Record, Tags};
use kstack_core::observed::Observed;
use kstack_core::plan::{self, Plan};

pub use saved::{SAVED_PLAN, SavedPlan, read_file};

/// A stack file's text and the templates that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The file's name as the user gave it.
    pub file: String,
    pub text: String,
    /// The user's own cloud-init templates, by file name.
    pub overrides: Overrides,
}

/// Why a file can't be worked with.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{file} can't be read: {error}")]
    Read { file: String, error: std::io::Error },
    #[error("{} has {} problems", .0.file, .0.problems.len())]
    Problems(Report),
}

impl Source {
    /// Reads and checks `file`, and the templates in the folder that it names.
    ///
    /// # Errors
    /// That a file can't be read, or every problem of the stack file.
    pub fn read(file: &str) -> Result<(Source, Parsed), SourceError> {
        let unreadable = |file: &Path| {
            let file = file.display().to_string();
            move |error| SourceError::Read { file, error }
        };
        let path = Path::new(file);
        let bytes = read_file(path).map_err(unreadable(path))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parsed = check::parse(file, &text).map_err(SourceError::Problems)?;
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
        Ok((Source { file: file.to_owned(), text, overrides }, parsed))
    }

    /// Checks the text again, as of a saved plan.
    ///
    /// # Errors
    /// Every problem of the stack file.
    pub fn parsed(&self) -> Result<Parsed, SourceError> {
        check::parse(&self.file, &self.text).map_err(SourceError::Problems)
    }
}

/// A stack and its AWS.
#[derive(Debug)]
pub struct Session {
    pub aws: Aws,
    pub fence: Fence,
    pub region: String,
    /// When, and with which `--ttl`, plans are asked for.
    pub asked: Asked,
}

/// What one look at AWS gave.
#[derive(Debug)]
pub struct Seen {
    pub world: PlanningInput,
    /// Who works on the stack at the moment.
    pub holder: Option<Holder>,
    /// How long the stack lives as it is.
    pub term: Term,
}

impl Session {
    /// A session for the stack `name` at `place`.
    pub async fn open(place: &Place, name: &str) -> Session {
        let fence = Fence::default();
        let clients = Clients::connect(place, fence.clone()).await;
        Session::with(clients, fence, name)
    }

    /// A session for the stack `name`, beside others with the same clients.
    pub fn beside(clients: &Clients, name: &str) -> Session {
        let fence = Fence::default();
        Session::with(clients.fenced(&fence), fence, name)
    }

    fn with(clients: Clients, fence: Fence, name: &str) -> Session {
        let region = clients.region.clone();
        Session { aws: Aws::new(clients, name), fence, region, asked: Asked { now: clock::now(), ttl: None } }
    }

    /// Asks AWS for everything that a plan of `parsed` needs, all at once.
    ///
    /// # Errors
    /// AWS's first answer that is not what was asked for.
    pub async fn look(&self, parsed: &Parsed) -> Result<Seen, CloudError> {
        self.aws.begin_round();
        let (facts, observed, papers) = tokio::try_join!(
            self.aws.clients.facts(&parsed.stack),
            drivers::discover_of(&self.aws, Engine::of(&parsed.stack)),
            self.aws.clients.papers(&self.aws.stack)
        )?;
        let holder = papers.holder(self.asked.now).cloned();
        let term = Term::of(&observed, papers.record.as_ref(), None);
        let expires = self.asked.choose(&parsed.stack, term);
        Ok(Seen { world: PlanningInput { facts, observed, record: papers.record, expires }, holder, term })
    }

    /// What is live of the stack, as far as one with `engine` goes.
    ///
    /// # Errors
    /// AWS's first answer that is not what was asked for.
    pub async fn observe_of(&self, engine: Engine) -> Result<Observed, CloudError> {
        self.aws.begin_round();
        drivers::discover_of(&self.aws, engine).await
    }

    /// What is live of the stack, whatever its engine.
    ///
    /// # Errors
    /// AWS's first answer that is not what was asked for.
    pub async fn observe(&self) -> Result<Observed, CloudError> {
        self.aws.begin_round();
        drivers::discover(&self.aws).await
    }

    /// Sets `tags` on everything that is live of the stack: one call for all that EC2 has, and one for each other resource.
    ///
    /// # Errors
    /// AWS's first answer that is not a success. It may run again.
    pub async fn retag(&self, observed: &Observed, tags: &Tags) -> Result<(), CloudError> {
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

    /// Makes the stack's record, or notes in it that an apply is under way: the first thing that is written.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn ensure_record(&self, design: &Design, world: &PlanningInput) -> Result<Record, CloudError> {
        if let Some(record) = &world.record {
            let begun = Record { expires_at: design.expires, resources: None, ..record.clone() };
            return self.write_record(record, begun).await;
        }
        let record = Record {
            cluster_id: design.cluster_id.clone(),
            made_at: clock::now(),
            made_by: world.facts.caller.clone(),
            expires_at: design.expires,
            resources: None,
            applies: 0,
        };
        match self.aws.clients.put_record(&self.aws.stack, &record, false).await {
            // A first try that arrived, and whose answer did not: what it wrote is the record.
            Err(error) if error.class == Class::Conflict => {
                let papers = self.aws.clients.papers(&self.aws.stack).await?;
                papers.record.ok_or(error)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(record),
        }
    }

    /// Notes in the stack's record that everything that `design` asks for is there, after an apply that had `steps`.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn complete_record(&self, design: &Design, record: &Record, steps: bool) -> Result<Record, CloudError> {
        let resources = Some(kinds::desired(design).len());
        let applies = record.applies + u64::from(steps);
        self.write_record(record, Record { expires_at: design.expires, resources, applies, ..record.clone() }).await
    }

    /// Writes the record where it differs from what it was.
    async fn write_record(&self, old: &Record, new: Record) -> Result<Record, CloudError> {
        if *old != new {
            self.aws.clients.put_record(&self.aws.stack, &new, true).await?;
        }
        Ok(new)
    }
}

/// The plan for `parsed` in what was `seen`; a plan with refusals where the facts don't allow a design.
pub fn make_plan(
    source: &Source,
    parsed: &Parsed,
    world: &PlanningInput,
    allow_data_loss: bool,
) -> (Option<Design>, Plan) {
    plan::make_plan(&parsed.stack, world, &source.overrides, allow_data_loss)
}
