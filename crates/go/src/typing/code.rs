//! Where types are known to begin with in a program without debug information: variables and frames as the code uses
//! them, and interface values and function values, which say themselves what they are. Debug information, too, leaves
//! some variables out.

use leakscope_target::{Addr, Memory};
use rustc_hash::FxHashMap;

use crate::code::{CodeFacts, Says, receiver};
use crate::coverage::Gaps;
use crate::roots::{RootKind, Roots};
use crate::types::{Kind, Slot, SlotKind, TypeId};

use super::Typing;
use super::statics::Static;
use super::walk::word;

/// Bytes of an interface value.
const INTERFACE: usize = 16;

/// Characters of names of types that are not declared, or generic.
const UNNAMED: [char; 5] = ['*', '[', '{', '(', ' '];
/// The argument of generic types that stands for any pointer (`cmd/compile/internal/noder/reader.go`, `shapify`): such a
/// type is not the object's.
pub(crate) const ANY_POINTER: &str = "go.shape.*uint8";

/// Types by the full name that functions have in front of their methods.
type ByName = FxHashMap<String, TypeId>;

impl Typing<'_> {
    /// Follows everything that the code, or the words themselves, say about variables and stacks. Does nothing where
    /// there is debug information.
    pub(super) fn seed_code(&mut self, roots: &Roots, gaps: &mut Gaps) {
        let program = self.program;
        let Some(facts) = program.code() else {
            return;
        };
        let names = self.types_by_name();
        for (at, says) in facts.globals() {
            self.said(*at, *says, &names);
        }
        self.drain();
        for module in program.modules() {
            for range in [module.data, module.bss] {
                match self.image.bytes(range.start, range.len()) {
                    Ok(bytes) => self.seed_words(facts, range.start, bytes),
                    Err(_) => gaps.add("package variables not in the image", range.start),
                }
            }
        }
        self.drain();
        self.seed_frames(facts, roots, &names);
    }

    /// Follows variables that the debug information leaves out, such as what a literal without a name consists of; true
    /// the first time. Only where the code had to be read for other reasons: such variables hold little.
    pub(super) fn seed_nameless(&mut self) -> bool {
        if self.nameless {
            return false;
        }
        self.nameless = true;
        let program = self.program;
        if let Some(facts) = program.code_read()
            && program.stripped().is_none()
        {
            let globals = facts.globals().iter();
            for (at, says) in globals.filter(|(at, _)| program.global_at(*at).is_none()) {
                self.said(*at, *says, &ByName::default());
            }
        }
        true
    }

    /// Declared types by import path and name.
    fn types_by_name(&self) -> ByName {
        let mut names = ByName::default();
        for id in (0..self.types.count()).map(TypeId) {
            let package = self.types.package(id);
            let name = self.types.name(id);
            if self.types.rtype(id).is_some()
                && !package.is_empty()
                && !name.contains(UNNAMED)
                && let Some((_, name)) = name.split_once('.')
            {
                names.entry(format!("{package}.{name}")).or_insert(id);
            }
        }
        names
    }

    /// The type that the method with this entry belongs to.
    fn owner(&self, method: Addr, names: &ByName) -> Option<TypeId> {
        let function = self.program.functions().find(method)?;
        let name = receiver(function.name())?;
        let in_table = || {
            let die = self.program.debug().type_named(&name)?;
            self.types.from_dwarf(die)
        };
        names.get(&name).copied().or_else(in_table)
    }

    /// The type and the words that are said to lie somewhere; a value where the type is that of all of it.
    fn what_is_said(&mut self, says: Says, names: &ByName) -> Option<(TypeId, Option<SlotKind>)> {
        let (Says::Value(at)
        | Says::Pointer(at)
        | Says::Slice(at)
        | Says::Map(at)
        | Says::Chan(at)
        | Says::Owner(at)
        | Says::Receiver(at)) = says;
        let type_ = match says {
            Says::Owner(_) | Says::Receiver(_) => self.owner(at, names)?,
            _ => self.types.from_rtype(self.image, at)?,
        };
        if self.types.name(type_).contains(ANY_POINTER) {
            return None;
        }
        let kind = match says {
            Says::Value(_) | Says::Owner(_) => None,
            Says::Pointer(_) | Says::Receiver(_) => Some(match self.types.kind(type_) {
                // The compiler makes the arrays of slices of known length as values.
                Kind::Array { elem, .. } => SlotKind::Slice(elem),
                _ => SlotKind::Pointer(type_),
            }),
            Says::Slice(_) => Some(SlotKind::Slice(type_)),
            Says::Map(_) => Some(SlotKind::Map(type_)),
            Says::Chan(_) => Some(SlotKind::Chan(type_)),
        };
        Some((type_, kind))
    }

    /// Follows what lies at `at`, which is a package variable's.
    fn said(&mut self, at: Addr, says: Says, names: &ByName) {
        let Some((type_, kind)) = self.what_is_said(says, names) else {
            return;
        };
        let (program, len) = match kind {
            None => (self.programs.of(self.types, type_), self.types.size(type_)),
            Some(kind) => {
                let slot = Slot { offset: 0, kind };
                let program = self.programs.add(self.types, std::iter::once(slot));
                if let SlotKind::Slice(_) = kind {
                    // The length may be another variable's: the pointer alone is what the code speaks of.
                    let pointer = self.image.u64(at).unwrap_or(0);
                    return self.values(program, &pointer_alone(pointer));
                }
                // Not all that a variable of one word has been used as is what it is now: a map lies on the heap.
                let pointer = self.image.u64(at).unwrap_or(0);
                if matches!(kind, SlotKind::Map(_)) && self.objects.find(pointer).is_none() {
                    return;
                }
                (program, 8)
            }
        };
        let Ok(bytes) = self.image.bytes(at, len) else {
            return;
        };
        if kind.is_none() {
            self.static_values.push(Static {
                at,
                len,
                type_,
                stride: None,
                holder: Addr(0),
            });
        }
        self.statics(program, at, bytes);
    }

    /// Interface values and function values among package variables, whose `bytes` start at `start`. Interface values
    /// only where the code mentions both words: neighbours may be two pointers of different variables.
    fn seed_words(&mut self, facts: &CodeFacts, start: Addr, bytes: &[u8]) {
        let mut taken = false;
        for (i, rest) in bytes.chunks(8).enumerate() {
            // The second word of an interface value may look like the first of another: a type that a variable holds.
            if std::mem::take(&mut taken) {
                continue;
            }
            let Some(first) = word(rest, 0).filter(|w| *w != 0) else {
                continue;
            };
            let here = bytes.get(i * 8..).unwrap_or_default();
            self.known_func(facts, first);
            let at = Addr(start.0 + i as u64 * 8);
            if let Some(data) = here.get(8..INTERFACE)
                && facts.is_mentioned(at)
                && facts.is_mentioned(Addr(at.0 + 8))
            {
                taken = self.interface(first, data);
            }
            self.drain_if_long();
        }
    }

    /// A word that is followed by the word in `data`: an interface value if the first is a type or an itab. True where it
    /// is one for certain: nothing else holds an itab.
    fn interface(&mut self, first: u64, data: &[u8]) -> bool {
        let is_type = self.types.known_rtype(Addr(first)).is_some();
        let is_itab = !is_type && self.is_itab(first);
        if (is_type || is_itab) && word(data, 0).is_some_and(|w| w != 0) {
            self.boxed(is_itab, first, data);
        }
        is_itab
    }

    /// Whether an itab lies at `at`: a pair of types whose hash is that of the second.
    fn is_itab(&self, at: u64) -> bool {
        let Some(layout) = &self.itab else {
            return false;
        };
        let is = || {
            let word = |plus: u64| self.image.u64(Addr(at.checked_add(plus)?)).ok();
            let half = |at: u64, plus: u64| self.image.u32(Addr(at.checked_add(plus)?)).ok();
            let type_ = word(layout.type_)?;
            let known = |at: u64| {
                self.program
                    .modules()
                    .iter()
                    .any(|m| m.types.contains(Addr(at)))
            };
            (known(word(layout.inter)?) && known(type_)).then_some(())?;
            (half(at, layout.hash)? == half(type_, layout.type_hash)?).then_some(())
        };
        at.is_multiple_of(8) && self.objects.find(at).is_none() && is().is_some()
    }

    /// A pointer to an object that starts with the code of a closure: a function value.
    fn known_func(&mut self, facts: &CodeFacts, at: u64) {
        let Some(hit) = self.objects.find(at) else {
            return;
        };
        let code = word(self.data(hit), 0).unwrap_or(0);
        if facts.closure(Addr(code)).is_some() {
            self.func(at);
        }
    }

    /// Live pointers on stacks: those in slots that the code uses for one thing alone, and function values.
    fn seed_frames(&mut self, facts: &CodeFacts, roots: &Roots, names: &ByName) {
        let mut ends: FxHashMap<u32, Option<(Addr, Addr)>> = FxHashMap::default();
        for root in &roots.roots {
            let RootKind::Stack { frame, slot, .. } = root.kind else {
                continue;
            };
            self.known_func(facts, root.value);
            let place = match ends.get(&frame) {
                Some(known) => *known,
                None => {
                    let place = self.frame_end(roots, frame);
                    ends.insert(frame, place);
                    place
                }
            };
            if let Some((entry, end)) = place
                && let Some(says) = facts.frame_slot(entry, slot.0.wrapping_sub(end.0) as i64)
                && let Some((_, Some(kind))) = self.what_is_said(says, names)
            {
                let slot = Slot { offset: 0, kind };
                let program = self.programs.add(self.types, std::iter::once(slot));
                self.values(program, &pointer_alone(root.value));
            }
            self.drain_if_long();
        }
        self.drain();
    }

    /// The entry of a frame's function, and where the return address of the frame lies.
    fn frame_end(&self, roots: &Roots, frame: u32) -> Option<(Addr, Addr)> {
        let frame = roots.goroutines.frame(frame)?;
        let pc = frame.lookup_pc();
        let function = self.program.functions().find(pc)?;
        let delta = u64::try_from(function.sp_delta(pc)?).ok()?;
        Some((function.entry(), frame.sp.checked_add(delta)?))
    }
}

/// A pointer as the first word of a slice that has room: the object says for how much.
fn pointer_alone(pointer: u64) -> [u8; 24] {
    let mut words = [0; 24];
    let (first, rest) = words.split_at_mut(8);
    first.copy_from_slice(&pointer.to_le_bytes());
    if let Some(capacity) = rest.get_mut(8) {
        *capacity = 1;
    }
    words
}

/// Where the fields of an itab lie that tell it from anything else.
pub(super) struct ItabLayout {
    inter: u64,
    type_: u64,
    hash: u64,
    type_hash: u64,
}

impl ItabLayout {
    pub(super) fn resolve(debug: &crate::dwarf::DebugInfo) -> Option<Self> {
        let field = |names: [(&str, &str); 2]| {
            let found = names.iter().find_map(|(s, f)| debug.field(s, f));
            found.map(|f| f.offset)
        };
        Some(Self {
            inter: field([("internal/abi.ITab", "Inter"), ("runtime.itab", "inter")])?,
            type_: field([("internal/abi.ITab", "Type"), ("runtime.itab", "_type")])?,
            hash: field([("internal/abi.ITab", "Hash"), ("runtime.itab", "hash")])?,
            type_hash: debug.field("internal/abi.Type", "Hash")?.offset,
        })
    }
}
