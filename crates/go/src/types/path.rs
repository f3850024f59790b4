//! From an offset in a value to the words that a programmer would use for it.

use std::fmt::Write;

use super::{Kind, TypeId, TypeTable};

/// Deepest nesting of values in values that is spelled out.
const MAX_DEPTH: usize = 128;

impl TypeTable {
    /// The field path of `offset` in a value of the type: `.sessions`, `[3].buf`; empty for the value itself.
    pub fn path(&self, id: TypeId, offset: u64) -> String {
        let mut path = String::new();
        let (mut id, mut offset) = (id, offset);
        for _ in 0..MAX_DEPTH {
            match self.kind(id) {
                Kind::Struct => {
                    let fields = self.fields(id);
                    let covers = |at: u64, size: u64| at <= offset && offset - at < size;
                    let Some(f) = fields.iter().find(|f| covers(f.offset, self.size(f.type_)))
                    else {
                        break;
                    };
                    path.push('.');
                    path.push_str(f.name);
                    (id, offset) = (f.type_, offset - f.offset);
                }
                Kind::Array { elem, len } => {
                    let size = self.size(elem);
                    let Some(i) = offset.checked_div(size).filter(|i| *i < len) else {
                        break;
                    };
                    // Writing to a string cannot fail.
                    let _ = write!(path, "[{i}]");
                    (id, offset) = (elem, offset - i * size);
                }
                _ => break,
            }
        }
        path
    }
}
