//! Which pointer-free objects a census has to read: only arrays of cells of maps without pointers.
//!
//! Everything else without pointers (texts, numbers, buffers) is counted without being read, so it need not be copied
//! while the target stands still. Maps of types made at run time (`reflect.MapOf`) are not foreseen here: their cells may
//! be missing from the copy, which the census counts as a gap.

use leakscope_goabi::{ClassicMap, SwissMap};

use crate::dwarf::{DebugInfo, DieRef, Tag};
use crate::layouts::Layouts;
use crate::planner::{NoscanSpan, NoscanWanted};
use crate::program::Program;

use super::kinds::alloc_rules;

/// Names of the structs of which arrays of cells are made: `bucket<K,V>` in classic maps (`cmd/link/internal/ld/dwarf.go`,
/// `synthesizemaptypes`), groups in Swiss ones.
const BUCKET: &str = "bucket<";
const GROUPS: [&str; 2] = ["noalg.map.group[", "map.group["];
/// Members of a bucket that the collector never follows in a map without pointers: the link to the next bucket.
const BUCKET_LINK: &str = "overflow";
/// Larger arrays than this do not fit an address space.
const MAX_ARRAY: u64 = 1 << 47;
/// Types nested deeper than this are taken to hold pointers.
const MAX_DEPTH: u32 = 32;

/// A judge of spans for [`GoPlanner::noscan_where`](crate::planner::GoPlanner::noscan_where): wanted are slots of exactly
/// a size that an array of cells of some map type without pointers can have. `None` where the debug information
/// describes no map's cells, so that nothing can be ruled out.
pub fn noscan_cells(program: &Program, layouts: &Layouts) -> Option<NoscanWanted> {
    let debug = program.debug();
    let alloc = alloc_rules(layouts);
    let mut sizes = Vec::new();
    let mut known = false;
    for cells in debug.struct_types() {
        let name = debug.name_of(cells);
        let Some(size) = debug.size_of(cells).filter(|s| *s > 0) else {
            continue;
        };
        if name.starts_with(BUCKET) {
            known = true;
            if !has_pointers(debug, cells, Some(BUCKET_LINK), 0) {
                let map = ClassicMap {
                    header_size: 0,
                    bucket_size: size,
                    noscan: true,
                    load_factor_num: 0,
                    alloc,
                };
                sizes.extend(map.array_sizes(MAX_ARRAY));
            }
        } else if GROUPS.iter().any(|g| name.starts_with(g)) {
            known = true;
            if !has_pointers(debug, cells, None, 0) {
                let map = SwissMap {
                    group_size: size,
                    noscan: true,
                    alloc,
                };
                sizes.extend(map.array_sizes());
            }
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    known.then(|| {
        Box::new(move |span: NoscanSpan| sizes.binary_search(&span.elem_size).is_ok())
            as NoscanWanted
    })
}

/// Whether a value of this type holds a pointer; `except` names a member that does not count.
fn has_pointers(debug: &DebugInfo, type_: DieRef, except: Option<&str>, depth: u32) -> bool {
    let at = debug.resolve(type_);
    let Some(t) = debug.rec(at).filter(|_| depth < MAX_DEPTH) else {
        return true;
    };
    match t.tag {
        Tag::Base => false,
        Tag::Array => {
            t.count > 0
                && debug
                    .target(t)
                    .is_none_or(|elem| has_pointers(debug, elem, None, depth + 1))
        }
        Tag::Struct => debug.layout(at).is_none_or(|layout| {
            layout
                .fields
                .iter()
                .filter(|f| except != Some(f.name))
                .any(|f| has_pointers(debug, f.type_, None, depth + 1))
        }),
        Tag::Typedef | Tag::Function | Tag::Pointer | Tag::Unspecified => true,
    }
}
