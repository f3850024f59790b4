//! Which words of a frame are pointers, at the point where the frame stands (stkframe.go, `getStackMap`; mgcmark.go,
//! `scanframeworker`).

use std::ops::Range;

use leakscope_target::{Addr, Image, Memory};
use rustc_hash::FxHashMap;

use crate::layouts::Layouts;
use crate::pclntab::Func;
use crate::program::Program;
use crate::unwind::{PhysicalFrame, StackBytes};

/// Most words one map may cover: the compiler keeps larger variables off the stack (10 MB at most).
const MAX_MAP_WORDS: u32 = 2 << 20;
/// Most stack objects of one function.
const MAX_OBJECTS: u64 = 1 << 16;

/// Most words of bits remembered of all maps together (32 MiB; a large program's maps are a few MiB in all).
const MAX_KNOWN_BITS: usize = 4 << 20;

/// Bits of a map, in the shared store.
#[derive(Clone, Copy, Default)]
struct Bits {
    first: usize,
    words: u32,
}

/// What the tables say about one function at one point.
#[derive(Clone, Default)]
struct PointMaps {
    locals: Bits,
    args: Bits,
    objects: Range<usize>,
    /// The function's arguments are known only from what its frame holds.
    dynamic_args: bool,
    gap: Option<&'static str>,
}

/// A variable on the stack that is only live while something points to it.
#[derive(Clone, Copy)]
pub(crate) struct StackObject {
    /// Where it lies.
    pub(crate) at: u64,
    pub(crate) size: u32,
    /// Number of its pointer mask.
    mask: Bits,
}

#[derive(Clone, Copy)]
struct ObjectRecord {
    off: i32,
    size: u32,
    mask: Bits,
}

/// What scanning a frame found.
pub(crate) enum Found {
    /// A pointer word of the frame, at this address.
    Pointer(u64),
    /// A word that may be a pointer.
    Maybe(u64),
    /// A variable to be scanned if something points to it.
    Object(StackObject),
    /// The frame cannot be scanned precisely.
    Gap(&'static str),
}

/// Looks up and remembers the maps of frames.
pub(crate) struct StackMaps<'a> {
    image: &'a Image,
    layouts: &'a Layouts,
    program: &'a Program,
    known: FxHashMap<(u64, u64), PointMaps>,
    bits: Vec<u64>,
    objects: Vec<ObjectRecord>,
}

impl<'a> StackMaps<'a> {
    pub(crate) fn new(image: &'a Image, layouts: &'a Layouts, program: &'a Program) -> Self {
        Self {
            image,
            layouts,
            program,
            known: FxHashMap::default(),
            bits: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// Reports every pointer word and stack object of a frame at a safe point.
    pub(crate) fn precise(
        &mut self,
        frame: &PhysicalFrame<'_>,
        stack: StackBytes<'_>,
        f: &mut impl FnMut(Found),
    ) {
        if frame.continue_pc == 0 {
            return;
        }
        let key = (frame.func.entry().0, frame.continue_pc);
        if !self.known.contains_key(&key) {
            let maps = self.look_up(&frame.func, frame.continue_pc);
            self.known.insert(key, maps);
        }
        let Some(maps) = self.known.get(&key).cloned() else {
            return;
        };
        if let Some(gap) = maps.gap {
            f(Found::Gap(gap));
        }
        // Locals lie below varp; where the frame has not been set up yet there are none.
        if frame.varp > frame.sp {
            self.each(maps.locals, |word| {
                f(Found::Pointer(
                    frame
                        .varp
                        .wrapping_sub((u64::from(maps.locals.words) - word) * 8),
                ));
            });
        }
        let mut args = maps.args;
        if maps.dynamic_args {
            args = match self.reflect_args(frame, stack) {
                Ok(Some(args)) => args,
                Ok(None) => return,
                Err(gap) => {
                    f(Found::Gap(gap));
                    Bits::default()
                }
            };
            self.reflect_object(frame, f);
        }
        self.each(args, |word| f(Found::Pointer(frame.fp + word * 8)));
        for record in self.objects.get(maps.objects).unwrap_or_default() {
            let base = if record.off >= 0 {
                frame.fp
            } else {
                frame.varp
            };
            let at = base.wrapping_add_signed(record.off.into());
            if at >= frame.sp {
                f(Found::Object(StackObject {
                    at,
                    size: record.size,
                    mask: record.mask,
                }));
            }
        }
    }

    /// Reports every word of a frame that was stopped anywhere, and its arguments, up to the end of the stack.
    pub(crate) fn conservative(
        &self,
        frame: &PhysicalFrame<'_>,
        stack_end: u64,
        f: &mut impl FnMut(Found),
    ) {
        let args = u64::try_from(frame.func.args_size()).unwrap_or(0);
        let args_end = frame.fp.saturating_add(args).min(stack_end);
        for at in (frame.sp..frame.varp).chain(frame.fp..args_end).step_by(8) {
            f(Found::Maybe(at));
        }
    }

    /// Addresses of the pointer words of a stack object.
    pub(crate) fn object_words(&self, object: &StackObject, mut f: impl FnMut(u64)) {
        self.each(object.mask, |word| f(object.at.wrapping_add(word * 8)));
    }

    fn look_up(&mut self, func: &Func<'_>, continue_pc: u64) -> PointMaps {
        let facts = &self.layouts.unwind;
        let mut index = -1;
        if continue_pc != func.entry().0 {
            index = func
                .pcdata(facts.stack_map_index, Addr(continue_pc - 1))
                .unwrap_or(-1);
        }
        // No map at the start of a function: the one of its entry is the first.
        let index = u32::try_from(index).unwrap_or(0);
        let mut maps = PointMaps::default();
        match self.map(func, facts.locals_maps, index) {
            Ok(bits) => maps.locals = bits,
            Err(gap) => maps.gap = Some(gap),
        }
        match func.args_size() {
            0 => {}
            ..0 => maps.dynamic_args = is_reflect_stub(func),
            1.. => match self.map(func, facts.args_maps, index) {
                Ok(bits) => maps.args = bits,
                Err(gap) => maps.gap = Some(gap),
            },
        }
        match self.object_records(func) {
            Ok(objects) => maps.objects = objects,
            Err(gap) => maps.gap = Some(gap),
        }
        maps
    }

    /// The map number `index` of one of a function's tables. No table is no pointers: functions without a frame of
    /// their own have none.
    fn map(&mut self, func: &Func<'_>, table: u32, index: u32) -> Result<Bits, &'static str> {
        let Some(at) = func.funcdata(table) else {
            return Ok(Bits::default());
        };
        let f = &self.layouts.stack_map;
        let header = self
            .image
            .bytes(at, f.bytedata.offset.into())
            .map_err(|_| "pointer map that cannot be read")?;
        let (n, nbit) = (f.n.get(header) as u32, f.nbit.get(header) as u32);
        if nbit == 0 || n == 0 {
            return Ok(Bits::default());
        }
        if index >= n || nbit > MAX_MAP_WORDS {
            return Err("frame without a pointer map for its place");
        }
        let len = u64::from(nbit.div_ceil(8));
        let at = Addr(f.bytedata.at(at).0.wrapping_add(u64::from(index) * len));
        self.read_bits(at, nbit)
    }

    fn read_bits(&mut self, at: Addr, nbit: u32) -> Result<Bits, &'static str> {
        let bytes = self
            .image
            .bytes(at, nbit.div_ceil(8).into())
            .map_err(|_| "pointer map that cannot be read")?;
        let first = self.room_for_bits()?;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.bits.push(u64::from_le_bytes(word));
        }
        if !nbit.is_multiple_of(64)
            && let Some(last) = self.bits.last_mut()
        {
            *last &= (1 << (nbit % 64)) - 1;
        }
        Ok(Bits { first, words: nbit })
    }

    fn every_bit(&mut self, nbit: u32) -> Result<Bits, &'static str> {
        let first = self.room_for_bits()?;
        let last = (1u64 << (nbit % 64)) - 1;
        self.bits
            .extend(std::iter::repeat_n(u64::MAX, nbit as usize / 64));
        self.bits.push(last);
        Ok(Bits { first, words: nbit })
    }

    /// Where the next map's bits go.
    fn room_for_bits(&self) -> Result<usize, &'static str> {
        match self.bits.len() {
            first if first > MAX_KNOWN_BITS => {
                Err("pointer map beyond all that a program can have")
            }
            first => Ok(first),
        }
    }

    /// The function's stack objects (stack.go, `stackObjectRecord`: a count, then the records).
    fn object_records(&mut self, func: &Func<'_>) -> Result<Range<usize>, &'static str> {
        const UNREADABLE: &str = "stack object that cannot be read";
        let none = self.objects.len()..self.objects.len();
        let Some(at) = func.funcdata(self.layouts.unwind.stack_objects) else {
            return Ok(none);
        };
        let n = self.image.u64(at).map_err(|_| UNREADABLE)?;
        if n > MAX_OBJECTS {
            return Err("function with an impossible number of stack objects");
        }
        let rodata = self.rodata(func);
        let size = u64::from(self.layouts.stack_object.size);
        let records = self
            .image
            .bytes(Addr(at.0.wrapping_add(8)), n * size)
            .map_err(|_| UNREADABLE)?;
        for record in records.chunks_exact(size.max(1) as usize) {
            let object = self.object_record(record, rodata)?;
            self.objects.push(object);
        }
        Ok(none.start..self.objects.len())
    }

    fn object_record(&mut self, record: &[u8], rodata: Addr) -> Result<ObjectRecord, &'static str> {
        let f = &self.layouts.stack_object;
        let (off, size) = (f.off.get(record) as i32, f.obj_size.get(record) as u32);
        let ptr_bytes = f.ptr_bytes.get(record) as i32;
        let mask_at = Addr(rodata.0.wrapping_add(f.gcdata_off.get(record)));
        // Up to 1.23 a negative count says that the mask is a program (stack.go, `useGCProg`), which only variables of
        // many kilobytes have. Every word is taken for a pointer then: nothing live is missed.
        let program = ptr_bytes < 0;
        let ptr_bytes = ptr_bytes.unsigned_abs();
        if ptr_bytes > size || size / 8 > MAX_MAP_WORDS {
            return Err("stack object of an impossible size");
        }
        let mask = if program {
            self.every_bit(ptr_bytes / 8)?
        } else {
            self.read_bits(mask_at, ptr_bytes / 8)?
        };
        Ok(ObjectRecord { off, size, mask })
    }

    /// The arguments of `reflect.makeFuncStub` and `reflect.methodValueCall`, from the `reflectMethodValue` that
    /// these save at the bottom of their frame (stkframe.go, `argMapInternal`). `None` before they have.
    fn reflect_args(
        &mut self,
        frame: &PhysicalFrame<'_>,
        stack: StackBytes<'_>,
    ) -> Result<Option<Bits>, &'static str> {
        const UNREADABLE: &str = "reflect call whose arguments cannot be read";
        if frame.sp >= frame.fp - 8 {
            return Ok(None);
        }
        let (value, bitvector) = (&self.layouts.reflect_method_value, &self.layouts.bit_vector);
        let at = Addr(stack.word(frame.sp).ok_or(UNREADABLE)?);
        let results_valid = stack.word(frame.sp + 4 * 8).ok_or(UNREADABLE)? & 0xff != 0;
        let record = self
            .image
            .bytes(at, value.size.into())
            .map_err(|_| UNREADABLE)?;
        let arg_words = (value.arg_len.get(record) / 8) as u32;
        let map = Addr(value.stack.get(record));
        let vector = self
            .image
            .bytes(map, bitvector.size.into())
            .map_err(|_| UNREADABLE)?;
        let mut n = bitvector.n.get(vector) as u32;
        if !results_valid {
            n = n.min(arg_words);
        }
        if n > MAX_MAP_WORDS {
            return Err(UNREADABLE);
        }
        let data = Addr(bitvector.bytedata.get(vector));
        // Each call may have its own map: read, use, forget.
        self.read_bits(data, n).map(Some)
    }

    /// The `abi.RegArgs` in the frame of reflect's stubs: its record is made at run time and lies in a global.
    fn reflect_object(&mut self, frame: &PhysicalFrame<'_>, f: &mut impl FnMut(Found)) {
        let at = self.layouts.globals.method_value_frame_objs;
        let Ok(record) = self.image.bytes(at, self.layouts.stack_object.size.into()) else {
            return f(Found::Gap("stack object that cannot be read"));
        };
        match self.object_record(record, self.rodata(&frame.func)) {
            Ok(record) => {
                let at = frame.varp.wrapping_add_signed(record.off.into());
                if at >= frame.sp {
                    f(Found::Object(StackObject {
                        at,
                        size: record.size,
                        mask: record.mask,
                    }));
                }
            }
            Err(gap) => f(Found::Gap(gap)),
        }
    }

    /// What offsets of masks count from in the function's module.
    fn rodata(&self, func: &Func<'_>) -> Addr {
        let module = self
            .program
            .modules()
            .iter()
            .find(|m| m.pcs.contains(func.entry()));
        module.map_or(Addr(0), |m| m.rodata)
    }

    fn each(&self, bits: Bits, mut f: impl FnMut(u64)) {
        let words = self.bits.get(bits.first..).unwrap_or_default();
        for (i, word) in words
            .iter()
            .take(bits.words.div_ceil(64) as usize)
            .enumerate()
        {
            let mut word = *word;
            while word != 0 {
                f(i as u64 * 64 + u64::from(word.trailing_zeros()));
                word &= word - 1;
            }
        }
    }
}

/// Whether only the function's frame says what its arguments are.
fn is_reflect_stub(func: &Func<'_>) -> bool {
    matches!(
        func.name(),
        "reflect.makeFuncStub" | "reflect.methodValueCall"
    )
}
