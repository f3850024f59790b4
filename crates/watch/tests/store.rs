//! The store: what it keeps, what it forgets, whom it takes for the same process, and files that are not its own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use leakscope_target::Identity;
use leakscope_trend::{Channel, Signal, WorkloadMemory};
use leakscope_watch::{Row, Series, Store, StoreError, StoredIdentity, Verdict, Who};

const DAY: i64 = 86_400_000;

fn identity(pid: i32, start_ticks: u64) -> StoredIdentity {
    StoredIdentity {
        boot: "boot".to_owned(),
        identity: Identity {
            pid,
            start_ticks,
            exe_device: 1,
            exe_inode: u64::MAX,
        },
    }
}

fn who(pid: i32) -> Who {
    Who {
        pid,
        name: "shop".to_owned(),
        ..Who::default()
    }
}

fn row(name: &str, at: i64, value: f64) -> Row {
    Row {
        series: Series::named(name),
        at,
        value,
    }
}

fn verdict(process: i64, at: i64) -> Verdict {
    Verdict {
        process,
        at,
        id: 0,
        who: who(7),
        channel: "heap_floor".to_owned(),
        from: "quiet".to_owned(),
        verdict: "leak".to_owned(),
        risk: 50,
        risk_terms: leakscope_watch::RiskTerms::default(),
        slope: None,
        time_to_exhaustion: None,
        window: None,
        tests: Vec::new(),
        fleet: None,
    }
}

fn integrity(path: &Path) -> Result<String> {
    let db = rusqlite::Connection::open(path)?;
    Ok(db.query_row("PRAGMA integrity_check", [], |r| r.get(0))?)
}

#[test]
fn a_store_is_for_its_owner_only_and_holds_what_was_written_when_opened_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("watch.db");
    let id = {
        let mut store = Store::open(Some(&path))?;
        store.begin_run(5, "sensitivity = \"early\"")?;
        let id = store.add(&identity(7, 100), true, &who(7))?;
        let rows = [
            (id, row("limit", 0, 1e9)),
            (id, row("heap_floor", 10, 5.0)),
            (id, row("heap_floor", 10, 4.0)),
            (id, row("pool_size", 10, 3.0)),
        ];
        let mut verdicts = [verdict(id, 20)];
        store.write(&rows, &mut verdicts)?;
        ensure!(verdicts[0].id > 0, "{}", verdicts[0].id);
        id
    };
    let mode = path.metadata()?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "mode {mode:o}");
    let store = Store::existing(&path)?;
    let found = store.find(&identity(7, 100))?;
    ensure!(found.as_ref().is_some_and(|p| p.id == id && p.has_floors));
    let expected = [
        row("limit", 0, 1e9),
        row("heap_floor", 10, 4.0),
        row("pool_size", 10, 3.0),
    ];
    let rows = store.rows(id, 15)?;
    ensure!(rows == expected, "{rows:?}");
    let newest = store.newest(10)?;
    ensure!(newest.len() == 1, "{newest:?}");
    let (again, config) = store.verdict(newest[0].id)?;
    ensure!(again.channel == "heap_floor" && config.contains("early"));
    ensure!(integrity(&path)? == "ok");
    ensure!(matches!(store.verdict(99), Err(StoreError::NoVerdict(99))));
    Ok(())
}

#[test]
fn a_recycled_process_id_another_executable_and_another_boot_are_other_processes() -> Result<()> {
    let mut store = Store::open(None)?;
    let known = identity(7, 100);
    let id = store.add(&known, true, &who(7))?;
    let mut exec = known.clone();
    exec.identity.exe_inode = 3;
    let mut rebooted = known.clone();
    rebooted.boot = "another".to_owned();
    for other in [identity(7, 101), identity(8, 100), exec, rebooted] {
        ensure!(store.find(&other)?.is_none(), "{other:?}");
    }
    ensure!(store.find(&known)?.is_some_and(|p| p.id == id));
    store.end(id, 50)?;
    ensure!(store.find(&known)?.is_none(), "it has ended");
    Ok(())
}

#[test]
fn what_is_too_old_goes_and_what_still_holds_stays() -> Result<()> {
    let mut store = Store::open(None)?;
    store.begin_run(0, "old")?;
    let (lives, ended) = (
        store.add(&identity(7, 100), true, &who(7))?,
        store.add(&identity(8, 100), true, &who(8))?,
    );
    let mut old = [verdict(lives, DAY)];
    let rows: Vec<(i64, Row)> = [lives, ended]
        .into_iter()
        .flat_map(|id| {
            [
                (id, row("limit", DAY, 1e9)),
                (id, row("heap_floor", DAY, 1.0)),
                (id, row("heap_floor", 20 * DAY, 2.0)),
            ]
        })
        .collect();
    store.write(&rows, &mut old)?;
    store.begin_run(20 * DAY, "new")?;
    let mut new = [verdict(lives, 20 * DAY)];
    store.write(&[], &mut new)?;
    store.end(ended, 9 * DAY)?;

    // Floors of ten days, verdicts and ended processes of fifteen.
    store.forget(15 * DAY, 10 * DAY)?;
    let rows = store.rows(lives, 99 * DAY)?;
    let expected = [row("limit", DAY, 1e9), row("heap_floor", 20 * DAY, 2.0)];
    ensure!(rows == expected, "a limit holds until it changes: {rows:?}");
    ensure!(store.rows(ended, 99 * DAY)?.is_empty());
    ensure!(store.process(ended).is_err() && store.process(lives).is_ok());
    ensure!(store.verdict(old[0].id).is_err());
    ensure!(store.verdict(new[0].id)?.1 == "new");
    ensure!(store.floors()? == 2, "{}", store.floors()?);
    Ok(())
}

#[test]
fn a_workloads_peak_fades_and_is_never_below_the_newest() -> Result<()> {
    let mut store = Store::open(None)?;
    let of = |peak: f64| {
        let mut memory = WorkloadMemory::default();
        memory.remember(Channel::HeapFloor, peak);
        memory
    };
    store.remember("shop", &of(1000.0))?;
    store.remember("shop", &of(100.0))?;
    let peak = store.workload("shop")?.peak(Channel::HeapFloor);
    ensure!(peak == Some(900.0), "{peak:?}");
    store.remember("shop", &of(2000.0))?;
    let peak = store.workload("shop")?.peak(Channel::HeapFloor);
    ensure!(peak == Some(2000.0), "{peak:?}");
    ensure!(store.workload("other")?.peak(Channel::HeapFloor).is_none());
    Ok(())
}

#[test]
fn files_of_others_are_refused_and_left_as_they_are() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for version in [0, 99] {
        let other = folder.path().join(format!("{version}.db"));
        let db = rusqlite::Connection::open(&other)?;
        db.execute_batch("CREATE TABLE recipe (name TEXT)")?;
        db.pragma_update(None, "user_version", version)?;
        drop(db);
        let before = std::fs::read(&other)?;
        let refused = Store::open(Some(&other)).err();
        ensure!(
            matches!(refused, Some(StoreError::Version { found, .. }) if found == version),
            "{refused:?}"
        );
        ensure!(std::fs::read(&other)? == before);
    }
    let text = folder.path().join("notes.txt");
    let notes = "not a database, and long enough to be looked at as one\n".repeat(99);
    std::fs::write(&text, &notes)?;
    ensure!(matches!(
        Store::open(Some(&text)).err(),
        Some(StoreError::Sqlite(_))
    ));
    ensure!(std::fs::read_to_string(&text)? == notes);
    ensure!(matches!(
        Store::existing(&folder.path().join("gone.db")).err(),
        Some(StoreError::Open { .. })
    ));
    Ok(())
}

#[test]
fn a_damaged_line_is_told_and_the_rest_can_be_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("watch.db");
    let mut store = Store::open(Some(&path))?;
    store.begin_run(0, "")?;
    let id = store.add(&identity(7, 100), true, &who(7))?;
    store.write(
        &[(id, row("heap_floor", 1, 1.0))],
        &mut [verdict(id, 2), verdict(id, 3)],
    )?;
    let db = rusqlite::Connection::open(&path)?;
    db.execute("UPDATE verdict SET text = '{' WHERE at = 2", [])?;
    db.execute("UPDATE process SET who = 'nobody'", [])?;
    ensure!(matches!(store.verdict(1), Err(StoreError::Damaged(_))));
    ensure!(store.verdict(2).is_ok());
    ensure!(matches!(store.process(id), Err(StoreError::Damaged(_))));
    ensure!(store.rows(id, 9)?.len() == 1);
    ensure!(Series::named("heap_floor") == Series::Signal(Signal::HeapFloor));
    Ok(())
}
