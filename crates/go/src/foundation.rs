//! What everything else about a heap is built on: its objects, what holds them, and what they are.

use std::sync::Arc;

use leakscope_target::{Image, Thread};

use crate::coverage::Gaps;
use crate::goroutine_leaks::hides_references;
use crate::heap::BuildError;
use crate::layouts::Layouts;
use crate::maps::{Census, MapInfo, MapLayouts, Moved, alloc_rules};
use crate::objects::Objects;
use crate::program::Program;
use crate::roots::{RootSource, Roots};
use crate::types::{GcMasks, TypeTable};
use crate::typing::{Typed, Typing};

/// Objects, roots, types and maps, read from the captured bytes.
pub(crate) struct Foundation {
    pub(crate) objects: Objects,
    pub(crate) roots: Roots,
    pub(crate) typed: Typed,
    pub(crate) maps: Vec<MapInfo>,
    pub(crate) moved: Vec<Moved>,
    /// Some span or root could not be read, and may hold a reference.
    pub(crate) unread: bool,
}

impl Foundation {
    /// Reads them. What cannot be read is counted in `gaps`.
    pub(crate) fn read(
        program: &Arc<Program>,
        layouts: &Layouts,
        image: &Image,
        threads: &[Thread],
        types: &mut TypeTable,
        gaps: &mut Gaps,
    ) -> Result<Self, BuildError> {
        let objects = Objects::read(image, layouts, gaps)?;
        let roots = {
            let source = RootSource {
                image,
                program,
                layouts,
                objects: &objects,
                threads,
                masks: &GcMasks::new(program, image),
            };
            Roots::read(source, gaps)
        };
        let unread = hides_references(gaps);
        let alloc = alloc_rules(layouts);
        let map_layouts = MapLayouts::resolve(program.debug());
        let mut census = Census::new(image, &objects, alloc, map_layouts, gaps);
        let typed = Typing::run(image, &objects, types, program, &roots, &mut census);
        let (maps, moved) = census.finish();
        Ok(Self {
            objects,
            roots,
            typed,
            maps,
            moved,
            unread,
        })
    }
}
