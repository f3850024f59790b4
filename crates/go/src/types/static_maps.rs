//! The map types that the linker laid out, found among the descriptors of a program without any list of them.

use leakscope_target::{Addr, AddrRange, Fault, Memory};

use crate::program::Program;

use super::kind::KIND_MAP;
use super::rtype::Layout;

/// Most bytes of descriptors that are looked through: the largest Go programs have some 30 MB.
const MAX_BYTES: u64 = 256 << 20;
/// Descriptors start at multiples of this.
const ALIGNMENT: u64 = 8;
/// A map value is a pointer.
const MAP_SIZE: u64 = 8;

/// A bucket or group of some map type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StaticCells {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The collector looks for pointers in it.
    pub(crate) pointers: bool,
}

/// The buckets or groups of every map type among the descriptors of `program`, read from `memory`; `None` where the
/// descriptors cannot be read. What only looks like the descriptor of a map type is among them: descriptors lie back to
/// back, and only 1.27 says where each starts.
pub(crate) fn static_map_cells(program: &Program, memory: &dyn Memory) -> Option<Vec<StaticCells>> {
    let layout = Layout::resolve(program.debug())?;
    let mut cells = Vec::new();
    for module in program.modules() {
        let section = Section::read(module.types, memory)?;
        let mut at = module.types.start.0.next_multiple_of(ALIGNMENT);
        while at < module.types.end.0 {
            cells.extend(cells_of(&layout, &section, Addr(at)));
            at += ALIGNMENT;
        }
    }
    cells.sort_unstable();
    cells.dedup();
    Some(cells)
}

fn cells_of(layout: &Layout, section: &Section, at: Addr) -> Option<StaticCells> {
    let map = layout.read(section, at)?;
    if map.kind != KIND_MAP || map.size != MAP_SIZE || map.ptr_bytes != MAP_SIZE {
        return None;
    }
    let cells = layout.read(section, layout.cells(section, &map)?)?;
    Some(StaticCells {
        size: cells.size,
        pointers: cells.ptr_bytes != 0,
    })
}

/// A module's descriptors, copied.
struct Section {
    start: Addr,
    bytes: Vec<u8>,
}

impl Section {
    fn read(range: AddrRange, memory: &dyn Memory) -> Option<Self> {
        let len = usize::try_from(range.len().min(MAX_BYTES)).ok()?;
        let mut bytes = vec![0; len];
        memory.read(range.start, &mut bytes).ok()?;
        Some(Self {
            start: range.start,
            bytes,
        })
    }
}

impl Memory for Section {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let from = at.0.checked_sub(self.start.0);
        let bytes = from.and_then(|from| {
            let from = usize::try_from(from).ok()?;
            self.bytes.get(from..from.checked_add(buf.len())?)
        });
        buf.copy_from_slice(bytes.ok_or(Fault::NotInImage(at))?);
        Ok(())
    }
}
