//! `leakscope rule`: the catalogue of patterns.

use leakscope_patterns::{CATALOGUE, Pattern};
use leakscope_report::{Capture, Coverage, Document, Method, RuleDoc, RuleRow, Target, TargetKind};

use crate::args::Common;
use crate::failure::Failure;
use crate::head::{head, now};
use crate::output;

pub(crate) fn run(id: Option<&str>, options: &Common) -> Result<(), Failure> {
    let rules = match id {
        None => CATALOGUE
            .iter()
            .map(|pattern| row(pattern, false))
            .collect(),
        Some(id) => {
            let unknown = || Failure::NoRule { id: id.to_owned() };
            vec![row(Pattern::named(id).ok_or_else(unknown)?, true)]
        }
    };
    let capture = Capture {
        taken_at: Some(now()),
        ..Capture::of(Method::Model)
    };
    let target = Target::of(TargetKind::Model);
    let doc = RuleDoc {
        head: head(Document::Rule, target, capture, Coverage::default()),
        rules,
    };
    output::document(&doc, options, None)
}

fn row(pattern: &Pattern, whole: bool) -> RuleRow {
    RuleRow {
        id: pattern.id.to_owned(),
        title: pattern.page.title().to_owned(),
        page: whole.then(|| pattern.page.text().to_owned()),
    }
}
