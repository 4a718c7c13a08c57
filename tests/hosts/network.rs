//! The VPC's stand-in: a bridge, for each host an interface that outlives its machines, and a web server with the Kafka archive.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use crate::cloud::{Serving, serve};

/// Runs a program to its end.
///
/// # Errors
/// What it said when it failed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{program} {}: {} {}", arguments.join(" "), text(&output.stdout), text(&output.stderr))),
    }
}

/// What this program calls its bridge, and how the names of its network namespaces begin.
const NAME: &str = "kst-hosts";

/// A bridge with the first address of the VPC's block, which hosts take for their router.
pub struct Network {
    router: Ipv4Addr,
    prefix: u8,
    /// The web server: another test may have the same router.
    server: Option<Serving>,
}

impl Network {
    /// Makes the bridge; what an earlier run left is removed before.
    pub fn new(router: Ipv4Addr, prefix: u8) -> Result<Network, String> {
        remove();
        let network = Network { router, prefix, server: None };
        run("ip", &["link", "add", NAME, "type", "bridge"])?;
        run("ip", &["address", "add", &format!("{router}/{prefix}"), "dev", NAME])?;
        run("ip", &["link", "set", NAME, "up"])?;
        Ok(network)
    }

    /// The interface of a host: a network namespace that has the address, whatever machine is in it. Gives its name.
    pub fn interface(&self, number: usize, address: Ipv4Addr) -> Result<String, String> {
        let (space, outside) = (format!("{NAME}-{number}"), format!("{NAME}-{number}"));
        run("ip", &["netns", "add", &space])?;
        run("ip", &["-n", &space, "link", "set", "lo", "up"])?;
        let peer = ["type", "veth", "peer", "name", "host0", "netns", &space];
        run("ip", &[&["link", "add", &outside][..], &peer].concat())?;
        run("ip", &["link", "set", &outside, "master", NAME, "up"])?;
        run("ip", &["-n", &space, "address", "add", &format!("{address}/{}", self.prefix), "dev", "host0"])?;
        run("ip", &["-n", &space, "link", "set", "host0", "up"])?;
        run("ip", &["-n", &space, "route", "add", "default", "via", &self.router.to_string()])?;
        Ok(space)
    }

    /// Where the router is.
    pub fn router(&self) -> Ipv4Addr {
        self.router
    }

    /// Gives the bridge one more address, which hosts reach by their router.
    pub fn also_at(&self, address: Ipv4Addr) -> Result<(), String> {
        run("ip", &["address", "add", &format!("{address}/32"), "dev", NAME]).map(drop)
    }

    /// Serves `files` to whoever asks for one of their names.
    pub fn serve(&mut self, files: Vec<PathBuf>) {
        let answer = move |mut stream: TcpStream| -> io::Result<()> {
            let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
            let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
            lines.find(|line| line.is_empty());
            let named = |file: &&PathBuf| file.file_name().is_some_and(|name| path.ends_with(&*name.to_string_lossy()));
            let Some(file) = files.iter().find(named) else {
                return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            };
            let mut file = File::open(file)?;
            let length = file.metadata()?.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
            io::copy(&mut file, &mut stream).map(|_| ())
        };
        // An answer that breaks off is asked for again by the host.
        self.server = Some(serve(self.router, 80, move |stream| answer(stream).ok()));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove();
    }
}

/// Removes the bridge and the interfaces, those of a run that was killed too.
fn remove() {
    for space in run("ip", &["netns", "list"]).unwrap_or_default().lines() {
        let name = space.split_whitespace().next().unwrap_or_default();
        if name.starts_with(NAME) {
            let _ = run("ip", &["netns", "delete", name]);
            // The end outside goes with the one inside, a little later; a new one must not meet it.
            let _ = run("ip", &["link", "delete", name]);
        }
    }
    let _ = run("ip", &["link", "delete", NAME]);
}
