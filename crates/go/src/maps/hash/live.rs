//! Bytes of keys: from the image, or from the process as it runs on.
//!
//! A stop does not copy objects without pointers, so the texts of keys are not in the image of a live process. A text that a
//! map's cell still refers to, after it was read, in an array that the map still has, was the key's while it was read.

use std::hint::black_box;

use leakscope_target::{Addr, Image, Memory};

/// Longer parts of keys are not read.
const MAX_BYTES: u64 = 1 << 20;
/// Bytes read of all keys together: half a second of hashing, and more than maps of any sense have.
const MAX_ALL_BYTES: u64 = 1 << 30;

/// Where bytes come from.
pub(super) struct Source<'a> {
    image: &'a Image,
    running: Option<&'a dyn Memory>,
    /// Reads from the running process that may still be made.
    left: u64,
    /// Bytes of keys that may still be read, from anywhere.
    bytes_left: u64,
    /// Whether anything came from there since this was last set to false.
    pub(super) from_running: bool,
    buffer: Vec<u8>,
    /// What of the image was found ahead, by where it starts; never empty slices.
    ahead: Vec<(Addr, &'a [u8])>,
}

impl<'a> Source<'a> {
    pub(super) fn new(image: &'a Image, running: Option<&'a dyn Memory>, left: u64) -> Self {
        Self {
            image,
            running,
            left,
            bytes_left: MAX_ALL_BYTES,
            from_running: false,
            buffer: Vec::new(),
            ahead: Vec::new(),
        }
    }

    pub(super) fn image(&self) -> &'a Image {
        self.image
    }

    /// `len` bytes at `at`.
    pub(super) fn bytes(&mut self, at: Addr, len: u64) -> Option<&[u8]> {
        // What is empty may point anywhere.
        if len == 0 {
            return Some(&[]);
        }
        if len > MAX_BYTES {
            return None;
        }
        self.bytes_left = self.bytes_left.checked_sub(len)?;
        let ahead = self.ahead.iter().find(|(start, _)| *start == at);
        let from = match ahead {
            Some((_, bytes)) => Some(*bytes),
            None => self.image.bytes_from(at).ok(),
        };
        if let Some(bytes) = from.and_then(|from| from.get(..len as usize)) {
            return Some(bytes);
        }
        self.buffer.resize(len as usize, 0);
        if self.image.read(at, &mut self.buffer).is_err() {
            self.left = self.left.checked_sub(1)?;
            self.running?.read(at, &mut self.buffer).ok()?;
            self.from_running = true;
        }
        Some(&self.buffer)
    }

    /// Bytes at `at` will be asked for soon.
    pub(super) fn announce(&mut self, at: Addr) {
        let bytes = self.image.bytes_from(at).ok();
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            self.ahead.push((at, bytes));
        }
    }

    /// Touches what was announced, all together, so that the misses overlap.
    pub(super) fn touch(&self) {
        let first = self.ahead.iter().filter_map(|(_, bytes)| bytes.first());
        black_box(first.fold(0, |sum, byte| sum ^ byte));
    }

    /// Forgets what was announced.
    pub(super) fn forget(&mut self) {
        self.ahead.clear();
    }

    /// Whether the running process still has these bytes at `at`.
    pub(super) fn still(&mut self, at: Addr, bytes: &[u8]) -> bool {
        self.buffer.resize(bytes.len(), 0);
        let read = (self.running).map(|running| running.read(at, &mut self.buffer));
        read.is_some_and(|read| read.is_ok()) && self.buffer == bytes
    }
}
