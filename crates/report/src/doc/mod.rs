//! The documents, one per command.

mod analyze;
mod doctor;
mod head;
mod histo;
mod maps;
mod ps;
mod top;

pub use analyze::{AnalyzeDoc, Goroutines, Heap, Kept, Process};
pub use doctor::{Check, DoctorDoc, Status};
pub use head::{
    Amount, Capture, Coverage, Document, Gap, Head, Method, SCHEMA_VERSION, Target, TargetKind,
    Tool,
};
pub use histo::{HistoDoc, PackageRow, TypeRow};
pub use maps::{Classic, Generation, Growth, MapRow, MapSums, MapsDoc, Swiss};
pub use ps::{ProcessRow, PsDoc};
pub use top::{CounterRow, TopDoc};
