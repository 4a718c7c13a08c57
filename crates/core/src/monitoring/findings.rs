//! What is not well in a live stack, the most urgent first, each with what helps: the last lines of `kstack status`.

use serde::Serialize;

use crate::text::many;

/// How soon somebody must look, as in the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Now.
    Page,
    /// In the day.
    Ticket,
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// The alert of `kstack monitoring` that says the same, under which the runbook has more; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<&'static str>,
    /// What is seen, as a sentence.
    pub what: String,
    /// What helps, as a sentence.
    pub remedy: String,
}

/// What is seen of a stack.
#[derive(Debug, Clone, Default)]
pub struct Seen<'a> {
    /// The stack file, for the commands.
    pub file: &'a str,
    /// Zones of several hosts of which none is well, each with them.
    pub zones_out: Vec<(String, Vec<String>)>,
    /// Hosts that don't run, each with EC2's state of it, or that it has no instance.
    pub down: Vec<String>,
    /// Hosts that run with a certificate that has ended.
    pub ended: Vec<String>,
    /// Hosts that run with a certificate that is to be renewed.
    pub ending: Vec<String>,
    /// Brokers that serve another certificate than they should have started with, each with both.
    pub serving_others: Vec<String>,
    /// Whether somebody holds the stack's lease.
    pub being_changed: bool,
    /// Whether the last apply was not completed.
    pub interrupted: bool,
    /// MSK's state of the cluster.
    pub msk: Option<&'a str>,
    /// The alarms of CloudWatch that are on, by their names in the stack.
    pub alarms: Vec<String>,
    /// The region and the stack, for the command that shows them.
    pub place: (&'a str, &'a str),
    /// What Kafka says of itself; why it can't be asked otherwise.
    pub kafka: Option<Result<Kafka, String>>,
}

/// What Kafka says of itself.
#[derive(Debug, Clone, Default)]
pub struct Kafka {
    pub active_controller: bool,
    /// Partitions without a leader.
    pub offline: usize,
    /// Partitions that refuse writes with `acks=all`.
    pub under_min_insync: usize,
    /// Partitions with a replica out of sync.
    pub under_replicated: usize,
    /// Brokers that are registered and don't serve, or that don't answer, although their hosts run.
    pub not_serving: Vec<String>,
    /// Whatever else is in the way of its health, in words.
    pub others: Vec<String>,
}

/// Everything that is not well in what is `seen`, the most urgent first.
pub fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let mut all = of_hosts(seen);
    match &seen.kafka {
        Some(Ok(kafka)) => all.extend(of_kafka(seen, kafka)),
        // What brokers are down says why.
        Some(Err(why)) if all.iter().all(|one| one.severity != Severity::Page) => all.push(unknown(seen, why)),
        _ => {}
    }
    all.extend(seen.msk.and_then(|state| of_msk(seen.file, state)));
    if !seen.alarms.is_empty() {
        let what = format!("Alarms of CloudWatch are on: {}.", seen.alarms.join(", "));
        let remedy = format!(
            "Run `aws cloudwatch describe-alarms --region {} --alarm-name-prefix kstack/{}/ --state-value ALARM`: it shows what each means.",
            seen.place.0, seen.place.1
        );
        all.push(finding(Severity::Ticket, None, what, remedy));
    }
    if seen.interrupted && !seen.being_changed {
        let remedy = format!("Run `kstack apply {}` again: it goes on where that one was cut off.", seen.file);
        all.push(finding(Severity::Ticket, None, "The last apply was not completed.".to_owned(), remedy));
    }
    all.sort_by_key(|one| one.severity);
    all
}

fn finding(severity: Severity, alert: Option<&'static str>, what: String, remedy: String) -> Finding {
    Finding { severity, alert, what, remedy }
}

fn of_hosts(seen: &Seen<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    for (zone, hosts) in seen.zones_out.iter().filter(|_| !seen.being_changed) {
        let what = format!("The zone {zone} is out: {} are not well, and it has no other host.", hosts.join(", "));
        let remedy = format!(
            "The other zones go on with what is in sync there: roll and change nothing else. Once EC2 starts hosts there, `kstack heal {0}` brings them \
             back one at a time; `kstack evacuate {0} --zone {zone} --replicas` copies what was there to the other zones.",
            seen.file
        );
        all.push(finding(Severity::Page, None, what, remedy));
    }
    if !seen.ended.is_empty() {
        let what = format!("The certificates have ended with which {} run.", seen.ended.join(", "));
        let remedy = format!("Run `kstack recover {}`: these hosts start again with new ones, all at once.", seen.file);
        all.push(finding(Severity::Page, None, what, remedy));
    }
    if !seen.down.is_empty() {
        let what = format!("Hosts are down: {}.", seen.down.join(", "));
        let (severity, remedy) = match seen.being_changed {
            true => (Severity::Ticket, "The stack is being changed: look again when that is done.".to_owned()),
            false => (Severity::Page, starts(seen.file)),
        };
        all.push(finding(severity, None, what, remedy));
    }
    if !seen.ending.is_empty() {
        let what = format!("The certificates end soon with which {} run.", seen.ending.join(", "));
        let remedy = format!("Run `kstack apply {}` in time: it rolls these hosts one by one.", seen.file);
        all.push(finding(Severity::Ticket, None, what, remedy));
    }
    // What starts again is seen as it was for a moment.
    if !seen.serving_others.is_empty() && !seen.being_changed {
        let what = format!(
            "Brokers serve other certificates than they should have started with: {}.",
            seen.serving_others.join(", ")
        );
        let remedy = "Look whether somebody restarted units on these hosts; roll them with the next change of the file, or reboot them in EC2, one after another while Kafka is healthy: a host starts with its newest certificate.";
        all.push(finding(Severity::Ticket, None, what, remedy.to_owned()));
    }
    all
}

fn starts(file: &str) -> String {
    format!(
        "Run `kstack apply {file}`: it starts hosts that are stopped, and makes those anew that are gone, on their volumes."
    )
}

fn unknown(seen: &Seen<'_>, why: &str) -> Finding {
    let what = format!("Kafka's health is not known: {why}.");
    let remedy = "Ask from where the brokers can be reached, or through Session Manager or a proxy with `--via`.";
    let remedy = match seen.msk {
        Some(state) if state != "ACTIVE" => "Look again when the cluster is ACTIVE.",
        _ => remedy,
    };
    finding(Severity::Ticket, None, what, remedy.to_owned())
}

fn of_kafka(seen: &Seen<'_>, kafka: &Kafka) -> Vec<Finding> {
    let mut all = Vec::new();
    // Of hosts that don't run, their own finding says what helps.
    let down = !seen.down.is_empty() || !seen.ended.is_empty();
    let of_brokers = |otherwise: &str| match down {
        true => "Bring the hosts back that are down: that is the remedy here, too.".to_owned(),
        false => otherwise.to_owned(),
    };
    let are = |count: usize, what: &str| format!("{} {what}.", many(count, "partition"));
    if !kafka.active_controller {
        let what = "No controller is active: no leader is elected, and writes fail as soon as one is lost.".to_owned();
        let remedy = of_brokers("See `journalctl --unit kafka` on the controllers: half of them or fewer agree.");
        all.push(finding(Severity::Page, Some("KafkaNoActiveController"), what, remedy));
    }
    if kafka.offline > 0 {
        let verb = if kafka.offline == 1 { "has" } else { "have" };
        let what = are(kafka.offline, &format!("{verb} no leader, and can't be read or written"));
        let remedy = of_brokers(
            "Their replicas in sync are on brokers that are out: see `journalctl --unit kafka` there and bring those back, and elect no other replica before they are given up.",
        );
        all.push(finding(Severity::Page, Some("KafkaPartitionsOffline"), what, remedy));
    }
    if kafka.under_min_insync > 0 {
        let verb = if kafka.under_min_insync == 1 { "refuses" } else { "refuse" };
        let what = are(kafka.under_min_insync, &format!("{verb} writes with acks=all: too few replicas are in sync"));
        let remedy = of_brokers(
            "A second broker is out or follows too slowly: see `journalctl --unit kafka` on its host, and roll nothing before this is over.",
        );
        all.push(finding(Severity::Page, Some("KafkaPartitionsUnderMinIsr"), what, remedy));
    }
    let later = |otherwise: String| match seen.being_changed {
        true => "The stack is being changed: look again when that is done.".to_owned(),
        false => otherwise,
    };
    if !kafka.not_serving.is_empty() {
        let what = sentence(&kafka.not_serving.join("; "));
        let remedy = "Its host runs: `journalctl --unit kafka` there says what it does. Reading logs again after a power cut takes minutes.";
        all.push(finding(Severity::Ticket, Some("KafkaBrokerFenced"), what, later(remedy.to_owned())));
    }
    if kafka.under_replicated > 0 && kafka.under_min_insync + kafka.offline == 0 {
        let verb = if kafka.under_replicated == 1 { "has" } else { "have" };
        let what = are(kafka.under_replicated, &format!("{verb} a replica out of sync: the next loss may stop writes"));
        let remedy = of_brokers(&format!(
            "Replicas are fetched after a start or a move: look again in some minutes (`kstack status {} --watch`). If the number does not fall, look at the disk and the network of the broker that lacks them.",
            seen.file
        ));
        all.push(finding(Severity::Ticket, Some("KafkaPartitionsUnderReplicated"), what, later(remedy)));
    }
    if !kafka.others.is_empty() {
        let what = sentence(&kafka.others.join("; "));
        let remedy = of_brokers("Look again in some minutes; if it stays, see `journalctl --unit kafka` on that host.");
        all.push(finding(Severity::Ticket, None, what, later(remedy)));
    }
    all
}

/// `text` from a capital letter to a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Source of the states: MSK developer guide, "MSK Provisioned cluster states", 2026.
fn of_msk(file: &str, state: &str) -> Option<Finding> {
    let (severity, what, remedy) = match state {
        "ACTIVE" => return None,
        "FAILED" => {
            let what = "MSK could not make the cluster, and it will not come up.";
            (Severity::Page, what, format!("Run `kstack destroy {file}`, and apply again."))
        }
        "HEALING" => {
            let what = "MSK replaces a broker that is not well; clients read and write meanwhile.";
            (Severity::Ticket, what, "Wait for it: nothing can be changed until it is done.".to_owned())
        }
        "MAINTENANCE" => {
            let what = "MSK is at work on the cluster; clients read and write meanwhile.";
            (Severity::Ticket, what, "Wait for it: nothing can be changed until it is done.".to_owned())
        }
        _ => return None, // It is made, changed, rebooted or deleted: the status names it.
    };
    Some(finding(severity, None, what.to_owned(), remedy))
}

#[cfg(test)]
mod tests;
