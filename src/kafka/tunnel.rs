//! Session Manager's tunnels: for each broker a session through its own instance, and the Session Manager plugin of AWS's CLI, which
//! listens on a port of this machine for it. The plugin ends with kstack, however that ends.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Mutex, OnceCell, oneshot};
use tokio::time::timeout;

use super::Server;
use crate::aws::{Clients, PortSession};

/// The plugin's name.
pub const PLUGIN: &str = "session-manager-plugin";
/// How long the plugin may take until its port is open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How soon a tunnel that could not be opened is tried again.
const PAUSE: Duration = Duration::from_secs(10);
/// The variable in which newer plugins take the answer of StartSession, so that nobody sees its token among the arguments.
const RESPONSE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// The last version that takes it as an argument only, by AWS's CLI.
const LAST_WITHOUT_VARIABLE: [u32; 4] = [1, 2, 497, 0];

/// Runs the plugin, and ends it as soon as standard input does: with whoever holds the other end of it.
const GUARD: &str = r#"exec 3<&0
"$@" < /dev/null 3<&- 2>&1 & plugin=$!
(read -r _ <&3; kill -TERM "$plugin"; sleep 5; kill -KILL "$plugin") > /dev/null 2>&1 & guard=$!
wait "$plugin"; code=$?; kill "$guard" 2> /dev/null; exit "$code""#;

/// What tunnels are made with: AWS, the stack whose instances they go through, and the plugin.
#[derive(Debug, Clone)]
pub struct Gate {
    pub clients: Clients,
    pub stack: String,
    /// The plugin's name or path.
    pub plugin: PathBuf,
}

impl Gate {
    /// Whether the plugin is there.
    pub fn has_plugin(&self) -> bool {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(&self.plugin).is_file())
    }
}

/// A tunnel that is open, until it is dropped.
struct Tunnel {
    port: u16,
    session: String,
    /// Set when the plugin has ended.
    ended: Arc<AtomicBool>,
    /// The plugin ends with it.
    _guard: ChildStdin,
}

/// A tunnel, or why there is none and since when.
type Tried = Result<Tunnel, (String, Instant)>;

/// A tunnel to each broker, as far as one could be opened.
pub struct Tunnels {
    gate: Gate,
    open: Mutex<BTreeMap<Server, Tried>>,
    by_variable: OnceCell<bool>,
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnels into {}", self.gate.stack)
    }
}

impl Tunnels {
    pub fn new(gate: Gate) -> Tunnels {
        Tunnels { gate, open: Mutex::default(), by_variable: OnceCell::new() }
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Opens a tunnel to each of `brokers` that has none, or whose tunnel has ended, as it does with the instance that it goes through.
    /// Returns whether there is one at all.
    pub async fn open(&self, brokers: &[Server]) -> bool {
        let mut open = self.open.lock().await;
        let wanted = |broker: &&Server| match open.get(broker) {
            Some(Ok(tunnel)) => tunnel.ended.load(Ordering::Relaxed),
            Some(Err((_, at))) => at.elapsed() >= PAUSE,
            None => true,
        };
        let wanted: Vec<&Server> = brokers.iter().filter(wanted).collect();
        if !wanted.is_empty() {
            let instances = self.gate.clients.instances_by_address(&self.gate.stack).await;
            let instances = instances.map_err(|error| error.to_string());
            let tunnels = wanted.iter().map(|broker| async {
                let all = instances.as_ref().map_err(Clone::clone)?;
                let none = || format!("no running instance of the stack has the address {}", broker.host);
                self.tunnel(all.get(&broker.host).ok_or_else(none)?, broker).await
            });
            let tunnels: Vec<Result<Tunnel, String>> = futures::future::join_all(tunnels).await;
            let dated = tunnels.into_iter().map(|one| one.map_err(|why| (why, Instant::now())));
            open.extend(wanted.into_iter().cloned().zip(dated));
        }
        brokers.iter().any(|broker| open.get(broker).is_some_and(Result::is_ok))
    }

    /// The port of this machine that leads to `broker`.
    ///
    /// # Errors
    /// Why none does.
    pub async fn port(&self, broker: &Server) -> Result<u16, String> {
        match self.open.lock().await.get(broker) {
            Some(Ok(tunnel)) if !tunnel.ended.load(Ordering::Relaxed) => Ok(tunnel.port),
            Some(Ok(_)) => Err("Session Manager's tunnel has ended".to_owned()),
            Some(Err((why, _))) => Err(format!("Session Manager has no tunnel: {why}")),
            None => Err("Session Manager's tunnel has not been opened".to_owned()),
        }
    }

    /// Ends every tunnel and its session. A session that can't be ended now ends by itself, as nobody uses it.
    pub async fn close(&self) {
        let all = std::mem::take(&mut *self.open.lock().await);
        let sessions = all.into_values().filter_map(Result::ok).map(|tunnel| tunnel.session.clone());
        let sessions: Vec<String> = sessions.collect();
        futures::future::join_all(sessions.iter().map(|id| self.gate.clients.terminate_session(id))).await;
    }

    async fn tunnel(&self, instance: &str, broker: &Server) -> Result<Tunnel, String> {
        let plugin = &self.gate.plugin;
        let version = self.by_variable.get_or_try_init(|| takes_variable(plugin));
        let by_variable = *version.await?;
        let started = self.gate.clients.start_session(instance, &broker.host, broker.port).await;
        let session = started.map_err(|error| error.to_string())?;
        let opened = self.plugin(&session, by_variable).await;
        if opened.is_err() {
            // Else it would be there for some minutes.
            let _ = self.gate.clients.terminate_session(&session.id).await;
        }
        opened.map_err(|why| why.replace(&session.token, "TOKEN"))
    }

    /// Runs the plugin with the arguments that AWS's CLI gives it, until its port is open.
    async fn plugin(&self, session: &PortSession, by_variable: bool) -> Result<Tunnel, String> {
        let Gate { clients, plugin, .. } = &self.gate;
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "kstack-tunnel"]).arg(plugin);
        arguments(&mut command, clients, session, by_variable);
        // A group of its own: a signal to kstack's, which it may live on after, is none to the tunnel.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("{PLUGIN} can't be started: {error}"))?;
        let (Some(guard), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{PLUGIN} has no input and output"));
        };
        let ended = Arc::new(AtomicBool::new(false));
        let (tell, told) = oneshot::channel();
        let flag = ended.clone();
        tokio::spawn(async move {
            let (mut lines, mut tell, mut last) = (BufReader::new(out).lines(), Some(tell), String::new());
            while let Ok(Some(line)) = lines.next_line().await {
                match opened(&line) {
                    Some(port) => drop(tell.take().map(|tell| tell.send(Ok(port)))),
                    None if line.trim().is_empty() => {}
                    None => last = line,
                }
            }
            flag.store(true, Ordering::Relaxed);
            let _ = child.wait().await;
            drop(tell.map(|tell| tell.send(Err(format!("{PLUGIN} has ended: {last}")))));
        });
        let port = timeout(OPEN_TIMEOUT, told).await;
        let port = port.map_err(|_| format!("{PLUGIN} has opened no port within {} s", OPEN_TIMEOUT.as_secs()))?;
        let port = port.map_err(|_| format!("{PLUGIN} has ended"))??;
        Ok(Tunnel { port, session: session.id.clone(), ended, _guard: guard })
    }
}

/// Gives the plugin the arguments that AWS's CLI gives it.
pub(super) fn arguments(command: &mut Command, clients: &Clients, session: &PortSession, by_variable: bool) {
    let profile = std::env::var("AWS_PROFILE").unwrap_or_default();
    command.arg(if by_variable { RESPONSE } else { &session.response });
    command.args([&clients.region, "StartSession", &profile, &session.request, &clients.sessions_url()]);
    if by_variable {
        command.env(RESPONSE, &session.response);
    }
}

/// The port in the plugin's line `Port 56789 opened for sessionId …`.
fn opened(line: &str) -> Option<u16> {
    line.trim().strip_prefix("Port ")?.split_once(" opened for ")?.0.parse().ok()
}

/// Whether the plugin takes the session in a variable.
pub(super) async fn takes_variable(plugin: &Path) -> Result<bool, String> {
    let output = Command::new(plugin).arg("--version").stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| {
        format!("{PLUGIN} can't be started: {error}; AWS's guide says how it is installed (\"Install the Session Manager plugin\")")
    })?;
    Ok(is_newer(&String::from_utf8_lossy(&output.stdout)))
}

fn is_newer(version: &str) -> bool {
    let parts: Result<Vec<u32>, _> = version.trim().split('.').map(str::parse).collect();
    parts.is_ok_and(|parts| parts.as_slice() > &LAST_WITHOUT_VARIABLE[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_words_are_read() {
        assert_eq!(opened("Port 56789 opened for sessionId me-0123."), Some(56789));
        for other in ["Waiting for connections...", "Port x opened for sessionId y", "", "Port 70000 opened for z"] {
            assert_eq!(opened(other), None, "{other}");
        }
        assert!(is_newer("1.2.553.0\n") && is_newer("1.3.0.0") && is_newer("2.0"));
        assert!(!is_newer("1.2.497.0\n") && !is_newer("1.1.61.0") && !is_newer("what?") && !is_newer(""));
    }
}
