//! `leakscope explain`: a decision of the agent again.

use leakscope_report::{Capture, Coverage, Document, Method, Target, TargetKind, Text};
use leakscope_watch::{Store, explain};

use super::agent;
use crate::args::{Common, ExplainArgs};
use crate::failure::Failure;
use crate::head::{head, now};
use crate::output;
use crate::views::watch::explanation;

pub(crate) fn run(args: &ExplainArgs, options: &Common) -> Result<(), Failure> {
    let configured = match &args.config {
        Some(path) => agent::read(path)?.0.watch.store,
        None => None,
    };
    let path = args.store.clone().or(configured).ok_or(Failure::NoStore)?;
    let store = Store::existing(&path)?;
    let explained = explain(&store, args.id)?;
    let who = &explained.verdict.who;
    let target = Target {
        pid: Some(who.pid),
        name: Some(Text::new(&who.name)),
        executable: Some(Text::new(&who.executable)),
        runtime: Some(Text::new(&who.runtime)),
        runtime_version: who.runtime_version.as_ref().map(Text::new),
        ..Target::of(TargetKind::Live)
    };
    let capture = Capture {
        taken_at: Some(now()),
        torn: false,
        ..Capture::of(Method::Proc)
    };
    let head = head(Document::Explain, target, capture, Coverage::default());
    output::document(&explanation(head, &explained), options, None)
}
