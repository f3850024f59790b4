//! Many objects' paths told as a few: all objects of a type, the entries of a map.

use std::cmp::Reverse;

use crate::{ClassIx, Held, ObjIx, TypePaths};

/// Objects whose paths are the same in types and fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergedPath {
    /// The path; [`TypePaths::type_path`] spells it out.
    pub class: ClassIx,
    /// The first of the objects: its own path is one of those merged.
    pub example: ObjIx,
    /// How many objects, and the sum of what the caller counts as their bytes.
    pub sum: Held,
}

/// A set of objects by their paths.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Merged {
    /// Most bytes first, then most objects, then by the first object.
    pub paths: Vec<MergedPath>,
    /// Objects that no root reaches.
    pub unreached: Held,
}

impl TypePaths<'_> {
    /// Merges the first paths to `objects`, which come with their bytes, shallow or retained. Linear in the objects on
    /// all these ways.
    pub fn merge(&mut self, objects: impl IntoIterator<Item = (ObjIx, u64)>) -> Merged {
        let mut merged = Merged::default();
        let mut place: Vec<u32> = Vec::new();
        for (object, bytes) in objects {
            let sum = match self.class(object) {
                None => &mut merged.unreached,
                Some(class) => {
                    if place.len() <= class.index() {
                        place.resize(class.index() + 1, u32::MAX);
                    }
                    let at = &mut place[class.index()];
                    if *at == u32::MAX {
                        *at = merged.paths.len() as u32;
                        merged.paths.push(MergedPath {
                            class,
                            example: object,
                            sum: Held::default(),
                        });
                    }
                    &mut merged.paths[*at as usize].sum
                }
            };
            sum.objects += 1;
            sum.bytes = sum.bytes.saturating_add(bytes);
        }
        merged
            .paths
            .sort_by_key(|p| (Reverse((p.sum.bytes, p.sum.objects)), p.example));
        merged
    }
}
