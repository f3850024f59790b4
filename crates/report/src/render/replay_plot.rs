//! Floors as pictures: braille for a terminal, SVG for a file.

use plotters::prelude::*;

use crate::{ReplayDoc, ReplaySeries, TrendVerdict};

/// Dots of a braille character: two columns of four.
const DOTS: (usize, usize) = (2, 4);

/// Most points of a line in SVG: more than a screen has columns.
const MAX_POINTS: usize = 2000;

/// Size of a panel of an SVG.
const PANEL: (u32, u32) = (960, 300);

/// A plot in characters.
pub(super) struct Braille {
    pub(super) lines: Vec<String>,
    /// Values at the lower and the upper edge.
    pub(super) low: f64,
    pub(super) high: f64,
    from: f64,
    to: f64,
}

impl Braille {
    /// The column of a moment.
    pub(super) fn column(&self, at: f64, columns: usize) -> usize {
        let share = (at - self.from) / (self.to - self.from).max(f64::MIN_POSITIVE);
        ((share * columns as f64) as usize).min(columns.saturating_sub(1))
    }
}

/// Points as dots; `None` of none. Values start at zero where they come near it.
pub(super) fn braille(points: &[(f64, f64)], columns: usize, rows: usize) -> Option<Braille> {
    let ((from, to), (low, high)) = bounds(points)?;
    let (wide, tall) = (columns * DOTS.0, rows * DOTS.1);
    let mut cells = vec![0_u8; columns * rows];
    for (at, value) in points {
        let x = ((at - from) / (to - from).max(f64::MIN_POSITIVE) * (wide - 1) as f64) as usize;
        let y = ((high - value) / (high - low).max(f64::MIN_POSITIVE) * (tall - 1) as f64) as usize;
        let (x, y) = (x.min(wide - 1), y.min(tall - 1));
        // Unicode numbers the dots of a cell down the first column, down the second, then the lowest two.
        let bit = [[0, 1, 2, 6], [3, 4, 5, 7]][x % DOTS.0][y % DOTS.1];
        cells[y / DOTS.1 * columns + x / DOTS.0] |= 1 << bit;
    }
    let lines = cells
        .chunks(columns)
        .map(|row| row.iter().map(|cell| glyph(*cell)).collect())
        .collect();
    Some(Braille {
        lines,
        low,
        high,
        from,
        to,
    })
}

fn glyph(cell: u8) -> char {
    if cell == 0 {
        return ' ';
    }
    char::from_u32(0x2800 + u32::from(cell)).unwrap_or(' ')
}

/// The extent of points in time and in value.
fn bounds(points: &[(f64, f64)]) -> Option<((f64, f64), (f64, f64))> {
    let first = points.first()?;
    let mut times = (first.0, first.0);
    let mut values = (first.1, first.1);
    for (at, value) in points {
        times = (times.0.min(*at), times.1.max(*at));
        values = (values.0.min(*value), values.1.max(*value));
    }
    if values.0 < 0.5 * values.1 && values.0 >= 0.0 {
        values.0 = 0.0;
    }
    Some((times, values))
}

/// Replays as one SVG picture, a panel for each channel of each process. Names in it are escaped.
///
/// # Errors
///
/// In words, where the picture cannot be put together.
pub fn svg(docs: &[ReplayDoc]) -> Result<String, String> {
    let panels: Vec<(String, &ReplaySeries)> = docs
        .iter()
        .flat_map(|doc| {
            let of = doc
                .process
                .as_ref()
                .map_or(String::new(), |p| format!("{p}: "));
            doc.series
                .iter()
                .map(move |s| (format!("{of}{}", s.channel), s))
        })
        .filter(|(_, series)| !series.points.is_empty())
        .collect();
    let count = panels.len().max(1);
    let height = PANEL
        .1
        .saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    let mut picture = String::new();
    {
        let root = SVGBackend::with_string(&mut picture, (PANEL.0, height)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| e.to_string())?;
        for (area, (title, series)) in root.split_evenly((count, 1)).iter().zip(&panels) {
            panel(area, title, series).map_err(|e| e.to_string())?;
        }
        root.present().map_err(|e| e.to_string())?;
    }
    Ok(picture)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Failed = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

fn panel(area: &Area<'_>, title: &str, series: &ReplaySeries) -> Result<(), Failed> {
    let Some(((from, to), (low, mut high))) = bounds(&series.points) else {
        return Ok(());
    };
    if let Some(capacity) = series.capacity {
        high = high.max(capacity);
    }
    let (scale, unit) = scale(high, series.bytes);
    let hours = |at: f64| (at - from) / 3600.0;
    let top = if high > low { high * 1.05 } else { high + 1.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{title} ({unit}) over hours"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..hours(to).max(1e-6), low / scale..top / scale)?;
    chart.configure_mesh().light_line_style(WHITE).draw()?;
    let step = series.points.len().div_ceil(MAX_POINTS).max(1);
    let line = series.points.iter().step_by(step);
    chart.draw_series(LineSeries::new(
        line.map(|(at, v)| (hours(*at), v / scale)),
        BLUE.stroke_width(2),
    ))?;
    if let Some(capacity) = series.capacity {
        let level = capacity / scale;
        let ends = [(0.0, level), (hours(to), level)];
        chart.draw_series(LineSeries::new(ends, BLACK.stroke_width(1)))?;
    }
    for (at, verdict) in &series.marks {
        let colour = match verdict {
            TrendVerdict::Leak => RED,
            TrendVerdict::Suspect => RGBColor(200, 130, 0),
            TrendVerdict::Quiet => RGBColor(0, 130, 60),
            TrendVerdict::Unknown => RGBColor(130, 130, 130),
        };
        let x = hours(*at);
        let ends = [(x, low / scale), (x, top / scale)];
        chart.draw_series(LineSeries::new(ends, colour.stroke_width(1)))?;
        let font = ("sans-serif", 12).into_font().color(&colour);
        chart.draw_series([Text::new(verdict.word(), (x, top / scale), font)])?;
    }
    Ok(())
}

/// What values are divided by to be read, and the unit that they have then.
fn scale(high: f64, in_bytes: bool) -> (f64, &'static str) {
    if !in_bytes {
        return (1.0, "count");
    }
    let units = [
        ("GiB", 1_u64 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    let fits = units.into_iter().find(|(_, size)| high >= *size as f64);
    fits.map_or((1.0, "B"), |(unit, size)| (size as f64, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_goes_from_the_lower_left_to_the_upper_right() {
        let points: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), f64::from(i))).collect();
        let plot = braille(&points, 10, 4).unwrap();
        assert_eq!((plot.low, plot.high), (0.0, 99.0));
        assert!(plot.lines[0].starts_with(' ') && !plot.lines[0].ends_with(' '));
        assert!(!plot.lines[3].starts_with(' ') && plot.lines[3].ends_with(' '));
        assert_eq!(plot.column(99.0, 10), 9);
    }

    #[test]
    fn one_point_and_none_are_no_harm() {
        assert!(braille(&[], 10, 4).is_none());
        assert!(braille(&[(5.0, 5.0)], 10, 4).is_some());
    }
}
