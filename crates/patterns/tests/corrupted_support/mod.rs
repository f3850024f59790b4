//! What the test of damaged maps is made of.

pub(crate) mod anatomy;
pub(crate) mod case;
pub(crate) mod damage;
