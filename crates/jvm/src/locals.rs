//! Values that threads keep for themselves, by the static field that holds their `ThreadLocal`.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::roots::{LocalValue, StaticField};
use crate::threads::{Sources, Thread};

/// Fields of `java.lang.Thread` that lead to a map of thread locals.
const MAPS: &[&str] = &["threadLocals", "inheritableThreadLocals"];

/// What is said of a value whose `ThreadLocal` is gone, which nothing but the end of its thread or luck frees.
const STALE: &str = "(stale: its ThreadLocal is gone)";

/// Thread locals of `threads`, those that run, and the references that lead to their values, as `(object, row)`.
pub(crate) fn thread_locals(
    threads: &[Thread],
    statics: &[StaticField],
    source: &Sources<'_>,
) -> (Vec<LocalValue>, Vec<(u32, usize)>) {
    let named: FxHashMap<u32, &str> = statics
        .iter()
        .rev()
        .filter(|f| !f.class_data)
        .map(|f| (f.to, f.name.as_str()))
        .collect();
    let mut values = Vec::new();
    let mut edges = Vec::new();
    // Each table is of one thread, and each entry in one table; a file may say otherwise.
    let mut seen: FxHashSet<u32> = FxHashSet::default();
    for (at, thread) in threads.iter().enumerate() {
        let Some(object) = thread.object else {
            continue;
        };
        let maps = MAPS.iter().filter_map(|map| source.reference(object, map));
        for table in maps.filter_map(|map| source.reference(map, "table")) {
            if !seen.insert(table) {
                continue;
            }
            for entry in source.row(table) {
                let entry = source.columns.edge_to[entry].0;
                if !seen.insert(entry) {
                    continue;
                }
                let Some(edge) = source.edge(entry, "value") else {
                    continue;
                };
                let name = match source.aside.referent(entry) {
                    None => STALE.to_owned(),
                    Some(local) => match named.get(&local) {
                        Some(name) => (*name).to_owned(),
                        None => source.class(local).map_or(String::new(), |class| {
                            format!("of class {}", source.classes.get(class).name)
                        }),
                    },
                };
                values.push(LocalValue {
                    thread: at as u32,
                    name,
                    value: source.columns.edge_to[edge].0,
                });
                edges.push((entry, edge));
            }
        }
    }
    (values, edges)
}
