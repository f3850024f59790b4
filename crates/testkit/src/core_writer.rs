//! Writes small ELF cores byte by byte, right or wrong on purpose.
//!
//! Shares no structure with the reader under test, so that a wrong layout cannot agree with itself. Layouts: the
//! System V ABI (ELF-64), and for notes `linux/elfcore.h` and `fs/binfmt_elf.c` on x86-64.

/// The fields of a core's headers that a test may want to spoil.
#[derive(Clone, Copy, Debug)]
pub enum Field {
    /// `e_ident[EI_CLASS]`, 1 byte.
    Class,
    /// `e_ident[EI_DATA]`, 1 byte.
    Data,
    /// `e_type`, 2 bytes.
    Type,
    /// `e_machine`, 2 bytes.
    Machine,
    /// `e_phoff`, 8 bytes.
    PhOff,
    /// `e_shoff`, 8 bytes.
    ShOff,
    /// `e_phentsize`, 2 bytes.
    PhEntSize,
    /// `e_phnum`, 2 bytes.
    PhNum,
    /// `p_type` of the program header of this index, 4 bytes. Index 0 is the `PT_NOTE`.
    SegmentType(usize),
    /// `p_offset`, 8 bytes.
    SegmentOffset(usize),
    /// `p_vaddr`, 8 bytes.
    SegmentVaddr(usize),
    /// `p_filesz`, 8 bytes.
    SegmentFileSize(usize),
    /// `p_memsz`, 8 bytes.
    SegmentMemSize(usize),
    /// `p_align`, 8 bytes.
    SegmentAlign(usize),
}

impl Field {
    /// Offset in the file and length, in bytes.
    pub fn place(self) -> (usize, usize) {
        let segment = |index: usize, offset: usize, len: usize| (64 + index * 56 + offset, len);
        match self {
            Self::Class => (4, 1),
            Self::Data => (5, 1),
            Self::Type => (16, 2),
            Self::Machine => (18, 2),
            Self::PhOff => (32, 8),
            Self::ShOff => (40, 8),
            Self::PhEntSize => (54, 2),
            Self::PhNum => (56, 2),
            Self::SegmentType(i) => segment(i, 0, 4),
            Self::SegmentOffset(i) => segment(i, 8, 8),
            Self::SegmentVaddr(i) => segment(i, 16, 8),
            Self::SegmentFileSize(i) => segment(i, 32, 8),
            Self::SegmentMemSize(i) => segment(i, 40, 8),
            Self::SegmentAlign(i) => segment(i, 48, 8),
        }
    }

    /// Overwrites the field in the bytes of a core.
    pub fn set(self, core: &mut [u8], value: u64) {
        let (at, len) = self.place();
        core[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }
}

struct Load {
    vaddr: u64,
    flags: u32,
    memsz: u64,
    bytes: Vec<u8>,
}

/// Collects the parts of a core.
#[derive(Default)]
pub struct CoreWriter {
    notes: Vec<u8>,
    loads: Vec<Load>,
}

impl CoreWriter {
    /// A core without any note or segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a `PT_LOAD` of `memsz` bytes, the first of which are `bytes`. Flags: 1 execute, 2 write, 4 read.
    pub fn load(mut self, vaddr: u64, flags: u32, memsz: u64, bytes: &[u8]) -> Self {
        self.loads.push(Load {
            vaddr,
            flags,
            memsz,
            bytes: bytes.to_vec(),
        });
        self
    }

    /// Adds any note.
    pub fn note(mut self, name: &[u8], kind: u32, desc: &[u8]) -> Self {
        self.notes.extend((name.len() as u32 + 1).to_le_bytes());
        self.notes.extend((desc.len() as u32).to_le_bytes());
        self.notes.extend(kind.to_le_bytes());
        self.notes.extend(name);
        self.notes.push(0);
        self.pad();
        self.notes.extend(desc);
        self.pad();
        self
    }

    /// Adds an `NT_PRSTATUS`. Registers in the kernel's order: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi
    /// rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs.
    pub fn prstatus(self, tid: i32, registers: &[u64; 27]) -> Self {
        let mut desc = vec![0; 336];
        desc[32..36].copy_from_slice(&tid.to_le_bytes());
        for (i, value) in registers.iter().enumerate() {
            desc[112 + i * 8..120 + i * 8].copy_from_slice(&value.to_le_bytes());
        }
        self.note(b"CORE", 1, &desc)
    }

    /// Adds an `NT_PRPSINFO`; name and arguments are cut at 16 and 80 bytes.
    pub fn prpsinfo(self, pid: i32, name: &[u8], arguments: &[u8]) -> Self {
        let mut desc = vec![0; 136];
        desc[24..28].copy_from_slice(&pid.to_le_bytes());
        let name = &name[..name.len().min(16)];
        desc[40..40 + name.len()].copy_from_slice(name);
        let arguments = &arguments[..arguments.len().min(80)];
        desc[56..56 + arguments.len()].copy_from_slice(arguments);
        self.note(b"CORE", 3, &desc)
    }

    /// Adds an `NT_AUXV` with a closing `AT_NULL`.
    pub fn auxv(self, pairs: &[(u64, u64)]) -> Self {
        let all = pairs.iter().copied().chain([(0, 0)]);
        let desc: Vec<u8> = all
            .flat_map(|(k, v)| [k.to_le_bytes(), v.to_le_bytes()].concat())
            .collect();
        self.note(b"CORE", 6, &desc)
    }

    /// Adds an `NT_FILE` of (start, end, offset in the file in pages of 4096, path).
    pub fn files(self, entries: &[(u64, u64, u64, &[u8])]) -> Self {
        let mut desc = Vec::new();
        desc.extend((entries.len() as u64).to_le_bytes());
        desc.extend(4096_u64.to_le_bytes());
        for (start, end, pages, _) in entries {
            desc.extend(start.to_le_bytes());
            desc.extend(end.to_le_bytes());
            desc.extend(pages.to_le_bytes());
        }
        for (.., path) in entries {
            desc.extend(*path);
            desc.push(0);
        }
        self.note(b"CORE", 0x4649_4c45, &desc)
    }

    /// The bytes of the core: header, program headers (the `PT_NOTE` first), notes, contents, and a section header
    /// where there are too many program headers to count otherwise.
    pub fn write(&self) -> Vec<u8> {
        let count = self.loads.len() + 1;
        let notes_at = 64 + count * 56;
        let mut at = notes_at + self.notes.len();
        let contents: usize = self.loads.iter().map(|l| l.bytes.len()).sum();
        let extended = count >= 0xffff;
        let section_at = if extended {
            (at + contents).next_multiple_of(8)
        } else {
            0
        };

        let mut core = Vec::with_capacity(at + contents + 72);
        core.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        core.extend(4_u16.to_le_bytes()); // ET_CORE
        core.extend(62_u16.to_le_bytes()); // EM_X86_64
        core.extend(1_u32.to_le_bytes());
        core.extend(0_u64.to_le_bytes()); // e_entry
        core.extend(64_u64.to_le_bytes()); // e_phoff
        core.extend((section_at as u64).to_le_bytes()); // e_shoff
        core.extend(0_u32.to_le_bytes());
        core.extend(64_u16.to_le_bytes());
        core.extend(56_u16.to_le_bytes()); // e_phentsize
        core.extend((count.min(0xffff) as u16).to_le_bytes()); // e_phnum
        core.extend(64_u16.to_le_bytes()); // e_shentsize
        core.extend(u16::from(extended).to_le_bytes()); // e_shnum
        core.extend(0_u16.to_le_bytes());

        program_header(&mut core, 4, 0, notes_at, 0, self.notes.len() as u64, 0);
        for l in &self.loads {
            program_header(
                &mut core,
                1,
                l.flags,
                at,
                l.vaddr,
                l.bytes.len() as u64,
                l.memsz,
            );
            at += l.bytes.len();
        }
        core.extend(&self.notes);
        for l in &self.loads {
            core.extend(&l.bytes);
        }
        if extended {
            core.resize(section_at, 0);
            let mut section = [0; 64];
            section[44..48].copy_from_slice(&(count as u32).to_le_bytes()); // sh_info
            core.extend(section);
        }
        core
    }

    fn pad(&mut self) {
        self.notes.resize(self.notes.len().next_multiple_of(4), 0);
    }
}

fn program_header(
    core: &mut Vec<u8>,
    kind: u32,
    flags: u32,
    offset: usize,
    vaddr: u64,
    filesz: u64,
    memsz: u64,
) {
    core.extend(kind.to_le_bytes());
    core.extend(flags.to_le_bytes());
    core.extend((offset as u64).to_le_bytes());
    core.extend(vaddr.to_le_bytes());
    core.extend(0_u64.to_le_bytes());
    core.extend(filesz.to_le_bytes());
    core.extend(memsz.to_le_bytes());
    core.extend(4_u64.to_le_bytes());
}
