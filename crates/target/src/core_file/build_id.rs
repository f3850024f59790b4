//! Build ids of an ELF file, or of the start of one.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};

use super::BuildIds;

/// The most `PT_NOTE`s looked into; real executables have one to three.
const MAX_NOTE_SEGMENTS: usize = 16;
/// The most bytes of one `PT_NOTE` looked into; real ones are below 1 KiB.
const MAX_NOTE_BYTES: usize = 1 << 16;
/// The longest id kept. GNU ids have 8 to 32 bytes, Go ids 83.
const MAX_ID: usize = 256;

impl BuildIds {
    /// The ids in the notes of the 64-bit ELF file that starts with `start`, as far as these bytes reach. The first
    /// page does for nearly all executables: linkers put the notes next to the headers.
    pub fn of_elf(start: &[u8]) -> Self {
        let mut ids = Self::default();
        let Ok(header) = FileHeader64::<LittleEndian>::parse(start) else {
            return ids;
        };
        let Ok(table) = header.program_headers(LittleEndian, start) else {
            return ids;
        };
        let notes = table
            .iter()
            .filter(|ph| ph.p_type(LittleEndian) == elf::PT_NOTE);
        for ph in notes.take(MAX_NOTE_SEGMENTS) {
            let from = usize::try_from(ph.p_offset(LittleEndian)).unwrap_or(usize::MAX);
            let len = usize::try_from(ph.p_filesz(LittleEndian))
                .unwrap_or(usize::MAX)
                .min(MAX_NOTE_BYTES);
            let data = start.get(from..).unwrap_or_default();
            let data = &data[..len.min(data.len())];
            let align = ph.p_align(LittleEndian);
            let Ok(notes) =
                NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, align, data)
            else {
                continue;
            };
            for note in notes.map_while(Result::ok) {
                let id = note.desc();
                if id.is_empty() || id.len() > MAX_ID {
                    continue;
                }
                match (note.name(), note.n_type(LittleEndian)) {
                    (elf::ELF_NOTE_GNU, elf::NT_GNU_BUILD_ID) => ids.gnu = Some(id.to_vec()),
                    (elf::ELF_NOTE_GO, elf::NT_GO_BUILD_ID) => ids.go = Some(id.to_vec()),
                    _ => {}
                }
            }
        }
        ids
    }

    /// `Some(true)` when an id is the same in both, `Some(false)` when one differs, `None` when nothing can be compared.
    pub(super) fn agree(&self, other: &Self) -> Option<bool> {
        let same = |a: &Option<Vec<u8>>, b: &Option<Vec<u8>>| Some(a.as_ref()? == b.as_ref()?);
        match (same(&self.gnu, &other.gnu), same(&self.go, &other.go)) {
            (None, None) => None,
            (gnu, go) => Some(gnu.unwrap_or(true) && go.unwrap_or(true)),
        }
    }
}
