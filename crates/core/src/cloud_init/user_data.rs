//! What a host starts with. Most plans start few of their hosts, so the text is made when it is asked for.

use std::sync::Arc;

use super::{Host, Overrides, TemplateError, render};

/// User data, with a placeholder for the id of each volume.
#[derive(Debug, Clone, PartialEq)]
pub enum UserData {
    /// As it is: what a host has been started with.
    Text(Arc<str>),
    /// Of this host, by kstack's templates and these.
    Of(Arc<Host>, Arc<Overrides>),
}

impl UserData {
    /// The text, of some 30 KiB.
    ///
    /// # Errors
    /// A value that no host can have, or what is wrong with a template.
    pub fn text(&self) -> Result<Arc<str>, TemplateError> {
        match self {
            UserData::Text(text) => Ok(text.clone()),
            UserData::Of(host, overrides) => render(host, overrides).map(Arc::from),
        }
    }
}

/// None, as of an instance that is there.
impl Default for UserData {
    fn default() -> UserData {
        UserData::Text(Arc::default())
    }
}
