//! Machines: copies of one Debian root, booted by systemd-nspawn with user data, on an interface and a volume that outlive them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::PATIENCE;
use crate::network::run;
use crate::support::poll;

/// What the image has that a host needs. A cloud image has an SSH server too, and cloud-init asks for it.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,procps,ca-certificates,curl,xfsprogs,cloud-init,openssh-server,\
                        openjdk-17-jre-headless";

/// What differs between a cloud's image and one in general: where user data comes from, and who sets the addresses.
const CLOUD: &str = "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: C.UTF-8\n";

/// Machines here have a part of a core each: what compiles for a long run would cost more than it saves.
const JAVA: &str = "[Manager]\nDefaultEnvironment=JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1\n";

/// The root folder of the image, made once: about three minutes.
pub fn image(folder: &Path) -> Result<PathBuf, String> {
    let image = folder.join("debian-12");
    if image.join("etc/kstack-image").exists()
        && fs::read_to_string(image.join("etc/kstack-image")).ok().as_deref() == Some(PACKAGES)
    {
        return Ok(image);
    }
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let _ = fs::remove_dir_all(&image);
    // The mirror that this machine's apt uses, when it is a Debian itself.
    let debian = fs::read_to_string("/etc/os-release").unwrap_or_default().lines().any(|line| line == "ID=debian");
    let targets = run("apt-get", &["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let of_debian = |uri: &&str| uri.trim_end_matches('/').ends_with("/debian");
    let mirror = targets.ok().filter(|_| debian).and_then(|text| text.lines().find(of_debian).map(str::to_owned));
    let include = format!("--include={PACKAGES}");
    let path = image.display().to_string();
    let mut arguments =
        vec!["900", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", &include, "bookworm", &path];
    arguments.extend(mirror.as_deref());
    run("timeout", &arguments)?;
    let write = |name: &str, text: &str| fs::write(image.join(name), text).map_err(|error| format!("{name}: {error}"));
    write("etc/cloud/cloud.cfg.d/99-kstack-tests.cfg", CLOUD)?;
    write("etc/kstack-image", PACKAGES)?;
    Ok(image)
}

/// A file that is a block device, as large as it is asked for and as small as what is in it.
pub struct Volume {
    pub device: String,
    file: PathBuf,
}

impl Volume {
    pub fn new(file: PathBuf) -> Result<Volume, String> {
        let path = file.display().to_string();
        run("truncate", &["--size=4G", &path])?;
        let device = run("losetup", &["--find", "--show", &path])?;
        Ok(Volume { device, file })
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = run("losetup", &["--detach", &self.device]);
        let _ = fs::remove_file(&self.file);
    }
}

/// The folder beside the machines whose files each new one has on its disk.
pub const DISK: &str = "disk";

/// An instance: its own copy of the image, and systemd in it.
pub struct Machine {
    folder: PathBuf,
    name: String,
    nspawn: Child,
    pub booted: Instant,
}

/// What a machine is started with.
pub struct Launch<'a> {
    pub name: &'a str,
    pub instance: &'a str,
    pub user_data: &'a str,
    /// The network namespace.
    pub interface: &'a str,
    /// The volume, if it has one, and its id, whose serial number the disk shows.
    pub volume: Option<(&'a Volume, &'a str)>,
}

/// Starts a program in a control group of its own, which systemd in a container needs; it ends with this process.
fn contained(name: &str) -> Command {
    let script = r#"top=/sys/fs/cgroup; [ -d $top/systemd ] && top=$top/systemd
        mkdir -p "$top/$0" && echo $$ > "$top/$0/cgroup.procs" && exec setpriv --pdeathsig KILL "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, &format!("kst-hosts-{name}"), "systemd-nspawn", "--quiet", "--register=no"]);
    command.args(["--keep-unit", "--console=pipe", &format!("--machine={name}")]).stdin(Stdio::null());
    command
}

/// Whether this machine can start others: with a trial, in which a container makes and mounts a file system.
pub fn trial(image: &Path, folder: &Path) -> Result<(), String> {
    let volume = Volume::new(folder.join("trial.img"))?;
    let device = &volume.device;
    let script = format!("mkfs.xfs -q {device} && mount -t xfs {device} /mnt && umount /mnt");
    let mut command = contained("trial");
    command.arg(format!("--directory={}", image.display())).args(["--volatile=overlay", "--private-network"]);
    let output = command.arg(format!("--bind={device}")).args(["sh", "-c", &script]).output();
    release("trial");
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()),
    }
}

impl Machine {
    /// Starts an instance with a fresh root below `folder`.
    pub fn launch(image: &Path, folder: &Path, with: &Launch<'_>) -> Result<Machine, String> {
        let folder = folder.join(with.instance);
        let seed = folder.join("upper/var/lib/cloud/seed/nocloud");
        for path in [&seed, &folder.join("work"), &folder.join("root")] {
            fs::create_dir_all(path).map_err(|error| error.to_string())?;
        }
        let meta = format!("instance-id: {}\nlocal-hostname: {}\n", with.instance, with.name);
        fs::write(seed.join("meta-data"), meta).map_err(|error| error.to_string())?;
        fs::write(seed.join("user-data"), with.user_data).map_err(|error| error.to_string())?;
        let systemd = folder.join("upper/etc/systemd/system.conf.d");
        fs::create_dir_all(&systemd).map_err(|error| error.to_string())?;
        fs::write(systemd.join("java.conf"), JAVA).map_err(|error| error.to_string())?;
        // What else the disk of every machine has.
        let disk = folder.with_file_name(DISK);
        if disk.is_dir() {
            let copied = [disk.join("."), folder.join("upper")].map(|path| path.display().to_string());
            run("cp", &["--archive", &copied[0], &copied[1]])?;
        }
        let path = |name: &str| folder.join(name).display().to_string();
        let (lower, upper, work) = (image.display(), path("upper"), path("work"));
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        run("mount", &["-t", "overlay", "overlay", "-o", &options, &path("root")])?;
        Machine::boot(folder, with)
    }

    fn boot(folder: PathBuf, with: &Launch<'_>) -> Result<Machine, String> {
        let mut command = contained(with.name);
        command.arg("--boot").arg(format!("--directory={}", folder.join("root").display()));
        command.arg(format!("--network-namespace-path=/run/netns/{}", with.interface));
        // As EBS shows it on Nitro: the volume's id without its hyphen is the disk's serial number, and udev makes a link.
        let link = |id: &str| format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}", id.replacen('-', "", 1));
        command.args(with.volume.map(|(volume, id)| format!("--bind={}:{}", volume.device, link(id))));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let nspawn = command.spawn().map_err(|error| error.to_string())?;
        Ok(Machine { folder, name: with.name.to_owned(), nspawn, booted: Instant::now() })
    }

    /// Stops the machine as its own `poweroff` does, and starts it again with what is on its disks.
    pub fn restart(mut self, with: &Launch<'_>) -> Result<Machine, String> {
        self.power_off()?;
        let folder = std::mem::take(&mut self.folder);
        Machine::boot(folder, with)
    }

    /// Stops the machine as its own `poweroff` does.
    pub fn power_off(&mut self) -> Result<(), String> {
        // SIGRTMIN+4 asks systemd to power off.
        run("kill", &["-s", "RTMIN+4", &self.leader().ok_or("it does not run")?])?;
        self.nspawn.wait().map(drop).map_err(|error| error.to_string())
    }

    /// The process that is the machine's first.
    pub fn leader(&self) -> Option<String> {
        let pid = self.nspawn.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    /// Ends the machine as a power cut does.
    pub fn kill(&mut self) {
        if let Some(leader) = self.leader() {
            let _ = run("kill", &["-s", "KILL", &leader]);
            // systemd-nspawn ends by itself then, and puts away what it made.
            let start = Instant::now();
            while matches!(self.nspawn.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }

    /// Waits until cloud-init has ended, sees that it had nothing to complain about, and gives how long the boot took.
    pub fn await_boot(&self) -> Duration {
        let name = &self.name;
        let result = poll(&format!("cloud-init of {name}"), PATIENCE, || {
            let text = self.read("var/lib/cloud/data/result.json")?;
            serde_json::from_str::<Value>(&text).ok()
        });
        let boot = self.booted.elapsed();
        assert_eq!(result["v1"]["errors"], serde_json::json!([]), "{name}");
        let log = self.read("var/log/cloud-init.log").unwrap_or_default();
        let complaints: Vec<&str> = log
            .lines()
            .filter(|line| ["[WARNING]", "[ERROR]", "[CRITICAL]"].iter().any(|word| line.contains(word)))
            .collect();
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
        boot
    }

    /// Everything that the machine has written.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("upper")
    }

    /// A file of the machine, as it is now.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.disk().join(path)).ok()
    }

    /// A command of the machine's root.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader().expect("it runs"), "--mount", "--uts", "--ipc", "--net", "--pid"]);
        command
            .args(["--root", "--wd", "sh", "-c", script])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin");
        command.stdin(Stdio::null());
        command
    }

    /// What the units have said so far, one line each.
    pub fn journal(&self, units: &[&str]) -> String {
        let folder = format!("--directory={}", self.folder.join("upper/var/log/journal").display());
        let units: Vec<String> = units.iter().map(|unit| format!("--unit={unit}")).collect();
        let mut arguments = vec![folder.as_str(), "--output=cat", "--no-pager"];
        arguments.extend(units.iter().map(String::as_str));
        run("journalctl", &arguments).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
        if self.folder.as_os_str().is_empty() {
            return;
        }
        let _ = run("umount", &["--lazy", &self.folder.join("root").display().to_string()]);
        let _ = fs::remove_dir_all(&self.folder);
        release(&self.name);
    }
}

/// Removes the control group of [`contained`], which is empty by now.
fn release(name: &str) {
    let script = r#"for top in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
        [ -d "$top/$0" ] && find "$top/$0" -depth -type d -exec rmdir {} +; done; true"#;
    let _ = run("sh", &["-c", script, &format!("kst-hosts-{name}")]);
}

/// Removes what a run that was killed has left below `folder`.
pub fn sweep(folder: &Path) {
    let below = format!("{}/", folder.display());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for point in mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|point| point.starts_with(&below)) {
        let _ = run("umount", &["--lazy", point]);
    }
    let loops = run("losetup", &["--noheadings", "--output", "NAME,BACK-FILE"]).unwrap_or_default();
    for line in loops.lines().filter(|line| line.contains(&below)) {
        let _ = run("losetup", &["--detach", line.split_whitespace().next().unwrap_or_default()]);
    }
    let _ = fs::remove_dir_all(folder);
}
