//! Names and tags in descriptors (`internal/abi/type.go`, type `Name`).

use leakscope_target::{Addr, Memory};

/// Longest name read. The longest type names of real programs are structs written out in full.
const MAX_NAME: u64 = 64 << 10;

/// Flags of an `abi.Name`: a tag follows; the field is embedded.
pub(super) const NAME_TAG: u8 = 1 << 1;
pub(super) const NAME_EMBEDDED: u8 = 1 << 3;

/// An `abi.Name`: flags, length as a varint, bytes; then more, as the flags say.
pub(super) struct Name {
    pub(super) flags: u8,
    pub(super) text: String,
    pub(super) end: Addr,
}

pub(super) fn read_name(memory: &dyn Memory, at: Addr) -> Option<Name> {
    let flags = memory.u8(at).ok()?;
    let (text, end) = read_text(memory, at.checked_add(1)?)?;
    Some(Name { flags, text, end })
}

/// Text with its length as a varint before it, and where it ends. Overlong text is cut.
pub(super) fn read_text(memory: &dyn Memory, at: Addr) -> Option<(String, Addr)> {
    let mut len = 0u64;
    let mut start = at;
    for shift in (0..28).step_by(7) {
        let b = memory.u8(start).ok()?;
        start = start.checked_add(1)?;
        len |= u64::from(b & 0x7f) << shift;
        if b & 0x80 == 0 {
            let mut bytes = vec![0; len.min(MAX_NAME) as usize];
            memory.read(start, &mut bytes).ok()?;
            return Some((
                String::from_utf8_lossy(&bytes).into_owned(),
                start.checked_add(len)?,
            ));
        }
    }
    None
}
