//! Graphs for tests: a plain description that oracles read, and the same as a heap graph.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::borrow::Cow;

use leakscope_graph::{
    GraphBuilder, GroupIx, HeapGraph, ObjIx, Resolver, Root, RootGroups, RootIx, SizeRun, Strength,
    TypeIx,
};

/// Numbers from a seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::from(bound.max(1))) as u32
    }
}

#[derive(Clone, Debug)]
pub struct Plain {
    pub objects: u32,
    pub types: Vec<u32>,
    pub sizes: Vec<u64>,
    /// `(from, to)` in order of `from`; the slot is the place among the object's own.
    pub edges: Vec<(u32, u32)>,
    pub roots: Vec<(u32, Strength, Option<u32>)>,
    pub group_parents: Vec<Option<u32>>,
}

impl Plain {
    pub fn new(objects: u32, edges: &[(u32, u32)], roots: &[u32]) -> Self {
        let mut edges = edges.to_vec();
        edges.sort_by_key(|e| e.0);
        Self {
            objects,
            types: vec![0; objects as usize],
            sizes: vec![16; objects as usize],
            edges,
            roots: roots.iter().map(|r| (*r, Strength::Strong, None)).collect(),
            group_parents: Vec::new(),
        }
    }

    /// Up to `most` objects; cycles, references to oneself, repeated ones, several roots, unreachable parts.
    pub fn random(random: &mut Random, most: u32) -> Self {
        let objects = 1 + random.below(most);
        let density = 1 + random.below(3);
        let window = 1 + random.below(objects);
        let mut edges: Vec<(u32, u32)> = (0..random.below(objects * density + 1))
            .map(|_| {
                let from = random.below(objects);
                let to = match random.below(8) {
                    0 => from,
                    1..4 => (from + random.below(window)) % objects,
                    _ => random.below(objects),
                };
                (from, to)
            })
            .collect();
        for _ in 0..random.below(3) {
            edges.extend(edges.clone().get(random.below(8) as usize));
        }
        edges.sort_by_key(|e| e.0);
        let groups = random.below(5);
        let group_parents = (0..groups)
            .map(|g| (g > 0 && random.below(2) == 0).then(|| random.below(g)))
            .collect();
        let roots = (0..random.below(6))
            .map(|_| {
                let strength = if random.below(3) == 0 {
                    Strength::Conservative
                } else {
                    Strength::Strong
                };
                let group = (groups > 0 && random.below(3) > 0).then(|| random.below(groups));
                (random.below(objects), strength, group)
            })
            .collect();
        Self {
            objects,
            types: (0..objects).map(|_| random.below(4)).collect(),
            sizes: (0..objects)
                .map(|_| 8 + 8 * u64::from(random.below(9)))
                .collect(),
            edges,
            roots,
            group_parents,
        }
    }

    pub fn graph(&self) -> HeapGraph {
        let mut builder = GraphBuilder::new(self.objects);
        let mut slot = 0;
        let mut before = None;
        for &(from, to) in &self.edges {
            slot = if before == Some(from) { slot + 1 } else { 0 };
            before = Some(from);
            builder.edge(ObjIx(from), ObjIx(to), slot).unwrap();
        }
        let sizes = self.sizes.iter().enumerate().map(|(i, size)| SizeRun {
            first: ObjIx(i as u32),
            size: *size,
        });
        let roots = self.roots.iter().map(|&(to, strength, _)| Root {
            to: ObjIx(to),
            strength,
            rank: 0,
        });
        let types = self.types.iter().map(|t| TypeIx(*t)).collect();
        builder
            .finish(types, sizes.collect::<Vec<_>>(), roots.collect())
            .unwrap()
    }

    pub fn groups(&self) -> RootGroups {
        let mut groups = RootGroups::new();
        for parent in &self.group_parents {
            groups.add(parent.map(GroupIx));
        }
        for &(_, _, group) in &self.roots {
            groups.push_root(group.map(GroupIx));
        }
        groups
    }

    pub fn out(&self) -> Vec<Vec<u32>> {
        let mut out = vec![Vec::new(); self.objects as usize];
        for &(from, to) in &self.edges {
            out[from as usize].push(to);
        }
        out
    }

    /// Whether `group` is `outer` or somewhere inside it.
    pub fn is_inside(&self, group: Option<u32>, outer: u32) -> bool {
        let mut at = group;
        while let Some(group) = at {
            if group == outer {
                return true;
            }
            at = self.group_parents[group as usize];
        }
        false
    }
}

/// What `roots` reach over `out` through objects that `may` allows.
pub fn reach(
    out: &[Vec<u32>],
    roots: impl Iterator<Item = u32>,
    may: impl Fn(u32) -> bool,
) -> Vec<bool> {
    let mut seen = vec![false; out.len()];
    let mut todo: Vec<u32> = roots.filter(|r| may(*r)).collect();
    while let Some(at) = todo.pop() {
        if !std::mem::replace(&mut seen[at as usize], true) {
            todo.extend(out[at as usize].iter().filter(|to| may(**to)));
        }
    }
    seen
}

/// What only a pass from roots of one strength reaches, strong ones first.
pub struct Parts {
    pub out: Vec<Vec<u32>>,
    pub strong: Vec<bool>,
    pub maybe: Vec<bool>,
}

impl Parts {
    pub fn of(plain: &Plain) -> Self {
        let out = plain.out();
        let roots = |strength| {
            let of = plain.roots.iter().filter(move |r| r.1 == strength);
            of.map(|r| r.0)
        };
        let strong = reach(&out, roots(Strength::Strong), |_| true);
        let maybe = reach(&out, roots(Strength::Conservative), |o| !strong[o as usize]);
        Self { out, strong, maybe }
    }

    /// `(objects, bytes)` of this strength that are lost without the objects and roots that are `gone`.
    pub fn lost(
        &self,
        plain: &Plain,
        strength: Strength,
        object_gone: impl Fn(u32) -> bool,
        root_gone: impl Fn(Option<u32>) -> bool,
    ) -> (u64, u64) {
        let part = match strength {
            Strength::Strong => &self.strong,
            Strength::Conservative => &self.maybe,
        };
        let roots = plain.roots.iter();
        let roots = roots
            .filter(|r| r.1 == strength && !root_gone(r.2))
            .map(|r| r.0);
        let left = reach(&self.out, roots, |o| part[o as usize] && !object_gone(o));
        let lost = (0..plain.objects as usize).filter(|o| part[*o] && !left[*o]);
        lost.fold((0, 0), |(n, b), o| (n + 1, b + plain.sizes[o]))
    }
}

/// Types `tN` in packages `p0` and `p1`; roots `rN`. Slots of `arrays` are all one field; `internal` is machinery.
#[derive(Default)]
pub struct TypeNames {
    pub arrays: Vec<u32>,
    pub internal: Vec<u32>,
    /// Name of each root; `rN` where there is none.
    pub roots: Vec<&'static str>,
}

impl Resolver for TypeNames {
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str> {
        format!("t{}", type_.0).into()
    }
    fn package(&self, type_: TypeIx) -> Cow<'_, str> {
        format!("p{}", type_.0 % 2).into()
    }
    fn root_name(&self, root: RootIx) -> Cow<'_, str> {
        match self.roots.get(root.index()) {
            Some(name) => (*name).into(),
            None => format!("r{}", root.0).into(),
        }
    }
    fn push_step(&self, _: ObjIx, type_: TypeIx, slot: u32, expression: &mut String) {
        if self.internal.contains(&type_.0) {
            return;
        }
        if self.arrays.contains(&type_.0) {
            expression.push_str(&format!("[{slot}]"));
        } else {
            expression.push_str(&format!(".f{slot}"));
        }
    }
    fn is_internal(&self, type_: TypeIx) -> bool {
        self.internal.contains(&type_.0)
    }
    fn field(&self, type_: TypeIx, slot: u32) -> u32 {
        if self.arrays.contains(&type_.0) || self.internal.contains(&type_.0) {
            0
        } else {
            slot
        }
    }
}
