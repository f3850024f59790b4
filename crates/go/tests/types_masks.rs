//! Debug information and the collector's own masks must agree on every type of a program.

mod types_support;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use leakscope_go::heapbits::{Masks, PointerMask};
use leakscope_go::types::{GcMasks, SlotKind, TypeId, TypeTable};
use leakscope_target::Addr;
use leakscope_testkit::{BuildFlags, Fixture, versions};
use types_support::{Case, each_core, of_file};

/// The words of a value that its slots say are pointers.
fn slot_words(types: &TypeTable, id: TypeId, at: u64, words: &mut BTreeSet<u64>) {
    for s in types.slots(id) {
        let offset = at + u64::from(s.offset);
        match s.kind {
            // The collector leaves out the type word: types do not lie on the heap.
            SlotKind::EmptyInterface | SlotKind::Interface => {
                words.insert(offset / 8 + 1);
            }
            SlotKind::Repeat {
                elem,
                stride,
                count,
            } => {
                for i in 0..u64::from(count) {
                    slot_words(types, elem, offset + i * u64::from(stride), words);
                }
            }
            _ => {
                words.insert(offset / 8);
            }
        }
    }
}

fn mask_words(mask: &PointerMask) -> BTreeSet<u64> {
    let bits = mask.bits.iter().enumerate();
    bits.flat_map(|(i, w)| {
        (0..64)
            .filter(move |b| w >> b & 1 != 0)
            .map(move |b| i as u64 * 64 + b)
    })
    .collect()
}

/// Compares all types that have a descriptor; returns how many there were.
fn all_agree(case: &Case) -> Result<u32> {
    let masks = GcMasks::new(&case.program, &*case.image);
    let types = &case.types;
    let mut compared = 0;
    for id in (0..types.count()).map(TypeId) {
        let Some(at) = types.rtype(id) else { continue };
        let name = types.name(id);
        let mask = masks
            .mask(at)
            .with_context(|| format!("no mask of {name} at {at}"))?;
        let mut words = BTreeSet::new();
        slot_words(types, id, 0, &mut words);
        assert_eq!(
            words,
            mask_words(&mask),
            "{name}: left by its slots, right by the collector's mask"
        );
        assert_eq!(types.size(id) / 8, mask.size, "size of {name}");
        compared += 1;
    }
    Ok(compared)
}

#[test]
fn slots_cover_exactly_the_pointers_that_the_collector_scans() -> Result<()> {
    for version in versions()? {
        for fixture in ["types", "typed"] {
            let fixture = Fixture::build(fixture, &version, &BuildFlags::default())?;
            let case = of_file(fixture.path())?;
            let compared = all_agree(&case).with_context(|| format!("go{version}"))?;
            assert!(compared > 500, "only {compared} types");
        }
    }
    Ok(())
}

#[test]
fn masks_are_found_in_running_programs_also_of_types_made_there() -> Result<()> {
    each_core(|mut case| {
        for told in case.truth["types"].as_array().context("types")? {
            let at = Addr(types_support::hex(&told["at"])?);
            case.types.from_rtype(&*case.image, at).context("type")?;
        }
        all_agree(&case).map(|_| ())
    })
}

#[test]
fn a_type_too_large_for_a_plain_mask_has_one_all_the_same() -> Result<()> {
    each_core(|case| {
        let huge = case.types.by_name("main.huge").context("main.huge")?;
        let at = case.types.rtype(huge).context("descriptor")?;
        let mask = GcMasks::new(&case.program, &*case.image)
            .mask(at)
            .context("mask")?;
        // head, 40,000 rows with one pointer each, three times a link and a string.
        assert_eq!(mask_words(&mask).len(), 1 + 40_000 + 3 * 2);
        Ok(())
    })
}
