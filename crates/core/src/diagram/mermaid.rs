//! The same as a Mermaid flowchart, for comments on pull requests: GitHub and GitLab draw it, and show no SVG there.

use std::fmt::Write as _;

use super::shown::{Diagram, Part, Role};
use super::ways::Flow;

impl Diagram {
    /// A flowchart with a group for the network and for each zone, side by side. Texts of others stay texts in it.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TB\n");
        let network = quoted(&[&self.network]);
        for (index, way) in self.ways.iter().enumerate() {
            let lines: Vec<&str> =
                [way.name.as_str()].into_iter().chain(way.lines.iter().map(String::as_str)).collect();
            let _ = writeln!(out, "  way{index}([{}])", quoted(&lines));
        }
        // A group without a direction of its own is drawn across that of the chart: zones would stand below each other. Mermaid (11)
        // draws groups of one row in the opposite order.
        let _ = writeln!(out, "  subgraph network[{network}]\n    direction TB");
        for (index, zone) in self.zones.iter().enumerate().rev() {
            let _ = writeln!(out, "    subgraph zone{index}[{}]\n      direction TB", quoted(&[&zone.name]));
            let subnets = || zone.subnets.iter().enumerate().filter(|(_, subnet)| !subnet.parts.is_empty());
            for (row, subnet) in subnets() {
                let name = quoted(&[&subnet.name, &subnet.about]);
                let _ = writeln!(out, "      subgraph zone{index}subnet{row}[{name}]\n        direction TB");
                let id = |at: usize| format!("zone{index}subnet{row}part{at}");
                for (at, part) in subnet.parts.iter().enumerate() {
                    let _ = writeln!(out, "        {}", node(&id(at), part));
                }
                below(&mut out, "        ", (0..subnet.parts.len()).map(id));
                out.push_str("      end\n");
            }
            below(&mut out, "      ", subnets().map(|(row, _)| format!("zone{index}subnet{row}")));
            out.push_str("    end\n");
        }
        for (index, part) in self.shared.iter().enumerate() {
            let _ = writeln!(out, "    {}", node(&format!("shared{index}"), part));
        }
        out.push_str("  end\n");
        for (index, way) in self.ways.iter().enumerate() {
            let _ = match way.flow {
                Flow::In => writeln!(out, "  way{index} --> network"),
                Flow::Out => writeln!(out, "  network --> way{index}"),
            };
        }
        out
    }
}

/// Links that are not seen: without any, Mermaid draws all of these side by side.
fn below(out: &mut String, indent: &str, ids: impl Iterator<Item = String>) {
    let ids: Vec<String> = ids.collect();
    if let [_, _, ..] = &ids[..] {
        let _ = writeln!(out, "{indent}{}", ids.join(" ~~~ "));
    }
}

fn node(id: &str, part: &Part) -> String {
    let lines = part.lines.iter().map(|line| line.text.as_str());
    let all: Vec<&str> = [part.name.as_str()].into_iter().chain(part.own.as_deref()).chain(lines).collect();
    let text = quoted(&all);
    match part.role {
        Role::Nat | Role::Endpoint => format!("{id}({text})"),
        Role::Broker | Role::Controller | Role::Client => format!("{id}[{text}]"),
    }
}

/// Lines as one text of Mermaid. Whatever Mermaid, HTML or Markdown could take for more than a letter is its number.
fn quoted(lines: &[&str]) -> String {
    let letter = |c: char| match c {
        c if c.is_control() => " ".to_owned(),
        c if c.is_alphanumeric() || " .,:/-=+()'".contains(c) => c.to_string(),
        c => format!("#{};", u32::from(c)),
    };
    let line = |line: &&str| line.chars().map(letter).collect::<String>();
    format!("\"{}\"", lines.iter().map(line).collect::<Vec<_>>().join("<br>"))
}
