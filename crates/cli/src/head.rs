//! The head of every document.

use leakscope_report::{Capture, Coverage, Document, Head, SCHEMA_VERSION, Target, Tool};

/// A document's head, made by this program.
pub(crate) fn head(
    document: Document,
    target: Target,
    capture: Capture,
    coverage: Coverage,
) -> Head {
    let tool = Tool {
        name: "leakscope".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Head {
        schema_version: SCHEMA_VERSION,
        document,
        tool,
        target,
        capture,
        coverage,
    }
}

/// The time now, in UTC, to the millisecond, as RFC 3339.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
