//! JSON Schemas of the documents.

use schemars::{Schema, schema_for};

use crate::{AnalyzeDoc, DoctorDoc, HistoDoc, MapsDoc, PsDoc, TopDoc};

/// Every document's name and JSON Schema (draft 2020-12), by name.
pub fn schemas() -> [(&'static str, Schema); 6] {
    [
        ("analyze", schema_for!(AnalyzeDoc)),
        ("doctor", schema_for!(DoctorDoc)),
        ("histo", schema_for!(HistoDoc)),
        ("maps", schema_for!(MapsDoc)),
        ("ps", schema_for!(PsDoc)),
        ("top", schema_for!(TopDoc)),
    ]
}
