//! Events on the way: a live view on a terminal, a line an event without one, or JSON lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::ui;
use crate::apply::{Event, Outcome};
use crate::roll::Checks;
use kstack_core::model::StepId;
use kstack_core::plan::{Action, Plan};

/// How events are shown.
pub struct View {
    start: Instant,
    total: usize,
    show: Show,
    /// Standard output is somebody else's: how it ended is told as progress.
    aside: bool,
}

enum Show {
    Json,
    Lines,
    Live { all: MultiProgress, head: ProgressBar, steps: BTreeMap<StepId, ProgressBar> },
}

/// More steps than this at once are counted, not listed.
const LISTED: usize = 12;

impl View {
    /// A view of a run with `total` steps.
    pub fn new(json: bool, total: usize) -> View {
        let show = if json {
            Show::Json
        } else if ui::live() {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} steps done, {msg}, {elapsed}").ok();
            let head = all.add(ProgressBar::new(total as u64));
            head.set_style(style.unwrap_or_else(ProgressStyle::default_bar));
            head.enable_steady_tick(Duration::from_millis(200));
            Show::Live { all, head, steps: BTreeMap::new() }
        } else {
            Show::Lines
        };
        View { start: Instant::now(), total, show, aside: false }
    }

    /// The same, with nothing of it on standard output.
    pub fn aside(total: usize) -> View {
        View { aside: true, ..View::new(false, total) }
    }

    /// Shows `event`.
    pub fn show(&mut self, event: &Event) {
        match &mut self.show {
            Show::Json => ui::json_line(event),
            Show::Lines => {
                if let Some(line) = line(event) {
                    ui::progress(&line);
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
                    Event::Waiting { address, why } => {
                        if let Some(bar) = steps.get(address) {
                            bar.set_message(format!("{address}: {why}"));
                        }
                    }
                    Event::Skipped { .. } => head.inc(1),
                    Event::Checked { .. } | Event::Interrupted => {}
                }
                let waiting = self.total.saturating_sub(usize::try_from(head.position()).unwrap_or(0) + steps.len());
                head.set_message(format!("{} under way, {waiting} waiting", steps.len()));
                if let Some(line) =
                    line(event).filter(|_| !matches!(event, Event::Started { .. } | Event::Waiting { .. }))
                {
                    let _ = all.println(line);
                }
            }
        }
    }

    /// Shows how the run of `plan` ended.
    pub fn finish(self, plan: &Plan, outcome: &Outcome) {
        let seconds = self.start.elapsed().as_secs_f64();
        if let Show::Live { head, .. } = &self.show {
            head.finish_and_clear();
        }
        if matches!(self.show, Show::Json) {
            let left: Vec<&StepId> = outcome.left.iter().map(|(address, _)| address).collect();
            ui::json_line(&json!({
                "event": "finished", "complete": outcome.complete(), "seconds": seconds, "done": outcome.done.len(),
                "failed": outcome.failed.len(), "skipped": outcome.skipped.len(), "left": left,
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
            if self.aside { ui::err(&text) } else { ui::out(&text) }
        }
    }
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
        Event::Waiting { address, why } => format!("{:10} {address}: {why}", "waiting"),
        Event::Checked { address, by: Checks::Kafka } => {
            format!("{:10} {address}: Kafka has it back, in sync", "checked")
        }
        Event::Checked { address, by: Checks::Instance } => {
            format!("{:10} {address}: EC2's checks of the instance are passed; no broker answers from here", "checked")
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
            "A signal came: no more steps are started, and those under way are finished. A second one ends at once."
                .to_owned()
        }
    })
}
