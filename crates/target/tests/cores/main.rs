//! Reading ELF cores: real ones, spoilt ones, and ones that never were.

mod bad;
mod mutation;
mod real;
mod support;
