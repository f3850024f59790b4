//! The runtime's hash where the processor has AES instructions (`aeshashbody`, `memhash32` and `memhash64` in
//! `runtime/asm_amd64.s`, Go 1.21 to 1.26; `internal/runtime/maps/memhash_amd64.s` and `memhash_nosimd_amd64.s`, 1.27: the
//! same steps).

use aes::hazmat::{Block, cipher_round};

/// Bytes of `aeskeysched`.
pub(super) const SCHEDULE: usize = 128;
/// Longest input that is hashed without a loop.
const LANES: usize = 8;

/// The keys of one process.
#[derive(Clone, Debug)]
pub(super) struct Schedule([u128; LANES]);

impl Schedule {
    /// The keys as they lie in memory.
    pub(super) fn new(bytes: &[u8; SCHEDULE]) -> Self {
        let mut keys = [0; LANES];
        for (key, bytes) in keys.iter_mut().zip(bytes.chunks_exact(16)) {
            *key = block(bytes);
        }
        Self(keys)
    }

    /// `memhash64`, and with `word` below 2^32 `memhash32`.
    pub(super) fn word(&self, word: u64, seed: u64) -> u64 {
        let state = u128::from(seed) | u128::from(word) << 64;
        let [first, second, third, ..] = self.0;
        [first, second, third].into_iter().fold(state, round) as u64
    }

    /// `memhash`.
    pub(super) fn bytes(&self, bytes: &[u8], seed: u64) -> u64 {
        let len = bytes.len();
        // The seed, and four times the low 16 bits of the length.
        let start =
            u128::from(seed) | u128::from((len as u64 & 0xffff) * 0x0001_0001_0001_0001) << 64;
        let seeds = self.0.map(|key| start ^ key);
        let lanes = match len {
            0 => {
                let state = scramble(seeds[0]);
                return scramble(state) as u64;
            }
            1..=16 => 1,
            17..=32 => 2,
            33..=64 => 4,
            _ => LANES,
        };
        let mut state = [0; LANES];
        for (i, state) in state.iter_mut().enumerate().take(lanes) {
            *state = scramble(seeds[i]) ^ first_blocks(bytes, lanes, i);
        }
        // Inputs of more than 128 bytes have given their last ones; now come all blocks of 128 but the last.
        for chunk in bytes
            .chunks_exact(16 * LANES)
            .take(len.saturating_sub(1) / (16 * LANES))
        {
            for (state, data) in state.iter_mut().zip(chunk.chunks_exact(16)) {
                *state = round(scramble(*state), block(data));
            }
        }
        let mut hash = 0;
        for state in state.into_iter().take(lanes) {
            hash ^= scramble(scramble(scramble(state)));
        }
        hash as u64
    }
}

/// What lane `i` of `lanes` begins with: the first half of the lanes takes the start of the input, the second its end; of
/// inputs of more than 128 bytes all take the end.
fn first_blocks(bytes: &[u8], lanes: usize, i: usize) -> u128 {
    let len = bytes.len();
    let at = match lanes {
        1 => 0,
        _ if i < lanes / 2 && len <= 16 * LANES => 16 * i,
        _ => len.saturating_sub(16 * (lanes - i)),
    };
    block(bytes.get(at..).unwrap_or_default())
}

/// The first 16 bytes, or as many as there are.
fn block(bytes: &[u8]) -> u128 {
    match bytes.first_chunk() {
        Some(full) => u128::from_le_bytes(*full),
        None => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
                u128::from(first) | u128::from(last) << (8 * (bytes.len() - 8))
            }
            _ => (bytes.iter().rev()).fold(0, |block, byte| block << 8 | u128::from(*byte)),
        },
    }
}

/// `AESENC key, state`.
fn round(state: u128, key: u128) -> u128 {
    let mut block = Block::from(state.to_le_bytes());
    cipher_round(&mut block, &Block::from(key.to_le_bytes()));
    u128::from_le_bytes(block.into())
}

/// `AESENC state, state`.
fn scramble(state: u128) -> u128 {
    round(state, state)
}
