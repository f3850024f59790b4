//! What is said of a JVM's heap in its own way: sums, coverage, collections.

use std::cmp::Reverse;

use leakscope_graph::{Held, ObjIx};
use leakscope_jvm::{Amount as JvmAmount, Collection, JvmHeap};
use leakscope_report::{
    Address, Amount, Coverage, Gap, Generation, Heap, Kept, MapRow, MapSums, Text,
};

use super::suspects::Holders;

/// Collections that are told one by one, the largest first: small ones are many and say little.
const MOST_COLLECTIONS: usize = 10_000;

pub(super) fn totals(heap: &JvmHeap) -> Heap {
    let totals = &heap.totals;
    let finalizable = Kept {
        reason: "a finalizer is to run first".into(),
        amount: amount(totals.finalizable),
    };
    Heap {
        allocated: amount(totals.allocated),
        unswept: Amount::default(),
        reachable: amount(totals.reachable),
        maybe_reachable: amount(totals.softly_reachable),
        unreachable: amount(totals.unreachable),
        unreachable_kept: (totals.finalizable.objects > 0)
            .then_some(finalizable)
            .into_iter()
            .collect(),
        spans: 0,
        span_bytes: 0,
        layout: Some(layout(heap)),
    }
}

/// How objects were laid out, as far as it changes their sizes.
fn layout(heap: &JvmHeap) -> Text {
    let layout = heap.layout.layout;
    let fields = if layout.gaps_filled {
        "JDK 15 or later"
    } else {
        "JDK 14 or before"
    };
    Text::new(format!(
        "headers of {} bytes, references of {}, alignment to {}, fields as of {fields}",
        layout.header, layout.reference, layout.alignment
    ))
}

fn amount(amount: JvmAmount) -> Amount {
    Amount {
        objects: amount.objects,
        bytes: amount.bytes,
    }
}

pub(super) fn coverage(heap: &JvmHeap) -> Coverage {
    let gaps = heap.gaps.iter().map(|gap| Gap {
        reason: gap.reason.into(),
        count: gap.count,
        examples: gap.examples.into_iter().map(Address).collect(),
    });
    let all = heap.totals.reachable;
    let unknown = heap.unknown_class();
    Coverage {
        named_bytes_share: (all.bytes > 0)
            .then(|| all.bytes.saturating_sub(unknown.bytes) as f64 / all.bytes as f64),
        objects: Some(all.objects),
        bytes: Some(all.bytes),
        untyped_with_pointers: Some(amount(unknown)),
        untyped_without_pointers: Some(Amount::default()),
        gaps: gaps.collect(),
    }
}

pub(super) fn sums(heap: &JvmHeap) -> MapSums {
    let mut sums = MapSums {
        count: heap.collections.len() as u64,
        ..MapSums::default()
    };
    for c in &heap.collections {
        sums.len = sums.len.saturating_add(c.len);
        sums.bytes = sums.bytes.saturating_add(c.bytes);
        sums.rebuilt_bytes = sums.rebuilt_bytes.saturating_add(c.rebuilt_bytes);
        sums.waste_bytes = sums.waste_bytes.saturating_add(c.bytes - c.rebuilt_bytes);
    }
    sums
}

/// The largest collections.
fn by_size(heap: &JvmHeap, limit: Option<usize>) -> Vec<&Collection> {
    let mut largest: Vec<&Collection> = heap.collections.iter().collect();
    largest.sort_by_key(|c| (Reverse(c.bytes), c.object));
    largest.truncate(limit.unwrap_or(usize::MAX).min(MOST_COLLECTIONS));
    largest
}

pub(super) fn largest(
    heap: &JvmHeap,
    holders: Option<&Holders<'_>>,
    limit: Option<usize>,
) -> Vec<MapRow> {
    let row = |c: &Collection| {
        let head = ObjIx(c.object);
        let owner = heap.owner_of(head);
        MapRow {
            address: Address(heap.address(head)),
            owner: (!owner.is_empty()).then(|| Text::new(&owner)),
            reachable: Some(heap.reach.is_reached(head)),
            type_: Text::new(heap.type_name(head).as_bytes()),
            generation: Generation::Jdk,
            len: c.len,
            slots: c.capacity,
            load: if c.capacity > 0 {
                c.len as f64 / c.capacity as f64
            } else {
                0.0
            },
            bytes: c.bytes,
            rebuilt_bytes: c.rebuilt_bytes,
            waste_bytes: c.bytes - c.rebuilt_bytes,
            retained_bytes: holders.map(|holders| holders.tree.retained(head)),
            cells: c.len,
            torn: false,
            incomplete: false,
            classic: None,
            swiss: None,
        }
    };
    by_size(heap, limit).into_iter().map(row).collect()
}

pub(super) fn by_owner(heap: &JvmHeap) -> Vec<(String, Held)> {
    let rows = by_size(heap, None).into_iter().filter_map(|c| {
        let owner = heap.owner_of(ObjIx(c.object));
        let held = Held {
            objects: c.len,
            bytes: c.bytes,
        };
        (!owner.is_empty()).then_some((owner, held))
    });
    rows.collect()
}
