//! The documents, one per command.

mod analyze;
mod diff;
mod doctor;
mod findings;
mod goroutines;
mod head;
mod histo;
mod ledger;
mod maps;
mod pacing;
mod ps;
mod replay;
mod simulate;
mod sites;
mod snap;
mod suspects;
mod threads;
mod top;
mod watch;
mod why;

pub use analyze::{AnalyzeDoc, Goroutines, Heap, Kept, Process};
pub use diff::{CaptureRow, DiffDoc, GrowthRow};
pub use doctor::{Check, DoctorDoc, Status};
pub use findings::{Confidence, EvidenceRow, FindingRow, FindingVerdict, RuleDoc, RuleRow};
pub use goroutines::{Doubt, GoroutineGroup, GoroutineRow, GoroutinesDoc, Leak, Place};
pub use head::{
    Amount, Capture, Coverage, Document, Gap, Head, Method, SCHEMA_VERSION, Target, TargetKind,
    Tool,
};
pub use histo::{HistoDoc, PackageRow, RootKind, RootRow, TypeRow};
pub use ledger::{LedgerDoc, LedgerRow, MappingRow, MemoryPart, PartRow};
pub use maps::{Classic, Generation, Growth, MapRow, MapSums, MapsDoc, Swiss};
pub use pacing::{GoalBy, PacingRow};
pub use ps::{ProcessRow, PsDoc};
pub use replay::{ReplayDoc, ReplayLine, ReplaySeries, RiskTerms, TrendTest, TrendVerdict};
pub use simulate::{
    ClaimRow, CurveRow, Finding, Measure, ScenarioRow, SimulateDoc, StepRow, TraceRow, ValueRow,
};
pub use sites::{HeldSite, ProfileRow, Published, SampleSum, SiteRow, SitesDoc};
pub use snap::SnapDoc;
pub use suspects::{EntryRow, HolderKind, SuspectRow, Verdict};
pub use threads::{
    FrameRow, LocalRow, ThreadGroup, ThreadKind, ThreadLocalRow, ThreadRow, ThreadsDoc,
};
pub use top::{CounterRow, TopDoc};
pub use watch::{
    ExplainDoc, FleetRow, PointRow, SensitivityRow, SeriesRow, TurningRow, VerdictLine, WindowRow,
};
pub use why::{PathRow, Question, WhyDoc};
