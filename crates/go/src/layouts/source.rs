//! Looking the table up in debug info.

use leakscope_target::Addr;

use super::{
    ArenaBits, CleanupBlock, CleanupBlockHeader, CleanupQueue, Field, GcPhases, Globals, GreenTea,
    HeapArena, HeapRules, Mheap, MissingLayout, Statuses, UnwindFacts,
};
use crate::dwarf::{DebugInfo, DieRef};

/// Most bits of an arena's number on either level: together they make up an address without the 26 bits of the arena.
const MAX_ARENA_BITS: u32 = 24;

/// Debug info of one executable, and how far above its own addresses it is loaded.
pub(super) struct Source<'a> {
    debug: &'a DebugInfo,
    go_version: &'a str,
    bias: u64,
}

/// A struct found in debug info.
pub(super) struct Found<'a> {
    pub(super) size: u32,
    name: &'a str,
    die: DieRef,
}

impl<'a> Source<'a> {
    pub(super) fn new(debug: &'a DebugInfo, go_version: &'a str, bias: u64) -> Self {
        Self {
            debug,
            go_version,
            bias,
        }
    }

    pub(super) fn missing(&self, what: &'static str, name: impl Into<String>) -> MissingLayout {
        MissingLayout {
            what,
            name: name.into(),
            go_version: self.go_version.to_owned(),
        }
    }

    /// The struct that has one of `names`.
    pub(super) fn layout(&self, names: &[&'static str]) -> Result<Found<'a>, MissingLayout> {
        names
            .iter()
            .find_map(|name| {
                let die = self.debug.type_named(name)?;
                let size = u32::try_from(self.debug.layout(die)?.size).ok()?;
                Some(Found { size, name, die })
            })
            .ok_or_else(|| self.missing("struct", names.join(" or ")))
    }

    /// The field of `found` that has one of `names`; a name may go into nested structs.
    pub(super) fn field(
        &self,
        found: &Found<'_>,
        names: &[&'static str],
    ) -> Result<Field, MissingLayout> {
        names
            .iter()
            .find_map(|name| {
                let f = self.debug.field_of(found.die, name)?;
                let size = u32::try_from(self.debug.size_of(f.type_)?).ok()?;
                Some(Field {
                    offset: u32::try_from(f.offset).ok()?,
                    size,
                })
            })
            .ok_or_else(|| self.missing("field", format!("{}.{}", found.name, names.join(" or "))))
    }

    /// The constant that has one of `names`.
    pub(super) fn constant(&self, names: &[&'static str]) -> Result<u64, MissingLayout> {
        names
            .iter()
            .find_map(|name| u64::try_from(self.debug.constant(name)?).ok())
            .ok_or_else(|| self.missing("constant", names.join(" or ")))
    }

    pub(super) fn small<T: TryFrom<u64>>(&self, name: &'static str) -> Result<T, MissingLayout> {
        T::try_from(self.constant(&[name])?).map_err(|_| self.missing("constant", name))
    }

    /// The address of the global called `name` in the target.
    pub(super) fn global(&self, name: &'static str) -> Result<Addr, MissingLayout> {
        let global = self
            .debug
            .global(name)
            .ok_or_else(|| self.missing("global", name))?;
        Ok(Addr(global.addr.wrapping_add(self.bias)))
    }

    /// The address of a field of a global struct.
    pub(super) fn global_field(
        &self,
        name: &'static str,
        field: &str,
    ) -> Result<Addr, MissingLayout> {
        let global = self
            .debug
            .global(name)
            .ok_or_else(|| self.missing("global", name))?;
        let field = self
            .debug
            .field_of(global.type_, field)
            .ok_or_else(|| self.missing("field", format!("{name}.{field}")))?;
        Ok(Addr(
            global
                .addr
                .wrapping_add(self.bias)
                .wrapping_add(field.offset),
        ))
    }

    pub(super) fn globals(&self) -> Result<Globals, MissingLayout> {
        let arenas = |field| self.global_field("runtime.gcBitsArenas", field);
        let reasons = "runtime.waitReasonStrings";
        let reasons_size = self
            .debug
            .global(reasons)
            .and_then(|g| self.debug.size_of(g.type_))
            .unwrap_or(0);
        Ok(Globals {
            mheap: self.global("runtime.mheap_")?,
            gcphase: self.global("runtime.gcphase")?,
            allgs: self.global("runtime.allgs")?,
            allm: self.global("runtime.allm")?,
            allp: self.global("runtime.allp")?,
            allfin: self.global("runtime.allfin")?,
            gc_cleanups: self.global("runtime.gcCleanups").ok(),
            persistent_chunks: self.global("runtime.persistentChunks")?,
            gc_bits_arenas: [
                arenas("free")?,
                arenas("next")?,
                arenas("current")?,
                arenas("previous")?,
            ],
            wait_reason_strings: (self.global(reasons)?, reasons_size),
            method_value_frame_objs: self.global("runtime.methodValueCallFrameObjs")?,
        })
    }

    pub(super) fn cleanup_queue(&self) -> Option<(CleanupQueue, CleanupBlockHeader, CleanupBlock)> {
        Some((
            CleanupQueue::resolve(self).ok()?,
            CleanupBlockHeader::resolve(self).ok()?,
            CleanupBlock::resolve(self).ok()?,
        ))
    }

    pub(super) fn statuses(&self) -> Result<Statuses, MissingLayout> {
        let one = |name: &'static str| self.constant(&[name]);
        let words = [
            ("runtime._Gidle", "idle"),
            ("runtime._Grunnable", "runnable"),
            ("runtime._Grunning", "running"),
            ("runtime._Gsyscall", "syscall"),
            ("runtime._Gwaiting", "waiting"),
            ("runtime._Gdead", "dead"),
            ("runtime._Gcopystack", "copystack"),
            ("runtime._Gpreempted", "preempted"),
            ("runtime._Gleaked", "leaked"),
            ("runtime._Gdeadextra", "dead"),
        ];
        // Idle goroutines have just been made and have no stack yet (proc.go, `newproc1`).
        let mut dead = vec![one("runtime._Gidle")?, one("runtime._Gdead")?];
        dead.extend(one("runtime._Gdeadextra").ok());
        Ok(Statuses {
            names: words
                .into_iter()
                .filter_map(|(name, word)| Some((one(name).ok()?, word)))
                .collect(),
            running: one("runtime._Grunning")?,
            syscall: one("runtime._Gsyscall")?,
            waiting: one("runtime._Gwaiting")?,
            leaked: one("runtime._Gleaked").ok(),
            dead,
            scan: one("runtime._Gscan")?,
        })
    }

    /// The pointer bits beside the heap, where this build keeps them there.
    fn arena_bits(&self, mheap: &Mheap) -> Result<Option<ArenaBits>, MissingLayout> {
        let Some(bitmap) = HeapArena::resolve(self)?.bitmap else {
            return Ok(None);
        };
        let bits = ArenaBits {
            bitmap,
            arenas: mheap.arenas,
            arena_bytes: self.constant(&["runtime.heapArenaBytes"])?,
            l1_bits: self.small("runtime.arenaL1Bits")?,
            l2_bits: self.small("runtime.arenaL2Bits")?,
            base: self.signed("runtime.arenaBaseOffsetUintptr")?,
        };
        let plausible = bits.arena_bytes.is_power_of_two()
            && u64::from(bitmap.size) == bits.arena_bytes / 64
            && bits.l1_bits <= MAX_ARENA_BITS
            && bits.l2_bits <= MAX_ARENA_BITS
            && mheap.arenas.size == 8 << bits.l1_bits;
        if plausible {
            Ok(Some(bits))
        } else {
            Err(self.missing("plausible constant", "runtime.heapArenaBytes"))
        }
    }

    /// A constant that may be negative, modulo 2^64.
    pub(super) fn signed(&self, name: &'static str) -> Result<u64, MissingLayout> {
        let value = self.debug.constant(name);
        value
            .map(|v| v as u64)
            .ok_or_else(|| self.missing("constant", name))
    }

    pub(super) fn heap_rules(&self, mheap: &Mheap) -> Result<HeapRules, MissingLayout> {
        let page_size = self.constant(&["runtime._PageSize"])?;
        if !page_size.is_power_of_two() || !(4096..=1 << 20).contains(&page_size) {
            return Err(self.missing("plausible constant", "runtime._PageSize"));
        }
        let inline = "runtime.spanInlineMarkBits";
        // Without the collector that uses them the struct is empty (mgcmark_nogreenteagc.go), if it is described at all.
        let green_tea = match self.layout(&[inline]) {
            Ok(found) if found.size > 0 => Some(GreenTea {
                reserve: found.size.into(),
                marks: self.field(&found, &["marks"])?,
            })
            .filter(|g| g.reserve < page_size),
            _ => None,
        };
        let arena_bits = self.arena_bits(mheap)?;
        let unless_beside = |names: &[&'static str]| match arena_bits {
            Some(_) => Ok(0),
            None => self.constant(names),
        };
        Ok(HeapRules {
            page_size,
            bits_in_span_max: unless_beside(&[
                "internal/runtime/gc.MinSizeForMallocHeader",
                "runtime.minSizeForMallocHeader",
            ])?,
            header: unless_beside(&[
                "internal/runtime/gc.MallocHeaderSize",
                "runtime.mallocHeaderSize",
            ])?,
            arena_bits,
            green_tea,
            span_in_use: self.constant(&["runtime.mSpanInUse"])?,
            span_manual: self.constant(&["runtime.mSpanManual"])?,
            phases: GcPhases {
                off: self.constant(&["runtime._GCoff"])?,
            },
            gc_bits_chunk: self.constant(&["runtime.gcBitsChunkBytes"])?,
            persistent_chunk: self.constant(&["runtime.persistentChunkSize"])?,
        })
    }

    pub(super) fn unwind_facts(&self) -> Result<UnwindFacts, MissingLayout> {
        Ok(UnwindFacts {
            stack_map_index: self.small("internal/abi.PCDATA_StackMapIndex")?,
            args_maps: self.small("internal/abi.FUNCDATA_ArgsPointerMaps")?,
            locals_maps: self.small("internal/abi.FUNCDATA_LocalsPointerMaps")?,
            stack_objects: self.small("internal/abi.FUNCDATA_StackObjects")?,
            flag_top_frame: self.small("internal/abi.FuncFlagTopFrame")?,
            flag_sp_write: self.small("internal/abi.FuncFlagSPWrite")?,
            asyncpreempt: self.small("internal/abi.FuncID_asyncPreempt")?,
            sigpanic: self.small("internal/abi.FuncID_sigpanic")?,
            cgocallback: self.small("internal/abi.FuncID_cgocallback")?,
            debug_call: self.small("internal/abi.FuncID_debugCallV2")?,
        })
    }
}
