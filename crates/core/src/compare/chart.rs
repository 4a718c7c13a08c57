//! A comparison as a picture: bars of text, or an SVG with bars and, where the file's brokers exist on MSK, both costs over the ingress.

use std::fmt::Write as _;

use super::{Comparison, CostPoint, SameBrokers};
use crate::pricing::{Purpose, money};
use crate::text::{five_digits, width};

/// Columns of the longest bar.
const COLUMNS: f64 = 40.0;

impl Comparison {
    /// A bar for each choice, the longest of 40 columns; eighths of a column are shown.
    pub fn bars(&self) -> String {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let most = self.choices.iter().map(|choice| choice.usd).fold(0.0, f64::max).max(1.0);
        let name = self.choices.iter().map(|choice| width(&choice.name)).max().unwrap_or(0);
        let sum = self.choices.iter().map(|choice| money(choice.usd).len()).max().unwrap_or(0);
        let mut text = String::new();
        for choice in &self.choices {
            let eighths = (choice.usd / most * COLUMNS * 8.0).round() as usize;
            let bar = format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]);
            let padding = " ".repeat(name - width(&choice.name));
            let _ = writeln!(text, "{}{padding}  {:>sum$}  {bar}", choice.name, money(choice.usd));
        }
        text
    }

    /// The same as a picture of its own.
    pub fn svg(&self) -> String {
        let bars = self.choices.len() as f64 * ROW;
        let lines = self.same.as_ref().filter(|same| same.break_even_mibs.is_some());
        let height = TOP + bars + 28.0 + if lines.is_some() { PLOT_HEIGHT + 110.0 } else { 0.0 };
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2328">
<title>What the workload costs in a month</title>
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text x="20" y="30" font-size="16" font-weight="bold">{} MiB/s in {}: USD a month</text>"##,
            five_digits(self.ingress_mibs),
            self.region
        );
        let most = self.choices.iter().map(|choice| choice.usd).fold(0.0, f64::max).max(1.0);
        for (index, choice) in self.choices.iter().enumerate() {
            let y = TOP + index as f64 * ROW;
            let long = choice.usd / most * BAR;
            let colour = match choice.purpose {
                Purpose::Own => "#0969da",
                Purpose::Managed => "#bc4c00",
                Purpose::Test => "#8c959f",
            };
            let gap = if choice.complete() { "" } else { " and more" };
            let _ = writeln!(
                svg,
                r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{}</text><rect x="{LEFT:.0}" y="{:.0}" width="{long:.1}" height="16" fill="{colour}"/><text x="{:.1}" y="{:.0}">{}{gap}</text>"#,
                LEFT - 8.0,
                y + 13.0,
                choice.name,
                y,
                LEFT + long + 6.0,
                y + 13.0,
                money(choice.usd),
            );
        }
        let y = TOP + bars + 12.0;
        let legend = [("#0969da", "run by you"), ("#bc4c00", "run by the provider"), ("#8c959f", "for tests only")];
        for (index, (colour, text)) in legend.into_iter().enumerate() {
            let x = LEFT + index as f64 * 170.0;
            let _ = writeln!(
                svg,
                r#"<rect x="{x:.0}" y="{:.0}" width="12" height="12" fill="{colour}"/><text x="{:.0}" y="{y:.0}" font-size="12">{text}</text>"#,
                y - 11.0,
                x + 18.0
            );
        }
        if let Some(same) = lines {
            plot(&mut svg, same, y + 60.0);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

const WIDTH: f64 = 760.0;
const TOP: f64 = 50.0;
const ROW: f64 = 24.0;
const LEFT: f64 = 210.0;
const BAR: f64 = 430.0;
const PLOT_LEFT: f64 = 70.0;
const PLOT_WIDTH: f64 = 640.0;
const PLOT_HEIGHT: f64 = 200.0;

/// Both costs over the ingress, from zero to twice the break-even.
fn plot(svg: &mut String, same: &SameBrokers, top: f64) {
    let (Some(even), Some(end)) = (same.break_even_mibs, same.points.last()) else { return };
    let most = same.points.iter().map(|point| point.ec2_usd.max(point.msk_usd)).fold(0.0, f64::max) * 1.05;
    let bottom = top + PLOT_HEIGHT;
    let x = |rate: f64| PLOT_LEFT + rate / end.ingress_mibs * PLOT_WIDTH;
    let y = |usd: f64| bottom - usd / most * PLOT_HEIGHT;
    let path = |usd: fn(&CostPoint) -> f64| {
        let points = same.points.iter().map(|point| format!("{:.1},{:.1}", x(point.ingress_mibs), y(usd(point))));
        points.collect::<Vec<_>>().join(" ")
    };
    let _ = writeln!(
        svg,
        r##"<text x="20" y="{:.0}" font-size="14" font-weight="bold">{} and {}, with volumes and replication: USD a month over MiB/s</text>
<path d="M{PLOT_LEFT} {top:.0}V{bottom:.0}H{:.0}" fill="none" stroke="#59636e"/>
<polyline points="{}" fill="none" stroke="#0969da" stroke-width="2"/>
<polyline points="{}" fill="none" stroke="#bc4c00" stroke-width="2"/>
<circle cx="{:.1}" cy="{:.1}" r="5" fill="#1f2328"/>
<text x="{:.1}" y="{:.1}">{:.2} MiB/s, {} USD</text>"##,
        top - 16.0,
        same.ec2,
        same.msk,
        PLOT_LEFT + PLOT_WIDTH,
        path(|point| point.ec2_usd),
        path(|point| point.msk_usd),
        x(even),
        y(same.msk_usd),
        x(even) + 10.0,
        y(same.msk_usd) + 20.0,
        even,
        money(same.msk_usd),
    );
    for (_, rate, usd) in
        (0..=4).map(|step| f64::from(step) / 4.0).map(|part| (part, end.ingress_mibs * part, most * part))
    {
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.0}" text-anchor="middle" font-size="12">{rate:.1}</text><text x="{:.0}" y="{:.1}" text-anchor="end" font-size="12">{usd:.0}</text>"#,
            x(rate),
            bottom + 18.0,
            PLOT_LEFT - 6.0,
            y(usd) + 4.0
        );
    }
    let _ = writeln!(
        svg,
        r##"<text x="{:.0}" y="{:.1}" fill="#0969da">EC2</text><text x="{:.0}" y="{:.1}" fill="#bc4c00">MSK</text>"##,
        PLOT_LEFT + PLOT_WIDTH - 40.0,
        y(end.ec2_usd) - 2.0,
        PLOT_LEFT + PLOT_WIDTH - 40.0,
        y(end.msk_usd) - 6.0
    );
}
