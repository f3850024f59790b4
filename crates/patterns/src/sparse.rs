//! Maps with far more slots than entries, and what empty slots tell of the past.

use leakscope_go::maps::{Assign, MapInfo, Structure};
use leakscope_gomap::{AssignPath, Release, Rules};

use crate::seen::Seen;

/// Slots per entry from which on a map is called sparse. One that only grew has at most 8/3 (buckets; 8/3.25 from Go 1.22 on)
/// or 8/3.5 (groups): a growth doubles a full array once.
const SPARSE: u64 = 4;
/// Maps that give back less are passed over; they count only where very many are held in the same way.
pub(crate) const LEAST_EACH: u64 = 4 << 10;
/// Fewer groups say nothing about how evenly slots were used.
const LEAST_GROUPS: u64 = 64;
/// Numbers of slots that were ever in use, group by group, spread by less than a fifth of their mean where entries come
/// and go, and by more where they were only filled: measured on filled tables of 128 groups, 0.96 of the mean at the
/// lowest load that a table can have, 0.33 at the highest, never below 0.23; after 50 turnovers of few entries, 0.15 and less.
const EVEN: u128 = 5;

/// Bytes that rebuilding a sparse map gives back; `None` for any other.
pub(crate) fn given_back(map: &MapInfo) -> Option<u64> {
    let old = match map.structure {
        Structure::Classic(inside) => inside.growth.map_or(0, |g| g.old_bytes),
        Structure::Swiss(_) => 0,
    };
    let bytes = (map.bytes.saturating_sub(old)).saturating_sub(map.rebuilt_bytes);
    (is_sparse(map) && bytes >= LEAST_EACH).then_some(bytes)
}

/// Whether a map has far more slots than one that only grew.
pub(crate) fn is_sparse(map: &MapInfo) -> bool {
    map.len.saturating_mul(SPARSE) <= map.slots
}

/// Whether deletions alone make maps of this type grow: their release does not take marks of deletions out of a table
/// before it grows it. Unknown releases are taken to do so.
pub(crate) fn deletions_grow(seen: &Seen<'_>, map: &MapInfo) -> bool {
    let Structure::Swiss(_) = map.structure else {
        return false;
    };
    let version = seen.heap.names.program().exe().go_version().to_string();
    let rules = Release::named(&version).map(|release| release.rules);
    match (rules, seen.heap.map_shape(map)) {
        (Some(Rules::Swiss(rules)), Some(shape)) => !rules.prunes.contains(&path(shape.assign())),
        _ => false,
    }
}

fn path(assign: Assign) -> AssignPath {
    match assign {
        Assign::Fast32 => AssignPath::Fast32,
        Assign::Fast64 => AssignPath::Fast64,
        Assign::Fast64Pointer => AssignPath::Fast64Pointer,
        Assign::FastString => AssignPath::FastString,
        Assign::General => AssignPath::General,
    }
}

/// Whether the slots that were ever in use lie so evenly over the groups that entries must have come and gone, few at a
/// time; `None` where no keys are left that tell.
pub(crate) fn few_at_a_time(map: &MapInfo) -> Option<bool> {
    let touched = map.touched;
    map.stale_keys?;
    if touched.groups < LEAST_GROUPS {
        return None;
    }
    let (groups, slots) = (u128::from(touched.groups), u128::from(touched.slots));
    let spread = (u128::from(touched.squares) * groups).saturating_sub(slots * slots);
    Some(spread * EVEN < groups * slots)
}
