//! A real Prometheus and a real Alertmanager, with the files that `kstack monitoring` writes. They are changed for a test only in this: where EC2
//! answers, where alerts go to, how often it looks, and every duration of the alerts, divided by one number. Thresholds are as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::client::PATIENCE;
use crate::network::run;
use crate::support::{poll, skip, text};

/// The body of what a server says to a request for `path`.
pub fn get(address: Ipv4Addr, port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 OK").then(|| body.to_owned())
}

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port of this machine's that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|one| one.local_addr()).expect("a port").port()
}

/// Now, in seconds.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Who is watched, and how.
pub struct Watched<'a> {
    /// What `kstack monitoring` has written.
    pub files: &'a Path,
    /// Where EC2 answers, and the access key of the account.
    pub endpoint: &'a str,
    pub access_key: &'a str,
    /// Whether hosts are processes, at the loopback addresses that stand for theirs.
    pub processes: bool,
    /// Where lag is told, instead of the machine's own node exporter.
    pub lag: Option<u16>,
    /// By what the alerts' durations are divided.
    pub faster: u32,
}

/// Prometheus and Alertmanager under way.
pub struct Watch {
    folder: PathBuf,
    prometheus: Running,
    _alertmanager: Running,
    ports: (u16, u16),
}

impl Watch {
    /// Starts both; where a program is missing, that is said.
    pub fn start(of: &Watched<'_>) -> Option<Watch> {
        let start = |program: &str, log: &str, arguments: &[String]| {
            let log = fs::File::create(of.files.join(log)).expect("a log");
            Command::new(program)
                .args(arguments)
                .current_dir(of.files)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .map(Running)
        };
        let ports = (free_port(), free_port());
        let folder = of.files.display();
        let receiver = "route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]\n";
        fs::write(of.files.join("alertmanager.yml"), receiver).expect("a file");
        let alertmanager = [
            format!("--config.file={folder}/alertmanager.yml"),
            format!("--storage.path={folder}/alertmanager"),
            format!("--web.listen-address=127.0.0.1:{}", ports.1),
            "--cluster.listen-address=".to_owned(),
        ];
        let Ok(alertmanager) = start("prometheus-alertmanager", "alertmanager.log", &alertmanager) else {
            skip("there is no prometheus-alertmanager on this machine");
            return None;
        };
        fs::copy(of.files.join("rules.yml"), of.files.join("rules-written.yml")).expect("the rules");
        faster(of.files, of.faster);
        fs::write(of.files.join("prometheus-test.yml"), settings(of, ports.1)).expect("a file");
        let prometheus = [
            format!("--config.file={folder}/prometheus-test.yml"),
            format!("--storage.tsdb.path={folder}/data"),
            format!("--web.listen-address=127.0.0.1:{}", ports.0),
            // After new rules it knows no Alertmanager for a moment, and would send again a minute later.
            "--rules.alert.resend-delay=2s".to_owned(),
        ];
        let Ok(prometheus) = start("prometheus", "prometheus.log", &prometheus) else {
            skip("there is no prometheus on this machine");
            return None;
        };
        Some(Watch { folder: of.files.to_owned(), prometheus, _alertmanager: alertmanager, ports })
    }

    /// Divides the durations that were written by another number from now on. What fires goes on.
    pub fn faster(&self, by: u32) {
        faster(&self.folder, by);
        run("kill", &["-s", "HUP", &self.prometheus.0.id().to_string()]).expect("it runs");
        let first = self.folder.join("rules.yml");
        let rules: Value = serde_yaml::from_str(&fs::read_to_string(first).expect("rules")).expect("YAML");
        let wanted = text(&rules["groups"][0]["rules"][0]["for"]).trim_end_matches("ms").parse::<f64>().expect("ms");
        poll("the other durations", PATIENCE, || {
            let told: Value = serde_json::from_str(&get(Ipv4Addr::LOCALHOST, self.ports.0, "/api/v1/rules")?).ok()?;
            let told = told["data"]["groups"][0]["rules"][0]["duration"].as_f64()?;
            ((told * 1000.0 - wanted).abs() < 1.0).then_some(())
        });
    }

    fn api(&self, path: &str, arguments: &[(&str, String)]) -> Option<Value> {
        let one = |(key, value): &(&str, String)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        let query: Vec<String> = arguments.iter().map(one).collect();
        let answer = get(Ipv4Addr::LOCALHOST, self.ports.0, &format!("/api/v1/{path}?{}", query.join("&")))?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        Some(answer["data"].clone())
    }

    /// What Prometheus answers now: each series with its labels.
    pub fn ask(&self, expression: &str) -> Vec<Value> {
        let data = self.api("query", &[("query", expression.to_owned())]).unwrap_or_default();
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// What it would have answered between two times: for each series its labels and values by time.
    pub fn asked(&self, expression: &str, between: (f64, f64), step: f64) -> Vec<(Value, Vec<(f64, f64)>)> {
        let arguments = [
            ("query", expression.to_owned()),
            ("start", between.0.to_string()),
            ("end", between.1.to_string()),
            ("step", step.to_string()),
        ];
        let data = self.api("query_range", &arguments).unwrap_or_default();
        let point = |point: &Value| Some((point[0].as_f64()?, point[1].as_str()?.parse::<f64>().ok()?));
        let points = |one: &Value| one["values"].as_array().map(|all| all.iter().filter_map(point).collect());
        let series = data["result"].as_array().cloned().unwrap_or_default();
        series.iter().map(|one| (one["metric"].clone(), points(one).unwrap_or_default())).collect()
    }

    /// The alerts that have fired since then, and when each did so first.
    pub fn fired(&self, since: f64) -> BTreeMap<String, f64> {
        let all = self.asked("ALERTS{alertstate=\"firing\"}", (since, now()), 1.0);
        let mut first = BTreeMap::new();
        for (labels, values) in all {
            let Some((at, _)) = values.first() else { continue };
            let entry = first.entry(text(&labels["alertname"]).to_owned()).or_insert(*at);
            *entry = entry.min(*at);
        }
        first
    }

    /// The alerts that Alertmanager has now.
    pub fn alerts(&self) -> BTreeSet<String> {
        let answer = get(Ipv4Addr::LOCALHOST, self.ports.1, "/api/v2/alerts").unwrap_or_default();
        let all: Value = serde_json::from_str(&answer).unwrap_or_default();
        let name = |one: &Value| one["labels"]["alertname"].as_str().map(str::to_owned);
        all.as_array().into_iter().flatten().filter_map(name).collect()
    }

    /// Waits until Alertmanager has all of these.
    pub fn expect(&self, names: &[&str]) {
        poll(&format!("{names:?}"), PATIENCE, || {
            let alerts = self.alerts();
            names.iter().all(|name| alerts.contains(*name)).then_some(())
        });
    }

    /// Waits until nothing fires any more.
    pub fn calm(&self) {
        poll("no alert", PATIENCE, || {
            let firing = self.asked("ALERTS", (now() - 1.0, now()), 1.0);
            (firing.is_empty() && self.alerts().is_empty()).then_some(())
        });
    }

    /// Waits until as many hosts are scraped by both jobs, found by their tags, and gives host and zone of each.
    pub fn hosts(&self, job: &str, count: usize) -> BTreeMap<String, String> {
        poll(&format!("{count} hosts, see {}/prometheus.log", self.folder.display()), PATIENCE, || {
            let up = self.ask(&format!("up{{job=\"{job}\"}} == 1"));
            let label = |one: &Value, name: &str| one["metric"][name].as_str().unwrap_or_default().to_owned();
            let found: BTreeMap<String, String> =
                up.iter().map(|one| (label(one, "host"), label(one, "zone"))).collect();
            (found.len() == count).then_some(found)
        })
    }
}

/// Every expression of the dashboard in `folder`, with its panel's title and its legend.
pub fn panels(folder: &Path) -> Vec<(String, Vec<(String, String)>)> {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("dashboard.json")).expect("a file")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let target = |one: &Value| (text(&one["expr"]).to_owned(), text(&one["legendFormat"]).to_owned());
    panels
        .map(|panel| {
            let targets = panel["targets"].as_array().expect("targets").iter().map(target).collect();
            (text(&panel["title"]).to_owned(), targets)
        })
        .collect()
}

/// The settings that were written, as a test has them.
fn settings(of: &Watched<'_>, alertmanager: u16) -> String {
    let text = fs::read_to_string(of.files.join("prometheus.yml")).expect("a file");
    let mut settings: Value = serde_yaml::from_str(&text).expect("YAML");
    settings["global"] = json!({"scrape_interval": "1s", "evaluation_interval": "1s"});
    settings["alerting"] =
        json!({"alertmanagers": [{"static_configs": [{"targets": [format!("127.0.0.1:{alertmanager}")]}]}]});
    for job in settings["scrape_configs"].as_array_mut().expect("jobs") {
        if let Some(found) = job.get_mut("ec2_sd_configs") {
            found[0]["endpoint"] = of.endpoint.into();
            found[0]["access_key"] = of.access_key.into();
            found[0]["secret_key"] = "test".into();
            found[0]["refresh_interval"] = "2s".into();
            if of.processes {
                let loopback = json!({"source_labels": ["__address__"], "regex": "10\\.(.*)", "target_label": "__address__", "replacement": "127.$1"});
                job["relabel_configs"].as_array_mut().expect("rules").push(loopback);
            }
        } else if let Some(port) = of.lag {
            job["static_configs"][0]["targets"] = json!([format!("127.0.0.1:{port}")]);
        }
    }
    settings.to_string()
}

/// Writes the rules with every duration divided: how long something must last, over what rates are taken, and how old unread records may be.
fn faster(folder: &Path, by: u32) {
    let text = fs::read_to_string(folder.join("rules-written.yml")).expect("the rules");
    let mut rules: Value = serde_yaml::from_str(&text).expect("YAML");
    let milliseconds = |duration: &str| {
        let (number, unit) = duration.split_at(duration.len() - 1);
        let unit = match unit {
            "s" => 1000,
            "m" => 60_000,
            _ => panic!("{duration} is not understood here"),
        };
        number.parse::<u32>().expect("a number") * unit / by
    };
    for rule in rules["groups"][0]["rules"].as_array_mut().expect("rules") {
        rule["for"] = format!("{}ms", milliseconds(rule["for"].as_str().expect("a duration"))).into();
        let expression = rule["expr"].as_str().expect("an expression").to_owned();
        let mut parts = expression.split('[');
        let mut changed = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (window, rest) = part.split_once(']').expect("the window's end");
            changed += &format!("[{}ms]{rest}", milliseconds(window));
        }
        if changed.contains("lag_seconds") {
            assert!(changed.contains("> 600 "), "the age of unread records: {changed}");
            changed = changed.replace("> 600 ", &format!("> {} ", 600 / by));
        }
        rule["expr"] = changed.into();
    }
    fs::write(folder.join("rules.yml"), rules.to_string()).expect("the rules");
}
