//! The preconditions as a checklist.

use std::fmt::Write as _;

use super::{BAD, CAUTION, DIM, GOOD, HEADER, Page, Render, wrap};
use crate::{DoctorDoc, Status};

/// Columns of the verdict in front of each check.
const VERDICT: usize = 9;

impl Render for DoctorDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        for check in &self.checks {
            let (style, verdict) = match check.status {
                Status::Ok => (GOOD, "ok"),
                Status::Warn => (CAUTION, "warn"),
                Status::Fail => (BAD, "FAIL"),
                Status::Unknown => (CAUTION, "unknown"),
            };
            let text = wrap(
                &format!("{}: {}", check.title, check.seen),
                page.columns,
                VERDICT,
            );
            let _ = writeln!(out, "{style}{verdict:<VERDICT$}{style:#}{text}");
            for (i, fix) in check.fix.iter().enumerate() {
                let label = if i == 0 { "fix:" } else { "or:" };
                let text = wrap(fix, page.columns, VERDICT + 5);
                let _ = writeln!(out, "{:VERDICT$}{DIM}{label:<5}{DIM:#}{text}", "");
            }
        }
        let failed = self
            .checks
            .iter()
            .filter(|c| c.status == Status::Fail)
            .count();
        let verdict = match failed {
            0 => "nothing stands in the way".to_owned(),
            1 => "1 check failed".to_owned(),
            n => format!("{n} checks failed"),
        };
        let _ = writeln!(out, "\n{HEADER}{verdict}{HEADER:#}");
        out
    }
}
