//! Where bytes accumulate: every byte below the virtual root belongs to exactly one point.

use fixedbitset::FixedBitSet;

use crate::{Dominators, HeapGraph, Node, Resolver, TypeIx};

/// Nodes up the tree in which a type that occurs again belongs to the same structure: a list, a tree, or one whose nodes
/// are boxed.
const RECURSION: usize = 8;

/// Types that are machinery, asked for once.
pub(crate) struct Internal(FixedBitSet);

impl Internal {
    pub(crate) fn of(graph: &HeapGraph, resolver: &dyn Resolver) -> Self {
        let types = graph.types.iter().map(|t| t.0 + 1).max().unwrap_or(0);
        let internal = (0..types).filter(|t| resolver.is_internal(TypeIx(*t)));
        Self(internal.map(|t| t as usize).collect())
    }

    pub(crate) fn contains(&self, type_: TypeIx) -> bool {
        self.0.contains(type_.index())
    }
}

/// What accumulates at one node: what it holds without what larger points below it hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) position: u32,
    pub(super) bytes: u64,
    /// The point that this one turned out to be a part of, or itself.
    part_of: u32,
}

/// A large node that is still open while the walk is below it.
#[derive(Clone, Copy)]
struct Open {
    end: u32,
    point: u32,
    type_: Option<TypeIx>,
}

/// All points of a tree.
pub(super) struct Points {
    pub(super) points: Vec<Point>,
}

/// Walks over the large nodes of the tree, those that hold `least` bytes or more.
pub(super) struct Large<'a> {
    pub(super) tree: &'a Dominators,
    pub(super) graph: &'a HeapGraph,
    pub(super) internal: &'a Internal,
    pub(super) least: u64,
}

impl Large<'_> {
    pub(super) fn type_at(&self, position: u32) -> Option<TypeIx> {
        self.tree.object(position).map(|o| self.graph.type_of(o))
    }

    pub(super) fn is_large(&self, position: u32) -> bool {
        position == 0 || self.tree.retained_at(position) >= self.least
    }

    /// Finds the points. A large node is one of its own, unless it is machinery of the collection above it or one more
    /// element of a structure that began above it. What it holds counts for its point alone.
    pub(super) fn points(&self) -> Points {
        let mut points = Points { points: Vec::new() };
        self.visit(&mut points, |points, position, point, above| {
            let bytes = self.tree.retained_at(position);
            if let Some(above) = above {
                let above = points.find(above);
                let left = points.points[above as usize].bytes.saturating_sub(bytes);
                points.points[above as usize].bytes = left;
            }
            let point = points.find(point);
            let sum = points.points[point as usize].bytes.saturating_add(bytes);
            points.points[point as usize].bytes = sum;
        });
        points
    }

    /// Calls `visit` with each large position, its point and the point of the node above.
    fn visit(
        &self,
        points: &mut Points,
        mut visit: impl FnMut(&mut Points, u32, u32, Option<u32>),
    ) {
        let mut open: Vec<Open> = Vec::new();
        let mut position = 0;
        while position < self.tree.len() {
            let range = self.tree.range(position);
            if !self.is_large(position) {
                position = range.end;
                continue;
            }
            while open.last().is_some_and(|o| o.end <= position) {
                open.pop();
            }
            let type_ = self.type_at(position);
            let above = open.last().map(|o| o.point);
            let point = self.point_of(type_, &open, points, position);
            visit(points, position, point, above);
            open.push(Open {
                end: range.end,
                point,
                type_,
            });
            position += 1;
        }
    }

    fn point_of(
        &self,
        type_: Option<TypeIx>,
        open: &[Open],
        points: &mut Points,
        position: u32,
    ) -> u32 {
        if let (Some(type_), Some(above)) = (type_, open.last()) {
            if above.type_.is_some() && self.internal.contains(type_) {
                return above.point;
            }
            let same = open
                .iter()
                .rev()
                .take(RECURSION)
                .position(|o| o.type_ == Some(type_));
            if let Some(back) = same {
                let whole = points.find(open[open.len() - 1 - back].point);
                for between in &open[open.len() - back..] {
                    points.join(between.point, whole);
                }
                return whole;
            }
        }
        points.points.push(Point {
            position,
            bytes: 0,
            part_of: points.points.len() as u32,
        });
        points.points.len() as u32 - 1
    }

    /// Calls `visit` with each large position and the point it belongs to in the end.
    pub(super) fn each(&self, found: &Points, mut visit: impl FnMut(u32, u32)) {
        let mut again = Points { points: Vec::new() };
        self.visit(&mut again, |_, position, point, _| {
            visit(position, found.whole(point));
        });
    }
}

impl Points {
    /// The point that `point` is a part of.
    fn find(&mut self, point: u32) -> u32 {
        let whole = self.whole(point);
        let mut at = point;
        while at != whole {
            at = std::mem::replace(&mut self.points[at as usize].part_of, whole);
        }
        whole
    }

    fn whole(&self, point: u32) -> u32 {
        let mut at = point;
        while self.points[at as usize].part_of != at {
            at = self.points[at as usize].part_of;
        }
        at
    }

    fn join(&mut self, part: u32, whole: u32) {
        let (part, whole) = (self.find(part), self.find(whole));
        if part != whole {
            let bytes = std::mem::take(&mut self.points[part as usize].bytes);
            self.points[part as usize].part_of = whole;
            let sum = self.points[whole as usize].bytes.saturating_add(bytes);
            self.points[whole as usize].bytes = sum;
        }
    }

    /// Points that accumulate at least this much, with their ids.
    pub(super) fn large(&self, least: u64) -> impl Iterator<Item = (u32, Point)> + '_ {
        let points = self.points.iter().enumerate().map(|(i, p)| (i as u32, *p));
        points.filter(move |(i, p)| p.part_of == *i && p.bytes >= least.max(1))
    }
}

/// The node below the virtual root that holds `node`.
pub(super) fn topmost(tree: &Dominators, position: u32) -> Node {
    let mut at = position;
    while at > 0 && tree.parent_at(at) > 0 {
        at = tree.parent_at(at);
    }
    tree.node(at)
}
