//! What leakscope found, as documents: JSON with a committed schema, and text for a terminal.
//!
//! A document holds plain values and no reference to how they were found. Sizes are integers in bytes, addresses are
//! hex strings in JSON, and what is not known is `null` in JSON and `unknown` in text. Names that come from a target
//! are [`Text`]: they cannot be printed without being escaped.

mod address;
mod doc;
mod json;
mod plot;
mod pprof;
mod render;
mod schema;
mod text;
mod units;

pub use address::Address;
pub use doc::{
    Amount, AnalyzeDoc, Capture, CaptureRow, Check, Classic, CounterRow, Coverage, DiffDoc,
    DoctorDoc, Document, Doubt, EntryRow, ExplainDoc, FleetRow, Gap, Generation, GoroutineGroup,
    GoroutineRow, Goroutines, GoroutinesDoc, Growth, GrowthRow, Head, Heap, HistoDoc, HolderKind,
    Kept, Leak, MapRow, MapSums, MapsDoc, Method, PackageRow, PathRow, Place, PointRow, Process,
    ProcessRow, PsDoc, Question, ReplayDoc, ReplayLine, ReplaySeries, RiskTerms, RootKind, RootRow,
    SCHEMA_VERSION, SensitivityRow, SeriesRow, SnapDoc, Status, SuspectRow, Swiss, Target,
    TargetKind, Tool, TopDoc, TrendTest, TrendVerdict, TurningRow, TypeRow, Verdict, VerdictLine,
    WhyDoc, WindowRow,
};
pub use doc::{
    ClaimRow, CurveRow, Finding, Measure, ScenarioRow, SimulateDoc, StepRow, TraceRow, ValueRow,
};
pub use doc::{Confidence, EvidenceRow, FindingRow, FindingVerdict, RuleDoc, RuleRow};
pub use doc::{FrameRow, LocalRow, ThreadGroup, ThreadKind, ThreadLocalRow, ThreadRow, ThreadsDoc};
pub use doc::{
    GoalBy, HeldSite, LedgerDoc, LedgerRow, MappingRow, MemoryPart, PacingRow, PartRow, ProfileRow,
    Published, SampleSum, SiteRow, SitesDoc,
};
pub use json::{to_json, to_json_line};
pub use plot::{Series, svg};
pub use pprof::Pprof;
pub use render::{Page, Render, replay_svg};
pub use schema::{line_schemas, replay_line_schema, schemas};
pub use text::{MAX_TEXT, Text};
pub use units::{bytes, count, nanoseconds, percent, things};
