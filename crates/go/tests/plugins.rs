//! Programs with plugins: not supported, which means that what plugins hold is followed, but has no names.

mod maps_support;

use anyhow::{Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, versions};
use maps_support::Case;

/// The slot that the plugin's items take.
const ITEM_SLOT: u64 = 896;

#[test]
fn what_a_plugin_holds_is_no_garbage() -> Result<()> {
    for version in versions()? {
        let flags = |mode: &str| BuildFlags {
            cgo: true,
            buildmode: mode.to_owned(),
            ..BuildFlags::default()
        };
        let plugin = Fixture::build("plugin", &version, &flags("plugin"))?;
        let host = Fixture::build("plugged", &version, &flags(""))?;
        let path = plugin.path().display().to_string();
        let running = host.spawn(&["-plugin", &path])?;
        let items = running.fact("items")?;
        let case = Case::live(running.pid(), running.truth().clone())?;
        ensure!(case.program.modules().len() == 2, "no plugin loaded");
        let (heap, _) = case.heap()?;
        let reached = heap
            .graph
            .sizes()
            .filter(|(object, size)| *size == ITEM_SLOT && heap.reach.is_reached(*object));
        let totals = &heap.totals;
        ensure!(reached.count() as u64 >= items, "go{version}: {totals:?}");
        ensure!(
            totals.unreachable.objects < items,
            "go{version}: {totals:?}"
        );
    }
    Ok(())
}
