//! A plan as Markdown, for a comment on a pull request: what reviewers ask first, and the whole plan folded. Pure.

use std::fmt::Write as _;

use super::escape::{block, code, prose, uncoloured};
use super::text::{grouped, render};
use super::{Action, CostDelta, Counts, NEW, Note, Plan, Step};
use crate::diagram::Diagram;
use crate::kinds;
use crate::model::{Deletion, Effect, Operation, StepId};
use crate::pricing::signed;
use crate::refusal::Refusal;
use crate::text::many;

/// How long the Markdown may be, in bytes. GitHub takes 65,536 characters a comment; what is left is for those who add to it.
pub const COMMENT: usize = 64_000;
/// So many names or texts of one sort are shown, and so many characters of each; the folded plan has the others.
const SHOWN: usize = 12;
const LONGEST: usize = 600;

/// A stack file with its plan, or why it can't be planned.
#[derive(Debug)]
pub struct Planned<'a> {
    pub file: &'a str,
    pub plan: Result<(&'a Plan, &'a CostDelta), String>,
    /// What the stack is to be, for its picture; none where that is not known.
    pub diagram: Option<Diagram>,
}

/// The plans of one or more stack files as Markdown of at most `limit` bytes: what they do, then each whole plan folded. What does not
/// fit is left out, and a line says so.
pub fn markdown(all: &[Planned<'_>], limit: usize) -> String {
    let mut out = String::new();
    if let [_, _, ..] = all {
        table(&mut out, all, limit);
    }
    let parts: Vec<(String, String)> = all.iter().map(|one| (summary(one), whole(one))).collect();
    // Every summary comes before any whole plan, where there is room for some only.
    let room = limit.saturating_sub(out.len() + LEFT_OUT);
    let mut needed = 0;
    let fit = parts.iter().take_while(|(summary, _)| {
        needed += summary.len() + FOLD;
        needed <= room
    });
    let shown = fit.count();
    let mut left = room.saturating_sub(parts[..shown].iter().map(|(summary, _)| summary.len() + FOLD).sum());
    for (index, (summary, whole)) in parts[..shown].iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(summary);
        let mut share = left / (shown - index);
        let before = out.len();
        // A picture that is cut is none.
        if let Some(picture) = picture(&all[index]).filter(|picture| picture.len() <= share / 4) {
            out.push_str(&picture);
            share -= picture.len();
        }
        fold(&mut out, whole, share);
        left = left.saturating_sub((out.len() - before).saturating_sub(FOLD));
    }
    if shown < parts.len() {
        let files = many(parts.len() - shown, "stack file");
        let _ = writeln!(out, "\n{files} more: a comment has no room for them. `kstack plan FILE...` shows them.");
    }
    out
}

/// Bytes of the line that says how many stack files are left out.
const LEFT_OUT: usize = 120;
/// Bytes around a folded plan, at most.
const FOLD: usize = 300;

/// The folded picture of a stack that changes, which forges draw.
fn picture(one: &Planned<'_>) -> Option<String> {
    let changes = one.plan.as_ref().is_ok_and(|(plan, _)| plan.refusals.is_empty() && !plan.steps.is_empty());
    let diagram = one.diagram.as_ref().filter(|_| changes)?;
    let chart = diagram.mermaid();
    Some(format!("\n<details><summary>The stack as a picture</summary>\n\n```mermaid\n{chart}```\n\n</details>\n"))
}

/// The folded plan, cut after the last line that `room` has space for.
fn fold(out: &mut String, whole: &str, room: usize) {
    if whole.is_empty() {
        return;
    }
    let mut used = 0;
    let fit = |line: &&str| {
        used += line.len() + 1;
        used <= room
    };
    let lines: Vec<&str> = whole.lines().take_while(fit).collect();
    let (all, shown) = (whole.lines().count(), lines.len());
    let _ = write!(out, "\n<details><summary>The whole plan</summary>\n\n{}", block(&lines.join("\n")));
    if shown < all {
        let left = all - shown;
        let _ = writeln!(
            out,
            "\nThe last {left} of {all} lines are left out: a comment has no room for them. `kstack plan` shows them."
        );
    }
    out.push_str("\n</details>\n");
}

/// `text`, cut to so many characters.
fn cut(text: &str, longest: usize) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(longest).collect();
    if chars.next().is_some() { start + "..." } else { start }
}

fn short(text: &str) -> String {
    cut(text, LONGEST)
}

/// The plan as a terminal shows it.
fn whole(one: &Planned<'_>) -> String {
    match &one.plan {
        Ok((plan, _)) if !plan.refusals.is_empty() => uncoloured(&render(plan)),
        Ok((plan, cost)) => uncoloured(&render(plan)) + &cost.text(),
        Err(_) => String::new(),
    }
}

/// A row for each stack file; all of them have a quarter of the `limit`.
fn table(out: &mut String, all: &[Planned<'_>], limit: usize) {
    let _ = writeln!(out, "### {}\n", many(all.len(), "stack"));
    out.push_str(
        "| file | create | change | roll | replace | delete | USD a month | |\n|---|--:|--:|--:|--:|--:|--:|---|\n",
    );
    let row = |one: &Planned<'_>| {
        let file = code(&cut(one.file, 100));
        match &one.plan {
            Err(_) => format!("| {file} | | | | | | | **failed** |\n"),
            Ok((plan, _)) if !plan.refusals.is_empty() => format!("| {file} | | | | | | | **refused** |\n"),
            Ok((plan, cost)) => {
                let Counts { create, change, roll, replace, delete } = plan.counts();
                let result = if plan.steps.is_empty() { "unchanged" } else { "changes" };
                let usd = signed(cost.change);
                format!("| {file} | {create} | {change} | {roll} | {replace} | {delete} | {usd} | {result} |\n")
            }
        }
    };
    let mut used = 0;
    let fit = |row: &String| {
        used += row.len();
        used <= limit / 4
    };
    let rows: Vec<String> = all.iter().map(row).take_while(fit).collect();
    out.extend(rows.iter().map(String::as_str));
    if rows.len() < all.len() {
        let _ = writeln!(out, "\n{} more: the table has no room for them.", many(all.len() - rows.len(), "stack file"));
    }
    out.push('\n');
}

/// What reviewers ask first.
fn summary(one: &Planned<'_>) -> String {
    let mut out = String::new();
    let (plan, cost) = match &one.plan {
        Ok(both) => *both,
        Err(error) => {
            let _ = writeln!(
                out,
                "### {}\n\n**It can't be planned:**\n\n{}",
                code(&cut(one.file, 100)),
                block(&short(error))
            );
            return out;
        }
    };
    let _ = writeln!(out, "### Stack {} in {}\n", code(&plan.stack), code(&plan.region));
    if !plan.refusals.is_empty() {
        out.push_str("**This plan can't be run:**\n\n");
        refusals(&mut out, &plan.refusals);
        return out;
    }
    let _ = match plan.steps.is_empty() {
        true => writeln!(out, "**Nothing to do.**\n"),
        false => writeln!(out, "**{}.**\n", plan.counts()),
    };
    let ids = |action: Action| {
        let steps = plan.stages().flat_map(|stage| &stage.steps);
        steps.filter(move |step| step.action() == action).map(|step| code(&step.id().to_string()))
    };
    list(&mut out, "Data is lost", &plan.steps.iter().filter_map(lost).collect::<Vec<_>>());
    list(&mut out, "Made again", &plan.steps.iter().filter_map(again).collect::<Vec<_>>());
    list(&mut out, "Rolled, one host after the other", &rolled(&plan.steps));
    line(&mut out, "Replaced", &ids(Action::Replace).collect::<Vec<_>>());
    line(&mut out, "Deleted", &ids(Action::Delete).collect::<Vec<_>>());
    list(&mut out, "One operation after the other", &plan.steps.iter().filter_map(operation).collect::<Vec<_>>());
    if !plan.steps.is_empty() {
        costs(&mut out, cost);
    }
    let _ = writeln!(out, "- {}", prose(&short(cost.text().trim_end())));
    warnings(&mut out, plan);
    out
}

/// What a step loses: the data of what it deletes, or of a change that loses some.
fn lost(step: &Step) -> Option<String> {
    let id = code(&step.id().to_string());
    let deleted = matches!(step.action(), Action::Delete | Action::Replace) && step.reason != super::scale::LEFT;
    if let Some(Deletion::Data(held)) = step.live().map(|live| live.spec.deletion()).filter(|_| deleted) {
        return Some(format!("{id}, with {}", prose(&short(&held))));
    }
    step.changes().iter().find_map(|change| match kinds::effect(&step.address.kind, change, false) {
        Some(Effect::Lossy { reason, .. }) => Some(format!("{id}: {}", prose(&short(&reason)))),
        _ => None,
    })
}

/// What was there, and is gone.
fn again(step: &Step) -> Option<String> {
    let again = step.action() == Action::Create && step.reason != NEW;
    again.then(|| format!("{}: {}", code(&step.id().to_string()), prose(&short(&step.reason))))
}

/// Which hosts are rolled, those with the same reason together.
fn rolled(steps: &[Step]) -> Vec<String> {
    let rolls: Vec<&Step> = steps.iter().filter(|step| step.action() == Action::Roll).collect();
    let groups = grouped(&rolls, |step| step.reason.as_str());
    let ids = |group: &[&&Step]| names(&group.iter().map(|step| code(&step.id().to_string())).collect::<Vec<_>>());
    groups.iter().map(|(reason, group)| format!("{}: {}", ids(group), prose(&short(reason)))).collect()
}

/// What an operation of a service does, such as MSK's; what opens and closes access, and tags, say nothing that the counts don't.
fn operation(step: &Step) -> Option<String> {
    let name = step.operation.filter(|name| ![Operation::OPEN, Operation::CLOSE, "tags"].contains(name))?;
    let id = StepId { address: step.address.clone(), operation: Some(name) };
    Some(format!("{}: {}", code(&id.to_string()), prose(&short(&step.reason))))
}

/// What costs more a month, the dearest first.
fn costs(out: &mut String, cost: &CostDelta) {
    let mut more: Vec<(&StepId, f64)> =
        cost.steps.iter().filter(|(_, usd)| **usd > 0.0).map(|(id, usd)| (id, *usd)).collect();
    more.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    let shown = more.iter().map(|(id, usd)| format!("{} {}", code(&id.to_string()), signed(*usd)));
    line(out, "Costs more, USD a month", &shown.collect::<Vec<_>>());
}

/// Those with the same reason and remedy together.
fn refusals(out: &mut String, refusals: &[Refusal]) {
    let groups = grouped(refusals, |refusal| (refusal.reason.as_str(), refusal.remedy.as_str()));
    for ((reason, remedy), group) in groups.iter().take(SHOWN) {
        let addresses = group.iter().filter_map(|refusal| refusal.address.as_ref());
        let at = names(&addresses.map(|address| code(&address.to_string())).collect::<Vec<_>>());
        let at = if at.is_empty() { at } else { at + ": " };
        let _ = writeln!(out, "- **Refused:** {at}{}\\", prose(&short(reason)));
        let _ = writeln!(out, "  **Remedy:** {}", prose(&short(remedy)));
    }
    more(out, "", groups.len());
}

fn warnings(out: &mut String, plan: &Plan) {
    let note = |note: &Note| format!("{}: {}", code(&note.address.to_string()), prose(&short(&note.text)));
    let notes = plan.notes.iter().filter(|note| note.warning).map(note);
    let all: Vec<String> = notes.chain(plan.warnings.iter().map(|misfit| prose(&short(&misfit.to_string())))).collect();
    for warning in all.iter().take(SHOWN) {
        let _ = writeln!(out, "- **Warning:** {warning}");
    }
    more(out, "", all.len());
}

fn more(out: &mut String, indent: &str, all: usize) {
    if all > SHOWN {
        let _ = writeln!(out, "{indent}- and {} more", all - SHOWN);
    }
}

/// A line with what is of one sort, if anything is.
fn line(out: &mut String, what: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "- **{what}:** {}", names(items));
}

/// The first of many.
fn names(all: &[String]) -> String {
    let rest = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
    all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ") + &rest
}

/// The same with a line each, which begins with an address.
fn list(out: &mut String, what: &str, items: &[String]) {
    match items {
        [] => {}
        [item] => drop(writeln!(out, "- **{what}:** {item}")),
        items => {
            let _ = writeln!(out, "- **{what}:**");
            for item in items.iter().take(SHOWN) {
                let _ = writeln!(out, "  - {item}");
            }
            more(out, "  ", items.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kinds::ElasticIp;
    use crate::model::{Address, Tags};
    use crate::plan::{Creation, Work};

    fn cost() -> CostDelta {
        CostDelta { now: 0.0, change: 12.5, steps: BTreeMap::new(), meanwhile: None, gaps: Vec::new() }
    }

    fn plan(steps: usize, name: &str) -> Plan {
        let step = |index| Step {
            address: Address::new("elastic_ip", &format!("{name}-{index}")),
            operation: None,
            reason: NEW.to_owned(),
            work: Work::Create(Creation {
                spec: ElasticIp::default().into(),
                tags: Tags::new(),
                generation: String::new(),
            }),
            after: Vec::new(),
            after_all: None,
        };
        Plan { steps: (0..steps).map(step).collect(), ..Plan::empty("dev", "us-east-1", "1", false) }
    }

    fn shown(plans: &[Plan], limit: usize) -> String {
        let cost = cost();
        let planned = |plan| Planned { file: "a.yaml", plan: Ok((plan, &cost)), diagram: None };
        markdown(&plans.iter().map(planned).collect::<Vec<_>>(), limit)
    }

    #[test]
    fn a_long_plan_is_cut_and_says_so() {
        let text = shown(&[plan(5000, "nat")], COMMENT);
        assert!(text.len() <= COMMENT && text.len() > COMMENT - 400, "{}", text.len());
        let end = text.lines().rev().take(5).collect::<Vec<_>>();
        assert_eq!((end[0], end[1], end[3], end[4]), ("</details>", "", "", "```"));
        let all = render(&plan(5000, "nat")).lines().count() + 1;
        let shown = text.lines().filter(|line| line.starts_with("  + ")).count() + 2;
        let left = all - shown;
        assert_eq!(
            end[2],
            format!(
                "The last {left} of {all} lines are left out: a comment has no room for them. `kstack plan` shows them."
            )
        );
    }

    #[test]
    fn the_room_is_shared_and_summaries_come_first() {
        let text = shown(&[plan(5000, "nat"), plan(3, "nat"), plan(5000, "nat")], 20_000);
        assert!(text.len() <= 20_000, "{}", text.len());
        assert_eq!(text.matches("### Stack `dev` in `us-east-1`").count(), 3);
        assert_eq!(text.matches("lines are left out").count(), 2);
        // With no room for all of them it says so.
        let many: Vec<Plan> = (0..100).map(|_| plan(1, "nat")).collect();
        let text = shown(&many, 5000);
        assert!(text.len() <= 5000, "{}", text.len());
        assert!(
            text.ends_with("stack files more: a comment has no room for them. `kstack plan FILE...` shows them.\n"),
            "{text}"
        );
    }

    #[test]
    fn a_name_does_not_break_out() {
        let name = "x\n```\n</details>\n# @all <script> ![](https://a.b)";
        let mut hostile = plan(2, name);
        hostile.stack = name.to_owned();
        hostile.refusals.push(Refusal::at(&hostile.steps[0].address, name, name));
        let text = shown(&[hostile], COMMENT);
        let (summary, folded) = text.split_once("<details>").expect("a fold");
        for mark in ["<script", "</details", "```", "@all"] {
            assert!(!summary.contains(mark), "{mark}: {summary}");
        }
        let (_, block) = folded.split_once("````text\n").expect("a fence of four");
        assert_eq!(block.rsplit_once("\n````\n").expect("its end").1, "\n</details>\n");
    }

    #[test]
    fn a_stack_that_changes_has_its_picture_whole_or_not_at_all() {
        let (fresh, cost) = (plan(30, "nat"), cost());
        let diagram = Diagram {
            title: "dev".to_owned(),
            about: String::new(),
            state: None,
            ways: Vec::new(),
            network: "VPC".to_owned(),
            own_network: true,
            zones: Vec::new(),
            shared: Vec::new(),
        };
        let shown = |plan, diagram, limit| markdown(&[Planned { file: "a", plan: Ok((plan, &cost)), diagram }], limit);
        let text = shown(&fresh, Some(diagram.clone()), COMMENT);
        let chart =
            format!("<summary>The stack as a picture</summary>\n\n```mermaid\n{}```\n\n</details>", diagram.mermaid());
        assert!(text.contains(&chart) && text.contains("The whole plan"), "{text}");
        let without = shown(&fresh, None, COMMENT);
        assert!(!without.contains("mermaid"));
        // A comment with little room has the plan alone.
        assert_eq!(shown(&fresh, Some(diagram.clone()), 1000), shown(&fresh, None, 1000));
        assert!(!shown(&plan(0, "nat"), Some(diagram), COMMENT).contains("mermaid"));
    }

    #[test]
    fn what_can_not_be_planned_is_said() {
        let (fresh, cost) = (plan(1, "nat"), cost());
        let all = [
            Planned { file: "a.yaml", plan: Ok((&fresh, &cost)), diagram: None },
            Planned { file: "b|`.yaml", plan: Err("error: `x`\n```".to_owned()), diagram: None },
        ];
        let text = markdown(&all, COMMENT);
        let table = "### 2 stacks\n\n\
            | file | create | change | roll | replace | delete | USD a month | |\n|---|--:|--:|--:|--:|--:|--:|---|\n\
            | `a.yaml` | 1 | 0 | 0 | 0 | 0 | +12.50 | changes |\n\
            | <code>b\\|\\`.yaml</code> | | | | | | | **failed** |\n\n### Stack";
        assert!(text.starts_with(table), "{text}");
        let failed =
            "\n### <code>b\\|\\`.yaml</code>\n\n**It can't be planned:**\n\n````text\nerror: `x`\n```\n````\n\n";
        assert!(text.ends_with(failed), "{text}");
    }
}
