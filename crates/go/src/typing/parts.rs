//! Which words of a variable its parts are.
//!
//! The compiler keeps small structs, strings, slices and interfaces in parts of a word or less, and forgets those that are
//! not needed. What it states of such a variable are the places of the parts that are left, in order, without saying
//! which these are, and without the padding between them (`cmd/compile/internal/ssa/debug.go`, `writePendingEntry`, the same
//! from Go 1.21 to 1.27). A part is taken for a word of the variable only where no other one is possible.

use crate::types::{Kind, TypeId, TypeTable};

/// Most parts of a variable that is kept in parts; `ssa.CanSSA` (`cmd/compile/internal/ssa/value.go`) allows far fewer.
const MAX_LEAVES: usize = 64;
/// Deepest nesting of structs in such a variable.
const MAX_DEPTH: usize = 16;

/// What is known of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// Its length in bytes; `None` where it is the only one.
    pub(super) len: Option<u64>,
    /// The collector takes it for a pointer.
    pub(super) pointer: bool,
}

/// What a variable may be kept as: a part by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Leaf {
    offset: u64,
    len: u64,
    pointer: bool,
}

impl Leaf {
    fn may_be(&self, part: &Part) -> bool {
        part.len.is_none_or(|len| len == self.len) && (self.pointer || !part.pointer)
    }
}

/// Offset of each part in a variable of the type; `None` where it could be another's just as well.
pub(super) fn offsets(types: &TypeTable, type_: TypeId, parts: &[Part]) -> Vec<Option<u64>> {
    let mut leaves = Vec::new();
    if add_leaves(types, type_, 0, 0, &mut leaves).is_none() {
        return vec![None; parts.len()];
    }
    place(&leaves, parts)
}

/// Parts keep the order of leaves. A part belongs to a leaf if all before and all behind it find theirs.
fn place(leaves: &[Leaf], parts: &[Part]) -> Vec<Option<u64>> {
    // Whether the first `i` parts fit into the first `j` leaves, and the last `i` into the last `j`.
    let fits = |part: &dyn Fn(usize) -> Option<Part>, leaf: &dyn Fn(usize) -> Option<Leaf>| {
        let mut fit = vec![vec![false; leaves.len() + 1]; parts.len() + 1];
        fit[0].fill(true);
        for i in 1..=parts.len() {
            for j in 1..=leaves.len() {
                let here = part(i - 1).zip(leaf(j - 1));
                let here = here.is_some_and(|(part, leaf)| leaf.may_be(&part));
                fit[i][j] = fit[i][j - 1] || (here && fit[i - 1][j - 1]);
            }
        }
        fit
    };
    let before = fits(&|i| parts.get(i).copied(), &|j| leaves.get(j).copied());
    let behind = fits(&|i| parts.iter().rev().nth(i).copied(), &|j| {
        leaves.iter().rev().nth(j).copied()
    });
    let of = |(i, part): (usize, &Part)| {
        let mut possible = leaves.iter().enumerate().filter(|(j, leaf)| {
            leaf.may_be(part) && before[i][*j] && behind[parts.len() - i - 1][leaves.len() - j - 1]
        });
        let (_, only) = possible.next()?;
        possible.next().is_none().then_some(only.offset)
    };
    parts.iter().enumerate().map(of).collect()
}

/// Appends what a value of the type may be kept as; `None` where it is too large or not known.
fn add_leaves(
    types: &TypeTable,
    type_: TypeId,
    offset: u64,
    depth: usize,
    leaves: &mut Vec<Leaf>,
) -> Option<()> {
    let mut add = |at: u64, len: u64, pointer: bool| {
        leaves.push(Leaf {
            offset: offset.wrapping_add(at),
            len,
            pointer,
        });
    };
    match types.kind(type_) {
        Kind::Struct => {
            for field in types.fields(type_) {
                let at = offset.checked_add(field.offset)?;
                (depth < MAX_DEPTH).then_some(())?;
                add_leaves(types, field.type_, at, depth + 1, leaves)?;
            }
        }
        Kind::Array { len: 0, .. } => {}
        Kind::Array { elem, len: 1 } if depth < MAX_DEPTH => {
            add_leaves(types, elem, offset, depth + 1, leaves)?;
        }
        Kind::Array { .. } | Kind::Unknown => return None,
        Kind::String => [(0, true), (8, false)]
            .into_iter()
            .for_each(|(at, pointer)| add(at, 8, pointer)),
        Kind::Slice(_) => [(0, true), (8, false), (16, false)]
            .into_iter()
            .for_each(|(at, pointer)| add(at, 8, pointer)),
        // Its type lies outside the heap; the collector passes over it.
        Kind::Interface { .. } => [(0, false), (8, true)]
            .into_iter()
            .for_each(|(at, pointer)| add(at, 8, pointer)),
        Kind::Pointer(_) | Kind::UnsafePointer | Kind::Map { .. } | Kind::Chan(_) | Kind::Func => {
            add(0, 8, true)
        }
        Kind::Complex => {
            let half = types.size(type_) / 2;
            add(0, half, false);
            add(half, half, false);
        }
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Uintptr | Kind::Float => {
            add(0, types.size(type_), false);
        }
    }
    (leaves.len() <= MAX_LEAVES).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(offset: u64, len: u64, pointer: bool) -> Leaf {
        Leaf {
            offset,
            len,
            pointer,
        }
    }

    fn part(len: u64, pointer: bool) -> Part {
        Part {
            len: Some(len),
            pointer,
        }
    }

    #[test]
    fn a_part_is_placed_where_nothing_else_is_possible() {
        // struct { flag bool; id int64; body *T; name string }
        let leaves = [
            leaf(0, 1, false),
            leaf(8, 8, false),
            leaf(16, 8, true),
            leaf(24, 8, true),
            leaf(32, 8, false),
        ];
        let all = [
            part(1, false),
            part(8, false),
            part(8, true),
            part(8, true),
            part(8, false),
        ];
        let placed: Vec<_> = leaves.iter().map(|l| Some(l.offset)).collect();
        assert_eq!(place(&leaves, &all), placed);
        // One pointer of two: which one is not known. The flag in front of it is.
        let two = [part(1, false), part(8, true)];
        assert_eq!(place(&leaves, &two), [Some(0), None]);
        // Two pointers are both.
        let pointers = [part(8, true), part(8, true)];
        assert_eq!(place(&leaves, &pointers), [Some(16), Some(24)]);
        // The only part of a string is its pointer, if it is one at all.
        let string = [leaf(0, 8, true), leaf(8, 8, false)];
        let only = |pointer| [Part { len: None, pointer }];
        assert_eq!(place(&string, &only(true)), [Some(0)]);
        assert_eq!(place(&string, &only(false)), [None]);
        // What does not fit is nowhere.
        assert_eq!(place(&string, &[part(4, false)]), [None]);
        assert_eq!(place(&[], &only(true)), [None]);
    }
}
