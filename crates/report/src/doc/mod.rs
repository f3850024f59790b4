//! The documents, one per command.

mod analyze;
mod diff;
mod doctor;
mod goroutines;
mod head;
mod histo;
mod maps;
mod ps;
mod replay;
mod simulate;
mod snap;
mod suspects;
mod top;
mod why;

pub use analyze::{AnalyzeDoc, Goroutines, Heap, Kept, Process};
pub use diff::{CaptureRow, DiffDoc, GrowthRow};
pub use doctor::{Check, DoctorDoc, Status};
pub use goroutines::{Doubt, GoroutineGroup, GoroutineRow, GoroutinesDoc, Leak, Place};
pub use head::{
    Amount, Capture, Coverage, Document, Gap, Head, Method, SCHEMA_VERSION, Target, TargetKind,
    Tool,
};
pub use histo::{HistoDoc, PackageRow, RootKind, RootRow, TypeRow};
pub use maps::{Classic, Generation, Growth, MapRow, MapSums, MapsDoc, Swiss};
pub use ps::{ProcessRow, PsDoc};
pub use replay::{ReplayDoc, ReplayLine, ReplaySeries, RiskTerms, TrendTest, TrendVerdict};
pub use simulate::{
    ClaimRow, CurveRow, Finding, Measure, ScenarioRow, SimulateDoc, StepRow, TraceRow, ValueRow,
};
pub use snap::SnapDoc;
pub use suspects::{EntryRow, HolderKind, SuspectRow, Verdict};
pub use top::{CounterRow, TopDoc};
pub use why::{PathRow, Question, WhyDoc};
