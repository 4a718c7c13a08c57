//! The sandbox: the pinned LocalStack on this machine, in a virtual environment of its own, on a loopback port.
//!
//! Everything that it needs is embedded in the binary. It is started once and kept for the next commands.

pub mod kafka;
pub mod msk;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rust_embed::Embed;
use serde::{Deserialize, Serialize};

/// LocalStack's lock file, launcher and provider package.
#[derive(Embed)]
#[folder = "localstack/"]
#[include = "requirements.txt"]
#[include = "launch.py"]
#[include = "pyproject.toml"]
#[include = "README.md"]
#[include = "src/*.py"]
struct Files;

/// How long LocalStack may take to answer.
const START_LIMIT: Duration = Duration::from_secs(90);
/// LocalStack 4.14 runs on this Python or newer.
const PYTHON: (u32, u32) = (3, 12);

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("no Python {}.{} or newer was found", PYTHON.0, PYTHON.1)]
    NoPython { found: Vec<String> },
    #[error("the port {0} is taken by another program")]
    PortTaken(u16),
    #[error("it runs already, at {}, and not on port {port}", .running.endpoint)]
    OtherPort { port: u16, running: Running },
    #[error("{doing} ended with {status}")]
    Command { doing: &'static str, status: String, output: String },
    #[error("LocalStack ended before it answered")]
    Ended { log: String },
    #[error("LocalStack did not answer in {} s", START_LIMIT.as_secs())]
    Silent { log: String },
    #[error("Kafka can't be started: {0}")]
    NoKafka(String),
    #[error("{doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl SandboxError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            SandboxError::NoPython { found } if found.is_empty() => {
                "install Python 3.12 or newer, or uv, which brings one".to_owned()
            }
            SandboxError::NoPython { found } => {
                format!("found only {}; install Python 3.12 or newer, or uv, which brings one", found.join(", "))
            }
            SandboxError::PortTaken(_) => {
                "leave out --port, and a free one is taken; or end the other program".to_owned()
            }
            SandboxError::OtherPort { .. } => {
                "leave out --port to use it as it is; or end it first, with what was made in it: kstack sandbox stop"
                    .to_owned()
            }
            SandboxError::Command { output, .. } => {
                let lines: Vec<&str> = output.trim().lines().collect();
                format!("it said:\n{}", lines[lines.len().saturating_sub(12)..].join("\n"))
            }
            SandboxError::Ended { log } | SandboxError::Silent { log } => format!("its log ends with:\n{log}"),
            SandboxError::NoKafka(_) => {
                format!("correct it, or unset {}; the sandbox then has no Kafka", kafka::VARIABLE)
            }
            SandboxError::Io { .. } => {
                "check the folder and the disk, or name another folder in KSTACK_CACHE_DIR".to_owned()
            }
        }
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError::Io { doing, path, source }
}

/// A LocalStack that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub endpoint: String,
    pub pid: u32,
    pub port: u16,
    pub started: Timestamp,
}

/// Where kstack keeps what can be made again: `KSTACK_CACHE_DIR`, else the user's cache folder.
pub fn folder() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = from("KSTACK_CACHE_DIR")
        .or_else(|| from("XDG_CACHE_HOME").map(|cache| cache.join("kstack")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/kstack")));
    cache.unwrap_or_else(|| std::env::temp_dir().join("kstack")).join("sandbox")
}

/// The process that owns the sandbox; the sandbox ends when it does. For tests.
fn parent() -> Option<String> {
    std::env::var("KSTACK_SANDBOX_PARENT").ok().filter(|pid| !pid.is_empty())
}

/// Where the sandbox of this environment lives. One that is for a process has a folder of its own, beside the shared virtual
/// environment, so that no run of the tests meets the sandbox of another run.
fn home() -> PathBuf {
    match parent() {
        Some(pid) => folder().join(format!("{OF_PROCESS}{pid}")),
        None => folder(),
    }
}

const OF_PROCESS: &str = "of-";

/// Removes the folders of sandboxes whose process is gone.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(OF_PROCESS)).and_then(|pid| pid.parse().ok());
        if pid
            .and_then(rustix::process::Pid::from_raw)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_err())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn state_file() -> PathBuf {
    home().join("state.json")
}

/// The sandbox that runs now and answers, if any.
pub fn running() -> Option<Running> {
    begun().filter(|state| answers(state.port))
}

/// The sandbox that runs now, whether it answers in this moment or not.
fn begun() -> Option<Running> {
    let state: Running = serde_json::from_slice(&fs::read(state_file()).ok()?).ok()?;
    is_ours(state.pid).then_some(state)
}

/// Starts the sandbox, unless it runs. `tell` hears what is being done.
///
/// # Errors
/// What is missing, or how LocalStack ended.
pub fn start(port: Option<u16>, mut tell: impl FnMut(&str)) -> Result<Running, SandboxError> {
    let (folder, home) = (folder(), home());
    fs::create_dir_all(&home).map_err(io_error("making the folder", &home))?;
    // Two commands that start at once must not start two LocalStacks.
    let guard_path = folder.join("lock");
    let guard = File::create(&guard_path).map_err(io_error("opening", &guard_path))?;
    guard.lock().map_err(io_error("locking", &guard_path))?;
    if let Some(running) = running() {
        return match port.filter(|port| *port != running.port) {
            Some(port) => Err(SandboxError::OtherPort { port, running }),
            None => Ok(running),
        };
    }
    sweep(&folder);
    let port = match port {
        Some(port) => {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| SandboxError::PortTaken(port))?;
            port
        }
        None => free_port().map_err(io_error("finding a free port for", &folder))?,
    };
    let python = environment(&folder, &mut tell)?;
    tell("Starting LocalStack ...");
    launch(&home, &python, port)
}

/// Ends the sandbox. Says whether one was running.
///
/// # Errors
/// That its state can't be removed.
pub fn stop() -> Result<bool, SandboxError> {
    kafka::remove_all()?;
    let path = state_file();
    let state: Option<Running> = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(state) = state else { return Ok(false) };
    let mut was_running = false;
    if let Some(pid) =
        i32::try_from(state.pid).ok().and_then(rustix::process::Pid::from_raw).filter(|_| is_ours(state.pid))
    {
        was_running = true;
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let start = Instant::now();
        while is_ours(state.pid) && start.elapsed() < Duration::from_secs(8) {
            std::thread::sleep(Duration::from_millis(50));
        }
        if is_ours(state.pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    fs::remove_file(&path).map_err(io_error("removing", &path))?;
    Ok(was_running)
}

/// Whether the process is a launcher of ours: a process id may have gone to another program since.
fn is_ours(pid: u32) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    if rustix::process::test_kill_process(raw).is_err() {
        return false;
    }
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => line.windows(9).any(|part| part == b"launch.py"),
        // Without /proc, or for a zombie of our own, the answer on the port decides.
        Err(_) => !Path::new("/proc").exists(),
    }
}

/// Whether something answers on the port as LocalStack does.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_localstack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer[9..] == b"200")
    };
    ask().unwrap_or(false)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The interpreter of the virtual environment, which is made if there is none for these files.
fn environment(folder: &Path, tell: &mut impl FnMut(&str)) -> Result<PathBuf, SandboxError> {
    let mut bytes = Vec::new();
    for name in Files::iter() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&Files::get(&name).map(|file| file.data).unwrap_or_default());
    }
    let key = kstack_core::digest::fingerprint(bytes, 12);
    let home = folder.join(format!("localstack-{key}"));
    let python = home.join("venv/bin/python");
    if home.join("ready").exists() {
        return Ok(python);
    }
    tell("Making the virtual environment of the pinned LocalStack (once, about a minute) ...");
    let sources = home.join("files");
    for name in Files::iter() {
        let path = sources.join(name.as_ref());
        let parent = path.parent().unwrap_or(&sources);
        fs::create_dir_all(parent).map_err(io_error("making the folder", parent))?;
        fs::write(&path, Files::get(&name).map(|file| file.data).unwrap_or_default())
            .map_err(io_error("writing", &path))?;
    }
    let (venv, lock) = (home.join("venv"), sources.join("requirements.txt"));
    if works("uv") {
        let version = format!(">={}.{}", PYTHON.0, PYTHON.1);
        run("uv venv", Command::new("uv").args(["venv", "--clear", "--python", &version]).arg(&venv))?;
        let install = |doing, arguments: &[&str], what: &Path| {
            let mut command = Command::new("uv");
            command.args(["pip", "install", "--python"]).arg(&python).args(arguments).arg(what);
            run(doing, &mut command)
        };
        install("uv pip install", &["--require-hashes", "-r"], &lock)?;
        install("uv pip install", &["--no-deps", "--no-build-isolation"], &sources)?;
    } else {
        let system = find_python()?;
        run("python -m venv", Command::new(system).args(["-m", "venv", "--clear"]).arg(&venv))?;
        let install = |arguments: &[&str], what: &Path| {
            let mut command = Command::new(&python);
            command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments).arg(what);
            run("pip install", &mut command)
        };
        install(&["--require-hashes", "-r"], &lock)?;
        install(&["--no-deps", "--no-build-isolation"], &sources)?;
    }
    fs::write(home.join("ready"), b"").map_err(io_error("writing into", &home))?;
    Ok(python)
}

fn works(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A Python that is new enough: by name on the path, then among pyenv's.
fn find_python() -> Result<PathBuf, SandboxError> {
    let names = ["python3.14", "python3.13", "python3.12", "python3", "python"].map(PathBuf::from);
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")));
    let versions = pyenv.and_then(|root| fs::read_dir(root.join("versions")).ok()).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin/python3")).collect();
    versions.sort();
    let mut found = Vec::new();
    for candidate in names.into_iter().chain(versions.into_iter().rev()) {
        let script = "import sys; print('%d.%d' % sys.version_info[:2])";
        let Ok(output) = Command::new(&candidate).args(["-c", script]).output() else { continue };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
        match parts[..] {
            [major, minor] if (major, minor) >= PYTHON => return Ok(candidate),
            [major, minor] => found.push(format!("{} ({major}.{minor})", candidate.display())),
            _ => {}
        }
    }
    Err(SandboxError::NoPython { found })
}

fn run(doing: &'static str, command: &mut Command) -> Result<(), SandboxError> {
    // A virtual environment that the user is in must not take part.
    let output = command.env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH").env_remove("PYTHONHOME").output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let output_text = String::from_utf8_lossy(&text).into_owned();
            Err(SandboxError::Command { doing, status: output.status.to_string(), output: output_text })
        }
        Err(source) => Err(SandboxError::Io { doing: "starting", path: command.get_program().into(), source }),
    }
}

fn launch(home: &Path, python: &Path, port: u16) -> Result<Running, SandboxError> {
    use std::os::unix::process::CommandExt as _;
    let log_path = home.join("localstack.log");
    let log = File::create(&log_path).map_err(io_error("opening", &log_path))?;
    let errors = log.try_clone().map_err(io_error("opening", &log_path))?;
    let launcher = python.parent().and_then(|bin| bin.ancestors().nth(2)).unwrap_or(home).join("files/launch.py");
    let mut command = Command::new(python);
    command.arg(launcher).arg("--port").arg(port.to_string()).arg("--dir").arg(home.join("run"));
    command.arg("--brokers").arg(home.join("kafka"));
    if let Some(parent) = parent() {
        command.arg("--parent").arg(parent);
    }
    // A group of its own: Ctrl-C in the terminal is for the command, not for the sandbox.
    command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors).env_remove("PYTHONPATH");
    let mut child = command.spawn().map_err(io_error("starting", python))?;
    let start = Instant::now();
    let tail = || {
        let text = fs::read(&log_path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    };
    while !answers(port) {
        if let Ok(Some(_)) = child.try_wait() {
            return Err(SandboxError::Ended { log: tail() });
        }
        if start.elapsed() > START_LIMIT {
            let _ = child.kill();
            return Err(SandboxError::Silent { log: tail() });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let running =
        Running { endpoint: format!("http://127.0.0.1:{port}"), pid: child.id(), port, started: Timestamp::now() };
    let path = state_file();
    fs::write(&path, serde_json::to_vec(&running).unwrap_or_default()).map_err(io_error("writing", &path))?;
    Ok(running)
}
