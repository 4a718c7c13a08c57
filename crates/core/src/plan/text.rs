//! A plan as text. Pure: colours are the caller's choice, and never the only carrier of meaning.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{Action, Counts, Note, Plan, Step};
use crate::kinds::{self, Resource};
use crate::model::{Deletion, FieldChange, Ref};
use crate::refusal::Refusal;

impl Action {
    /// The symbol of the action: Terraform's.
    pub const fn symbol(self) -> &'static str {
        match self {
            Action::Create => "+",
            Action::Update => "~",
            Action::Roll | Action::Replace => "-/+",
            Action::Delete => "-",
        }
    }
    fn effect(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "change in place",
            Action::Roll => "roll",
            Action::Replace => "replace",
            Action::Delete => "delete",
        }
    }
    fn style(self) -> Style {
        let colour = match self {
            Action::Create => AnsiColor::Green,
            Action::Update => AnsiColor::Yellow,
            Action::Roll | Action::Replace => AnsiColor::Magenta,
            Action::Delete => AnsiColor::Red,
        };
        colour.on_default()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { create, change, roll, replace, delete } = self;
        write!(out, "{create} to create, {change} to change, {roll} to roll, {replace} to replace, {delete} to delete")
    }
}

/// `text` with every character that a terminal would obey written as an escape, but for line ends, tabs and colours. Names and
/// tags in AWS are whatever anybody wrote there.
pub fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let colour = || {
            let rest = text[at..].strip_prefix("\u{1b}[")?.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            rest.starts_with('m').then_some(())
        };
        if obeyed(c) && (c != '\u{1b}' || colour().is_none()) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The plan for people.
pub fn render(plan: &Plan) -> String {
    printable(&rendered(plan)).into_owned()
}

fn rendered(plan: &Plan) -> String {
    let mut out = String::new();
    // Without AWS the account may not be known.
    let account = if plan.account.is_empty() { String::new() } else { format!(" (account {})", plan.account) };
    let _ = writeln!(out, "Stack {} in {}{account}\n", plan.stack, plan.region);
    if !plan.refusals.is_empty() {
        refusals(&mut out, &plan.refusals);
        return out;
    }
    steps(&mut out, &plan.steps);
    for stage in plan.stages().skip(1) {
        let _ = writeln!(out, "After all of these, in the same run:\n");
        steps(&mut out, &stage.steps);
    }
    notes(&mut out, &plan.notes);
    for warning in &plan.warnings {
        let yellow = AnsiColor::Yellow.on_default();
        let _ = writeln!(out, "{yellow}Warning{yellow:#}: {warning}\n");
    }
    let counts = plan.counts();
    if !plan.steps.is_empty() {
        let _ = writeln!(out, "Plan: {counts}.");
    } else if plan.notes.is_empty() {
        let _ = writeln!(out, "Nothing to do: the live resources match the stack file.");
    } else {
        let _ = writeln!(out, "Nothing to do: everything else matches the stack file.");
    }
    out
}

/// A line a step. What neighbours have in common, the reason and the changes, comes once, below the last of them.
fn steps(out: &mut String, steps: &[Step]) {
    let width = steps.iter().map(|step| step.id().to_string().len()).max().unwrap_or_default();
    let details: Vec<String> = steps.iter().map(details).collect();
    for (index, step) in steps.iter().enumerate() {
        let style = step.action().style();
        let _ = write!(out, "{style}{:>3}{style:#} ", step.action().symbol());
        let _ = writeln!(out, "{}", format!("{:width$}  {}", step.id().to_string(), head(step)).trim_end());
        let common = steps.get(index + 1).is_some_and(|next| next.action() == step.action())
            && details.get(index + 1) == details.get(index);
        if !common {
            out.push_str(&details[index]);
        }
    }
    if !steps.is_empty() {
        out.push('\n');
    }
}

/// What is said of a step in the line of its address.
fn head(step: &Step) -> String {
    match (step.action(), step.live().map(|live| live.spec.deletion())) {
        (Action::Create, _) => step.wanted().map(summary).unwrap_or_default(),
        (Action::Delete, Some(Deletion::Data(held)))
            if ![super::scale::LEFT, super::quorum::LEFT].contains(&&*step.reason) =>
        {
            format!("{}, with {held}", step.action().effect())
        }
        (action, _) => action.effect().to_owned(),
    }
}

/// The reason and the changes of a step, a line each.
fn details(step: &Step) -> String {
    let mut out = String::new();
    if step.reason != super::NEW {
        let _ = writeln!(out, "      {}", step.reason);
    }
    let hide_keys = step.changes().iter().filter(|change| change.tag().is_some()).count() > 1;
    for change in step.changes().iter().filter(|change| !(hide_keys && change.field == "tags.kstack:tags")) {
        difference(&mut out, &step.address.kind, change);
    }
    out
}

/// A field's before and after; of a list, what is added and what is removed.
fn difference(out: &mut String, kind: &str, change: &FieldChange) {
    let says = kinds::field(kind, &change.field).is_some_and(|field| field.rule.says.is_some());
    if let (Value::Array(before), Value::Array(after), false) = (&change.before, &change.after, says) {
        let _ = writeln!(out, "      {}:", change.field);
        for old in before.iter().filter(|old| !after.contains(old)) {
            let _ = writeln!(out, "        - {}", value(old));
        }
        for new in after.iter().filter(|new| !before.contains(new)) {
            let _ = writeln!(out, "        + {}", value(new));
        }
    } else {
        let _ = writeln!(out, "      {}", before_and_after(kind, change));
    }
}

fn before_and_after(kind: &str, change: &FieldChange) -> String {
    let says = kinds::field(kind, &change.field).and_then(|field| field.rule.says);
    if let Some(text) = says.filter(|_| !change.before.is_null()) {
        return text.to_owned();
    }
    let (name, unit) = named(&change.field);
    let with_unit = |content: &Value| match content {
        Value::Number(_) => format!("{}{unit}", value(content)),
        _ => value(content),
    };
    format!("{name}: {} -> {}", with_unit(&change.before), with_unit(&change.after))
}

/// A field's name without its unit, and the unit.
fn named(field: &str) -> (&str, &'static str) {
    let suffixes = [("_gib", " GiB"), ("_mibs", " MiB/s")];
    let found = suffixes.iter().find_map(|(suffix, unit)| Some((field.strip_suffix(suffix)?, *unit)));
    found.unwrap_or((field, ""))
}

/// What identifies a new resource at a glance: its own values; where it has none, what it refers to.
fn summary(resource: &Resource) -> String {
    let spec = resource.spec();
    let kind = resource.kind();
    let hidden = |key: &str| kinds::field(kind, key).is_some_and(|field| !field.rule.shown);
    let shown = || spec.as_object().into_iter().flatten().filter(|(key, value)| !hidden(key) && !value.is_null());
    let named: Vec<String> = resource.refs().into_iter().filter_map(Ref::address).map(ToString::to_string).collect();
    let reference = |value: &Value| value.as_str().is_some_and(|text| named.iter().any(|one| one == text));
    let keyed = |key: &str| kinds::field(kind, key).is_some_and(|field| field.rule.keyed);
    let part = |(key, value): (&String, &Value)| if keyed(key) { pairs(value) } else { part(key, value) };
    let own: Vec<String> = shown().filter(|(_, value)| !reference(value)).filter_map(part).collect();
    if own.is_empty() {
        shown().map(|(_, content)| value(content)).collect::<Vec<_>>().join(", ")
    } else {
        own.join(", ")
    }
}

/// The keys of a mapping with their values, if it has any.
fn pairs(content: &Value) -> Option<String> {
    let all = content.as_object()?.iter().map(|(key, content)| format!("{key}={}", value(content)));
    Some(all.collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}

/// A field of a summary, if there is something to say: a text by itself, a number with its unit or name, the length of a list.
fn part(key: &str, content: &Value) -> Option<String> {
    match (named(key), content) {
        (_, Value::Array(items)) if items.is_empty() => None,
        (_, Value::String(text)) if text.is_empty() => None,
        (_, Value::Array(items)) if items.len() > 1 => Some(format!("{} {}", items.len(), key.replace('_', " "))),
        ((_, unit), Value::Number(number)) if !unit.is_empty() => Some(format!("{number}{unit}")),
        (("iops", _), Value::Number(number)) => Some(format!("{number} IOPS")),
        ((name, _), Value::Number(number)) => Some(format!("{} {number}", name.replace('_', " "))),
        (("kafka", _), Value::String(version)) => Some(format!("Kafka {version}")),
        (_, Value::Bool(_)) => None,
        (_, other) => Some(value(other)),
    }
}

/// A value in few characters.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text.is_empty() => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) => map.values().map(self::value).collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// `items` by their key, in the order in which the keys are met.
pub fn grouped<'a, T, K: PartialEq>(items: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<(K, Vec<&'a T>)> {
    let mut groups: Vec<(K, Vec<&T>)> = Vec::new();
    for item in items {
        let key = key(item);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// Refusals: those with the same reason together, and a remedy that neighbours share only once.
fn refusals(out: &mut String, refusals: &[Refusal]) {
    let red = AnsiColor::Red.on_default().bold();
    let _ = writeln!(out, "{red}This plan can't be run:{red:#}\n");
    let groups = grouped(refusals, |refusal| (refusal.reason.as_str(), refusal.remedy.as_str()));
    for (index, ((reason, remedy), group)) in groups.iter().enumerate() {
        let _ = write!(out, "  {red}!{red:#} ");
        let at = |refusal: &Refusal| refusal.address.as_ref().map(ToString::to_string).unwrap_or_default();
        let changed = |refusal: &Refusal| {
            let kind = refusal.address.as_ref().map(|address| address.kind.as_str()).unwrap_or_default();
            refusal.change.as_ref().map(|change| before_and_after(kind, change)).unwrap_or_default()
        };
        match group.as_slice() {
            [refusal] => {
                let before = if refusal.address.is_some() { format!("{}: ", at(refusal)) } else { String::new() };
                let _ = writeln!(out, "{before}{reason}");
                if refusal.change.is_some() {
                    let _ = writeln!(out, "      {}", changed(refusal));
                }
            }
            several => {
                let _ = writeln!(out, "{reason}:");
                let width = several.iter().map(|refusal| at(refusal).len()).max().unwrap_or_default();
                for refusal in several {
                    let _ =
                        writeln!(out, "{}", format!("      {:width$}  {}", at(refusal), changed(refusal)).trim_end());
                }
            }
        }
        if groups.get(index + 1).is_none_or(|((_, next), _)| next != remedy) {
            let _ = writeln!(out, "    remedy: {remedy}\n");
        }
    }
    out.truncate(out.trim_end().len() + 1);
}

/// Notes, those of many resources with the same text in one line.
fn notes(out: &mut String, notes: &[Note]) {
    for ((text, warning), group) in grouped(notes, |note| (note.text.as_str(), note.warning)) {
        let names: Vec<String> = group.iter().map(|note| note.address.to_string()).collect();
        let names = match names.as_slice() {
            [first, .., last] if names.len() > 3 => format!("{first} ... {last} ({} resources)", names.len()),
            all => all.join(", "),
        };
        let yellow = AnsiColor::Yellow.on_default();
        let head = if warning { format!("{yellow}Warning{yellow:#}") } else { "Note".to_owned() };
        let _ = writeln!(out, "{head}: {names}:\n      {}", text.replace('\n', "\n      "));
    }
    if !notes.is_empty() {
        out.push('\n');
    }
}
