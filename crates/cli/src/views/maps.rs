//! Maps, and other collections, in words.

use std::cmp::Reverse;

use leakscope_go::heap::GoHeap;
use leakscope_go::maps::{MapInfo, Structure};
use leakscope_graph::{Held, Resolver};
use leakscope_report::{Address, Classic, Generation, Growth, MapRow, MapSums, Swiss, Text};

use super::suspects::Holders;
use super::{jvm, retained};
use crate::heap::AnyHeap;

/// Sums over all maps of a heap.
pub(super) fn sums(heap: &AnyHeap) -> MapSums {
    match heap {
        AnyHeap::Go(heap) => map_sums(&heap.maps),
        AnyHeap::Jvm(heap) => jvm::sums(heap),
    }
}

/// The largest maps, at most `limit` of them; with what they retain where `holders` tell.
pub(super) fn largest(
    heap: &AnyHeap,
    holders: Option<&Holders<'_>>,
    limit: Option<usize>,
) -> Vec<MapRow> {
    match heap {
        AnyHeap::Go(heap) => maps(heap, holders, limit),
        AnyHeap::Jvm(heap) => jvm::largest(heap, holders, limit),
    }
}

/// Each map that has an owner: entries and bytes.
pub(super) fn by_owner(heap: &AnyHeap) -> Vec<(String, Held)> {
    let heap = match heap {
        AnyHeap::Go(heap) => heap,
        AnyHeap::Jvm(heap) => return jvm::by_owner(heap),
    };
    let maps = heap.maps.iter().filter_map(|map| {
        let owner = heap.map_owner(map);
        let held = Held {
            objects: map.len,
            bytes: map.bytes,
        };
        (!owner.is_empty()).then_some((owner, held))
    });
    maps.collect()
}

fn map_sums(maps: &[MapInfo]) -> MapSums {
    let mut sums = MapSums {
        count: maps.len() as u64,
        ..MapSums::default()
    };
    for map in maps {
        // Lengths are what the target says; a hostile one could say anything.
        sums.len = sums.len.saturating_add(map.len);
        sums.bytes = sums.bytes.saturating_add(map.bytes);
        sums.rebuilt_bytes = sums.rebuilt_bytes.saturating_add(map.rebuilt_bytes);
        sums.waste_bytes = sums.waste_bytes.saturating_add(map.waste_bytes());
    }
    sums
}

fn maps(heap: &GoHeap, holders: Option<&Holders<'_>>, limit: Option<usize>) -> Vec<MapRow> {
    let mut largest: Vec<&MapInfo> = heap.maps.iter().collect();
    largest.sort_by_key(|map| (Reverse(map.bytes), map.address));
    largest.truncate(limit.unwrap_or(usize::MAX));
    let rows = largest.into_iter().map(|map| {
        let retained = holders.and_then(|holders| retained::of_map(holders, map));
        map_row(heap, map, retained)
    });
    rows.collect()
}

fn map_row(heap: &GoHeap, map: &MapInfo, retained_bytes: Option<u64>) -> MapRow {
    let owner = heap.map_owner(map);
    let (classic, swiss) = match map.structure {
        Structure::Classic(inside) => (Some(classic(&inside)), None),
        Structure::Swiss(inside) => (
            None,
            Some(Swiss {
                global_depth: inside.global_depth,
                directory_len: inside.directory_len,
                tables: inside.tables,
                tombstones: inside.tombstones,
            }),
        ),
    };
    MapRow {
        address: Address(map.address.0),
        owner: (!owner.is_empty()).then(|| Text::new(&owner)),
        reachable: map.object.map(|object| heap.reach.is_reached(object)),
        type_: Text::new(heap.names.type_name(map.type_).as_bytes()),
        generation: if classic.is_some() {
            Generation::Classic
        } else {
            Generation::Swiss
        },
        len: map.len,
        slots: map.slots,
        load: map.load(),
        bytes: map.bytes,
        rebuilt_bytes: map.rebuilt_bytes,
        waste_bytes: map.waste_bytes(),
        retained_bytes,
        cells: map.cells,
        torn: map.torn,
        incomplete: map.incomplete,
        classic,
        swiss,
    }
}

fn classic(inside: &leakscope_go::maps::Classic) -> Classic {
    /// `sameSizeGrow` in `runtime/map.go`: the growth is into an array of the same size.
    const SAME_SIZE_GROW: u8 = 8;
    Classic {
        log2_buckets: inside.b,
        overflow_buckets: u64::from(inside.overflow),
        overflow_free: u64::from(inside.overflow_free),
        growth: inside.growth.map(|growth| Growth {
            same_size: inside.flags & SAME_SIZE_GROW != 0,
            old_buckets: growth.old_buckets,
            evacuated: growth.evacuated,
        }),
    }
}
