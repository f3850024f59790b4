//! JSON Schemas of the documents.

use schemars::{Schema, schema_for};

use crate::{
    AnalyzeDoc, DiffDoc, DoctorDoc, GoroutinesDoc, HistoDoc, MapsDoc, PsDoc, ReplayLine,
    SimulateDoc, SnapDoc, TopDoc, WhyDoc,
};

/// Every document's name and JSON Schema (draft 2020-12), by name.
pub fn schemas() -> [(&'static str, Schema); 11] {
    [
        ("analyze", schema_for!(AnalyzeDoc)),
        ("diff", schema_for!(DiffDoc)),
        ("doctor", schema_for!(DoctorDoc)),
        ("goroutines", schema_for!(GoroutinesDoc)),
        ("histo", schema_for!(HistoDoc)),
        ("maps", schema_for!(MapsDoc)),
        ("ps", schema_for!(PsDoc)),
        ("simulate", schema_for!(SimulateDoc)),
        ("snap", schema_for!(SnapDoc)),
        ("top", schema_for!(TopDoc)),
        ("why", schema_for!(WhyDoc)),
    ]
}

/// JSON Schema of the lines that `replay` writes.
pub fn replay_line_schema() -> Schema {
    schema_for!(ReplayLine)
}
