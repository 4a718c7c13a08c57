//! One stack file at work: reads the file, asks AWS, plans. What every command does before its own part.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{Aws, Class, Clients, CloudError, Fence, Place};
use crate::cloud_init::Overrides;
use crate::design::{self, Design, World};
use crate::kinds::{self, Vpc};
use crate::lease::{Holder, Record};
use crate::plan::{self, Plan, Refusal};
use crate::resource::{Engine, Observed};
use crate::stack::{self, Parsed, Report};

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
        let bytes = std::fs::read(path).map_err(unreadable(path))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parsed = stack::parse(file, &text).map_err(SourceError::Problems)?;
        let mut overrides = Overrides::new();
        if let Some(folder) = parsed.stack.cluster.ec2.as_ref().and_then(|ec2| ec2.templates.as_ref()) {
            let folder = path.parent().unwrap_or(Path::new(".")).join(folder);
            for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
                let entry = entry.map_err(unreadable(&folder))?.path();
                if entry.extension().is_some_and(|extension| extension == "hbs") {
                    let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    overrides.insert(name, std::fs::read_to_string(&entry).map_err(unreadable(&entry))?);
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
        stack::parse(&self.file, &self.text).map_err(SourceError::Problems)
    }
}

/// A plan that `plan --out` wrote and `apply` runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// The version of this format.
    pub kstack_plan: u32,
    pub source: Source,
    pub allow_data_loss: bool,
    pub account: String,
    pub steps: Vec<Value>,
}

/// The format that this kstack reads and writes.
pub const SAVED_PLAN: u32 = 1;

/// A stack and its AWS.
#[derive(Debug)]
pub struct Session {
    pub aws: Aws,
    pub fence: Fence,
    pub region: String,
}

/// What one look at AWS gave.
#[derive(Debug)]
pub struct Seen {
    pub world: World,
    /// Who works on the stack at the moment.
    pub holder: Option<Holder>,
}

impl Session {
    /// A session for the stack `name` at `place`.
    pub async fn open(place: &Place, name: &str) -> Session {
        let fence = Fence::default();
        let clients = Clients::connect(place, fence.clone()).await;
        Session { aws: Aws::new(clients, name), fence, region: place.region.clone() }
    }

    /// Asks AWS for everything that a plan of `parsed` needs, all at once.
    ///
    /// # Errors
    /// AWS's first answer that is not what was asked for.
    pub async fn look(&self, parsed: &Parsed) -> Result<Seen, CloudError> {
        self.aws.begin_round();
        let (facts, observed, papers) = tokio::try_join!(
            self.aws.clients.facts(&parsed.stack),
            self.observe(Engine::of(&parsed.stack)),
            self.aws.clients.papers(&self.aws.stack)
        )?;
        let holder = papers.leases.into_values().next_back().filter(|holder| holder.holds(Timestamp::now()));
        Ok(Seen { world: World { facts, observed, record: papers.record }, holder })
    }

    /// What is live of the stack, as far as one with `engine` goes. Where there is no VPC that tells the engine, what is left
    /// of the stack may be of the other one, and everything is asked for.
    ///
    /// # Errors
    /// AWS's first answer that is not what was asked for.
    pub async fn observe(&self, engine: Engine) -> Result<Observed, CloudError> {
        let observed = kinds::discover(&self.aws, Some(engine)).await?;
        if observed.of::<Vpc>().is_empty() { self.observe_all().await } else { Ok(observed) }
    }

    /// What is live of the stack, whatever its engine.
    ///
    /// # Errors
    /// AWS's first answer that is not what was asked for.
    pub async fn observe_all(&self) -> Result<Observed, CloudError> {
        self.aws.begin_round();
        kinds::discover(&self.aws, None).await
    }

    /// Makes the stack's record, unless there is one: the first thing that is written.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn ensure_record(&self, design: &Design, world: &World) -> Result<Record, CloudError> {
        if let Some(record) = &world.record {
            return Ok(record.clone());
        }
        let cluster_id = design.cluster_id.clone();
        let record = Record { cluster_id, made_at: Timestamp::now(), made_by: world.facts.caller.clone() };
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
}

/// The plan for `parsed` in what was `seen`; a plan with refusals where the facts don't allow a design.
pub fn make_plan(source: &Source, parsed: &Parsed, world: &World, allow_data_loss: bool) -> (Option<Design>, Plan) {
    match design::design(&parsed.stack, world, &source.overrides) {
        Ok(design) => {
            let plan = plan::plan(&design, &world.observed, allow_data_loss);
            (Some(design), plan)
        }
        Err(refusals) => (None, refused(parsed, world, refusals)),
    }
}

fn refused(parsed: &Parsed, world: &World, refusals: Vec<Refusal>) -> Plan {
    Plan {
        stack: parsed.stack.name.to_string(),
        region: parsed.stack.region.to_string(),
        account: world.facts.account.clone(),
        steps: Vec::new(),
        notes: Vec::new(),
        refusals,
    }
}
