//! A comparison as a picture: bars of text, or an SVG with bars and, where the file's brokers exist on MSK, both costs over the ingress.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

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

    /// The same as a picture of its own, in SVG: readable on a light page and on a dark one.
    pub fn svg(&self) -> String {
        let lines = self.same.as_ref().filter(|same| same.break_even_mibs.is_some());
        let bars = 110 + 26 * u32::try_from(self.choices.len()).unwrap_or(u32::MAX / 64);
        let mut svg = String::new();
        {
            let height = bars + if lines.is_some() { LINES_HEIGHT } else { 0 };
            let picture = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            let (upper, lower) = picture.split_vertically(bars);
            // A string takes whatever is written, so that no drawing fails.
            let _ = picture.fill(&WHITE).and_then(|()| self.draw_bars(&upper)).and_then(|()| match lines {
                Some(same) => draw_lines(&lower, same),
                None => Ok(()),
            });
        }
        svg
    }

    fn draw_bars(&self, area: &Area<'_>) -> Drawn<'_> {
        let most = self.choices.iter().map(|choice| choice.usd).fold(0.0, f64::max).max(1.0);
        let rows = self.choices.len();
        let title = format!("{} MiB/s in {}: USD a month", five_digits(self.ingress_mibs), self.region);
        // Room for the sum behind the longest bar. The cheapest is the first, and the axis grows upwards.
        let mut chart = ChartBuilder::on(area)
            .caption(title, font(17).style(FontStyle::Bold))
            .margin(12)
            .margin_right(36)
            .x_label_area_size(46)
            .y_label_area_size(190)
            .build_cartesian_2d(0.0..most * 1.2, (0..rows.saturating_sub(1)).into_segmented())?;
        let name = |row: &SegmentValue<usize>| match row {
            SegmentValue::CenterOf(row) if *row < rows => self.choices[rows - 1 - row].name.clone(),
            SegmentValue::CenterOf(_) | SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style(font(13))
            .axis_desc_style(font(13))
            .x_desc("USD a month")
            .x_labels(6)
            .y_labels(rows)
            .x_label_formatter(&round)
            .y_label_formatter(&name)
            .draw()?;
        for (purpose, legend) in
            [(Purpose::Own, "run by you"), (Purpose::Managed, "run by the provider"), (Purpose::Test, "for tests only")]
        {
            let colour = colour_of(purpose);
            let those = || self.choices.iter().rev().enumerate().filter(move |(_, choice)| choice.purpose == purpose);
            let bars = those().map(|(row, choice)| {
                let above = if row + 1 == rows { SegmentValue::Last } else { SegmentValue::Exact(row + 1) };
                let corners = [(0.0, SegmentValue::Exact(row)), (choice.usd, above)];
                let mut bar = Rectangle::new(corners, colour.filled());
                bar.set_margin(5, 5, 0, 0);
                bar
            });
            chart
                .draw_series(bars)?
                .label(legend)
                .legend(move |(x, y)| Rectangle::new([(x + 4, y - 6), (x + 16, y + 6)], colour.filled()));
            chart.draw_series(those().map(|(row, choice)| {
                let gap = if choice.complete() { "" } else { " and more" };
                let sum = format!("{}{gap}", money(choice.usd));
                let style = font(13).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Center));
                EmptyElement::at((choice.usd, SegmentValue::CenterOf(row))) + Text::new(sum, (6, 0), style)
            }))?;
        }
        legend(&mut chart, SeriesLabelPosition::UpperRight)
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// What a line shows of a point.
type Usd = fn(&CostPoint) -> f64;

/// Pixels.
const WIDTH: u32 = 760;
const LINES_HEIGHT: u32 = 330;

const OWN: RGBColor = RGBColor(9, 105, 218);
const MANAGED: RGBColor = RGBColor(188, 76, 0);
const TEST: RGBColor = RGBColor(140, 149, 159);
const AXIS: RGBColor = RGBColor(89, 99, 110);
const GRID: RGBColor = RGBColor(222, 226, 230);

fn colour_of(purpose: Purpose) -> RGBColor {
    match purpose {
        Purpose::Own => OWN,
        Purpose::Managed => MANAGED,
        Purpose::Test => TEST,
    }
}

fn font(size: i32) -> FontDesc<'static> {
    ("sans-serif", size).into_font()
}

/// A mark of an axis, which the crate chooses round.
fn round(mark: &f64) -> String {
    five_digits(*mark)
}

/// Both costs over the ingress, from zero to twice the break-even.
fn draw_lines<'a>(area: &Area<'a>, same: &SameBrokers) -> Drawn<'a> {
    let (Some(even), Some(end)) = (same.break_even_mibs, same.points.last()) else { return Ok(()) };
    let most = same.points.iter().map(|point| point.ec2_usd.max(point.msk_usd)).fold(0.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{} and {}", same.ec2, same.msk), font(17).style(FontStyle::Bold))
        .margin(12)
        .margin_right(36)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end.ingress_mibs, 0.0..most)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style(font(13))
        .axis_desc_style(font(13))
        .x_desc("ingress in MiB/s")
        .y_desc("USD a month, with volumes and replication")
        .x_label_formatter(&round)
        .y_label_formatter(&round)
        .draw()?;
    let usd: [(&str, RGBColor, Usd); 2] =
        [("EC2", OWN, |point| point.ec2_usd), ("MSK", MANAGED, |point| point.msk_usd)];
    for (name, colour, usd) in usd {
        let points = same.points.iter().map(|point| (point.ingress_mibs, usd(point)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let text = format!("both cost {} USD at {even:.2} MiB/s", money(same.msk_usd));
    chart.draw_series([EmptyElement::at((even, same.msk_usd))
        + Circle::new((0, 0), 5, BLACK.filled())
        + Text::new(text, (8, 10), font(13))])?;
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

fn legend<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Drawn<'a>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged,
{
    chart
        .configure_series_labels()
        .position(position)
        .margin(10)
        .background_style(WHITE)
        .border_style(GRID)
        .label_font(font(13))
        .draw()
}
