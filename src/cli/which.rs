//! The stack that a command is for: by its file, or by its name where the file is not available.

use super::context::region;
use crate::ops::Failure;
use crate::session::read_stack;
use kstack_core::stack::{Name, Stack};

/// The stack, by its file or by its name.
#[derive(Debug, clap::Args)]
pub struct Which {
    #[command(flatten)]
    named: Named,
    /// With --name: the AWS region; default: that of the environment or the profile
    #[arg(long, conflicts_with = "file")]
    region: Option<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Named {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// The stack's name, if its file is not available
    #[arg(long, value_parser = super::name)]
    name: Option<Name>,
}

impl Which {
    /// The stack's name, its region, and the stack itself where its file is given.
    ///
    /// # Errors
    /// That the file can't be read, or that no region is set.
    pub async fn find(&self) -> Result<(Name, String, Option<Stack>), Failure> {
        match (&self.named.file, &self.named.name) {
            (Some(file), _) => {
                let stack = read_stack(file)?.stack;
                Ok((stack.name.clone(), stack.region.to_string(), Some(stack)))
            }
            (None, Some(name)) => Ok((name.clone(), region(self.region.as_ref()).await?, None)),
            (None, None) => Err(Failure::new("no stack is named").hint("name a stack file, or use --name")),
        }
    }
}
