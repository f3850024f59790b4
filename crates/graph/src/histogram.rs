//! Objects counted and summed by type and by package, what no root reaches apart.

use std::collections::BTreeMap;

use crate::{HeapGraph, Reach, Resolver, TypeIx};

/// Objects of one type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeRow {
    /// The type.
    pub type_: TypeIx,
    /// Number of objects.
    pub count: u64,
    /// Sum of their shallow sizes in bytes.
    pub bytes: u64,
}

/// Objects of one package's types.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackageRow {
    /// Import path; empty for types that no package declares.
    pub package: String,
    /// Number of objects.
    pub count: u64,
    /// Sum of their shallow sizes in bytes.
    pub bytes: u64,
}

/// Two histograms of one heap: what roots reach, and the rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    /// Reached objects by type, largest sum first, then by type id.
    pub reachable: Vec<TypeRow>,
    /// Objects that no root reaches, in the same order.
    pub unreachable: Vec<TypeRow>,
}

impl Histogram {
    /// Counts every object once. Time and memory are proportional to objects and types.
    pub fn of(graph: &HeapGraph, reach: &Reach) -> Self {
        let types = graph.types.iter().map(|t| t.index() + 1).max().unwrap_or(0);
        let mut sums = vec![[(0u64, 0u64); 2]; types];
        for (object, size) in graph.sizes() {
            let cell =
                &mut sums[graph.type_of(object).index()][usize::from(reach.is_reached(object))];
            cell.0 += 1;
            cell.1 += size;
        }
        let rows = |reached: usize| {
            let mut rows: Vec<TypeRow> = sums
                .iter()
                .enumerate()
                .filter(|(_, s)| s[reached].0 > 0)
                .map(|(t, s)| TypeRow {
                    type_: TypeIx(t as u32),
                    count: s[reached].0,
                    bytes: s[reached].1,
                })
                .collect();
            rows.sort_by_key(|r| (std::cmp::Reverse(r.bytes), r.type_));
            rows
        };
        Self {
            reachable: rows(1),
            unreachable: rows(0),
        }
    }

    /// `rows` joined by the package of their types, largest sum first, then by name.
    pub fn by_package(rows: &[TypeRow], resolver: &dyn Resolver) -> Vec<PackageRow> {
        let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for row in rows {
            let sum = sums
                .entry(resolver.package(row.type_).into_owned())
                .or_default();
            sum.0 += row.count;
            sum.1 += row.bytes;
        }
        let mut rows: Vec<PackageRow> = sums
            .into_iter()
            .map(|(package, (count, bytes))| PackageRow {
                package,
                count,
                bytes,
            })
            .collect();
        rows.sort_by(|a, b| {
            b.bytes
                .cmp(&a.bytes)
                .then_with(|| a.package.cmp(&b.package))
        });
        rows
    }
}
