//! Tables that fit a number of columns.

use std::fmt::Write as _;

use anstyle::Style;

use crate::text::{shorten, width};

/// Columns between two columns of a table.
const GAP: usize = 2;

/// No flexible column is made narrower than this.
const NARROWEST: usize = 6;

/// How a column is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Numbers: to the right, never cut.
    Number,
    /// Words: to the left, never cut.
    Word,
    /// Long names: to the left, shortened in the middle where the table is too wide.
    Flexible,
}

/// Rows under a header. Cells hold escaped text without styles.
pub(crate) struct Table {
    columns: Vec<(Column, &'static str)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and their headings.
    pub(crate) fn new(columns: &[(Column, &'static str)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds one row, a cell per column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Appends the table, at most `columns` wide as long as its numbers fit.
    pub(crate) fn write(&self, out: &mut String, columns: usize, header: Style) {
        let widths = self.widths(columns);
        let headings: Vec<String> = self.columns.iter().map(|(_, h)| (*h).to_owned()).collect();
        let _ = writeln!(out, "{header}{}{header:#}", self.line(&headings, &widths));
        for row in &self.rows {
            let _ = writeln!(out, "{}", self.line(row, &widths));
        }
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (i, ((column, _), (cell, wide))) in self
            .columns
            .iter()
            .zip(cells.iter().zip(widths))
            .enumerate()
        {
            if i > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let cell = if *column == Column::Flexible {
                shorten(cell, *wide)
            } else {
                cell.into()
            };
            let padding = " ".repeat(wide.saturating_sub(width(&cell)));
            if *column == Column::Number {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn widths(&self, columns: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|(_, heading)| width(heading))
            .collect();
        for row in &self.rows {
            for (wide, cell) in widths.iter_mut().zip(row) {
                *wide = (*wide).max(width(cell));
            }
        }
        let flexible: Vec<usize> = (0..widths.len())
            .filter(|i| self.columns[*i].0 == Column::Flexible)
            .collect();
        let fixed: usize = (0..widths.len())
            .filter(|i| !flexible.contains(i))
            .map(|i| widths[i])
            .sum::<usize>()
            + GAP * widths.len().saturating_sub(1);
        share(&mut widths, &flexible, columns.saturating_sub(fixed));
        widths
    }
}

/// Gives the columns in `flexible` at most `room` together: those that need less than an equal share keep what they need.
fn share(widths: &mut [usize], flexible: &[usize], room: usize) {
    let mut by_need = flexible.to_vec();
    by_need.sort_by_key(|i| widths[*i]);
    let mut room = room;
    for (done, i) in by_need.iter().enumerate() {
        let fair = (room / (by_need.len() - done)).max(NARROWEST);
        widths[*i] = widths[*i].min(fair);
        room = room.saturating_sub(widths[*i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(columns: usize) -> String {
        let mut table = Table::new(&[
            (Column::Number, "BYTES"),
            (Column::Flexible, "OWNER"),
            (Column::Flexible, "TYPE"),
        ]);
        table.row(vec![
            "1.0 MiB".into(),
            "main.a".into(),
            "map[string]*github.com/example/service.session".into(),
        ]);
        table.row(vec![
            "96 B".into(),
            "main.server.sessions[…].byName".into(),
            "map[int]int".into(),
        ]);
        let mut out = String::new();
        table.write(&mut out, columns, Style::new());
        out
    }

    #[test]
    fn names_give_way_and_numbers_do_not() {
        assert_eq!(
            render(50),
            concat!(
                "  BYTES  OWNER                TYPE\n",
                "1.0 MiB  main.a               map[string…e.session\n",
                "   96 B  main.serv……].byName  map[int]int\n",
            )
        );
    }

    #[test]
    fn a_table_never_exceeds_its_width() {
        for columns in 25..160 {
            assert!(
                render(columns).lines().all(|l| width(l) <= columns),
                "{columns}"
            );
        }
    }
}
