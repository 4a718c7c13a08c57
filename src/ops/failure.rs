//! Why a command did not do what it was asked, from any layer: a sentence, its causes, and what to do about it.

use crate::error::StepError;
use crate::lease::LeaseError;
use crate::sandbox::SandboxError;
use crate::session::SourceError;
use kstack_core::check::Report;
use kstack_core::model::Holder;
use kstack_core::refusal::Refusal;
use kstack_core::text::without_number;

/// The exit code after a signal, as shells have it for SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// What was being done, or what is wrong, as a sentence without its stop.
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    /// Problems of a file, shown instead of the message.
    pub report: Option<Box<Report>>,
    pub code: u8,
    /// Who holds the lease on the stack: nothing was changed, and it may be tried again.
    pub lease_held: Option<Box<Holder>>,
    /// AWS may have done more than was confirmed: a call was cut off, or its answer was lost.
    pub maybe_applied: bool,
}

impl Failure {
    /// A failure in one sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: 1, ..Failure::default() }
    }
    /// The same with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// The same as the cause of `message`.
    pub fn during(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let hint = error.remedy().map(str::to_owned);
        let maybe_applied = error.maybe_applied();
        Failure { hint, causes: causes(&error), maybe_applied, ..Failure::new(format!("{error:#}")) }
    }
}

/// What an error came from, each cause once.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect()
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Cloud(error) => Failure::from(error).during("the lease on the stack can't be taken"),
            LeaseError::Spent { .. } => Failure::new(error.to_string())
                .hint("`kstack unlock` deletes it, once nobody changes the stack any more"),
            LeaseError::Held { ref holder, .. } => {
                let lease_held = Some(Box::new(holder.clone()));
                let hint = format!(
                    "wait for it to end; if it has crashed, its lease expires at {}, and the command can run then, or at once \
                     after `kstack unlock`",
                    holder.expires.strftime("%T UTC")
                );
                Failure { lease_held, ..Failure::new(error.to_string()) }.hint(hint)
            }
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Problems(report) => report.into(),
            SourceError::Read { .. } => Failure::new(error.to_string()),
        }
    }
}

impl From<Vec<Refusal>> for Failure {
    fn from(refusals: Vec<Refusal>) -> Self {
        let mut reasons = refusals.into_iter().map(|refusal| refusal.reason);
        let first = reasons.next().unwrap_or_default();
        Failure { causes: reasons.collect(), ..Failure::new(first) }
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Failure { report: Some(Box::new(report)), ..Failure::new("the stack file has problems") }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let causes = causes(&error);
        Failure { hint: Some(error.hint()), causes, ..Failure::new(format!("the sandbox can't be started: {error}")) }
    }
}

impl Failure {
    /// The failure as plain text, problems of a file among it.
    pub fn text(&self) -> String {
        match &self.report {
            Some(report) => report.render(false),
            None => std::iter::once(&self.message)
                .chain(&self.causes)
                .map(|one| without_number(one))
                .collect::<Vec<_>>()
                .join(": "),
        }
    }
}
