//! Events of a run: a live view on a terminal, a line for each event without one, or JSON lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::ui::{self, Printer};
use crate::apply::{Event, Outcome};
use crate::ops::RunReport;
use crate::roll::Checks;
use kstack_core::model::StepId;
use kstack_core::plan::{Action, Plan};
use kstack_core::text::many;

/// Where the reports of a run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputTarget {
    /// To standard output, as JSON.
    Json,
    /// Progress to standard error, how it ended to standard output.
    Text,
    /// All to standard error, so that standard output has the command's result alone.
    Aside,
}

/// The reports of a run on the way to the screen.
pub struct Screen {
    target: OutputTarget,
    printer: Printer,
    view: Option<EventView>,
}

impl Screen {
    pub fn new(target: OutputTarget, printer: Printer) -> Screen {
        Screen { target, printer, view: None }
    }

    /// Shows what is reported of the steps; the plan itself is shown by the command.
    pub fn report(&mut self, report: RunReport<'_>) {
        match report {
            RunReport::Planned { .. } => {}
            RunReport::Begun { plan } => self.view = Some(EventView::new(self.target, self.printer, plan.steps.len())),
            RunReport::Step(event) => {
                if let Some(view) = &mut self.view {
                    view.show(event);
                }
            }
            RunReport::Ended { plan, outcome } => match self.view.take() {
                Some(view) => view.finish(plan, outcome),
                None if self.target == OutputTarget::Json => {
                    EventView::new(self.target, self.printer, 0).finish(plan, outcome)
                }
                None => {}
            },
        }
    }
}

/// How the events of one run are shown.
struct EventView {
    start: Instant,
    total: usize,
    /// Steps that have ended, whichever way, and how many of them were skipped without a line.
    ended: usize,
    skipped: usize,
    show: Show,
    printer: Printer,
    target: OutputTarget,
}

enum Show {
    Json,
    Lines,
    Live { all: MultiProgress, head: ProgressBar, steps: BTreeMap<StepId, ProgressBar> },
}

/// More steps than this at once are counted, not listed.
const LISTED: usize = 12;
/// A run with more steps than this is told by counts, a line for each tenth of it, unless a line for each step was asked for.
const LONG: usize = 20;

impl EventView {
    /// A view of a run with `total` steps.
    fn new(target: OutputTarget, printer: Printer, total: usize) -> EventView {
        let show = if target == OutputTarget::Json {
            Show::Json
        } else if printer.live() {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} steps done, {msg}, {elapsed}").ok();
            let head = all.add(ProgressBar::new(total as u64));
            head.set_style(style.unwrap_or_else(ProgressStyle::default_bar));
            head.enable_steady_tick(Duration::from_millis(200));
            Show::Live { all, head, steps: BTreeMap::new() }
        } else {
            Show::Lines
        };
        EventView { start: Instant::now(), total, ended: 0, skipped: 0, show, printer, target }
    }

    /// Shows `event`.
    fn show(&mut self, event: &Event) {
        let counted = self.total > LONG && !self.printer.verbose();
        let (told, is_end) = (!counted || is_told(event), is_end(event));
        self.ended += usize::from(is_end);
        self.skipped += usize::from(!told && matches!(event, Event::Skipped { .. }));
        match &mut self.show {
            Show::Json => ui::json_line(event),
            Show::Lines => {
                if let Some(line) = line(event).filter(|_| told) {
                    self.printer.progress(&line);
                }
                if counted && is_end && is_tenth(self.ended, self.total) {
                    let seconds = self.start.elapsed().as_secs_f64();
                    self.printer
                        .progress(&format!("{:10} {} of {} steps in {seconds:.1} s", "ended", self.ended, self.total));
                }
            }
            Show::Live { all, head, steps } => {
                match event {
                    Event::Started { address, action } => {
                        let bar = if steps.len() < LISTED {
                            all.add(ProgressBar::new_spinner())
                        } else {
                            ProgressBar::hidden()
                        };
                        let style = ProgressStyle::with_template("  {spinner} {msg} {elapsed}").ok();
                        bar.set_style(style.unwrap_or_else(ProgressStyle::default_spinner));
                        bar.set_message(format!("{} {address}", doing(*action)));
                        bar.enable_steady_tick(Duration::from_millis(120));
                        steps.insert(address.clone(), bar);
                    }
                    Event::Done { address, .. } | Event::Failed { address, .. } => {
                        if let Some(bar) = steps.remove(address) {
                            bar.finish_and_clear();
                            all.remove(&bar);
                        }
                        head.inc(1);
                    }
                    Event::Waiting { address, reason } => {
                        if let Some(bar) = steps.get(address) {
                            bar.set_message(format!("{address}: {reason}"));
                        }
                    }
                    Event::Skipped { .. } => head.inc(1),
                    Event::Checked { .. } | Event::Interrupted => {}
                }
                let waiting = self.total.saturating_sub(usize::try_from(head.position()).unwrap_or(0) + steps.len());
                head.set_message(format!("{} under way, {waiting} waiting", steps.len()));
                if let Some(line) =
                    line(event).filter(|_| told && !matches!(event, Event::Started { .. } | Event::Waiting { .. }))
                {
                    let _ = all.println(line);
                }
            }
        }
    }

    /// Shows how the run of `plan` ended.
    fn finish(self, plan: &Plan, outcome: &Outcome) {
        let seconds = self.start.elapsed().as_secs_f64();
        if let Show::Live { head, .. } = &self.show {
            head.finish_and_clear();
        }
        if self.skipped > 0 && !matches!(self.show, Show::Json) {
            let steps = many(self.skipped, "step");
            self.printer
                .progress(&format!("{:10} {steps}: they wait for what failed; --verbose names them", "skipped"));
        }
        if matches!(self.show, Show::Json) {
            let left: Vec<&StepId> = outcome.left.iter().map(|(address, _)| address).collect();
            let stuck: Vec<&StepId> = outcome.stuck.iter().map(|(step, _)| step).collect();
            ui::json_line(&json!({
                "event": "finished", "complete": outcome.complete(), "seconds": seconds, "done": outcome.done.len(),
                "failed": outcome.failed.len(), "skipped": outcome.skipped.len(), "left": left, "stuck": stuck,
            }));
        } else {
            let count = |action| {
                plan.steps.iter().filter(|step| step.action() == action && outcome.done.contains(&step.id())).count()
            };
            let ended = if outcome.complete() { "Done in" } else { "Ended after" };
            let text = format!(
                "{ended} {seconds:.1} s: {} created, {} changed, {} rolled, {} replaced, {} deleted; {} of {} steps.\n",
                count(Action::Create),
                count(Action::Update),
                count(Action::Roll),
                count(Action::Replace),
                count(Action::Delete),
                outcome.done.len(),
                self.total,
            );
            if self.target == OutputTarget::Aside { self.printer.progress(text.trim_end()) } else { ui::out(&text) }
        }
    }
}

/// Whether the event has a line of its own in a long run, too: what went wrong, and what stops a host.
fn is_told(event: &Event) -> bool {
    match event {
        Event::Done { action, .. } => matches!(action, Action::Roll | Action::Replace),
        Event::Skipped { .. } => false,
        _ => true,
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::Done { .. } | Event::Failed { .. } | Event::Skipped { .. })
}

/// Whether another tenth of `total` has ended with this.
fn is_tenth(ended: usize, total: usize) -> bool {
    ended * 10 / total > (ended - 1) * 10 / total
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "changing",
        Action::Roll => "rolling",
        Action::Replace => "replacing",
        Action::Delete => "deleting",
    }
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { address, action: Action::Roll } => format!("{:10} {address} ...", "rolling"),
        Event::Started { .. } => return None,
        Event::Waiting { address, reason } => format!("{:10} {address}: {reason}", "waiting"),
        Event::Checked { address, by: Checks::Kafka } => {
            format!("{:10} {address}: it is back and in sync in Kafka", "checked")
        }
        Event::Checked { address, by: Checks::Instance } => {
            format!("{:10} {address}: the instance passed EC2's checks; Kafka is not reachable from here", "checked")
        }
        Event::Done { address, action, id, seconds } => {
            let word = match action {
                Action::Create => "created",
                Action::Update => "changed",
                Action::Roll => "rolled",
                Action::Replace => "replaced",
                Action::Delete => "deleted",
            };
            format!("{word:10} {address} ({id}) in {seconds:.1} s")
        }
        Event::Failed { address, error, .. } => format!("{:10} {address}: {error}", "failed"),
        Event::Skipped { address, because, .. } => format!("{:10} {address}: it waits for {because}", "skipped"),
        Event::Interrupted => {
            "A signal came: no more steps are started, and running ones are finished. A second signal ends kstack at once."
                .to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_ten_lines_and_the_last_is_of_its_end() {
        for total in [21, 60, 1999] {
            let told: Vec<usize> = (1..=total).filter(|ended| is_tenth(*ended, total)).collect();
            assert_eq!((told.len(), told.last()), (10, Some(&total)), "{told:?}");
        }
    }
}
