//! The commands.

pub(crate) mod agent;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod heap;
pub(crate) mod ps;
pub(crate) mod replay;
pub(crate) mod rule;
pub(crate) mod simulate;
pub(crate) mod sites;
pub(crate) mod snap;
pub(crate) mod top;
