//! Suspects of a made-up service: where its bytes accumulate, told once each.

mod common;

use common::{Plain, TypeNames};
use leakscope_graph::{
    Dominators, EntryKind, Fingerprint, GroupIx, HeapGraph, HeldSet, Node, ObjIx, Reach,
    RootGroups, Strength, Suspect, Threshold, TypeIx, TypePaths, suspects,
};

const SERVER: u32 = 0;
const MAP: u32 = 1;
const TABLES: u32 = 2;
const TABLE: u32 = 3;
const SESSION: u32 = 4;
const PAYLOAD: u32 = 5;
const BUFFER: u32 = 6;
const ELEMENT: u32 = 7;
const LOCAL: u32 = 8;
const SHARED: u32 = 9;

/// Builds a heap object by object.
#[derive(Default)]
struct Service {
    types: Vec<u32>,
    sizes: Vec<u64>,
    edges: Vec<(u32, u32)>,
    roots: Vec<(u32, Strength, Option<u32>)>,
    groups: Vec<Option<u32>>,
}

impl Service {
    fn object(&mut self, type_: u32, size: u64, holder: Option<u32>) -> u32 {
        let id = self.types.len() as u32;
        self.types.push(type_);
        self.sizes.push(size);
        self.edges.extend(holder.map(|h| (h, id)));
        id
    }

    fn plain(mut self) -> Plain {
        let mut plain = Plain::new(self.types.len() as u32, &self.edges, &[]);
        plain.types = std::mem::take(&mut self.types);
        plain.sizes = self.sizes;
        plain.roots = self.roots;
        plain.group_parents = self.groups;
        plain
    }
}

struct Told {
    graph: HeapGraph,
    groups: RootGroups,
    found: Vec<Suspect>,
    server: u32,
    map: u32,
    buffer: u32,
    element: u32,
}

fn names() -> TypeNames {
    TypeNames {
        arrays: vec![],
        internal: vec![TABLES, TABLE],
        roots: vec!["main.server"],
    }
}

/// `scale` sessions in a map of many tables; a large buffer; a list; goroutines of one site with a local each; objects
/// of one type that two roots share; small change.
fn service(scale: u32) -> Told {
    let mut s = Service::default();
    let server = s.object(SERVER, 64, None);
    s.roots.push((server, Strength::Strong, None));
    let map = s.object(MAP, 48, Some(server));
    let tables = s.object(TABLES, 8 * 64, Some(map));
    for _ in 0..scale / 100 {
        let table = s.object(TABLE, 1024, Some(tables));
        for _ in 0..100 {
            let session = s.object(SESSION, 96, Some(table));
            s.object(PAYLOAD, 1000, Some(session));
        }
    }
    let buffer = s.object(BUFFER, 3_000_000, Some(server));
    let element = s.object(ELEMENT, 32, Some(server));
    let mut last = element;
    s.object(PAYLOAD, 200, Some(last));
    for _ in 1..10_000 {
        last = s.object(ELEMENT, 32, Some(last));
        s.object(PAYLOAD, 200, Some(last));
    }
    // Group 0 is a site of goroutines, the others its goroutines.
    s.groups.push(None);
    for i in 0..500 {
        s.groups.push(Some(0));
        let local = s.object(LOCAL, 4096, None);
        s.roots.push((local, Strength::Strong, Some(1 + i)));
    }
    for _ in 0..1000 {
        let shared = s.object(SHARED, 2048, None);
        s.roots.push((shared, Strength::Strong, Some(1)));
        s.roots.push((shared, Strength::Strong, None));
    }
    for _ in 0..50 {
        s.object(LOCAL, 8, Some(server));
    }
    let plain = s.plain();
    let (graph, groups) = (plain.graph(), plain.groups());
    let tree = Dominators::of(&graph, &groups).unwrap();
    let found = suspects(&graph, &tree, &names(), Threshold::default());
    let sum: u64 = found.iter().map(|f| f.accumulated).sum();
    assert!(sum <= tree.held_bytes(), "each byte counts once");
    assert!(sum >= tree.held_bytes() * 98 / 100, "what is large is told");
    assert!(found.windows(2).all(|w| w[0].score >= w[1].score));
    Told {
        graph,
        groups,
        found,
        server,
        map,
        buffer,
        element,
    }
}

#[test]
fn each_place_where_bytes_accumulate_is_told_once() {
    let told = service(20_000);
    let of = |point| {
        let mut found = told.found.iter().filter(|f| f.point == point);
        let first = found
            .next()
            .unwrap_or_else(|| panic!("{point:?} in {:?}", told.found));
        assert!(found.next().is_none());
        first
    };
    assert_eq!(told.found.len(), 5, "{:#?}", told.found);

    // The map, not its tables: they are looked through.
    let map = of(Node::Object(ObjIx(told.map)));
    assert_eq!(map.accumulated, 48 + 8 * 64 + 200 * 1024 + 20_000 * 1096);
    assert_eq!(map.topmost, Node::Object(ObjIx(told.server)));
    assert_eq!(map.entries[0].kind, EntryKind::Object(TypeIx(SESSION)));
    assert_eq!(
        (map.entries[0].sum.objects, map.entries[0].sum.bytes),
        (20_000, 20_000 * 1096)
    );
    assert!(map.sharpness > 980 && told.found[0] == *map);

    // One large object is large, not sharp.
    let buffer = of(Node::Object(ObjIx(told.buffer)));
    assert_eq!(
        (buffer.accumulated, buffer.sharpness, buffer.all_entries),
        (3_000_000, 0, 0)
    );

    // The list is one thing, told from its head, with all its elements.
    let list = of(Node::Object(ObjIx(told.element)));
    assert_eq!(list.accumulated, 10_000 * 232);
    let elements = list
        .entries
        .iter()
        .find(|e| e.kind == EntryKind::Object(TypeIx(ELEMENT)));
    assert!(elements.unwrap().sum.objects >= 9_998, "{list:?}");
    assert!(list.sharpness > 950, "{list:?}");

    // Goroutines of a site, none of them large.
    let site = of(Node::Group(GroupIx(0), Strength::Strong));
    assert_eq!(site.accumulated, 500 * 4096);
    assert_eq!(
        (site.entries[0].kind, site.entries[0].sum.objects),
        (EntryKind::Group, 500)
    );

    // Many of one type that nothing holds alone.
    let shared = of(Node::Top);
    assert_eq!(shared.entries[0].kind, EntryKind::Object(TypeIx(SHARED)));
    assert_eq!(
        (shared.entries[0].sum.objects, shared.accumulated),
        (1000, 2_048_000)
    );
}

#[test]
fn what_a_suspect_consists_of_can_be_asked_for_object_by_object() {
    let told = service(20_000);
    let tree = Dominators::of(&told.graph, &told.groups).unwrap();
    let bytes = |set: &HeldSet| -> u64 {
        let within = told.graph.sizes().filter(|(o, _)| set.contains(&tree, *o));
        within.map(|(_, size)| size).sum()
    };
    for suspect in &told.found {
        let set = if suspect.point == Node::Top {
            let threshold = Threshold::default();
            HeldSet::of_scattered(&told.graph, &tree, &names(), threshold, suspect)
        } else {
            HeldSet::of(&tree, [suspect.point])
        };
        assert_eq!(bytes(&set), suspect.retained, "{suspect:?}");
    }
    let both = [told.map, told.buffer].map(|o| Node::Object(ObjIx(o)));
    let sum = both.iter().map(|n| tree.held(*n).bytes).sum::<u64>();
    assert_eq!(bytes(&HeldSet::of(&tree, both)), sum);
    assert_eq!(
        bytes(&HeldSet::of(&tree, [both[0], both[0]])),
        tree.held(both[0]).bytes
    );
    assert_eq!(
        HeldSet::of(&tree, [Node::Object(ObjIx(u32::MAX))]),
        HeldSet::default()
    );
}

#[test]
fn fingerprints_do_not_depend_on_sizes_or_places() {
    let prints = |told: &Told| -> Vec<(Node, String, String)> {
        let (reach, names) = (Reach::of(&told.graph), names());
        let mut paths = TypePaths::new(&told.graph, &reach, &names);
        assert_eq!(told.groups.len(), 501);
        let of = |s: &Suspect| {
            let print = paths
                .suspect_fingerprint(s, |g| format!("group {}", g.0))
                .unwrap();
            (s.point, print.text().to_owned(), print.to_string())
        };
        told.found.iter().map(of).collect()
    };
    let (small, large) = (prints(&service(20_000)), prints(&service(40_000)));
    assert_eq!(small[0].1, "main.server\nt0.f0\nt1");
    let mut a: Vec<_> = small.iter().map(|p| &p.2).collect();
    let mut b: Vec<_> = large.iter().map(|p| &p.2).collect();
    a.sort();
    b.sort();
    assert_eq!(a, b);
    a.dedup();
    assert_eq!(a.len(), 5);
    assert!(a.iter().all(|p| p.len() == 19 && p.starts_with("v1:")));
}

#[test]
fn the_hash_is_the_published_one() {
    // Test vectors of draft-eastlake-fnv for 64-bit FNV-1a.
    assert_eq!(Fingerprint::of_text("").to_string(), "v1:cbf29ce484222325");
    assert_eq!(Fingerprint::of_text("a").to_string(), "v1:af63dc4c8601ec8c");
    assert_eq!(
        Fingerprint::of_text("foobar").to_string(),
        "v1:85944171f73967e8"
    );
}

#[test]
fn nothing_is_told_of_a_heap_that_is_small_or_empty() {
    for plain in [Plain::new(0, &[], &[]), Plain::new(3, &[(0, 1)], &[0])] {
        let graph = plain.graph();
        let tree = Dominators::of(&graph, &plain.groups()).unwrap();
        assert!(suspects(&graph, &tree, &names(), Threshold::default()).is_empty());
    }
}

#[test]
fn what_only_may_be_reachable_is_marked() {
    let mut plain = Plain::new(2, &[], &[]);
    plain.sizes = vec![1 << 20, 1 << 20];
    plain.roots = vec![
        (0, Strength::Strong, None),
        (1, Strength::Conservative, None),
    ];
    let graph = plain.graph();
    let tree = Dominators::of(&graph, &plain.groups()).unwrap();
    let found = suspects(&graph, &tree, &names(), Threshold::default());
    let told: Vec<_> = found.iter().map(|f| (f.point, f.strength)).collect();
    assert_eq!(
        told,
        [
            (Node::Object(ObjIx(0)), Strength::Strong),
            (Node::Object(ObjIx(1)), Strength::Conservative)
        ]
    );
}

#[test]
fn a_large_list_costs_no_more_than_its_length() {
    const LEN: u32 = 2_000_000;
    let edges: Vec<_> = (0..LEN - 1).map(|i| (i, i + 1)).collect();
    let mut plain = Plain::new(LEN, &edges, &[0]);
    // Boxed: element and box in turn.
    plain.types = (0..LEN).map(|i| ELEMENT + i % 2).collect();
    let graph = plain.graph();
    let tree = Dominators::of(&graph, &plain.groups()).unwrap();
    let found = suspects(&graph, &tree, &names(), Threshold::default());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].point, Node::Object(ObjIx(0)));
    assert_eq!(found[0].accumulated, 16 * u64::from(LEN));
}
