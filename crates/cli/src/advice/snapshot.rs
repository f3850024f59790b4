//! Advice on snapshots that cannot be used.

use leakscope_report::bytes;
use leakscope_target::SnapshotError;

use super::{Advice, chain};

pub(super) fn advice(path: &str, error: &SnapshotError) -> Advice {
    let about = |code| {
        Advice::new(
            code,
            format!("cannot use {path} as a snapshot: {}", chain(error)),
        )
    };
    match error {
        SnapshotError::NotASnapshot => {
            about("snapshot.none").fix("name a file that leakscope snap has written")
        }
        SnapshotError::Newer { .. } => {
            about("snapshot.newer").fix("read it with the leakscope that wrote it, or a newer one")
        }
        SnapshotError::Truncated { .. } => {
            about("snapshot.truncated").fix("copy it again, or take it again: leakscope snap PID")
        }
        SnapshotError::TooLarge { needed, available } => about("snapshot.memory")
            .seen(format!(
                "{} needed, {} available",
                bytes(*needed),
                bytes(*available)
            ))
            .fix("read it on a machine with more memory"),
        _ => about("snapshot.damaged").fix("copy it again, or take it again: leakscope snap PID"),
    }
}
