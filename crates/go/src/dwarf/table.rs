//! Layout tables: what stands in for debug information where an executable has none. The format is that of
//! [`leakscope_goabi::layouts`].

use std::fmt::Write;

use leakscope_goabi::layouts::{GLOBALS, STRUCTS, is_wanted_constant};
use rustc_hash::{FxHashMap, FxHashSet};

use super::records::{GlobalRec, MemberRec, NONE, Tag, TypeRec};
use super::{DebugInfo, DieRef};

/// Stands for nothing in a table.
const NOTHING: &str = "-";

impl DebugInfo {
    /// Everything about the runtime that is looked up by name, as a table.
    pub fn to_table(&self) -> String {
        let mut writer = Writer {
            debug: self,
            out: String::new(),
            seen: FxHashSet::default(),
            todo: Vec::new(),
        };
        for name in STRUCTS {
            writer.todo.extend(self.type_named(name));
        }
        for name in GLOBALS {
            if let Some(global) = self.global(name) {
                writer.todo.push(global.type_);
            }
        }
        writer.types();
        writer.constants();
        writer.globals();
        writer.out
    }

    /// Debug information made of a table, without the addresses of its package variables. `None` where the text is not
    /// a table.
    pub fn from_table(text: &str) -> Option<Self> {
        let mut reader = Reader::default();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            reader.line(line)?;
        }
        reader.finish()
    }

    /// The type of a package variable whose address is not known yet.
    pub(crate) fn unplaced_type(&self, name: &str) -> Option<DieRef> {
        let found = self.unplaced.iter().find(|u| self.names.get(u.0) == name)?;
        Some(self.find(found.1))
    }

    /// Says where a package variable of the table lies (as linked).
    pub(crate) fn place(&mut self, name: &str, addr: u64) {
        let Some(i) = self
            .unplaced
            .iter()
            .position(|u| self.names.get(u.0) == name)
        else {
            return;
        };
        let (name, type_) = self.unplaced.remove(i);
        self.globals.push(GlobalRec { name, addr, type_ });
        self.index_globals();
    }
}

struct Writer<'a> {
    debug: &'a DebugInfo,
    out: String,
    seen: FxHashSet<&'a str>,
    todo: Vec<DieRef>,
}

impl<'a> Writer<'a> {
    fn types(&mut self) {
        let mut records: Vec<(&str, String)> = Vec::new();
        while let Some(die) = self.todo.pop() {
            // A declared type has two entries of one name, of which the first only leads to the second.
            let die = self.debug.resolve(die);
            let name = self.debug.name_of(die);
            if name.is_empty() || !self.seen.insert(name) {
                continue;
            }
            if let Some(record) = self.record(die, name) {
                records.push((name, record));
            }
        }
        records.sort_by_key(|r| r.0);
        for (_, record) in records {
            self.out.push_str(&record);
        }
    }

    fn record(&mut self, die: DieRef, name: &str) -> Option<String> {
        let debug = self.debug;
        let t = debug.rec(die)?;
        let called = |die: Option<DieRef>| match die.map(|d| debug.name_of(debug.resolve(d))) {
            None | Some("") => NOTHING,
            Some(name) => name,
        };
        let (kind, size) = (t.go_kind, t.size);
        let target = debug.target(t);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = match t.tag {
            Tag::Struct => {
                let elem = called(debug.elem(t));
                self.todo.extend(debug.elem(t));
                let _ = writeln!(out, "struct\t{name}\t{size}\t{kind}\t{elem}");
                for f in debug.members(t) {
                    let size = debug.size_of(f.type_).unwrap_or(0);
                    let type_ = called(Some(f.type_));
                    let embedded = if f.embedded { "\tembedded" } else { "" };
                    let _ = writeln!(out, "\t{}\t{size}\t{}\t{type_}{embedded}", f.offset, f.name);
                    self.todo.push(f.type_);
                }
                Ok(())
            }
            Tag::Base => writeln!(out, "base\t{name}\t{size}\t{kind}"),
            Tag::Pointer => writeln!(out, "pointer\t{name}\t{kind}\t{}", called(target)),
            Tag::Array => {
                self.todo.extend(target);
                let (count, target) = (t.count, called(target));
                writeln!(out, "array\t{name}\t{size}\t{kind}\t{count}\t{target}")
            }
            Tag::Function => writeln!(out, "func\t{name}\t{kind}"),
            Tag::Typedef => {
                let parts = [target, debug.key(t), debug.elem(t)];
                self.todo.extend(parts.into_iter().flatten());
                let (target, key, elem) =
                    (called(target), called(debug.key(t)), called(debug.elem(t)));
                writeln!(out, "name\t{name}\t{kind}\t{size}\t{target}\t{key}\t{elem}")
            }
            Tag::Unspecified => writeln!(out, "void\t{name}"),
        };
        Some(out)
    }

    fn constants(&mut self) {
        let debug = self.debug;
        let mut last = None;
        for (name, value) in &debug.constants {
            let name = debug.names.get(*name);
            if is_wanted_constant(name) && last != Some(name) {
                let _ = writeln!(self.out, "const\t{name}\t{value}");
                last = Some(name);
            }
        }
    }

    fn globals(&mut self) {
        for name in GLOBALS {
            if let Some(global) = self.debug.global(name) {
                let type_ = self.debug.name_of(self.debug.resolve(global.type_));
                let _ = writeln!(self.out, "global\t{name}\t{type_}");
            }
        }
    }
}

/// Where in a record a type is meant by its name.
#[derive(Clone, Copy)]
enum Slot {
    Target(usize),
    Key(usize),
    Elem(usize),
    Member(usize),
    Global(usize),
}

#[derive(Default)]
struct Reader<'a> {
    debug: DebugInfo,
    by_name: FxHashMap<&'a str, u32>,
    meant: Vec<(Slot, &'a str)>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Option<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        match *fields.as_slice() {
            ["", offset, _size, name, type_, ref embedded @ ..] => {
                self.meant
                    .push((Slot::Member(self.debug.members.len()), type_));
                let name = self.debug.names.add(name.as_bytes());
                self.debug.members.push(MemberRec {
                    name,
                    offset: offset.parse().ok()?,
                    type_: NONE,
                    flag: !embedded.is_empty(),
                });
                self.debug.types.last_mut()?.members += 1;
            }
            ["struct", name, size, kind, elem] => {
                let t = self.add(Tag::Struct, name, kind)?;
                self.debug.types.get_mut(t)?.size = size.parse().ok()?;
                self.mean(Slot::Elem(t), elem);
            }
            ["base", name, size, kind] => {
                let t = self.add(Tag::Base, name, kind)?;
                self.debug.types.get_mut(t)?.size = size.parse().ok()?;
            }
            ["pointer", name, kind, target] => {
                let t = self.add(Tag::Pointer, name, kind)?;
                self.mean(Slot::Target(t), target);
            }
            ["array", name, size, kind, count, target] => {
                let t = self.add(Tag::Array, name, kind)?;
                let new = self.debug.types.get_mut(t)?;
                (new.size, new.count) = (size.parse().ok()?, count.parse().ok()?);
                self.mean(Slot::Target(t), target);
            }
            ["func", name, kind] => {
                self.add(Tag::Function, name, kind)?;
            }
            ["name", name, kind, size, target, key, elem] => {
                let t = self.add(Tag::Typedef, name, kind)?;
                self.debug.types.get_mut(t)?.size = size.parse().ok()?;
                self.mean(Slot::Target(t), target);
                self.mean(Slot::Key(t), key);
                self.mean(Slot::Elem(t), elem);
            }
            ["void", name] => {
                self.add(Tag::Unspecified, name, "0")?;
            }
            ["const", name, value] => {
                let name = self.debug.names.add(name.as_bytes());
                self.debug.constants.push((name, value.parse().ok()?));
            }
            ["global", name, type_] => {
                let name = self.debug.names.add(name.as_bytes());
                self.mean(Slot::Global(self.debug.unplaced.len()), type_);
                self.debug.unplaced.push((name, NONE));
            }
            _ => return None,
        }
        Some(())
    }

    fn add(&mut self, tag: Tag, name: &'a str, kind: &str) -> Option<usize> {
        let i = self.debug.types.len();
        // Entries of a section have offsets that rise; records have their place in the table.
        let offset = u32::try_from(i).ok()?;
        self.by_name.entry(name).or_insert(offset);
        self.debug.types.push(TypeRec {
            offset,
            name: self.debug.names.add(name.as_bytes()),
            tag,
            go_kind: kind.parse().ok()?,
            size: 0,
            count: 0,
            target: NONE,
            key: NONE,
            elem: NONE,
            runtime_type: 0,
            first_member: u32::try_from(self.debug.members.len()).ok()?,
            members: 0,
        });
        Some(i)
    }

    fn mean(&mut self, slot: Slot, name: &'a str) {
        if name != NOTHING {
            self.meant.push((slot, name));
        }
    }

    fn finish(mut self) -> Option<DebugInfo> {
        let debug = &mut self.debug;
        for (slot, name) in &self.meant {
            let Some(&found) = self.by_name.get(name) else {
                continue;
            };
            *match *slot {
                Slot::Target(t) => &mut debug.types.get_mut(t)?.target,
                Slot::Key(t) => &mut debug.types.get_mut(t)?.key,
                Slot::Elem(t) => &mut debug.types.get_mut(t)?.elem,
                Slot::Member(m) => &mut debug.members.get_mut(m)?.type_,
                Slot::Global(g) => &mut debug.unplaced.get_mut(g)?.1,
            } = found;
        }
        debug.index();
        (!debug.types.is_empty()).then_some(self.debug)
    }
}
