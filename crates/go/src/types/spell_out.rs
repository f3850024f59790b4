//! Names of types made at run time, by their parts, as `reflect` spells them (`reflect/type.go`: `SliceOf`, `StructOf`,
//! `funcStr` and so on; the runtime keeps these names in a map of its own).

use std::fmt::Write;

use super::rtype::ChanDir;
use super::runtime_only::{RuntimeType, Signature};
use super::{Kind, TypeId, TypeTable};

/// Deepest nesting spelled out.
const MAX_DEPTH: usize = 16;

/// Longest name; what would follow is left out.
const MAX_LEN: usize = 64 << 10;

/// The name of a type that states none.
pub(super) fn spell_out(types: &TypeTable, t: &RuntimeType) -> String {
    let mut out = Out {
        types,
        text: String::new(),
    };
    out.made(t, MAX_DEPTH);
    out.text
}

struct Out<'a> {
    types: &'a TypeTable,
    text: String,
}

impl Out<'_> {
    fn part(&mut self, id: TypeId, depth: usize) {
        match self.types.runtime_only(id) {
            Some(t) => self.made(t, depth),
            None => self.put(self.types.name(id)),
        }
    }

    fn put(&mut self, text: &str) {
        if self.text.len() < MAX_LEN {
            self.text.push_str(text);
        }
    }

    fn made(&mut self, t: &RuntimeType, depth: usize) {
        if !t.stated_name.is_empty() {
            return self.put(&t.stated_name);
        }
        let Some(depth) = depth.checked_sub(1) else {
            return self.put("?");
        };
        let (before, elem) = match t.kind {
            Kind::Pointer(elem) => ("*".to_owned(), elem),
            Kind::Slice(elem) => ("[]".to_owned(), elem),
            Kind::Array { elem, len } => (format!("[{len}]"), elem),
            Kind::Chan(elem) => {
                let word = match t.chan_dir {
                    Some(ChanDir::Receive) => "<-chan ",
                    Some(ChanDir::Send) => "chan<- ",
                    Some(ChanDir::Both) | None => "chan ",
                };
                (word.to_owned(), elem)
            }
            Kind::Map { key, elem } => {
                self.put("map[");
                self.part(key, depth);
                ("]".to_owned(), elem)
            }
            Kind::Struct => return self.strukt(t, depth),
            Kind::Func => return self.func(t.signature.as_ref(), depth),
            _ => return self.put("?"),
        };
        self.put(&before);
        self.part(elem, depth);
    }

    fn strukt(&mut self, t: &RuntimeType, depth: usize) {
        self.put("struct {");
        for (i, f) in t.fields.iter().enumerate() {
            self.put(if i == 0 { " " } else { "; " });
            if !f.embedded {
                self.put(&f.name);
                self.put(" ");
            }
            self.part(f.type_, depth);
            if !f.tag.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(self.text, " {:?}", &*f.tag);
            }
        }
        self.put(if t.fields.is_empty() { "}" } else { " }" });
    }

    fn func(&mut self, signature: Option<&Signature>, depth: usize) {
        let Some(s) = signature else {
            return self.put("func(?)");
        };
        self.put("func(");
        for (i, id) in s.parameters.iter().enumerate() {
            self.put(if i == 0 { "" } else { ", " });
            match self.types.kind(*id) {
                Kind::Slice(elem) if s.variadic && i + 1 == s.parameters.len() => {
                    self.put("...");
                    self.part(elem, depth);
                }
                _ => self.part(*id, depth),
            }
        }
        self.put(")");
        let (open, close) = match s.results.len() {
            0 => ("", ""),
            1 => (" ", ""),
            _ => (" (", ")"),
        };
        self.put(open);
        for (i, id) in s.results.iter().enumerate() {
            self.put(if i == 0 { "" } else { ", " });
            self.part(*id, depth);
        }
        self.put(close);
    }
}
