//! Folds samples into the rows that the store keeps, exactly as the trend engine folds them.

use leakscope_trend::{Floors, Millis};

use crate::series::{Kept, Series};

/// Closed buckets that a recorder holds: only the newest is of interest.
const HELD: usize = 2;

/// Rows to be stored, of one process.
#[derive(Debug)]
pub(crate) struct Recorder {
    bucket: Millis,
    folded: Vec<Folded>,
    changed: Vec<(Series, f64)>,
}

#[derive(Debug)]
struct Folded {
    series: Series,
    floors: Floors,
    /// When the newest sample was taken.
    pushed: Option<Millis>,
    /// Start of the newest bucket that became a row.
    written: Option<Millis>,
}

/// A value of a series: when its bucket began, or when it changed.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Which series.
    pub series: Series,
    /// Milliseconds since 1970.
    pub at: Millis,
    /// The value.
    pub value: f64,
}

impl Recorder {
    /// Nothing recorded yet, in buckets of this length.
    pub(crate) fn new(bucket: Millis) -> Self {
        Self {
            bucket: bucket.max(1),
            folded: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Takes a sample; rows that are complete by it go to `rows`.
    pub(crate) fn push(&mut self, at: Millis, series: &Series, value: f64, rows: &mut Vec<Row>) {
        let fold = match series.kept() {
            Kept::Floors(fold) => fold,
            Kept::Changes => {
                self.change(at, series, value, rows);
                return;
            }
        };
        let known = self.folded.iter().position(|f| f.series == *series);
        let index = known.unwrap_or_else(|| {
            self.folded.push(Folded {
                series: series.clone(),
                floors: Floors::new(fold, self.bucket, HELD),
                pushed: None,
                written: None,
            });
            self.folded.len() - 1
        });
        if let Some(folded) = self.folded.get_mut(index)
            && value.is_finite()
        {
            // A bucket is closed at its own end: a long gap behind it would clear it away.
            if let Some(last) = folded.pushed.replace(at) {
                let end = (last.div_euclid(self.bucket) + 1) * self.bucket;
                if at >= end {
                    folded.floors.close(end);
                    folded.collect(rows);
                }
            }
            folded.floors.push(at, value);
        }
    }

    fn change(&mut self, at: Millis, series: &Series, value: f64, rows: &mut Vec<Row>) {
        match self.changed.iter_mut().find(|(s, _)| s == series) {
            Some((_, known)) if *known == value => return,
            Some((_, known)) => *known = value,
            None => self.changed.push((series.clone(), value)),
        }
        rows.push(Row {
            series: series.clone(),
            at,
            value,
        });
    }

    /// Rows of the buckets that are still open, for a store that outlives this run.
    pub(crate) fn flush(&self, rows: &mut Vec<Row>) {
        for folded in &self.folded {
            let Some(pushed) = folded.pushed else {
                continue;
            };
            let mut last = Folded {
                pushed: folded.pushed,
                series: folded.series.clone(),
                floors: folded.floors.clone(),
                written: folded.written,
            };
            last.floors
                .close((pushed.div_euclid(self.bucket) + 1) * self.bucket);
            last.collect(rows);
        }
    }
}

impl Folded {
    fn collect(&mut self, rows: &mut Vec<Row>) {
        let Some((at, value)) = self.floors.newest() else {
            return;
        };
        if self.written.is_none_or(|written| at > written) {
            self.written = Some(at);
            rows.push(Row {
                series: self.series.clone(),
                at,
                value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_trend::Signal;

    #[test]
    fn a_bucket_becomes_a_row_when_it_closes_and_a_constant_when_it_changes() {
        let mut recorder = Recorder::new(10);
        let mut rows = Vec::new();
        let (floor, limit) = (
            Series::Signal(Signal::HeapFloor),
            Series::Signal(Signal::Limit),
        );
        for (at, value) in [(0, 5.0), (9, 3.0), (12, 4.0), (935, 7.0)] {
            recorder.push(at, &floor, value, &mut rows);
            recorder.push(at, &limit, 100.0, &mut rows);
        }
        recorder.push(936, &limit, 200.0, &mut rows);
        let seen = |rows: &[Row]| -> Vec<(String, Millis, f64)> {
            rows.iter()
                .map(|r| (r.series.name().to_owned(), r.at, r.value))
                .collect()
        };
        let expected = [
            ("limit".to_owned(), 0, 100.0),
            ("heap_floor".to_owned(), 0, 3.0),
            ("heap_floor".to_owned(), 10, 4.0),
            ("limit".to_owned(), 936, 200.0),
        ];
        assert_eq!(seen(&rows), expected);
        rows.clear();
        recorder.flush(&mut rows);
        assert_eq!(seen(&rows), [("heap_floor".to_owned(), 930, 7.0)]);
    }
}
