//! What every command needs of the global options: how to print, and where AWS is.

use super::ui::Printer;
use crate::aws::{Clients, Fence, Place, default_region};
use crate::kafka::Via;
use crate::ops::inside::Looking;
use crate::ops::{Failure, Signals, Task};
use crate::session::Session;
use kstack_core::stack::Name;

/// The global flags at work.
pub struct Context {
    pub printer: Printer,
    /// Whether AWS is the pinned LocalStack on this machine.
    pub sandbox: bool,
    /// By which way brokers are asked.
    pub via: Via,
    notes: Box<dyn Fn(&str)>,
}

impl Context {
    pub fn new(printer: Printer, sandbox: bool, via: Via) -> Context {
        Context { printer, sandbox, via, notes: Box::new(move |text| printer.progress(text)) }
    }

    /// Where AWS is: in the sandbox, which is started when it is not running, or where the environment says.
    ///
    /// # Errors
    /// Why the sandbox can't be started.
    pub fn place(&self, region: &str) -> Result<Place, Failure> {
        let sandbox = if self.sandbox { Some(crate::sandbox::start(None, &*self.notes)?.endpoint) } else { None };
        Ok(Place { region: region.to_owned(), sandbox })
    }

    /// A session for one stack.
    ///
    /// # Errors
    /// As [`Context::place`].
    pub async fn session(&self, region: &str, name: &Name) -> Result<Session, Failure> {
        Ok(Session::open(&self.place(region)?, name).await)
    }

    /// Clients for a region and many stacks: they can only read.
    ///
    /// # Errors
    /// As [`Context::place`].
    pub async fn clients(&self, region: &str) -> Result<Clients, Failure> {
        Ok(Clients::connect(&self.place(region)?, Fence::default()).await)
    }

    /// By which way plans ask brokers.
    pub fn looking(&self) -> Looking<'_> {
        Looking { sandbox: self.sandbox, via: &self.via }
    }

    /// What use cases need.
    pub fn task<'a>(&'a self, signals: &'a Signals) -> Task<'a> {
        Task { signals, sandbox: self.sandbox, via: &self.via, notes: &*self.notes }
    }
}

/// The region that is named, or that of the environment or the profile.
///
/// # Errors
/// That none of them names one.
pub async fn region(named: Option<&String>) -> Result<String, Failure> {
    let region = match named {
        Some(region) => Some(region.clone()),
        None => default_region().await,
    };
    region.ok_or_else(|| Failure::new("no region is set").hint("use --region, or set AWS_REGION"))
}
