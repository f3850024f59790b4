//! The notes of a core: threads, auxiliary vector, mapped files, command.
//!
//! Layouts are those of x86-64 Linux (`struct elf_prstatus` and `struct elf_prpsinfo` of `linux/elfcore.h`, and the
//! `NT_FILE` format above `fill_files_note` in `fs/binfmt_elf.c`). gdb's `gcore` writes the same.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::NoteIterator;

use super::headers::NoteSpan;
use super::{CoreProblem, Problems};
use crate::{Addr, AddrRange, Registers, Thread};

/// The most bytes of notes read from one core. Each thread takes 4 to 12 KiB (mostly vector registers), so this holds
/// tens of thousands of threads; a core that says more is hostile.
const MAX_NOTE_BYTES: u64 = 1 << 29;
/// The most threads taken from one core; real processes stay below 2^15.
const MAX_THREADS: usize = 1 << 18;
/// The most entries taken from the auxiliary vector; the kernel writes about 20.
const MAX_AUXV: usize = 1 << 10;
/// The most mapped files taken from `NT_FILE`; the kernel's note is at most 4 MiB, 24 bytes and a path each.
const MAX_FILES: usize = 1 << 20;
/// The longest path kept: `PATH_MAX`, and what the kernel appends to the name of a deleted file.
const MAX_PATH: usize = 4096 + " (deleted)".len();

/// One entry of `NT_FILE`.
#[derive(Clone, Debug)]
pub(super) struct MappedFile {
    pub(super) range: AddrRange,
    /// Offset in the file, bytes.
    pub(super) offset: u64,
    pub(super) path: Vec<u8>,
}

/// What the notes of a core say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) threads: Vec<Thread>,
    pub(super) auxv: Vec<(u64, u64)>,
    pub(super) files: Vec<MappedFile>,
    pub(super) pid: Option<i32>,
    pub(super) command: Vec<u8>,
    pub(super) arguments: Vec<u8>,
}

/// Reads the notes in `spans` of `file`. What is cut or malformed is left out and added to `problems`.
pub(super) fn read(file: &[u8], spans: &[NoteSpan], problems: &mut Problems) -> Notes {
    let mut notes = Notes::default();
    let mut budget = MAX_NOTE_BYTES;
    for span in spans {
        let held = file
            .get(usize::try_from(span.offset).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        let whole = span.len.min(held.len() as u64);
        let taken = whole.min(budget);
        if taken < span.len {
            problems.push(CoreProblem {
                what: "notes cut short",
                offset: span.offset.saturating_add(taken),
            });
        }
        budget -= taken;
        notes.read_span(&held[..taken as usize], span, problems);
    }
    notes
}

impl Notes {
    fn read_span(&mut self, data: &[u8], span: &NoteSpan, problems: &mut Problems) {
        let Ok(mut notes) =
            NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, span.align, data)
        else {
            problems.push(CoreProblem {
                what: "p_align of the notes",
                offset: span.offset,
            });
            return;
        };
        let mut read_to = span.offset;
        loop {
            let note = match notes.next() {
                Ok(Some(note)) => note,
                Ok(None) => return,
                Err(_) => {
                    problems.push(CoreProblem {
                        what: "note header",
                        offset: read_to,
                    });
                    return;
                }
            };
            let desc = note.desc();
            let offset = span.offset + (desc.as_ptr().addr() - data.as_ptr().addr()) as u64;
            read_to = offset + desc.len() as u64;
            if note.name() != b"CORE" {
                continue;
            }
            let fault = match note.n_type(LittleEndian) {
                elf::NT_PRSTATUS => self.prstatus(desc),
                elf::NT_PRPSINFO => self.prpsinfo(desc),
                elf::NT_AUXV => self.auxv(desc),
                elf::NT_FILE => self.file(desc),
                _ => Ok(()),
            };
            if let Err(what) = fault {
                problems.push(CoreProblem { what, offset });
            }
        }
    }

    fn prstatus(&mut self, desc: &[u8]) -> Result<(), &'static str> {
        // struct elf_prstatus: pr_pid at 32, pr_reg (27 words, struct user_regs_struct) at 112.
        const PR_PID: usize = 32;
        const PR_REG: usize = 112;
        if self.threads.len() >= MAX_THREADS {
            return Err("NT_PRSTATUS (too many threads)");
        }
        let tid = word32(desc, PR_PID).ok_or("NT_PRSTATUS (too short)")?;
        let regs = desc
            .get(PR_REG..PR_REG + 27 * 8)
            .ok_or("NT_PRSTATUS (too short)")?;
        let reg = |index: usize| word(regs, index * 8).unwrap_or_default();
        // Indices in user_regs_struct (arch/x86/include/asm/user_64.h).
        let general = [10, 5, 11, 12, 13, 14, 4, 9, 8, 7, 6, 3, 2, 1, 0].map(reg);
        let registers = Registers {
            pc: Addr(reg(16)),
            sp: Addr(reg(19)),
            fs_base: Addr(reg(21)),
            general,
        };
        self.threads.push(Thread { tid, registers });
        Ok(())
    }

    fn prpsinfo(&mut self, desc: &[u8]) -> Result<(), &'static str> {
        // struct elf_prpsinfo: pr_pid at 24, pr_fname[16] at 40, pr_psargs[80] at 56.
        let pid = word32(desc, 24).ok_or("NT_PRPSINFO (too short)")?;
        let name = desc.get(40..56).ok_or("NT_PRPSINFO (too short)")?;
        let arguments = desc.get(56..136).ok_or("NT_PRPSINFO (too short)")?;
        self.pid = Some(pid);
        self.command = until_nul(name).to_vec();
        self.arguments = until_nul(arguments).trim_ascii_end().to_vec();
        Ok(())
    }

    fn auxv(&mut self, desc: &[u8]) -> Result<(), &'static str> {
        const AT_NULL: u64 = 0;
        if !self.auxv.is_empty() {
            return Err("NT_AUXV (a second one)");
        }
        for pair in desc.chunks_exact(16) {
            let (key, value) = (
                word(pair, 0).unwrap_or(AT_NULL),
                word(pair, 8).unwrap_or_default(),
            );
            if key == AT_NULL {
                return Ok(());
            }
            if self.auxv.len() >= MAX_AUXV {
                return Err("NT_AUXV (too long)");
            }
            self.auxv.push((key, value));
        }
        Err("NT_AUXV (no end)")
    }

    fn file(&mut self, desc: &[u8]) -> Result<(), &'static str> {
        if !self.files.is_empty() {
            return Err("NT_FILE (a second one)");
        }
        let count = word(desc, 0).ok_or("NT_FILE (too short)")?;
        let page_size = word(desc, 8).ok_or("NT_FILE (too short)")?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > MAX_FILES {
            return Err("NT_FILE (count)");
        }
        let entries = desc.get(16..16 + count * 24).ok_or("NT_FILE (count)")?;
        let mut names = &desc[16 + count * 24..];
        let mut fault = Ok(());
        for entry in entries.chunks_exact(24) {
            let field = |index: usize| word(entry, index * 8).unwrap_or_default();
            if names.is_empty() {
                return Err("NT_FILE (fewer names than entries)");
            }
            let name = until_nul(names);
            names = names.get(name.len() + 1..).unwrap_or_default();
            let range = AddrRange {
                start: Addr(field(0)),
                end: Addr(field(1)),
            };
            match field(2).checked_mul(page_size) {
                Some(offset) if !range.is_empty() && name.len() <= MAX_PATH => {
                    self.files.push(MappedFile {
                        range,
                        offset,
                        path: name.to_vec(),
                    });
                }
                _ => fault = Err("NT_FILE (entry)"),
            }
        }
        fault
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u64::from_le_bytes(*b))
}

fn word32(bytes: &[u8], at: usize) -> Option<i32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| i32::from_le_bytes(*b))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}
