//! Random numbers for tests that damage things or try many moments.

/// Marsaglia's xorshift: the same numbers for the same seed, on every machine.
pub struct Random(u64);

impl Random {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.max(1))
    }

    /// A generator with another seed on every run, which is printed: `what` says whose it is.
    #[expect(
        clippy::print_stderr,
        reason = "whoever sees a test fail needs the seed"
    )]
    pub fn seeded_by_clock(what: &str) -> Self {
        let seed = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(1, |d| d.as_nanos() as u64);
        eprintln!("{what}: random seed {seed}");
        Self::new(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`; 0 where there is none.
    pub fn below(&mut self, n: u64) -> u64 {
        self.number() % n.max(1)
    }

    /// An index into something of this length; 0 where it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }
}
