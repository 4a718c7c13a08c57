//! What was measured as JSON, Markdown and a picture. Pure but for `write` and `tables`: a test makes the tables again from the
//! JSON and compares them with the documents.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use plotters::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::support::text;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results")
}

/// Writes the figures of a part.
pub fn write(part: &str, figures: &impl Serialize) {
    let text = serde_json::to_string_pretty(figures).expect("JSON");
    fs::write(folder().join(format!("{part}.json")), text + "\n").expect("the results can be written");
}

/// The figures of a part as they are written; null when it was not measured.
pub fn read(part: &str) -> Value {
    let text = fs::read(folder().join(format!("{part}.json"))).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The documents with tables, from the package's folder.
pub const DOCUMENTS: [&str; 3] = ["README.md", "docs/speed.md", "benches/README.md"];

/// Writes the tables and the picture of all parts that were measured.
pub fn tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in DOCUMENTS {
        let path = root.join(document);
        let text = fs::read_to_string(&path).expect("the document can be read");
        fs::write(path, filled(&text)).expect("the document can be written");
    }
    fs::write(root.join("docs/growth.svg"), growth_svg(&read("growth"))).expect("the picture can be written");
}

/// A document with each table between its marks, `<!-- table:NAME -->` and `<!-- end -->`, made anew.
pub fn filled(text: &str) -> String {
    let mut parts = text.split("<!-- table:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").expect("a mark has an end");
        let (_, after) = rest.split_once("<!-- end -->").expect("a table has an end");
        let figures = read(name);
        let table = match name {
            "versus" => versus(&figures, "ec2", |_| true),
            "msk" => versus(&read("versus"), "msk", |_| true),
            "speed" => versus(&read("versus"), "ec2", said),
            "others" => others(&read("versus")),
            "short" => short(&read("versus")),
            "limit" => limit(&figures),
            "growth" => growth(&figures),
            "inside" => inside(&figures),
            "roll" => roll(&figures),
            "cold" => cold(&figures),
            other => panic!("there is no table `{other}`"),
        };
        let _ = write!(out, "<!-- table:{name} -->\n\n{table}\n<!-- end -->{after}");
    }
    out
}

const PHASES: [&str; 5] = ["fresh apply", "no-op plan", "plan of one field", "apply of one field", "destroy"];

/// The cases of a stack.
fn of<'a>(cases: &'a Value, stack: &'a str) -> impl Iterator<Item = &'a Value> {
    cases.as_array().into_iter().flatten().filter(move |case| case["stack"] == stack)
}

/// Whether a case is one of those that the documents for users show: a latency that AWS has, or what was measured against LocalStack.
fn said(case: &Value) -> bool {
    case["latency_ms"].is_null() || case["latency_ms"] == 50
}

/// kstack beside Terraform, for the cases of a stack that `shown` chooses.
pub fn versus(cases: &Value, stack: &str, shown: impl Fn(&Value) -> bool) -> String {
    let mut out = "| brokers | latency | | kstack | Terraform | ratio | calls | Terraform's | CPU | Terraform's | memory | Terraform's |\n\
                   |---|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for case in of(cases, stack).filter(|case| shown(case)) {
        for phase in PHASES {
            let (ours, theirs) = (&case["tools"]["kstack"][phase], &case["tools"]["terraform"][phase]);
            let row = [
                case["brokers"].to_string(),
                figure(&case["latency_ms"], " ms"),
                phase.to_owned(),
                seconds(&ours["wall_s"]),
                seconds(&theirs["wall_s"]),
                ratio(&theirs["wall_s"], &ours["wall_s"]),
                figure(&ours["calls"], ""),
                figure(&theirs["calls"], ""),
                seconds(&ours["cpu_s"]),
                seconds(&theirs["cpu_s"]),
                figure(&ours["peak_mib"], " MiB"),
                figure(&theirs["peak_mib"], " MiB"),
            ];
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
    }
    out
}

/// Terraform with more calls at once, and OpenTofu, where they were measured.
pub fn others(cases: &Value) -> String {
    let tools = ["kstack", "terraform", "terraform-64", "opentofu"];
    let mut out =
        "| brokers | latency | | kstack | Terraform | Terraform, 64 at once | OpenTofu | OpenTofu's calls |\n\
                   |---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for case in of(cases, "ec2").filter(|case| tools[2..].iter().any(|tool| !case["tools"][*tool].is_null())) {
        for phase in PHASES {
            let times = tools.map(|tool| seconds(&case["tools"][tool][phase]["wall_s"])).join(" | ");
            let calls = figure(&case["tools"]["opentofu"][phase]["calls"], "");
            let latency = figure(&case["latency_ms"], " ms");
            let _ = writeln!(out, "| {} | {latency} | {phase} | {times} | {calls} |", case["brokers"]);
        }
    }
    out
}

/// The three lines of it that say most, for the smallest stack.
pub fn short(cases: &Value) -> String {
    let mut out = "| | kstack | Terraform | ratio |\n|---|---|---|---|\n".to_owned();
    let none = Value::Null;
    let smallest = of(cases, "ec2").find(|case| said(case)).unwrap_or(&none);
    for (phase, name) in
        [("fresh apply", "apply of all"), ("no-op plan", "plan that finds nothing to do"), ("destroy", "destroy")]
    {
        let [ours, theirs] = ["kstack", "terraform"].map(|tool| &smallest["tools"][tool][phase]["wall_s"]);
        let _ = writeln!(out, "| {name} | {} | {} | {} |", seconds(ours), seconds(theirs), ratio(theirs, ours));
    }
    out
}

/// Applies and destroys against their critical paths.
pub fn limit(sizes: &Value) -> String {
    let mut out = "| brokers | | at 50 ms a call | critical path | ratio | calls on the path | calls |\n\
                   |---|---|---|---|---|---|---|\n"
        .to_owned();
    for size in sizes.as_array().into_iter().flatten() {
        let ratio = size["ratio"].as_f64().unwrap_or_default();
        let (wall, path) = (seconds(&size["wall_s"]), seconds(&size["critical_s"]));
        let _ = writeln!(
            out,
            "| {} | {} | {wall} | {path} | {ratio:.2} | {} | {} |",
            size["brokers"],
            text(&size["command"]),
            size["calls_on_path"],
            size["calls"]
        );
    }
    out
}

/// Growth with the number of brokers, and the fleet.
pub fn growth(growth: &Value) -> String {
    let mut out = "| | plan: calls | time | CPU | memory | apply: calls | time | CPU | memory |\n\
                   |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut row = |name: String, size: &Value| {
        let cells = ["plan", "apply"].map(|command| {
            let cost = &size[command];
            let (calls, memory) = (figure(&cost["calls"], ""), figure(&cost["peak_mib"], " MiB"));
            [calls, seconds(&cost["wall_s"]), seconds(&cost["cpu_s"]), memory].join(" | ")
        });
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    };
    for size in growth["sizes"].as_array().into_iter().flatten() {
        row(format!("{} brokers", size["brokers"]), size);
    }
    let fleet = &growth["fleet"];
    row(format!("{} stacks with {} brokers", fleet["stacks"], fleet["brokers"]), fleet);
    out
}

/// Plans with what is inside Kafka.
pub fn inside(inside: &Value) -> String {
    let mut out = "| | requests to Kafka | time | CPU | memory |\n|---|---|---|---|---|\n".to_owned();
    for (what, key) in [("nothing to do", "plan"), ("three brokers more, to which partitions move", "grown")] {
        let plan = &inside[key];
        let (requests, memory) = (figure(&plan["calls"], ""), figure(&plan["peak_mib"], " MiB"));
        let (wall, cpu) = (seconds(&plan["wall_s"]), seconds(&plan["cpu_s"]));
        let _ = writeln!(out, "| {what} | {requests} | {wall} | {cpu} | {memory} |");
    }
    out
}

/// A roll of a real Kafka.
pub fn roll(roll: &Value) -> String {
    let each = |key: &str| roll[key].as_array().map_or(0, Vec::len);
    format!(
        "| | times | median | longest |\n|---|---|---|---|\n\
         | a broker stops, starts and catches up | {} | {} | {} |\n\
         | from all in sync to the next stop | {} | {} | {} |\n",
        each("out_s"),
        seconds(&roll["out_median_s"]),
        seconds(&roll["out_max_s"]),
        each("idle_s"),
        seconds(&roll["idle_median_s"]),
        seconds(&roll["idle_max_s"]),
    )
}

/// Start and size.
pub fn cold(cold: &Value) -> String {
    let number = |key: &str| cold[key].as_f64().unwrap_or_default();
    format!(
        "| `kstack --version` | `kstack check stacks/prod.yaml` | memory of that | `check` of 1,000 topics more | binary |\n|---|---|---|---|---|\n\
         | {:.1} ms | {:.1} ms | {:.1} MiB | {:.1} ms | {:.1} MiB |\n",
        number("version_ms"),
        number("check_ms"),
        number("check_peak_mib"),
        number("check_topics_ms"),
        number("binary_mib")
    )
}

fn seconds(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.0995 => format!("{:.0} ms", seconds * 1e3),
        Some(seconds) if seconds < 10.0 => format!("{seconds:.2} s"),
        Some(seconds) => format!("{seconds:.0} s"),
    }
}

fn figure(value: &Value, unit: &str) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.0}{unit}"))
}

fn ratio(of: &Value, to: &Value) -> String {
    match (of.as_f64(), to.as_f64()) {
        (Some(of), Some(to)) if to > 0.0 => format!("{:.0}", of / to),
        _ => "-".to_owned(),
    }
}

/// Three small plots over the number of brokers, both axes logarithmic: calls, seconds, MiB.
pub fn growth_svg(growth: &Value) -> String {
    let mut svg = String::new();
    {
        let picture = SVGBackend::with_string(&mut svg, (960, 280)).into_drawing_area();
        picture.fill(&WHITE).expect("a string takes it");
        let plots = [
            ("calls", "calls", 10.0..10_000.0),
            ("seconds", "wall_s", 0.01..100.0),
            ("MiB of memory", "peak_mib", 10.0..1_000.0),
        ];
        for (area, (unit, key, range)) in picture.split_evenly((1, plots.len())).iter().zip(plots) {
            draw_growth(area, growth, unit, key, range).expect("a string takes it");
        }
    }
    svg
}

fn draw_growth<'a>(
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    growth: &Value,
    unit: &str,
    key: &str,
    range: std::ops::Range<f64>,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let sizes = growth["sizes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let font = || ("sans-serif", 13).into_font();
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..2_000.0).log_scale(), range.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(222, 226, 230))
        .label_style(font())
        .axis_desc_style(font())
        .x_desc("brokers")
        .y_desc(unit)
        .x_labels(4)
        .y_labels(5)
        .x_label_formatter(&|mark| format!("{mark}"))
        .y_label_formatter(&|mark| format!("{mark}"))
        .draw()?;
    for (part, colour) in [("plan", RGBColor(11, 95, 165)), ("apply", RGBColor(179, 71, 11))] {
        let figure = |size: &Value| Some((size["brokers"].as_f64()?, size[part][key].as_f64()?));
        let points: Vec<(f64, f64)> = sizes.iter().filter_map(figure).collect();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3))?
            .label(part)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).label_font(font()).draw()?;
    Ok(())
}
