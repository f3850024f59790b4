//! The runtime's layouts by release, for executables that do not carry their own: tables made from real toolchains by
//! `cargo xtask layouts`.
//!
//! A table is text, one record per line, fields separated by tabs, so that `grep` and `diff` answer most questions:
//!
//! - `struct NAME SIZE KIND ELEM`, then its fields, each on a line that starts with a tab: offset, size, name, type
//! - `base NAME SIZE KIND`, `pointer NAME KIND TARGET`, `array NAME SIZE KIND COUNT TARGET`, `func NAME KIND`,
//!   `name NAME KIND SIZE TARGET KEY ELEM`, `void NAME`
//! - `const NAME VALUE`
//! - `global NAME TYPE`
//!
//! Sizes and offsets are in bytes, kinds are `abi.Kind`, `-` stands for nothing. Lines that start with `#` are comments.

mod variants;
mod wanted;

pub use variants::{Fit, VARIANTS, Variant, choose};
pub use wanted::{CONSTANTS, GLOBALS, STRUCTS, is_wanted_constant};
