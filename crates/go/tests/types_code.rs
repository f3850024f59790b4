//! Code, variables and closures as read from outside, against what the program says inside.

mod types_support;

use anyhow::{Context, Result};
use leakscope_go::error::{Error, NotGo};
use leakscope_target::{Addr, Memory, map_file};
use types_support::{each_core, hex, text};

#[test]
fn functions_files_and_lines_are_what_the_runtime_says_also_inlined() -> Result<()> {
    each_core(|case| {
        let frames = case.truth["frames"].as_array().context("frames")?;
        let mut inlined = 0;
        for told in frames {
            // What `runtime.Callers` gives are return addresses.
            let pc = Addr(hex(&told["pc"])? - 1);
            let func = case.program.functions().find(pc).context("no function")?;
            let all = func.frames(pc);
            let frame = all.first().context("no frame")?;
            assert_eq!(frame.function, text(&told["function"]));
            assert_eq!(frame.file, text(&told["file"]));
            assert_eq!(Some(u64::from(frame.line)), told["line"].as_u64());
            inlined += u32::from(frame.inlined);
        }
        let names: Vec<_> = frames.iter().map(|f| text(&f["function"])).collect();
        assert!(
            names.starts_with(&["main.stack", "main.inner", "main.middle", "main.outer"]),
            "{names:?}"
        );
        assert!(inlined >= 2, "{inlined} inlined");
        Ok(())
    })
}

#[test]
fn every_function_has_a_name_and_a_stack_depth_at_its_entry() -> Result<()> {
    each_core(|case| {
        let functions = case.program.functions();
        let mut at = case.program.modules().first().context("module")?.pcs.start;
        let mut count = 0;
        while let Some(f) = functions.find(at) {
            assert!(!f.name().is_empty());
            assert_eq!(f.entry(), at, "{}", f.name());
            // Marks that the linker puts between functions are listed too, without tables.
            if !f.name().starts_with("go:") {
                assert_eq!(f.sp_delta(f.entry()), Some(0), "{}", f.name());
            }
            count += 1;
            at = f.end();
        }
        let main: Vec<_> = functions.named("main.main").map(|f| f.entry()).collect();
        assert_eq!(main.len(), 1);
        assert!(count > 1000, "{count} functions");
        Ok(())
    })
}

#[test]
fn variables_lie_where_the_program_has_them() -> Result<()> {
    each_core(|case| {
        for (name, at) in case.truth["globals"].as_object().context("globals")? {
            let at = Addr(hex(at)?);
            assert_eq!(case.program.global(name), Some(at), "{name}");
            let (found, offset) = case.program.global_at(at).context("nothing there")?;
            assert_eq!((found.name, offset), (name.as_str(), 0));
        }
        let settings = case
            .program
            .debug()
            .global("main.settings")
            .context("settings")?;
        let type_ = case.types.from_dwarf(settings.type_).context("type")?;
        assert_eq!(case.types.name(type_), "map[string]*main.node");
        Ok(())
    })
}

/// Releases whose debug information does not say what closures hold (cmd/internal/dwarf, `DW_AT_go_closure_offset`).
const WITHOUT_CAPTURES: [&str; 2] = ["go1.21.", "go1.22."];

#[test]
fn captured_variables_lie_where_the_debug_information_says() -> Result<()> {
    each_core(|case| {
        let told = &case.truth["closure"];
        let at = Addr(hex(&told["at"])?);
        let code = case.image.ptr(at)?;
        let func = case.program.functions().find(code).context("no function")?;
        assert_eq!(func.entry(), code);
        let captures: Vec<_> = case.program.debug().captures(func.name()).collect();
        let version = case.program.exe().go_version().to_string();
        if WITHOUT_CAPTURES.iter().any(|v| version.starts_with(v)) {
            assert!(captures.is_empty(), "{version} says what closures hold");
            return Ok(());
        }
        let mut seen = Vec::new();
        for c in &captures {
            let held = case.image.u64(Addr(at.0 + c.offset))?;
            let type_ = case.types.from_dwarf(c.type_).context("type")?;
            assert_eq!(
                held,
                hex(&told[c.name.trim_start_matches('&')])?,
                "{}",
                c.name
            );
            seen.push((c.name, case.types.name(type_).to_owned()));
        }
        seen.sort();
        let want = [("&shared", "*int"), ("p", "*main.node"), ("text", "string")];
        assert_eq!(seen, want.map(|(name, type_)| (name, type_.to_owned())));
        Ok(())
    })
}

#[test]
fn what_cannot_be_read_is_said_with_its_reason() -> Result<()> {
    let opened =
        leakscope_go::binary::Executable::parse(map_file(std::path::Path::new("/bin/sh"))?);
    assert!(
        matches!(
            opened,
            Err(Error::NotGo {
                hint: NotGo::Unknown
            })
        ),
        "{:?}",
        opened.err()
    );
    let text = map_file(std::path::Path::new("/etc/passwd"))?;
    let opened = leakscope_go::binary::Executable::parse(text);
    assert!(matches!(opened, Err(Error::NotElf)), "{:?}", opened.err());
    Ok(())
}
