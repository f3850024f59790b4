//! JSON Schemas of the documents.

use schemars::{Schema, schema_for};

use crate::{
    AnalyzeDoc, DiffDoc, DoctorDoc, ExplainDoc, GoroutinesDoc, HistoDoc, MapsDoc, PsDoc,
    ReplayLine, SimulateDoc, SnapDoc, TopDoc, VerdictLine, WhyDoc,
};
use crate::{LedgerDoc, RuleDoc, SitesDoc, ThreadsDoc};

/// Every document's name and JSON Schema (draft 2020-12), by name.
pub fn schemas() -> [(&'static str, Schema); 16] {
    [
        ("analyze", schema_for!(AnalyzeDoc)),
        ("diff", schema_for!(DiffDoc)),
        ("doctor", schema_for!(DoctorDoc)),
        ("explain", schema_for!(ExplainDoc)),
        ("goroutines", schema_for!(GoroutinesDoc)),
        ("histo", schema_for!(HistoDoc)),
        ("ledger", schema_for!(LedgerDoc)),
        ("maps", schema_for!(MapsDoc)),
        ("ps", schema_for!(PsDoc)),
        ("rule", schema_for!(RuleDoc)),
        ("simulate", schema_for!(SimulateDoc)),
        ("sites", schema_for!(SitesDoc)),
        ("snap", schema_for!(SnapDoc)),
        ("threads", schema_for!(ThreadsDoc)),
        ("top", schema_for!(TopDoc)),
        ("why", schema_for!(WhyDoc)),
    ]
}

/// Name and JSON Schema of each kind of line that commands write as JSON Lines, by name.
pub fn line_schemas() -> [(&'static str, Schema); 1] {
    [("verdict-line", schema_for!(VerdictLine))]
}

/// JSON Schema of the lines that `replay` writes.
pub fn replay_line_schema() -> Schema {
    schema_for!(ReplayLine)
}
