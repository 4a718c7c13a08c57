//! A picture of what the dashboard's questions were answered while the alerts were tried.

use std::collections::BTreeMap;

use plotters::prelude::*;

/// A panel: its title, and its lines by their legends.
pub type Panel = (String, BTreeMap<String, Vec<(f64, f64)>>);

const COLUMNS: usize = 3;
const PANEL: (u32, u32) = (400, 230);
const HEAD: u32 = 60;
const LINES: [RGBColor; 4] = [RGBColor(0, 98, 152), RGBColor(196, 88, 0), RGBColor(0, 128, 80), RGBColor(140, 60, 140)];
const BANDS: [RGBColor; 2] = [RGBColor(232, 236, 242), RGBColor(250, 250, 252)];

/// Every panel over the same time, on bands with the number of the situation.
pub fn draw(panels: &[Panel], spans: &[(&str, (f64, f64))]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * 3, HEAD + PANEL.1 * u32::try_from(rows).expect("few"));
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
    let all = lines.values().flatten().map(|(_, value)| *value).filter(|value| value.is_finite());
    let most = all.fold(0.0, f64::max).max(1e-3) * 1.15;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(8)
        .margin_right(14)
        .x_label_area_size(22)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..end - start, 0.0..most)
        .expect("ranges");
    for (number, (_, (from, to))) in spans.iter().enumerate() {
        let corners = [(from - start, 0.0), (to - start, most)];
        let band = Rectangle::new(corners, BANDS[number % 2].filled());
        let word = Text::new((number + 1).to_string(), (from - start + 3.0, most * 0.99), ("sans-serif", 11));
        chart.draw_series([band]).expect("a band");
        chart.draw_series([word]).expect("a number");
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(5)
        .y_labels(4)
        .label_style(("sans-serif", 11))
        .x_label_formatter(&|seconds| format!("{:.0} min", seconds / 60.0))
        .y_label_formatter(&|value| short(*value))
        .draw()
        .expect("axes");
    for (number, (legend, points)) in lines.iter().enumerate() {
        let colour = LINES[number % LINES.len()];
        // Where nothing was answered there is no line.
        let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        let mut before = f64::NAN;
        for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
            if at - before > 10.0 {
                parts.push(Vec::new());
            }
            before = *at;
            parts.last_mut().expect("one").push((at - start, *value));
        }
        for (index, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
            let drawn = chart.draw_series(LineSeries::new(part, colour.stroke_width(1))).expect("a line");
            if index == 0 {
                drawn.label(legend).legend(move |(x, y)| PathElement::new([(x, y), (x + 12, y)], colour));
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 10))
        .background_style(WHITE.mix(0.7))
        .draw()
        .expect("a legend");
}

/// A number in as few digits as an axis has room for.
fn short(value: f64) -> String {
    match value {
        value if value >= f64::from(1 << 20) => format!("{:.1} Mi", value / f64::from(1 << 20)),
        value if value >= 1024.0 => format!("{:.1} Ki", value / 1024.0),
        value if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
        value => format!("{value:.2}"),
    }
}
