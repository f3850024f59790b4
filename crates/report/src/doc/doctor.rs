//! `leakscope doctor`: each precondition, and how to meet it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Head, Text};

/// Preconditions of looking into processes here, or into one process.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct DoctorDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// The checks, in the order they were made.
    pub checks: Vec<Check>,
}

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing stands in the way.
    Ok,
    /// It works, with a limit.
    Warn,
    /// It stands in the way.
    Fail,
    /// Could not be found out.
    Unknown,
}

/// One precondition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// A stable name for programs, such as `perm.ptrace-scope`.
    pub code: String,
    /// What is checked, for people.
    pub title: String,
    /// How it came out.
    pub status: Status,
    /// The value seen and what it means.
    pub seen: Text,
    /// What to do about it: commands and settings, any of which helps. Empty where nothing need be done.
    pub fix: Vec<String>,
}
