//! What a terminal shows, over a real Kafka: `status`, and an apply in the middle of a roll. `KSTACK_UPDATE=1` draws both for the documents.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::network::run;
use crate::processes::{kstack, kstack_command};
use crate::room::{beside, block};
use crate::support::{poll, skip, stack};

/// A terminal of 142 columns, in which no line is broken, in a server of its own that ends with it.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn open(setup: &Path) -> Terminal {
        let terminal = Terminal { socket: format!("kstack-screens-{}", std::process::id()) };
        terminal.tmux(&["new-session", "-d", "-x", "142", "-y", "34", "sh"]);
        terminal.enter(&format!("PS1='$ '; . {}", setup.display()));
        terminal
    }

    /// An empty screen, with `line` entered.
    fn enter_anew(&self, line: &str) {
        self.enter("clear");
        poll("an empty screen", Duration::from_secs(30), || {
            (self.tmux(&["capture-pane", "-p"]).trim() == "$").then_some(())
        });
        self.enter(line);
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        // Of the user's own settings it has none, and it draws blocks whatever the locale is.
        let output = command.args(["-L", &self.socket, "-f", "/dev/null", "-u"]).args(arguments).output();
        let output = output.expect("tmux starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// The screen with its colours, once it has all of these.
    fn screen_with(&self, parts: &[&str]) -> String {
        poll(&format!("the screen showing {parts:?}"), Duration::from_secs(240), || {
            let plain = self.tmux(&["capture-pane", "-p"]);
            parts.iter().all(|part| plain.contains(part)).then(|| self.tmux(&["capture-pane", "-e", "-p"]))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

fn draw(name: &str, screen: &str) {
    let drawn = anstyle_svg::Term::new().render_svg(&format!("{}\n", screen.trim_end().trim_end_matches("\n$")));
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(Path::new("docs").join(name), drawn).expect("the picture can be written");
    }
}

#[test]
#[ignore = "it draws pictures for the documents: cargo test --test hosts screens -- --ignored"]
fn of_a_status_and_of_an_apply_in_the_middle_of_a_roll() {
    if run("tmux", &["-V"]).is_err() {
        return skip("tmux is not there");
    }
    let Some((_room, kafka)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.yaml");
    let block = format!("10.{}.0.0/16", block());
    let write = |broker: &str| {
        let text =
            stack("secured", &[("10.50.0.0/16", &block), ("name: payments", "name: orders"), ("m7g.large", broker)]);
        fs::write(&path, text).expect("a file");
    };
    write("m7g.large");
    let file = path.display().to_string();
    kstack(&kafka, &["apply", &file, "--yes"]).expect(0);
    kstack(&kafka, &["status", &file, "--wait"]).expect(0);

    // The same environment, and no flags that a user would not write.
    let command = kstack_command(&kafka, &[]);
    let mut setup = format!("cd {}\n", folder.path().display());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            setup += &format!("export {}='{}'\n", name.to_string_lossy(), value.to_string_lossy());
        }
    }
    setup += &format!("kstack() {{ '{}' --sandbox \"$@\"; }}\n", command.get_program().to_string_lossy());
    let script = folder.path().join("setup.sh");
    fs::write(&script, setup).expect("a script");
    let terminal = Terminal::open(&script);

    terminal.enter_anew("kstack status orders.yaml");
    draw("status.svg", &terminal.screen_with(&["Kafka: healthy", "All is well."]));

    write("m7g.xlarge");
    terminal.enter_anew("kstack apply orders.yaml");
    terminal.screen_with(&["3 to roll", "yes"]);
    terminal.enter("yes");
    terminal.screen_with(&["rolled     instance/broker-1", "1/3 steps done", "rolling instance/broker-2"]);
    // Some seconds into it.
    std::thread::sleep(Duration::from_secs(3));
    draw("apply.svg", &terminal.screen_with(&["rolling instance/broker-2"]));
    terminal.screen_with(&["Done in", "3 rolled", "Bootstrap servers"]);
    drop(terminal);
    kstack(&kafka, &["destroy", &file, "--yes"]).expect(0);
    kstack(&kafka, &["sandbox", "stop"]).expect(0);
}
