//! The dashboard of CloudWatch that stands beside a stack's alarms: their states, and what engines show of hosts, volumes and brokers.
//!
//! It is known by its name, and is the stack's own by what stands at the end of its first text. Dashboards are an account's and of no
//! region, so the name has the stack's region, too.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::alarm::prefix as alarms_of;
use super::prelude::*;
use super::{Alarm, Instance, Volume};
use crate::engines::alarms::Watched;
use crate::engines::graphs::Graph;
use crate::engines::{ec2, msk};

spec! {
    pub struct Dashboard {
        /// The instances and volumes in it, by the places in which they come.
        pub of: Vec<Shown> => Rule::in_place().hidden().saying("of: hosts or volumes that it shows are others"),
        /// As CloudWatch has it, its keys sorted, and with `$0` for the first instance or volume, `$1` for the next one.
        pub body: String => Rule::in_place().hidden().saying("body: its graphs or texts differ"),
    }
}

/// An instance or a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shown {
    pub at: usize,
    pub of: Ref,
}
references!(Shown { of });

/// What is shown of one metric, and of all. Source: CloudWatch user guide, "CloudWatch service quotas", 2026.
const MOST_LINES: usize = 500;
const MOST_LINES_IN_ALL: usize = 2500;
/// How many alarms a widget shows. Source: CloudWatch API reference, "Dashboard body", 2026.
const MOST_ALARMS: usize = 100;
/// The width of a dashboard, in its own unit.
const WIDTH: usize = 24;
const HEIGHT: usize = 6;

/// The dimensions whose values are instances and volumes.
const INSTANCE: &str = "InstanceId";
const VOLUME: &str = "VolumeId";

/// What names of dashboards of all stacks in `region` begin with.
pub fn prefix(region: &str) -> String {
    format!("kstack-{region}-")
}

/// The name of the dashboard of `stack` in `region`.
pub fn name(region: &str, stack: &str) -> String {
    format!("{}{stack}", prefix(region))
}

/// What ends the first text of the stack's own.
fn mark(stack: &str) -> String {
    format!("(kstack stack {stack})")
}

/// Whether a dashboard with this body is the stack's own.
pub fn is_own(body: &str, stack: &str) -> bool {
    let read: Value = serde_json::from_str(body).unwrap_or_default();
    let widgets = read["widgets"].as_array().into_iter().flatten();
    let mut texts = widgets.filter_map(|widget| widget["properties"]["markdown"].as_str());
    texts.any(|text| text.trim_end().ends_with(&mark(stack)))
}

impl Dashboard {
    /// What CloudWatch has of one.
    pub fn live(body: &str) -> Dashboard {
        let Ok(mut read) = serde_json::from_str::<Value>(body) else {
            return Dashboard { of: Vec::new(), body: body.to_owned() };
        };
        let mut ids: Vec<Ref> = Vec::new();
        each_id(&mut read, &mut |id| place(&mut ids, Ref::live(Some(id))));
        Dashboard { of: shown(ids), body: sorted(read).to_string() }
    }

    /// The body as CloudWatch is to have it; `ids` are those of all that it shows, in the order of `of`.
    pub fn body(&self, ids: &[String]) -> String {
        let mut read: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let id = |at: usize| self.of.iter().position(|shown| shown.at == at).and_then(|number| ids.get(number));
        each_id(&mut read, &mut |place| {
            let at = place.strip_prefix('$').and_then(|number| number.parse().ok());
            at.and_then(id).cloned().unwrap_or_else(|| place.to_owned())
        });
        read.to_string()
    }
}

fn shown(all: Vec<Ref>) -> Vec<Shown> {
    all.into_iter().enumerate().map(|(at, of)| Shown { at, of }).collect()
}

/// What stands for `one` in the body, where `all` come in this order.
fn place(all: &mut Vec<Ref>, one: Ref) -> String {
    let at = all.iter().position(|known| *known == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    });
    format!("${at}")
}

/// Puts another text in the place of each id of an instance or a volume.
fn each_id(body: &mut Value, with: &mut impl FnMut(&str) -> String) {
    for widget in body.get_mut("widgets").and_then(Value::as_array_mut).into_iter().flatten() {
        let lines = widget.get_mut("properties").and_then(|all| all.get_mut("metrics")).and_then(Value::as_array_mut);
        for line in lines.into_iter().flatten().filter_map(Value::as_array_mut) {
            for number in 1..line.len() {
                let of = [INSTANCE, VOLUME].map(Value::from).contains(&line[number - 1]);
                if let Some(id) = line[number].as_str().filter(|_| of && number % 2 == 1) {
                    line[number] = Value::String(with(id));
                }
            }
        }
    }
}

/// The same with all keys in order: CloudWatch keeps none.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(map) => {
            let mut all: Vec<(String, Value)> = map.into_iter().map(|(key, one)| (key, sorted(one))).collect();
            all.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(all.into_iter().collect())
        }
        other => other,
    }
}

/// A line of a graph: its name, and the dimensions of its metrics.
type Line = (String, Vec<String>);

/// The lines for all hosts, volumes or brokers of the stack.
fn lines(design: &Design, of: Watched, places: &mut Vec<Ref>) -> Vec<Line> {
    let mut line =
        |name: &str, dimension: &str, of: Ref| (name.to_owned(), vec![dimension.to_owned(), place(places, of)]);
    let cluster = vec!["Cluster Name".to_owned(), design.stack.name.to_string()];
    let hosts = design.hosts.iter();
    let brokers = design.stack.cluster.msk.as_ref().and_then(|msk| msk.brokers.as_ref()).map_or(0, |all| all.count);
    match of {
        Watched::Cluster => vec![("cluster".to_owned(), cluster)],
        Watched::Volume => {
            let volumes = hosts.flat_map(|host| host.volumes());
            volumes.map(|name| line(&name, VOLUME, Ref::to(<Volume as Kind>::NAME, &name))).collect()
        }
        Watched::Host if design.msk.is_none() => {
            hosts.map(|host| line(&host.name, INSTANCE, Ref::to(<Instance as Kind>::NAME, &host.name))).collect()
        }
        Watched::Host => {
            let one = |id: u32| [cluster.clone(), vec!["Broker ID".to_owned(), id.to_string()]].concat();
            (1..=brokers).map(|id| (format!("broker-{id}"), one(id))).collect()
        }
    }
}

/// The lines of `graph` in CloudWatch's words.
fn metrics(graph: &Graph, lines: &[Line]) -> Vec<Value> {
    let names: Vec<&str> = graph.metric.split(" + ").collect();
    let mut all = Vec::new();
    for (number, (label, dimensions)) in lines.iter().enumerate() {
        let ids: Vec<String> = (0..names.len()).map(|part| format!("m{number}x{part}")).collect();
        for (name, id) in names.iter().zip(&ids) {
            let (namespace, metric) = name.split_once(' ').unwrap_or_default();
            let how = match names.len() {
                1 => json!({"label": label}),
                _ => json!({"id": id, "visible": false}),
            };
            let words = [namespace, metric].into_iter().chain(dimensions.iter().map(String::as_str)).map(Value::from);
            all.push(words.chain([how]).collect());
        }
        if names.len() > 1 {
            all.push(json!([{"expression": ids.join(" + "), "id": format!("e{number}"), "label": label}]));
        }
    }
    all
}

/// Widgets, each below what is there or beside it.
#[derive(Default)]
struct Page {
    widgets: Vec<Value>,
    x: usize,
    y: usize,
}

impl Page {
    fn add(&mut self, kind: &str, width: usize, height: usize, properties: &Value) {
        self.widgets.push(json!({
            "type": kind, "x": self.x, "y": self.y, "width": width, "height": height, "properties": properties,
        }));
        self.x = (self.x + width) % WIDTH;
        if self.x == 0 {
            self.y += height;
        }
    }
}

impl Kind for Dashboard {
    const NAME: &'static str = "dashboard";
    const TAGGED: bool = false;
    const OF_ALARMS: bool = true;
    const FOLLOWS: Option<&'static str> = Some("of");

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let alarms = Alarm::desired(design);
        if alarms.is_empty() {
            return Vec::new();
        }
        let (stack, region) = (&*design.stack.name, &*design.stack.region);
        let mut page = Page::default();
        let text = format!(
            "# Stack {stack}\nThe Kafka cluster of the stack {stack} in {region}. kstack made this page, and its next apply undoes \
             what is changed here by hand. {}",
            mark(stack)
        );
        page.add("text", WIDTH, 3, &json!({"markdown": text}));
        let start = format!("arn:{}:cloudwatch:{region}:{}:alarm:", design.stack.region.partition(), design.account);
        let arns: Vec<String> = alarms.iter().map(|(name, _)| format!("{start}{}{name}", alarms_of(stack))).collect();
        for some in arns.chunks(MOST_ALARMS) {
            page.add("alarm", WIDTH, 1 + some.len().div_ceil(6), &json!({"title": "Alarms", "alarms": some}));
        }
        let msk = design.stack.cluster.msk.as_ref().filter(|_| design.msk.is_some());
        let graphs: Vec<&Graph> = match msk {
            Some(msk) => msk::graphs::graphs(msk).collect(),
            None => ec2::graphs::ALL.iter().collect(),
        };
        let (mut places, mut count) = (Vec::new(), 0);
        for graph in graphs {
            let mut some = places.clone();
            let metrics = metrics(graph, &lines(design, graph.of, &mut some));
            if metrics.is_empty() || metrics.len() > MOST_LINES || count + metrics.len() > MOST_LINES_IN_ALL {
                continue;
            }
            (places, count) = (some, count + metrics.len());
            let how = json!({
                "title": graph.title, "region": region, "view": "timeSeries", "stat": graph.statistic,
                "period": graph.seconds, "metrics": metrics,
            });
            page.add("metric", WIDTH / 2, HEIGHT, &how);
        }
        let body = sorted(json!({"widgets": page.widgets})).to_string();
        vec![("main".to_owned(), Dashboard { of: shown(places), body })]
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("dashboard", 1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::choose::{self, PlanningInput, assumed_facts};
    use crate::cloud_init::Overrides;
    use crate::engines::alarms::metrics as watched;
    use crate::observed::Observed;
    use crate::pricing::{Reads, embedded};
    use crate::{check, instance_types};

    fn designed(cluster: &str) -> Design {
        let text = format!(
            "apiVersion: kstack/v1\nname: rung\nregion: eu-west-1\nalarms: true\nnetwork: {{cidr: 10.50.0.0/16}}\ncluster: {cluster}\n"
        );
        let stack = check::parse("rung.yaml", &text).unwrap_or_else(|report| panic!("{}", report.render(false))).stack;
        let (facts, observed) = (assumed_facts(&stack), Observed::default());
        let input = PlanningInput { facts, observed, record: None, expires: None };
        choose::design(&stack, &input, &Overrides::new()).expect("a design")
    }

    fn ec2(brokers: u32, volumes: u32) -> String {
        format!(
            "{{ec2: {{kafka: 4.1.1, controllers: {{count: 3, instance_type: t4g.medium}}, brokers: {{count: {brokers}, instance_type: m7g.large, storage: {{volumes: {volumes}}}}}}}}}"
        )
    }

    fn msk(kind: &str, level: &str) -> String {
        format!(
            "{{msk: {{kafka: 3.8.x, brokers: {{count: 3, instance_type: {kind}}}, monitoring: {{level: {level}}}}}}}"
        )
    }

    fn the(design: &Design) -> Dashboard {
        let all = Dashboard::desired(design);
        all.into_iter().map(|(_, one)| one).next().expect("a dashboard")
    }

    fn widgets(dashboard: &Dashboard) -> Vec<Value> {
        let body: Value = serde_json::from_str(&dashboard.body).expect("it is JSON");
        body["widgets"].as_array().cloned().expect("widgets")
    }

    #[test]
    fn what_cloudwatch_keeps_reads_as_what_was_wanted() {
        for cluster in [ec2(3, 2), msk("kafka.m5.large", "default")] {
            let wanted = the(&designed(&cluster));
            let ids: Vec<String> = (0..wanted.of.len()).map(|number| format!("i-{number:017x}")).collect();
            let body = wanted.body(&ids);
            assert!(!body.contains('$') && is_own(&body, "rung") && !is_own(&body, "run"), "{body}");
            // As JSON, whatever its blanks.
            let again = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).expect("JSON"));
            let live = Dashboard::live(&again.expect("JSON"));
            assert_eq!(live.body, wanted.body);
            let named: Vec<Option<&str>> = live.of.iter().map(|shown| shown.of.id()).collect();
            assert_eq!(named, ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
        }
        // Two hosts whose instances have changed places are a difference.
        let wanted = the(&designed(&ec2(3, 1)));
        let mut ids: Vec<String> = (0..wanted.of.len()).map(|number| format!("i-{number:017x}")).collect();
        let before = Dashboard::live(&wanted.body(&ids));
        ids.swap(0, 1);
        assert_ne!(Dashboard::live(&wanted.body(&ids)).of, before.of);
    }

    #[test]
    fn what_is_no_dashboard_is_a_difference_and_not_the_stacks() {
        for body in ["", "no JSON", "[]", "{\"widgets\": 7}", "{\"widgets\": [{\"properties\": 1}, null]}"] {
            assert!(!is_own(body, "rung"), "{body}");
            assert_eq!(Dashboard::live(body).of, Vec::new(), "{body}");
        }
    }

    #[test]
    fn every_alarm_and_every_metric_that_is_watched_is_shown() {
        let clusters = [
            ec2(3, 2),
            msk("kafka.m5.large", "default"),
            msk("kafka.m5.large", "per-broker"),
            msk("express.m7g.large", "default"),
            msk("express.m7g.large", "per-broker"),
        ];
        for cluster in clusters {
            let design = designed(&cluster);
            let all = widgets(&the(&design));
            let alarms = Alarm::desired(&design);
            let shown: usize = all.iter().filter_map(|one| one["properties"]["alarms"].as_array()).map(Vec::len).sum();
            assert_eq!(shown, alarms.len(), "{cluster}");
            let lines = all.iter().filter_map(|one| one["properties"]["metrics"].as_array()).flatten();
            let lines: BTreeSet<String> =
                lines.map(|line| format!("{} {}", line[0], line[1]).replace('"', "")).collect();
            for (name, alarm) in alarms.iter().filter(|(name, _)| !name.ends_with("credits")) {
                let missing = alarm.metric.split(" + ").find(|one| !lines.contains(*one));
                assert_eq!(missing, None, "{cluster}: {name} watches {}", watched(&alarm.metric));
            }
        }
    }

    #[test]
    fn widgets_lie_beside_and_below_each_other_within_cloudwatchs_limits() {
        for (brokers, volumes) in [(3, 1), (60, 4), (99, 8)] {
            let all = widgets(&the(&designed(&ec2(brokers, volumes))));
            let number = |one: &Value, key: &str| one[key].as_u64().expect("a number") as usize;
            let mut taken = BTreeSet::new();
            for one in &all {
                for x in number(one, "x")..number(one, "x") + number(one, "width") {
                    for y in number(one, "y")..number(one, "y") + number(one, "height") {
                        assert!(x < WIDTH && taken.insert((x, y)), "{one} is on top of another");
                    }
                }
            }
            let lines = all.iter().filter_map(|one| one["properties"]["metrics"].as_array()).map(Vec::len);
            let lines: Vec<usize> = lines.collect();
            assert!(lines.iter().all(|count| *count <= MOST_LINES), "{lines:?}");
            assert!(lines.iter().sum::<usize>() <= MOST_LINES_IN_ALL && lines.len() >= 4, "{lines:?}");
        }
    }

    #[test]
    fn the_bill_has_a_dashboard_where_there_is_one() {
        for cluster in [ec2(3, 1), msk("kafka.m5.large", "default"), "{msk: {serverless: true}}".to_owned()] {
            let design = designed(&cluster);
            let stack = &design.stack;
            let bill = stack.cluster.cost(stack.common(), instance_types::embedded(), embedded(), Reads::default());
            let billed = bill.expect("a bill").lines.iter().any(|line| line.name == "dashboard");
            assert_eq!(billed, !Dashboard::desired(&design).is_empty(), "{cluster}");
        }
    }
}
