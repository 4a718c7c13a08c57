//! The list of commands, in groups. Clap lists subcommands in one.

use clap::Command;

/// Each group's heading and its commands, in order.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "Stack files, offline",
        &[
            "init",
            "check",
            "fmt",
            "explain",
            "size",
            "cost",
            "compare",
            "diagram",
            "prices",
            "policy",
            "diff",
            "monitoring",
            "schema",
        ],
    ),
    (
        "Stacks",
        &[
            "plan",
            "apply",
            "destroy",
            "status",
            "lag",
            "credentials",
            "export",
            "shell",
            "heal",
            "finalize",
            "recover",
            "render",
            "unlock",
        ],
    ),
    ("Partitions", &["rebalance", "evacuate", "move"]),
    ("Existing clusters", &["describe", "adopt", "mirror"]),
    ("Ephemeral stacks", &["up", "with", "extend", "reap", "list"]),
    ("Local testing", &["sandbox"]),
    ("Shell", &["completions", "man", "help"]),
];

/// `command`, whose help lists its subcommands in groups.
pub fn grouped(command: Command) -> Command {
    let mut groups = String::new();
    for (heading, names) in GROUPS {
        groups.push_str(&format!("\n{heading}:\n"));
        for name in names {
            let about = match command.find_subcommand(name).and_then(Command::get_about) {
                Some(about) => about.to_string(),
                None => "Print this message or the help of a command".to_owned(),
            };
            groups.push_str(&format!("  {name:11}  {about}\n"));
        }
    }
    command
        .help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\nOptions:\n{{options}}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = crate::cli::Cli::command();
        let mut commands: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        commands.push("help");
        commands.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(commands, grouped);
    }
}
