//! What types, packages, maps and roots alone hold.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_go::maps::MapInfo;
use leakscope_graph::{GroupIx, Held, Node, Strength, TypeIx};
use leakscope_report::{PackageRow, RootRow, Text, TypeRow};

use super::suspects::Holders;
use crate::heap::Owner;

/// Stands for a type that no row is about.
const NO_ROW: u32 = u32::MAX;

/// Fills in what each of the types retains.
pub(super) fn of_types(holders: &Holders<'_>, rows: &mut [TypeRow]) {
    let names = holders.heap.names();
    let numbers: BTreeMap<(&Text, &Text), u32> = (rows.iter().zip(0..))
        .map(|(row, number)| ((&row.type_, &row.package), number))
        .collect();
    let row_of = |type_| {
        let name = Text::new(names.type_name(type_).as_bytes());
        let package = Text::new(names.package(type_).as_bytes());
        numbers.get(&(&name, &package)).copied()
    };
    let sums = sums(holders, rows.len(), row_of);
    for (row, sum) in rows.iter_mut().zip(sums) {
        row.retained_bytes = Some(sum);
    }
}

/// Fills in what each of the packages retains.
pub(super) fn of_packages(holders: &Holders<'_>, rows: &mut [PackageRow]) {
    let names = holders.heap.names();
    let numbers: BTreeMap<&Text, u32> = (rows.iter().zip(0..))
        .map(|(row, number)| (&row.package, number))
        .collect();
    let row_of = |type_| {
        let package = Text::new(names.package(type_).as_bytes());
        numbers.get(&package).copied()
    };
    let sums = sums(holders, rows.len(), row_of);
    for (row, sum) in rows.iter_mut().zip(sums) {
        row.retained_bytes = Some(sum);
    }
}

/// What each row retains, of which `row_of` tells the one a type belongs to.
fn sums(holders: &Holders<'_>, rows: usize, row_of: impl Fn(TypeIx) -> Option<u32>) -> Vec<u64> {
    let graph = holders.heap.graph();
    let of_type: Vec<u32> = (0..holders.heap.types())
        .map(|t| row_of(TypeIx(t)).unwrap_or(NO_ROW))
        .collect();
    let mut sums = vec![0; rows];
    let found = holders.tree.retained_by(graph, rows as u32, |object| {
        let row = *of_type.get(graph.type_of(object).index())?;
        (row != NO_ROW).then_some(row)
    });
    for row in found {
        if let Some(sum) = sums.get_mut(row.key as usize) {
            *sum = row.retained.saturating_add(row.maybe_retained);
        }
    }
    sums
}

/// What a map holds with its entries; `None` where its header is not an object of its own.
pub(super) fn of_map(holders: &Holders<'_>, map: &MapInfo) -> Option<u64> {
    let object = map.object?;
    let own = holders.heap.address(object).0 == map.address.0;
    own.then(|| holders.tree.retained(object))
}

/// What variables and goroutines alone hold, most first; those that hold nothing are left out.
pub(super) fn by_root(holders: &Holders<'_>) -> Vec<RootRow> {
    let groups = &holders.groups;
    let numbered = || {
        (0u32..)
            .zip(&groups.of)
            .map(|(i, group)| (GroupIx(i), group))
    };
    let mut goroutines: BTreeMap<GroupIx, u64> = BTreeMap::new();
    for (group, _) in numbered() {
        if let Some(parent) = groups.roots.parent(group) {
            *goroutines.entry(parent).or_default() += 1;
        }
    }
    let mut rows: Vec<RootRow> = numbered()
        .filter(|(group, _)| groups.roots.parent(*group).is_none())
        .map(|(ix, group)| {
            let strong = holders.tree.held(Node::Group(ix, Strength::Strong));
            let maybe = holders.tree.held(Node::Group(ix, Strength::Conservative));
            row(group, goroutines.get(&ix).copied(), strong, maybe)
        })
        .filter(|row| row.retained_objects > 0)
        .collect();
    rows.sort_by(|a, b| {
        let order = Reverse(a.retained_bytes).cmp(&Reverse(b.retained_bytes));
        order.then_with(|| a.name.cmp(&b.name))
    });
    rows
}

fn row(group: &Owner, goroutines: Option<u64>, strong: Held, maybe: Held) -> RootRow {
    RootRow {
        kind: group.kind,
        name: Text::new(&group.short),
        count: goroutines.unwrap_or(1),
        retained_objects: strong.objects.saturating_add(maybe.objects),
        retained_bytes: strong.bytes.saturating_add(maybe.bytes),
        maybe_retained_bytes: maybe.bytes,
    }
}
