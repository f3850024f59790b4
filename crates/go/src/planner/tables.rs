//! What to copy so that the runtime's own tables can be found: the numbers of arenas, and where their records lie.

use leakscope_target::{Addr, Memory, PlanError};

use super::{Push, range};
use crate::layouts::Layouts;
use crate::ledger::{arena_entry, arena_lists};

/// Numbers of arenas read at a time.
const BATCH: usize = 512;

/// Adds them. What cannot be read is left out: it counts as other memory then. Does not allocate.
pub(super) fn push(
    memory: &dyn Memory,
    layouts: &Layouts,
    push: Push<'_>,
) -> Result<(), PlanError> {
    let Some(of_heap) = &layouts.metadata else {
        return Ok(());
    };
    let mheap = layouts.globals.mheap;
    for (at, len) in arena_lists(memory, mheap, of_heap) {
        push(range(at, len * 8))?;
        let mut bytes = [0; BATCH * 8];
        let mut done = 0;
        while done < len {
            let batch = (len - done).min(BATCH as u64);
            let numbers = bytes.get_mut(..batch as usize * 8).unwrap_or_default();
            if memory
                .read(Addr(at.0.saturating_add(done * 8)), numbers)
                .is_err()
            {
                break;
            }
            for number in numbers.as_chunks::<8>().0 {
                let number = u64::from_le_bytes(*number);
                if let Some(entry) = arena_entry(memory, mheap, of_heap, number) {
                    push(range(entry, 8))?;
                }
            }
            done += batch;
        }
    }
    Ok(())
}
