//! What to say when the agent's store cannot be used.

use leakscope_watch::{ExplainError, StoreError};

use super::Advice;

pub(super) fn advice(error: &ExplainError) -> Advice {
    match error {
        ExplainError::Config(_) => Advice::of("store.config", error)
            .fix("ask the release of leakscope that made the verdict"),
        ExplainError::Store(store) => match store {
            StoreError::Open { .. } => Advice::of("store.open", store)
                .fix("name a file in a folder that exists and that you may write to: --store FILE"),
            StoreError::Version { .. } => Advice::of("store.version", store)
                .fix("start a new store: move the file away, or name another with --store"),
            StoreError::NoVerdict(_) => Advice::of("store.no-verdict", store)
                .fix("each line of leakscope agent --observe has an id"),
            _ => Advice::of("store.failed", store)
                .fix("make room on its file system, or move the file away to start a new one"),
        },
    }
}
