//! The name of a finding that stays the same across runs, machines and builds of the same code.

use std::fmt;

use crate::{ClassIx, GroupIx, Node, ObjIx, Suspect, TypePaths};

/// What is hashed, and how; a change of either is a new version.
const VERSION: &str = "v1";
/// FNV-1a, 64 bits (draft-eastlake-fnv): given by two constants, the same everywhere.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// Ways of which one is taken that does not depend on the order of objects in memory.
const WAYS: usize = 8;

/// A hash of names: root, types and fields. Shown as `v1:` and 16 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint {
    text: String,
}

impl Fingerprint {
    /// The fingerprint of a text that holds no address, index or count.
    pub fn of_text(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// What is hashed: one line per object on the way, as `type` and field.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.text.bytes();
        let hash = bytes.fold(FNV_BASIS, |h, b| (h ^ u64::from(b)).wrapping_mul(FNV_PRIME));
        write!(f, "{VERSION}:{hash:016x}")
    }
}

impl TypePaths<'_> {
    /// A way as text: the root, then each holder's type and field. Machinery of collections leaves only what it says of
    /// the entry; a list or tree is one line, however deep.
    pub fn text(&self, class: ClassIx) -> String {
        let path = self.type_path(class);
        let mut text = self.resolver.root_key(path.root).into_owned();
        for step in &path.steps {
            if !self.resolver.is_internal(step.holder) {
                text.push('\n');
                text.push_str(&self.resolver.type_name(step.holder));
            }
            self.resolver.push_field(step.holder, step.slot, &mut text);
        }
        if !self.resolver.is_internal(path.type_) {
            text.push('\n');
            text.push_str(&self.resolver.type_name(path.type_));
        }
        text
    }

    /// The fingerprint of what `object` is held by. Of several ways that are as good, the one whose text comes first: which of
    /// them a traversal meets first may depend on addresses. `None` where no root reaches it.
    pub fn fingerprint(&mut self, object: ObjIx) -> Option<Fingerprint> {
        let ways = self.distinct(object, WAYS);
        let texts = ways.iter().map(|way| {
            let text = self.text(way.class);
            (self.start_order(way.path.root), text.lines().count(), text)
        });
        texts.min().map(|(_, _, text)| Fingerprint { text })
    }

    /// The fingerprint of a suspect. `group` gives a group's name without numbers and addresses.
    pub fn suspect_fingerprint(
        &mut self,
        suspect: &Suspect,
        group: impl Fn(GroupIx) -> String,
    ) -> Option<Fingerprint> {
        match suspect.point {
            Node::Object(object) => self.fingerprint(object),
            Node::Group(id, _) => Some(Fingerprint::of_text(group(id))),
            Node::Top => {
                let entry = suspect.entries.first()?;
                let name = match entry.kind {
                    crate::EntryKind::Object(type_) => self.resolver.type_name(type_),
                    crate::EntryKind::Group => "roots".into(),
                };
                Some(Fingerprint::of_text(format!("*\n{name}")))
            }
        }
    }
}
