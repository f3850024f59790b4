//! What the catalogue of patterns finds.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Address, Head, Place, SuspectRow, Text};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingVerdict {
    /// It will never be freed and never be used.
    Leak,
    /// It takes memory that the same data does not need.
    Waste,
    /// It would be a leak if it were not for a doubt that the reasons name.
    Suspect,
    /// One capture cannot tell it from what passes; a later one can.
    NeedsSecondCapture,
}

/// How sure a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Something else would show the same; the reasons say what.
    Medium,
    /// What was read allows nothing else.
    High,
}

/// Something that a finding rests on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct EvidenceRow {
    /// The field or count.
    pub what: Text,
    /// Its value.
    pub value: Text,
    /// Where it was read, if it is one place.
    pub address: Option<Address>,
}

/// One finding, or several that are held in the same way.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct FindingRow {
    /// The pattern: `leakscope rule` prints its page.
    pub pattern: String,
    /// What the pattern is about.
    pub title: String,
    /// How bad it is.
    pub verdict: FindingVerdict,
    /// Bytes that following the advice gives back.
    pub bytes: u64,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why so sure, and why not surer.
    pub reasons: Vec<Text>,
    /// Stays the same across runs, machines and builds of the same code; `null` where no root reaches it.
    pub fingerprint: Option<Text>,
    /// Whether the baseline does not have it; `null` without a baseline.
    pub new: Option<bool>,
    /// Who holds it, as an expression.
    pub holder: Text,
    /// How many places were joined; `bytes` is over all, the rest is of the one with most bytes.
    pub places: u64,
    /// Address of the object; `null` for goroutines.
    pub address: Option<Address>,
    /// Type of the object; `null` for goroutines.
    #[serde(rename = "type")]
    pub type_: Option<Text>,
    /// Where it comes from: the `go` statement, or who allocated most of what the object holds; `null` where not known.
    pub site: Option<Place>,
    /// What was read.
    pub evidence: Vec<EvidenceRow>,
    /// What to do.
    pub advice: Text,
    /// The change as lines of a diff of Go; empty where it has no form.
    pub change: Vec<Text>,
    /// What would not help.
    pub no_help: String,
    /// The suspects at the same places, which are not listed a second time: all that accumulates there.
    pub suspects: Vec<SuspectRow>,
}

/// `leakscope rule`: the catalogue, or a page of it.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct RuleDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// The patterns, by id.
    pub rules: Vec<RuleRow>,
}

/// One pattern.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct RuleRow {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// Its page as Markdown; `null` where the whole catalogue was asked for.
    pub page: Option<String>,
}
