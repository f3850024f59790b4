//! The runtime's hash where the processor has no AES instructions, or `GODEBUG=cpu.aes=off` hides them
//! (`memhashFallback`, `memhash32Fallback` and `memhash64Fallback` in `runtime/hash64.go`, Go 1.21 to 1.26;
//! `internal/runtime/maps/runtime_hash64.go`, 1.27).

/// `m5` of all releases.
const M5: u64 = 0x1d8e_4e27_c47d_124f;
/// `m1` to `m4` of Go 1.21 and 1.22.
const FIXED: [u64; 4] = [
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
];

/// The keys of one process.
#[derive(Clone, Debug)]
pub(super) struct Keys([u64; 4]);

impl Keys {
    /// From `hashkey`; with `fixed`, only its first word is used, beside the constants of Go 1.21 and 1.22.
    pub(super) fn new(hashkey: [u64; 4], fixed: bool) -> Self {
        match fixed {
            true => Self([hashkey[0] ^ FIXED[0], FIXED[1], FIXED[2], FIXED[3]]),
            false => Self(hashkey),
        }
    }

    /// `memhash64` with `len` 8, `memhash32` with `len` 4 and a word below 2^32.
    pub(super) fn word(&self, word: u64, len: u64, seed: u64) -> u64 {
        let [first, second, ..] = self.0;
        mix(M5 ^ len, mix(word ^ second, word ^ seed ^ first))
    }

    /// `memhash`.
    pub(super) fn bytes(&self, bytes: &[u8], seed: u64) -> u64 {
        let [first, second, third, fourth] = self.0;
        let len = bytes.len();
        let mut seed = seed ^ first;
        let (a, b) = match len {
            0 => return seed,
            1..=3 => {
                let byte = |at: usize| u64::from(bytes[at]);
                (byte(0) | byte(len >> 1) << 8 | byte(len - 1) << 16, 0)
            }
            4..=7 => (half(bytes, 0), half(bytes, len - 4)),
            8..=16 => (word(bytes, 0), word(bytes, len - 8)),
            _ => {
                let mut rest = bytes;
                if rest.len() > 48 {
                    let (mut seed1, mut seed2) = (seed, seed);
                    while rest.len() > 48 {
                        seed = mix(word(rest, 0) ^ second, word(rest, 8) ^ seed);
                        seed1 = mix(word(rest, 16) ^ third, word(rest, 24) ^ seed1);
                        seed2 = mix(word(rest, 32) ^ fourth, word(rest, 40) ^ seed2);
                        rest = &rest[48..];
                    }
                    seed ^= seed1 ^ seed2;
                }
                while rest.len() > 16 {
                    seed = mix(word(rest, 0) ^ second, word(rest, 8) ^ seed);
                    rest = &rest[16..];
                }
                // The last sixteen bytes, which may reach back into what was taken already.
                (word(bytes, len - 16), word(bytes, len - 8))
            }
        };
        mix(M5 ^ len as u64, mix(a ^ second, b ^ seed))
    }
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The word at `at`; bytes past the end count as zeros, which callers rule out.
fn word(bytes: &[u8], at: usize) -> u64 {
    let from = bytes.get(at..).and_then(|b| b.first_chunk());
    from.map_or(0, |b| u64::from_le_bytes(*b))
}

/// The half word at `at`.
fn half(bytes: &[u8], at: usize) -> u64 {
    let from = bytes.get(at..).and_then(|b| b.first_chunk());
    from.map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
}
