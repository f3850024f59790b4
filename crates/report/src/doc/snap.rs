//! What a snapshot came to.

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::Text;

/// A snapshot that was written.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SnapDoc {
    /// Target, capture, coverage.
    #[serde(flatten)]
    pub head: Head,
    /// Path of the snapshot, as given.
    pub snapshot: Text,
    /// Bytes that went in: memory and executable.
    pub unpacked_bytes: u64,
    /// Length of the file in bytes.
    pub written_bytes: u64,
    /// Whether it holds values of user data, or only pointers and what the runtime keeps.
    pub values: bool,
}
