//! Curves over steps: as a line of block characters, and as SVG.

use std::fmt::Write as _;

use crate::{bytes, count};

/// Heights of a block character.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A curve: values over rising positions.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Positions and values, by position.
    pub points: Vec<(u64, u64)>,
}

impl Series {
    fn most(&self) -> u64 {
        self.points.iter().map(|p| p.1).max().unwrap_or(0)
    }

    fn end(&self) -> u64 {
        self.points.last().map_or(0, |p| p.0)
    }

    /// `width` block characters for positions 0 to `end`; each shows the most of its stretch, the tallest being `most`.
    /// A stretch without a point shows the value before it.
    pub fn blocks(&self, end: u64, most: u64, width: usize) -> String {
        let mut line = String::new();
        let (mut at, mut last) = (0, 0);
        for column in 1..=width as u64 {
            let upto = (u128::from(end) * u128::from(column) / width as u128) as u64;
            let mut tallest = None;
            while let Some(point) = self.points.get(at).filter(|p| p.0 <= upto) {
                tallest = tallest.max(Some(point.1));
                last = point.1;
                at += 1;
            }
            let value = tallest.unwrap_or(last);
            let level = u128::from(value) * 8 / u128::from(most.max(1));
            line.push(BLOCKS[(level as usize).min(BLOCKS.len() - 1)]);
        }
        line
    }
}

/// Size of a picture, and of its margins: left, right, top, bottom.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 420.0;
const MARGINS: [f64; 4] = [84.0, 150.0, 44.0, 44.0];
/// Lines across the picture.
const TICKS: u64 = 4;
/// Colours that people who confuse red and green tell apart (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933",
];
/// Dashes of curves that may lie on one another.
const DASHES: [&str; 4] = ["none", "7 4", "2 3", "9 3 2 3"];

/// A picture of bytes over steps.
pub fn svg(title: &str, series: &[Series]) -> String {
    let end = series.iter().map(Series::end).max().unwrap_or(0).max(1);
    let most = round_up(series.iter().map(Series::most).max().unwrap_or(0));
    let [left, right, top, bottom] = MARGINS;
    let (wide, high) = (WIDTH - left - right, HEIGHT - top - bottom);
    let x = |step: u64| left + wide * step as f64 / end as f64;
    let y = |value: u64| top + high * (1.0 - value as f64 / most as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{left}\" y=\"24\" font-size=\"15\">{}</text>\n",
        escape(title)
    );
    for tick in 0..=TICKS {
        let (value, step) = (most / TICKS * tick, end / TICKS * tick);
        let _ = writeln!(
            out,
            "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\
             <text x=\"{5:.1}\" y=\"{6}\" text-anchor=\"middle\">{7}</text>",
            left + wide,
            y(value),
            left - 8.0,
            y(value) + 4.0,
            bytes(value),
            x(step),
            HEIGHT - bottom + 20.0,
            count(step),
        );
    }
    for (i, line) in series.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let dash = DASHES[i % DASHES.len()];
        let mut path = String::new();
        for (step, value) in &line.points {
            // A map keeps its size until the step that changes it.
            let verb = if path.is_empty() { 'M' } else { 'H' };
            let _ = match verb {
                'M' => write!(path, "M{:.1} {:.1}", x(*step), y(*value)),
                _ => write!(path, "H{:.1}V{:.1}", x(*step), y(*value)),
            };
        }
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-dasharray=\"{dash}\"/>\
             <line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"{colour}\" stroke-width=\"3\" \
             stroke-dasharray=\"{dash}\"/><text x=\"{3}\" y=\"{4}\">{5}</text>",
            left + wide + 12.0,
            left + wide + 34.0,
            top + 10.0 + 20.0 * i as f64,
            left + wide + 40.0,
            top + 14.0 + 20.0 * i as f64,
            escape(&line.name)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// At least `n`, and dividable into ticks that are easy to read.
fn round_up(n: u64) -> u64 {
    let unit = (n / 8).max(1).next_power_of_two();
    n.max(1)
        .div_ceil(unit)
        .next_multiple_of(TICKS)
        .saturating_mul(unit)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(u64, u64)]) -> Series {
        Series {
            name: "<1.23>".to_owned(),
            points: points.to_vec(),
        }
    }

    #[test]
    fn blocks_show_the_most_of_each_stretch() {
        let s = series(&[(0, 0), (10, 80), (11, 10), (50, 40), (100, 80)]);
        assert_eq!(s.blocks(100, 80, 10), "█▂▂▂▅▅▅▅▅█");
        assert_eq!(s.blocks(100, 80, 0), "");
        assert_eq!(series(&[]).blocks(0, 0, 3), "▁▁▁");
        assert_eq!(s.blocks(u64::MAX, u64::MAX, 2), "▁▁");
    }

    #[test]
    fn pictures_escape_names_and_hold_every_curve() {
        let picture = svg("a & b", &[series(&[(0, 48), (9, 4096)]), series(&[])]);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(picture.contains("a &amp; b") && picture.contains("&lt;1.23&gt;"));
        assert_eq!(picture.matches("<path ").count(), 2);
        assert!(svg("", &[]).contains("</svg>"));
    }

    #[test]
    fn scales_end_above_the_largest_value() {
        for n in [0, 1, 7, 48, 1000, 40_108_032, 1 << 40] {
            let top = round_up(n);
            assert!(top >= n && top.is_multiple_of(TICKS), "{n}: {top}");
            assert!(top <= (n * 2).max(8), "{n}: {top}");
        }
    }
}
