//! The tables that map a function's instructions to values: stack depth, file, line, stack map index.
//!
//! Source: `runtime/symtab.go`, functions `pcvalue` and `step`: pairs of (zigzag varint change of value, varint number of
//! bytes of code for which it holds), from value -1 at the entry.

/// Most steps taken through one table; the largest generated functions have some 100,000 entries.
const MAX_STEPS: usize = 1 << 20;

/// The value at `pc`; `None` where the table ends before it or is damaged.
pub(super) fn lookup(table: &[u8], entry: u64, pc: u64) -> Option<i32> {
    let mut rest = table;
    let mut value = -1i32;
    let mut at = entry;
    for i in 0..MAX_STEPS {
        let change = varint(&mut rest)?;
        if change == 0 && i > 0 {
            return None;
        }
        let code = varint(&mut rest)?;
        value = value.wrapping_add((change >> 1) as i32 ^ -((change & 1) as i32));
        at = at.checked_add(u64::from(code))?;
        if pc < at {
            return Some(value);
        }
    }
    None
}

fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let (b, after) = rest.split_first()?;
        *rest = after;
        value |= u32::from(b & 0x7f).checked_shl(shift)?;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::lookup;

    #[test]
    fn values_hold_for_their_code_and_end_with_it() {
        // +1 (to 0) for 4 bytes, +8 for 300 bytes, -8 for 2 bytes.
        let table = [2, 4, 16, 0xac, 2, 15, 2, 0];
        assert_eq!(lookup(&table, 100, 100), Some(0));
        assert_eq!(lookup(&table, 100, 103), Some(0));
        assert_eq!(lookup(&table, 100, 104), Some(8));
        assert_eq!(lookup(&table, 100, 403), Some(8));
        assert_eq!(lookup(&table, 100, 405), Some(0));
        assert_eq!(lookup(&table, 100, 406), None);
    }

    #[test]
    fn broken_tables_end_in_no_value() {
        assert_eq!(lookup(&[], 0, 0), None);
        assert_eq!(lookup(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0, 0), None);
        assert_eq!(lookup(&[2, 4], 0, 100), None);
    }
}
