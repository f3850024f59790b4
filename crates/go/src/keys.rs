//! Names that also say which entry of a map a reference is in. What keys hold is the program's own data: only whoever
//! asks for it sees it.

use std::borrow::Cow;
use std::fmt::Write;

use leakscope_graph::{ObjIx, Resolver, RootIx, TypeIx};
use leakscope_target::{Addr, Image};

use crate::heap::GoHeap;
use crate::resolver::Names;
use crate::types::Kind;

/// Characters of a string that are shown of it.
const MAX_CHARS: usize = 40;
/// Bytes that these take at most.
const MAX_BYTES: u64 = 4 * MAX_CHARS as u64;

/// [`Names`] that spell the keys of maps where they are strings, integers or truth values: `sessions["alice"]`. Other
/// keys stay `[...]`.
pub struct WithKeys<'a> {
    heap: &'a GoHeap,
    image: &'a Image,
}

impl<'a> WithKeys<'a> {
    /// Names of `heap`, which was built from `image`.
    pub fn new(heap: &'a GoHeap, image: &'a Image) -> Self {
        Self { heap, image }
    }

    fn names(&self) -> &'a Names {
        &self.heap.names
    }

    /// The key of the cell in which a word of an array of cells lies.
    fn key(&self, holder: ObjIx, type_: TypeIx, slot: u32) -> Option<String> {
        let (key, offset) = self.names().key_at(type_, slot)?;
        let hit = self.heap.objects.locate(holder.0);
        let header = self.heap.objects.spans().get(hit.span as usize)?.header();
        let at = Addr(hit.base.checked_add(header)?.checked_add(offset)?);
        let types = self.names().types_table();
        let bytes = self.image.bytes(at, types.size(key)).ok()?;
        match types.kind(key) {
            Kind::Bool => Some((*bytes.first()? != 0).to_string()),
            Kind::Int => {
                let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?.clamp(1, 8);
                Some((((word(bytes) << unused) as i64) >> unused).to_string())
            }
            Kind::Uint | Kind::Uintptr => Some(word(bytes).to_string()),
            Kind::String => {
                let (text, len) = bytes.split_at_checked(8)?;
                let (text, len) = (Addr(word(text)), word(len));
                // An empty string may point anywhere.
                let start = match len {
                    0 => &[][..],
                    _ => self.image.bytes(text, len.min(MAX_BYTES)).ok()?,
                };
                Some(quoted(start, len))
            }
            _ => None,
        }
    }
}

/// The first eight bytes as a little-endian number, or as many as there are.
fn word(bytes: &[u8]) -> u64 {
    let low = bytes.iter().take(8).rev();
    low.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The start of a string of `len` bytes in quotes; what is left out is an ellipsis behind them.
fn quoted(start: &[u8], len: u64) -> String {
    let mut text = String::from("\"");
    let mut chars = 0;
    let mut cut = (start.len() as u64) < len;
    'all: for chunk in start.utf8_chunks() {
        let valid = chunk.valid().chars().map(Ok);
        for c in valid.chain(chunk.invalid().iter().map(Err)) {
            if chars == MAX_CHARS {
                cut = true;
                break 'all;
            }
            chars += 1;
            // Writing to a string cannot fail.
            let _ = match c {
                Ok(c @ ('"' | '\\')) => write!(text, "\\{c}"),
                Ok(c) if c.is_control() => write!(text, "{}", c.escape_default()),
                Ok(c) => write!(text, "{c}"),
                Err(byte) => write!(text, "\\x{byte:02x}"),
            };
        }
    }
    text.push('"');
    if cut {
        text.push('…');
    }
    text
}

impl Resolver for WithKeys<'_> {
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str> {
        self.names().type_name(type_)
    }

    fn package(&self, type_: TypeIx) -> Cow<'_, str> {
        self.names().package(type_)
    }

    fn root_name(&self, root: RootIx) -> Cow<'_, str> {
        self.names().root_name(root)
    }

    fn push_step(&self, holder: ObjIx, type_: TypeIx, slot: u32, expression: &mut String) {
        let mut step = String::new();
        self.names().push_step(holder, type_, slot, &mut step);
        match (
            step.strip_prefix(Names::ANY_KEY),
            self.key(holder, type_, slot),
        ) {
            (Some(rest), Some(key)) => {
                // Writing to a string cannot fail.
                let _ = write!(expression, "[{key}]{rest}");
            }
            _ => expression.push_str(&step),
        }
    }

    fn is_internal(&self, type_: TypeIx) -> bool {
        self.names().is_internal(type_)
    }

    fn field(&self, type_: TypeIx, slot: u32) -> u32 {
        self.names().field(type_, slot)
    }

    fn push_field(&self, type_: TypeIx, slot: u32, text: &mut String) {
        self.names().push_field(type_, slot, text);
    }

    fn root_key(&self, root: RootIx) -> Cow<'_, str> {
        self.names().root_key(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_and_cut() {
        assert_eq!(quoted(b"alice", 5), r#""alice""#);
        assert_eq!(quoted(b"a\"\\\n\x1b\xff", 6), r#""a\"\\\n\u{1b}\xff""#);
        assert_eq!(
            quoted("é".repeat(40).as_bytes(), 80),
            format!("\"{}\"", "é".repeat(40))
        );
        assert_eq!(
            quoted("é".repeat(41).as_bytes(), 82),
            format!("\"{}\"…", "é".repeat(40))
        );
        assert_eq!(
            quoted(&[b'x'; 40], 1 << 40),
            format!("\"{}\"…", "x".repeat(40))
        );
        assert_eq!(quoted(b"", 0), "\"\"");
    }
}
