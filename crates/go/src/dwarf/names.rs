//! All names of the debug information in one buffer, each of them once.

use std::hash::{BuildHasher, BuildHasherDefault};

use rustc_hash::{FxHashMap, FxHasher};

/// Longest name kept; longer ones are cut. The longest type names of real programs are structs written out in full.
const MAX_NAME: usize = 64 << 10;

/// A name: where it lies in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Name {
    start: u32,
    len: u32,
}

/// The buffer.
#[derive(Default)]
pub(super) struct Names {
    text: String,
    /// Where the last name of each hash lies, while names are added.
    seen: FxHashMap<u64, Name>,
}

impl Names {
    /// Adds a name; bytes that are no UTF-8 are replaced.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Name {
        let bytes = bytes.get(..MAX_NAME).unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes);
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(text.as_bytes());
        if let Some(&name) = self.seen.get(&hash)
            && self.get(name) == text
        {
            return name;
        }
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u32::try_from(text.len()))
        else {
            return Name::default();
        };
        self.text.push_str(&text);
        let name = Name { start, len };
        self.seen.insert(hash, name);
        name
    }

    /// The text of a name.
    pub(super) fn get(&self, name: Name) -> &str {
        let start = name.start as usize;
        self.text
            .get(start..start + name.len as usize)
            .unwrap_or_default()
    }

    /// Frees what only adding needs.
    pub(super) fn seal(&mut self) {
        self.seen = FxHashMap::default();
        self.text.shrink_to_fit();
    }
}
