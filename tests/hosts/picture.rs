//! A picture of what the dashboard's questions were answered while the alerts were tried.

use std::collections::BTreeMap;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A panel: its title, and its lines by their legends.
pub type Panel = (String, BTreeMap<String, Vec<(f64, f64)>>);

const COLUMNS: usize = 3;
const PANEL: (u32, u32) = (400, 230);
const HEAD: u32 = 60;
/// The height of a panel's title and legend, and where they begin: above the axis.
const TITLE: u32 = 40;
const LEFT: i32 = 52;
const LINES: [RGBColor; 4] = [RGBColor(0, 98, 152), RGBColor(196, 88, 0), RGBColor(0, 128, 80), RGBColor(140, 60, 140)];
const BANDS: [RGBColor; 2] = [RGBColor(232, 236, 242), RGBColor(250, 250, 252)];

/// Every panel over the same time, on bands with the number of the situation.
pub fn draw(panels: &[Panel], spans: &[(&str, (f64, f64))]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * u32::try_from(COLUMNS).expect("few"), HEAD + PANEL.1 * u32::try_from(rows).expect("few"));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).expect("a string takes it");
        let (head, body) = root.split_vertically(HEAD);
        for (number, (name, _)) in spans.iter().enumerate() {
            let at = (12 + (number % 4) as i32 * 300, 12 + (number / 4) as i32 * 20);
            let words = format!("{} {name}", number + 1);
            head.draw(&Text::new(words, at, ("sans-serif", 15))).expect("a string takes it");
        }
        for (area, panel) in body.split_evenly((rows, COLUMNS)).iter().zip(panels) {
            one(area, panel, spans);
        }
    }
    svg
}

fn one(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    (title, lines): &Panel,
    spans: &[(&str, (f64, f64))],
) {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
    let (start, end) = (first.1.0, last.1.1);
    let minute = |at: f64| (at - start) / 60.0;
    let all = lines.values().flatten().map(|(_, value)| *value).filter(|value| value.is_finite());
    let most = all.fold(0.0, f64::max).max(1e-3) * 1.15;
    let (unit, of_unit) = unit(most);
    let most = most / unit;
    let (top, body) = area.split_vertically(TITLE);
    top.draw(&Text::new(title.clone(), (LEFT, 4), ("sans-serif", 15))).expect("a title");
    // What the lines are is said above them, where it hides none.
    let mut at = LEFT;
    for (number, legend) in lines.keys().enumerate() {
        // Where a volume is mounted is the same everywhere.
        let name: Vec<&str> = legend.split(' ').filter(|word| !word.starts_with('/')).collect();
        let name = name.join(" ");
        let width = i32::try_from(name.len()).expect("short") * 7;
        let words = Text::new(name, (at, 22), ("sans-serif", 12).into_font().color(&colour(number)));
        top.draw(&words).expect("a legend");
        at += width + 14;
    }
    let mut chart = ChartBuilder::on(&body)
        .margin_right(14)
        .margin_bottom(6)
        .x_label_area_size(22)
        .y_label_area_size(LEFT.unsigned_abs())
        .build_cartesian_2d(0.0..minute(end), 0.0..most)
        .expect("ranges");
    for (number, (_, (from, to))) in spans.iter().enumerate() {
        let corners = [(minute(*from), 0.0), (minute(*to), most)];
        let band = Rectangle::new(corners, BANDS[number % 2].filled());
        let middle = ("sans-serif", 11).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Top));
        let word = Text::new((number + 1).to_string(), (minute((from + to) / 2.0), most * 0.99), middle);
        chart.draw_series([band]).expect("a band");
        chart.draw_series([word]).expect("a number");
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(8)
        .y_labels(4)
        .label_style(("sans-serif", 11))
        .x_label_formatter(&|minutes| format!("{minutes:.0} min"))
        .y_label_formatter(&|value| format!("{}{of_unit}", short(*value)))
        .draw()
        .expect("axes");
    for (number, points) in lines.values().enumerate() {
        // Where nothing was answered there is no line.
        let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        let mut before = f64::NAN;
        for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
            if at - before > 10.0 {
                parts.push(Vec::new());
            }
            before = *at;
            parts.last_mut().expect("one").push((minute(*at), value / unit));
        }
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            chart.draw_series(LineSeries::new(part, colour(number).stroke_width(1))).expect("a line");
        }
    }
}

fn colour(number: usize) -> RGBColor {
    LINES[number % LINES.len()]
}

/// In which unit an axis up to `most` has round marks, and how it is written.
fn unit(most: f64) -> (f64, &'static str) {
    match most {
        most if most >= f64::from(1 << 20) => (f64::from(1 << 20), " Mi"),
        most if most >= f64::from(1 << 10) => (f64::from(1 << 10), " Ki"),
        _ => (1.0, ""),
    }
}

/// A number in as few digits as an axis has room for.
fn short(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
