//! Maps in every state, against what the program reads of itself through `unsafe`.

mod maps_support;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_go::maps::{Classic, Generation, Growth, MapInfo, Structure, Swiss};
use leakscope_graph::Resolver;
use maps_support::{each_build, number, text};
use serde_json::Value;

#[test]
fn every_map_is_found_and_is_what_the_program_says_of_itself() -> Result<()> {
    each_build("mapstates", "maps", |_, case| {
        let (heap, truth) = case.heap()?;
        let mut checked = 0;
        for told in truth["maps"].as_array().context("maps")? {
            if told["nil"] == true {
                continue;
            }
            let owner = text(told, "owner")?;
            same_map(&heap, told).with_context(|| format!("{owner}: {told}"))?;
            checked += 1;
        }
        ensure!(checked > 60, "{checked} maps");
        Ok(())
    })
}

fn same_map(heap: &GoHeap, told: &Value) -> Result<()> {
    let address = text(told, "address")?;
    let map = heap
        .maps
        .iter()
        .find(|m| m.address.to_string() == address)
        .context("not found")?;
    ensure!(
        heap.names.type_name(map.type_) == text(told, "type")?,
        "type"
    );
    // The fixture's list of its own maps holds them too, and is a shorter way to some.
    let owner = heap.map_owner(map);
    let listed = owner.starts_with("main.entries[") && owner.ends_with("].mapping");
    ensure!(
        listed || owner == folded(text(told, "owner")?),
        "owner {owner}"
    );
    ensure!(map.len == number(told, "len")?, "len {}", map.len);
    ensure!(!map.incomplete && !map.torn, "{map:?}");
    let inside = &told["structure"];
    let old = &inside["old"];
    let cells = number(inside, "used_slots")? + old["used_slots"].as_u64().unwrap_or(0);
    ensure!(map.cells == cells, "cells {}", map.cells);
    ensure!(map.slots == number(inside, "slots")?, "slots {}", map.slots);
    match map.structure {
        Structure::Classic(c) => same_classic(&c, inside)?,
        Structure::Swiss(s) => same_swiss(&s, inside)?,
    }
    let generation = match map.generation() {
        Generation::Classic => "classic",
        Generation::Swiss => "swiss",
    };
    ensure!(generation == text(told, "generation")?, "generation");
    rebuilt(map, told)
}

/// Keys of maps as we tell them: any.
fn folded(owner: &str) -> String {
    match (owner.find("[\""), owner.find("\"]")) {
        (Some(from), Some(to)) => format!("{}[...]{}", &owner[..from], &owner[to + 2..]),
        _ => owner.to_owned(),
    }
}

fn same_classic(map: &Classic, told: &Value) -> Result<()> {
    let old = &told["old"];
    ensure!(u64::from(map.b) == number(told, "b")?, "B {}", map.b);
    // The fixture ranges over its maps once more after it has read them: that sets the iterators' flags.
    let flags = number(told, "flags")?;
    ensure!(
        flags | 3 == u64::from(map.flags | 3) && flags & !u64::from(map.flags) == 0,
        "flags {}",
        map.flags
    );
    let linked = number(told, "linked_overflow")? + old["linked_overflow"].as_u64().unwrap_or(0);
    ensure!(
        u64::from(map.overflow) == linked,
        "overflow {}",
        map.overflow
    );
    ensure!(
        u64::from(map.overflow_free) == number(told, "unused_overflow")?,
        "free {}",
        map.overflow_free
    );
    let growth = match told["growing"].as_bool() {
        Some(true) => Some((1 << number(old, "b")?, number(old, "evacuated")?)),
        _ => None,
    };
    let found = map.growth.map(|g: Growth| (g.old_buckets, g.evacuated));
    ensure!(found == growth, "growth {:?}", map.growth);
    Ok(())
}

fn same_swiss(map: &Swiss, told: &Value) -> Result<()> {
    ensure!(
        u64::from(map.global_depth) == number(told, "global_depth")?,
        "depth {}",
        map.global_depth
    );
    ensure!(
        map.directory_len == number(told, "dir_len")?,
        "directory {}",
        map.directory_len
    );
    ensure!(
        map.tables == number(told, "tables")?,
        "tables {}",
        map.tables
    );
    ensure!(
        map.tombstones == number(told, "tombstones")?,
        "tombstones {}",
        map.tombstones
    );
    Ok(())
}

/// What a rebuilt map takes, against a map that the program did rebuild. Where the hash decides, a few buckets or a few
/// percent more or less.
fn rebuilt(map: &MapInfo, told: &Value) -> Result<()> {
    let told = &told["rebuilt"];
    // Keys and elems of their own are no part of the map's machinery.
    let bucket = told["bucket_size"]
        .as_u64()
        .or(told["group_size"].as_u64())
        .context("size")?;
    let indirect = number(told, "objects")? >= map.len && map.len > 8;
    let bytes = number(told, "bytes")?;
    // A table that gets a little more than its share splits into two of 1024 slots.
    let tables = if told["dir_len"].as_u64() > Some(1) {
        4 * 1024 / 8
    } else {
        12
    };
    let allowed = tables * bucket.next_multiple_of(64) + bytes / 20;
    ensure!(
        indirect || map.rebuilt_bytes.abs_diff(bytes) <= allowed,
        "rebuilt {}",
        map.rebuilt_bytes
    );
    Ok(())
}
