//! A shell on an instance, or one command: a session of Session Manager, and its plugin with this process's own terminal.

use std::io;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::tunnel::{arguments, takes_variable};
use super::{Gate, PLUGIN};

impl Gate {
    /// Runs `command` in a shell of `instance`, with a terminal or without, until the plugin has ended, for which `wait` waits. The plugin's
    /// exit code is the command's, where Session Manager tells it.
    ///
    /// # Errors
    /// Why there is no session.
    pub async fn run(
        &self,
        instance: &str,
        command: &str,
        terminal: bool,
        wait: impl AsyncFnOnce(Child) -> io::Result<ExitStatus>,
    ) -> Result<ExitStatus, String> {
        let by_variable = takes_variable(&self.plugin).await?;
        let session = self.clients.start_command(instance, command, terminal).await;
        let session = session.map_err(|error| error.to_string())?;
        let mut plugin = Command::new(&self.plugin);
        arguments(&mut plugin, &self.clients, &session, by_variable);
        let ended = match plugin.spawn() {
            Ok(child) => wait(child).await,
            Err(error) => Err(error),
        };
        // It ends with the plugin, unless that was killed; and then it would be there for some minutes.
        let _ = self.clients.terminate_session(&session.id).await;
        ended.map_err(|error| format!("{PLUGIN} can't be run: {error}"))
    }
}
