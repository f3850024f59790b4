//! Which pointer-free objects a census has to read: only arrays of cells of maps without pointers.
//!
//! Everything else without pointers (texts, numbers, buffers) is counted without being read, so it need not be copied
//! while the target stands still. Maps of types made at run time (`reflect.MapOf`) are not foreseen here: their cells may
//! be missing from the copy, which the census counts as a gap.

use leakscope_goabi::{ClassicMap, SwissMap};
use leakscope_target::Memory;

use crate::dwarf::{DebugInfo, DieRef, Tag};
use crate::layouts::Layouts;
use crate::planner::{NoscanSpan, NoscanWanted};
use crate::program::Program;
use crate::types::static_map_cells;

use super::kinds::{MAX_CELLS_SIZE, alloc_rules};

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
/// a size that an array of cells of some map type without pointers can have. `None` where neither the debug information
/// nor, for a program without any, the type descriptors in `memory` tell of any map's cells, so that nothing can be ruled
/// out.
pub fn noscan_cells(
    program: &Program,
    layouts: &Layouts,
    memory: &dyn Memory,
) -> Option<NoscanWanted> {
    let cells = match program.stripped() {
        None => described(program.debug()),
        Some(_) => laid_out(program, memory)?,
    };
    if cells.is_empty() {
        return None;
    }
    let alloc = alloc_rules(layouts);
    let mut sizes = Vec::new();
    for cells in cells.iter().filter(|c| !c.pointers) {
        match cells.generation {
            Generation::Classic => {
                let map = ClassicMap {
                    header_size: 0,
                    bucket_size: cells.size,
                    noscan: true,
                    load_factor_num: 0,
                    alloc,
                };
                sizes.extend(map.array_sizes(MAX_ARRAY));
            }
            Generation::Swiss => {
                let map = SwissMap {
                    group_size: cells.size,
                    noscan: true,
                    alloc,
                };
                sizes.extend(map.array_sizes());
            }
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    Some(Box::new(move |span: NoscanSpan| {
        sizes.binary_search(&span.elem_size).is_ok()
    }))
}

/// The two implementations of maps.
#[derive(Clone, Copy)]
enum Generation {
    Classic,
    Swiss,
}

/// The cells that arrays are made of.
struct Cells {
    generation: Generation,
    size: u64,
    pointers: bool,
}

/// Cells that debug information describes.
fn described(debug: &DebugInfo) -> Vec<Cells> {
    let mut cells = Vec::new();
    for strukt in debug.struct_types() {
        let name = debug.name_of(strukt);
        let (generation, except) = if name.starts_with(BUCKET) {
            (Generation::Classic, Some(BUCKET_LINK))
        } else if GROUPS.iter().any(|g| name.starts_with(g)) {
            (Generation::Swiss, None)
        } else {
            continue;
        };
        if let Some(size) = debug.size_of(strukt).filter(|s| *s > 0) {
            cells.push(Cells {
                generation,
                size,
                pointers: has_pointers(debug, strukt, except, 0),
            });
        }
    }
    cells
}

/// Cells of the map types whose descriptors lie in `memory`. Which implementation is in use shows in which structure the
/// layouts have, `runtime.hmap` being there only where it is.
fn laid_out(program: &Program, memory: &dyn Memory) -> Option<Vec<Cells>> {
    let generation = if program.debug().type_named("runtime.hmap").is_some() {
        Generation::Classic
    } else {
        Generation::Swiss
    };
    let found = static_map_cells(program, memory)?;
    let plausible = found
        .into_iter()
        .filter(|c| (1..=MAX_CELLS_SIZE).contains(&c.size));
    let cells = plausible.map(|c| Cells {
        generation,
        size: c.size,
        pointers: c.pointers,
    });
    Some(cells.collect())
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
