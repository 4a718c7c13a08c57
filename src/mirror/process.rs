//! MirrorMaker's process. It ends with kstack, however that ends, and takes the files that it was given along.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use kstack_core::mirror::{Files, MAIN_FILE, SECRETS_FILE};

/// Runs a program in a folder until it ends, or standard input does: with whoever holds the other end of it. Then the program gets a time to
/// write down how far it is. The folder goes in any case.
const GUARD: &str = r#"folder=$1; shift
exec 3<&0
"$@" < /dev/null 3<&- > mm2.log 2>&1 & program=$!
(read -r _ <&3; kill -TERM "$program"; i=0
while [ $i -lt 30 ] && kill -0 "$program"; do sleep 1; i=$((i + 1)); done; kill -KILL "$program") > /dev/null 2>&1 & guard=$!
wait "$program"; code=$?
kill "$guard" 2> /dev/null
tail -n 40 mm2.log; rm -rf "$folder"; exit "$code""#;

/// How long the guard has for that, and a little more.
const END: Duration = Duration::from_secs(40);

/// Enough for some thousands of partitions; KAFKA_HEAP_OPTS says otherwise.
const HEAP: &str = "-Xms128m -Xmx1g";

/// Warnings and errors alone: MirrorMaker tells a lot.
const LOGGING: &str = "\
Configuration:
  Appenders:
    Console: {name: STDOUT, target: SYSTEM_OUT, PatternLayout: {pattern: '%d %p %m (%c{1})%n'}}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}
";

/// A distribution of Kafka on this machine, which has MirrorMaker.
#[derive(Debug, Clone)]
pub struct Tools {
    script: PathBuf,
}

impl Tools {
    /// Those in this folder.
    ///
    /// # Errors
    /// What is missing there.
    pub fn of(folder: &Path) -> Result<Tools, String> {
        let shown = folder.display();
        let script = folder.join("bin/connect-mirror-maker.sh");
        if !script.is_file() {
            return Err(format!("{shown} has no bin/connect-mirror-maker.sh, as Kafka's distribution has"));
        }
        let libs = fs::read_dir(folder.join("libs")).map_err(|error| format!("{shown}/libs can't be read: {error}"))?;
        let version = libs.flatten().find_map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            let version = name.strip_prefix("connect-mirror-")?.strip_suffix(".jar")?.to_owned();
            version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
        });
        let version = version.ok_or_else(|| format!("{shown}/libs has no connect-mirror-VERSION.jar"))?;
        match version.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
            Some(4..) => Ok(Tools { script: fs::canonicalize(script).map_err(|error| error.to_string())? }),
            _ => Err(format!("{shown} is Kafka {version}, and the MirrorMaker of Kafka 4.0 or newer is needed")),
        }
    }
}

/// MirrorMaker at work.
pub struct Process {
    child: Child,
    guard: Option<ChildStdin>,
}

impl Process {
    /// Starts it with these files, in a folder that only this user reads.
    ///
    /// # Errors
    /// What can't be written or started.
    pub fn start(tools: &Tools, files: &Files) -> io::Result<Process> {
        let own = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("kstack-mirror-").permissions(own).tempdir()?;
        lay_out(&folder, files)?;
        let logging = format!("-Dlog4j2.configurationFile={}", folder.path().join("log4j2.yaml").display());
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "kstack-mirror"]).arg(folder.path()).arg(&tools.script).arg(MAIN_FILE);
        if std::env::var_os("KAFKA_HEAP_OPTS").is_none() {
            command.env("KAFKA_HEAP_OPTS", HEAP);
        }
        // A group of its own: Ctrl-C is kstack's alone, which ends it in order.
        command
            .current_dir(folder.path())
            .env("LOG_DIR", folder.path())
            .env("KAFKA_LOG4J_OPTS", logging)
            .process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let guard = child.stdin.take();
        // From now on it goes with the process.
        let _ = folder.keep();
        Ok(Process { child, guard })
    }

    /// Waits until it ends by itself, and gives how, with the end of what it told.
    ///
    /// # Errors
    /// That it can't be waited for.
    pub async fn ended(&mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.child.wait().await?;
        let mut told = Vec::new();
        if let Some(out) = &mut self.child.stdout {
            tokio::io::AsyncReadExt::read_to_end(out, &mut told).await?;
        }
        Ok((status, String::from_utf8_lossy(&told).into_owned()))
    }

    /// Has it write down how far it is, and end. Whether it did in time.
    pub async fn end(mut self) -> bool {
        drop(self.guard.take());
        timeout(END, self.ended()).await.is_ok()
    }
}

fn lay_out(folder: &TempDir, files: &Files) -> io::Result<()> {
    for (name, text) in [(MAIN_FILE, &*files.main), (SECRETS_FILE, &*files.secrets), ("log4j2.yaml", LOGGING)] {
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(folder.path().join(name));
        file?.write_all(text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        Files { main: "clusters=a,b\n".to_owned(), secrets: "a.x=canary\n".to_owned() }
    }

    /// A program in the place of MirrorMaker, which notes the folder that it runs in.
    fn tools(folder: &Path, body: &str) -> Tools {
        fs::create_dir_all(folder.join("bin")).expect("a folder");
        fs::create_dir_all(folder.join("libs")).expect("a folder");
        fs::write(folder.join("libs/connect-mirror-4.1.1.jar"), "").expect("a file");
        let script = folder.join("bin/connect-mirror-maker.sh");
        fs::write(
            &script,
            format!("#!/bin/sh\npwd > {}/seen.new; mv {0}/seen.new {0}/seen\n{body}\n", folder.display()),
        )
        .expect("a file");
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("permissions");
        Tools::of(folder).expect("tools")
    }

    async fn seen(folder: &Path) -> PathBuf {
        for _ in 0..3000 {
            if let Ok(text) = fs::read_to_string(folder.join("seen")) {
                return PathBuf::from(text.trim());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not start");
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_process_that_ends_or_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let tools =
            tools(folder.path(), "trap 'kill $!; exit 0' TERM; cat secrets.properties > /dev/null; sleep 600 & wait");
        let process = Process::start(&tools, &files()).expect("it starts");
        let own = seen(folder.path()).await;
        let mode = |path: &Path| {
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).expect("it is there").permissions()) & 0o777
        };
        assert_eq!((mode(&own), mode(&own.join(SECRETS_FILE))), (0o700, 0o600));
        assert!(process.end().await && !own.exists());

        let folder = tempfile::tempdir().expect("a folder");
        let tools = self::tools(folder.path(), "echo it can not; exit 3");
        let mut process = Process::start(&tools, &files()).expect("it starts");
        let own = seen(folder.path()).await;
        let (status, told) = process.ended().await.expect("it ends");
        assert_eq!((status.code(), told.as_str()), (Some(3), "it can not\n"));
        assert!(!own.exists());
    }

    #[test]
    fn a_folder_that_is_no_kafka_4_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Tools::of(folder.path()).expect_err("empty").contains("has no bin/connect-mirror-maker.sh"));
        let _ = tools(folder.path(), "");
        let jar = |version: &str| folder.path().join(format!("libs/connect-mirror-{version}.jar"));
        fs::rename(jar("4.1.1"), jar("3.9.1")).expect("another name");
        assert!(
            Tools::of(folder.path()).expect_err("old").contains("is Kafka 3.9.1, and the MirrorMaker of Kafka 4.0")
        );
        fs::rename(jar("3.9.1"), folder.path().join("libs/connect-mirror-client-4.1.1.jar")).expect("another name");
        assert!(Tools::of(folder.path()).expect_err("none").contains("has no connect-mirror-VERSION.jar"));
    }
}
