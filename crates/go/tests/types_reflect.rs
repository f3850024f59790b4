//! Types as read from outside, against what `reflect` says inside.

mod types_support;

use anyhow::{Context, Result, ensure};
use leakscope_go::types::{Kind, SlotKind};
use leakscope_target::Addr;
use serde_json::Value;
use types_support::{Case, each_core, hex, text};

fn list<'a>(truth: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    truth[name]
        .as_array()
        .filter(|a| !a.is_empty())
        .with_context(|| format!("no {name} in the truth"))
}

fn kind_word(kind: Kind, size: u64) -> String {
    match kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Int => format!("int{}", 8 * size),
        Kind::Uint => format!("uint{}", 8 * size),
        Kind::Uintptr => "uintptr".to_owned(),
        Kind::Float => format!("float{}", 8 * size),
        Kind::Complex => format!("complex{}", 8 * size),
        Kind::String => "string".to_owned(),
        Kind::Pointer(_) => "ptr".to_owned(),
        Kind::UnsafePointer => "unsafe.Pointer".to_owned(),
        Kind::Slice(_) => "slice".to_owned(),
        Kind::Array { .. } => "array".to_owned(),
        Kind::Struct => "struct".to_owned(),
        Kind::Map { .. } => "map".to_owned(),
        Kind::Chan(_) => "chan".to_owned(),
        Kind::Func => "func".to_owned(),
        Kind::Interface { .. } => "interface".to_owned(),
        Kind::Unknown => "?".to_owned(),
    }
}

fn same_type(case: &mut Case, told: &Value) -> Result<()> {
    let at = Addr(hex(&told["at"])?);
    let id = case
        .types
        .from_rtype(&*case.image, at)
        .context("no type there")?;
    let types = &case.types;
    ensure!(
        types.name(id) == text(&told["name"]),
        "name {}",
        types.name(id)
    );
    ensure!(
        types.package(id) == text(&told["package"]),
        "package {:?}",
        types.package(id)
    );
    ensure!(
        Some(types.size(id)) == told["size"].as_u64(),
        "size {}",
        types.size(id)
    );
    ensure!(types.rtype(id) == Some(at), "descriptor");
    let kind = types.kind(id);
    let word = kind_word(kind, types.size(id));
    ensure!(
        word == text(&told["kind"]) || word.trim_end_matches("64") == text(&told["kind"]),
        "kind {word}"
    );
    let named = |id| types.name(id).to_owned();
    match kind {
        Kind::Pointer(elem) | Kind::Slice(elem) | Kind::Chan(elem) => {
            ensure!(named(elem) == text(&told["elem"]), "elem {}", named(elem));
        }
        Kind::Array { elem, len } => {
            ensure!(named(elem) == text(&told["elem"]), "elem {}", named(elem));
            ensure!(len == told["len"].as_u64().unwrap_or(0), "len {len}");
        }
        Kind::Map { key, elem } => {
            ensure!(named(elem) == text(&told["elem"]), "elem {}", named(elem));
            ensure!(named(key) == text(&told["key"]), "key {}", named(key));
            let layout = types.map_layout(id).context("no map layout")?;
            ensure!(
                (layout.key, layout.elem) == (key, elem),
                "map layout {layout:?}"
            );
        }
        _ => {}
    }
    let fields = types.fields(id);
    let told_fields = told["fields"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    ensure!(fields.len() == told_fields.len(), "{} fields", fields.len());
    for (f, told) in fields.iter().zip(told_fields) {
        ensure!(f.name == text(&told["name"]), "field {}", f.name);
        ensure!(
            Some(f.offset) == told["offset"].as_u64(),
            "offset of {}",
            f.name
        );
        ensure!(
            Some(f.embedded) == told["embedded"].as_bool(),
            "embedded {}",
            f.name
        );
        ensure!(
            named(f.type_) == text(&told["type"]),
            "type of {}: {}",
            f.name,
            named(f.type_)
        );
    }
    Ok(())
}

#[test]
fn types_are_what_reflect_says_also_those_made_at_run_time() -> Result<()> {
    each_core(|mut case| {
        for told in list(&case.truth.clone(), "types")? {
            same_type(&mut case, told).with_context(|| format!("{told}"))?;
        }
        Ok(())
    })
}

#[test]
fn types_made_at_run_time_refer_to_those_of_the_executable() -> Result<()> {
    each_core(|mut case| {
        let node = case.types.by_name("main.node").context("main.node")?;
        let told = list(&case.truth, "types")?
            .iter()
            .find(|t| text(&t["name"]) == "[17]*main.node");
        let at = Addr(hex(&told.context("no array")?["at"])?);
        let array = case.types.from_rtype(&*case.image, at).context("array")?;
        let slots = case.types.slots(array);
        assert_eq!(slots.len(), 17);
        assert!(slots.iter().all(|s| s.kind == SlotKind::Pointer(node)));
        Ok(())
    })
}

#[test]
fn interfaces_hold_in_place_exactly_the_types_that_the_flag_says() -> Result<()> {
    each_core(|mut case| {
        for told in list(&case.truth.clone(), "direct")? {
            let at = Addr(hex(&told["at"])?);
            let id = case
                .types
                .from_rtype(&*case.image, at)
                .with_context(|| told.to_string())?;
            let direct = case.types.is_direct_interface(id);
            assert_eq!(Some(direct), told["direct"].as_bool(), "{told}");
        }
        Ok(())
    })
}

#[test]
fn an_itab_leads_to_the_concrete_type() -> Result<()> {
    each_core(|mut case| {
        let at = Addr(hex(&case.truth["itab"]["at"])?);
        let id = case.types.from_itab(&*case.image, at).context("no type")?;
        assert_eq!(case.types.name(id), text(&case.truth["itab"]["type"]));
        Ok(())
    })
}

#[test]
fn offsets_become_the_paths_a_programmer_would_write() -> Result<()> {
    each_core(|case| {
        let deep = case.types.by_name("main.deep").context("main.deep")?;
        for (path, offset) in case.truth["paths"].as_object().context("paths")? {
            assert_eq!(
                &case.types.path(deep, offset.as_u64().context("offset")?),
                path
            );
        }
        Ok(())
    })
}

#[test]
fn atomic_pointers_point_to_their_type() -> Result<()> {
    each_core(|case| {
        let node = case.types.by_name("main.node").context("main.node")?;
        let pointer = case
            .types
            .by_name("sync/atomic.Pointer[main.node]")
            .context("atomic pointer")?;
        let kinds: Vec<_> = case
            .types
            .slots(pointer)
            .iter()
            .map(|s| (s.offset, s.kind))
            .collect();
        assert_eq!(kinds, [(0, SlotKind::Pointer(node))]);
        Ok(())
    })
}
