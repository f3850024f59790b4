//! Types whose values never lie on the heap: the collector does not follow pointers to them.
//!
//! Source: `cmd/compile/internal/types/size.go`, `PtrDataSize` and where it sets `NotInHeap`: whatever holds the marker type
//! by value is marked itself.

use crate::dwarf::{DebugInfo, DieRef, Tag};

/// The marker, by version: up to 1.23, since 1.24.
const MARKERS: [&str; 2] = ["runtime/internal/sys.nih", "internal/runtime/sys.nih"];

/// Rounds until nothing new can be found: one per level of structs in structs, which in the runtime are three.
const MAX_ROUNDS: usize = 32;

/// Per type of the debug information, whether it is marked.
pub(super) fn find(debug: &DebugInfo) -> Vec<bool> {
    let mut marked = vec![false; debug.type_count()];
    let set = |marked: &mut Vec<bool>, die: DieRef| {
        marked
            .get_mut(die.0 as usize)
            .is_some_and(|m| !std::mem::replace(m, true))
    };
    let mut changed = false;
    for marker in MARKERS {
        if let Some(die) = debug.type_named(marker) {
            changed |= set(&mut marked, die);
        }
    }
    for _ in 0..MAX_ROUNDS {
        if !changed {
            break;
        }
        changed = false;
        for (i, t) in debug.types.iter().enumerate() {
            let is_marked = |die: DieRef| marked.get(debug.resolve(die).0 as usize) == Some(&true);
            let holds_marked = match t.tag {
                Tag::Struct => debug.members(t).any(|f| is_marked(f.type_)),
                Tag::Array => debug.target(t).is_some_and(is_marked),
                _ => false,
            };
            if holds_marked {
                changed |= set(&mut marked, DieRef(i as u32));
            }
        }
    }
    marked
}
