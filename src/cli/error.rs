//! Errors for people: `error:`, `caused by:` and `hint:`, from any layer.

use anstyle::{AnsiColor, Style};

use super::ui;
use crate::error::{CloudError, StepError};
use crate::lease::LeaseError;
use crate::sandbox::SandboxError;
use crate::session::SourceError;
use kstack_core::check::Report;
use kstack_core::model::Holder;

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

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        Failure::from(StepError::from(error))
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let hint = error.remedy().map(str::to_owned);
        Failure { hint, causes: causes(&error), ..Failure::new(error.to_string()) }
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
            LeaseError::Held { ref holder, .. } => {
                let lease_held = Some(Box::new(holder.clone()));
                Failure { lease_held, ..Failure::new(error.to_string()) }.hint(
                    "wait for it to end; if it has crashed, its lease expires within two minutes, or at once with `kstack unlock`",
                )
            }
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Problems(report) => {
                Failure { report: Some(Box::new(report)), ..Failure::new("the stack file has problems") }
            }
            SourceError::Read { .. } => Failure::new(error.to_string()),
        }
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
            None => std::iter::once(&self.message).chain(&self.causes).cloned().collect::<Vec<_>>().join(": "),
        }
    }
}

/// Shows `failure` on standard error.
pub fn print(failure: &Failure) {
    let red: Style = AnsiColor::Red.on_default().bold();
    let bold = Style::new().bold();
    if let Some(report) = &failure.report {
        ui::err(&report.render(ui::colour()));
        let (errors, warnings) = report.counts();
        ui::err(&format!("{}: {}\n", report.file, counted(errors, warnings)));
        return;
    }
    ui::err(&format!("{red}error:{red:#} {}\n", failure.message));
    for cause in &failure.causes {
        ui::err(&format!("{bold}caused by:{bold:#} {cause}\n"));
    }
    if let Some(hint) = &failure.hint {
        ui::err(&format!("{bold}hint:{bold:#} {hint}\n"));
    }
}

/// `2 errors, 1 warning`.
pub fn counted(errors: usize, warnings: usize) -> String {
    let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match warnings {
        0 => many(errors, "error"),
        _ => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    }
}
