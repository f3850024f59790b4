//! What a map takes from outside: hashes and random numbers.

/// A key, by a number that the caller chooses; 0 stands for a slot without key bytes.
pub type Key = u32;
/// A value, by a number that the caller chooses; 0 stands for a cleared one.
pub type Elem = u32;

/// What a map takes from outside. With a seeded one a model is a simulation; with one that repeats what a real program
/// hashed and drew, it does exactly what that program did.
pub trait World {
    /// The hash of a key under the map's present seed.
    fn hash(&self, key: Key) -> u64;
    /// The map draws a new seed: hashes differ from now on.
    fn reseed(&mut self);
    /// True once in `2^log2` times (`runtime.incrnoverflow`).
    fn one_in(&mut self, log2: u8) -> bool;
    /// Two random words for the start of an iteration: where to start in the directory or among the buckets, and in a
    /// table or bucket. Classic maps take the first for both (`mapiterinit`).
    fn start(&mut self) -> (u64, u64);
}

/// A world of pseudo-random numbers from one seed.
#[derive(Clone, Debug)]
pub struct Seeded {
    state: u64,
    seed: u64,
}

impl Seeded {
    /// The world of that seed; the same seed gives the same world.
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            state: seed,
            seed: 0,
        };
        world.reseed();
        world
    }

    /// The next random word.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }
}

/// SplitMix64's finalizer: every bit of the result depends on every bit of `x`.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl World for Seeded {
    fn hash(&self, key: Key) -> u64 {
        mix(mix(u64::from(key).wrapping_add(self.seed)) ^ self.seed)
    }

    fn reseed(&mut self) {
        self.seed = self.draw();
    }

    fn one_in(&mut self, log2: u8) -> bool {
        let mask = 1u64
            .checked_shl(u32::from(log2))
            .map_or(u64::MAX, |n| n - 1);
        self.draw() & mask == 0
    }

    fn start(&mut self) -> (u64, u64) {
        (self.draw(), self.draw())
    }
}
