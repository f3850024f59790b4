//! What outlives the watcher: processes, floors, verdicts, what workloads reached. One SQLite file, mode 0600.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use leakscope_trend::{Channel, Millis, WorkloadMemory};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::recorder::Row;
use crate::series::Series;
use crate::verdict::{Verdict, Who};

/// Version of the tables (`user_version`). Another version's file is refused: it is a cache of what runs, and old
/// verdicts are worth more than a guess at them.
const VERSION: i32 = 1;

/// Rows are read and written by primary key, or in its order: tables without row ids take 16 bytes a floor.
const TABLES: &str = "
CREATE TABLE run (id INTEGER PRIMARY KEY, started INTEGER NOT NULL, config TEXT NOT NULL);
CREATE TABLE process (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL,
    exe_device INTEGER NOT NULL, exe_inode INTEGER NOT NULL, has_floors INTEGER NOT NULL, who TEXT NOT NULL,
    ended INTEGER
);
CREATE INDEX process_by_pid ON process (pid, start_ticks);
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE floor (
    process INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (process, series, at)
) WITHOUT ROWID;
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY AUTOINCREMENT, process INTEGER NOT NULL, run INTEGER NOT NULL, at INTEGER NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX verdict_by_time ON verdict (at);
CREATE TABLE workload (
    name TEXT NOT NULL, channel TEXT NOT NULL, peak REAL NOT NULL, PRIMARY KEY (name, channel)
) WITHOUT ROWID;
";

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made or opened.
    #[error("cannot open the store {path}: {source}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// Made by another release.
    #[error("the store {path} has tables of version {found}, not {VERSION}")]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i32,
    },
    /// A verdict of this number is not in it.
    #[error("there is no verdict {0} in the store")]
    NoVerdict(i64),
    /// What it holds is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Anything else that SQLite says: a full disk, a lock.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What identifies a process across runs of the watcher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredIdentity {
    /// Which boot of this machine.
    pub boot: String,
    /// The process.
    pub identity: leakscope_target::Identity,
}

/// A process as it is stored.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredProcess {
    /// Its number.
    pub id: i64,
    /// Whether floors of its heap could be had.
    pub has_floors: bool,
    /// Who it is.
    pub who: Who,
}

/// The open store.
pub struct Store {
    db: Connection,
    run: i64,
    series: BTreeMap<String, i64>,
}

impl Store {
    /// Opens the store at `path`, making it where there is none; `None`: one in memory.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn open(path: Option<&Path>) -> Result<Self, StoreError> {
        let db = match path {
            None => Connection::open_in_memory()?,
            Some(path) => {
                make(path).map_err(|source| StoreError::Open {
                    path: path.to_owned(),
                    source,
                })?;
                Connection::open(path)?
            }
        };
        let mut store = Self {
            db,
            run: 0,
            series: BTreeMap::new(),
        };
        store.prepare(path)?;
        if let Some(path) = path {
            // Only now is it known to be ours.
            owner_only(path).map_err(|source| StoreError::Open {
                path: path.to_owned(),
                source,
            })?;
        }
        Ok(store)
    }

    /// Opens the store at `path`, which is there already.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn existing(path: &Path) -> Result<Self, StoreError> {
        path.metadata().map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::open(Some(path))
    }

    fn prepare(&mut self, path: Option<&Path>) -> Result<(), StoreError> {
        self.db.busy_timeout(std::time::Duration::from_secs(5))?;
        // Before anything is changed in it.
        self.version(path)?;
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        // A crash of the machine may lose the last rows, never the file.
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        // 1 MiB of pages: rows are appended at one place for each series.
        self.db.pragma_update(None, "cache_size", -1024)?;
        let transaction = self.db.transaction()?;
        if user_version(&transaction)? == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()?;
        let mut names = self.db.prepare("SELECT name, id FROM series")?;
        let rows = names.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        self.series = rows.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Refuses tables of another version, and of other programs.
    fn version(&self, path: Option<&Path>) -> Result<(), StoreError> {
        let tables = || -> Result<i64, rusqlite::Error> {
            let count = "SELECT count(*) FROM sqlite_master";
            self.db.query_row(count, [], |r| r.get(0))
        };
        match user_version(&self.db)? {
            VERSION => Ok(()),
            0 if tables()? == 0 => Ok(()),
            found => Err(StoreError::Version {
                path: path.map(Path::to_owned).unwrap_or_default(),
                found,
            }),
        }
    }

    /// Notes that the watcher starts, with the configuration that its verdicts will rest on.
    pub fn begin_run(&mut self, at: Millis, config: &str) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO run (started, config) VALUES (?1, ?2)",
            params![at, config],
        )?;
        self.run = self.db.last_insert_rowid();
        Ok(())
    }

    /// The process of this identity, if it has been seen before and not ended.
    pub fn find(&self, identity: &StoredIdentity) -> Result<Option<StoredProcess>, StoreError> {
        let i = &identity.identity;
        let found = self
            .db
            .query_row(
                "SELECT id, has_floors, who FROM process WHERE boot = ?1 AND pid = ?2 AND start_ticks = ?3
                 AND exe_device = ?4 AND exe_inode = ?5 AND ended IS NULL ORDER BY id DESC LIMIT 1",
                params![
                    identity.boot,
                    i.pid,
                    i.start_ticks as i64,
                    i.exe_device as i64,
                    i.exe_inode as i64
                ],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .optional()?;
        found.map(stored_process).transpose()
    }

    /// The process of this number.
    pub fn process(&self, id: i64) -> Result<StoredProcess, StoreError> {
        let found = self.db.query_row(
            "SELECT id, has_floors, who FROM process WHERE id = ?1",
            [id],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
        )?;
        stored_process(found)
    }

    /// Adds a process; its number.
    pub fn add(
        &mut self,
        identity: &StoredIdentity,
        has_floors: bool,
        who: &Who,
    ) -> Result<i64, StoreError> {
        let i = &identity.identity;
        self.db.execute(
            "INSERT INTO process (boot, pid, start_ticks, exe_device, exe_inode, has_floors, who)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                identity.boot,
                i.pid,
                i.start_ticks as i64,
                i.exe_device as i64,
                i.exe_inode as i64,
                has_floors,
                json(who)?
            ],
        )?;
        Ok(self.db.last_insert_rowid())
    }

    /// Writes rows and verdicts of a round at once; gives the verdicts their numbers.
    pub fn write(
        &mut self,
        rows: &[(i64, Row)],
        verdicts: &mut [Verdict],
    ) -> Result<(), StoreError> {
        if rows.is_empty() && verdicts.is_empty() {
            return Ok(());
        }
        let transaction = self.db.transaction()?;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO floor (process, series, at, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )?;
            for (process, row) in rows {
                let series = series_id(&transaction, &mut self.series, row.series.name())?;
                insert.execute(params![process, series, row.at, row.value])?;
            }
            let mut insert = transaction
                .prepare("INSERT INTO verdict (process, run, at, text) VALUES (?1, ?2, ?3, ?4)")?;
            for verdict in verdicts {
                let text = json(verdict)?;
                insert.execute(params![verdict.process, self.run, verdict.at, text])?;
                verdict.id = transaction.last_insert_rowid();
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Notes that a process has ended.
    pub fn end(&mut self, process: i64, at: Millis) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE process SET ended = ?2 WHERE id = ?1",
            params![process, at],
        )?;
        Ok(())
    }

    /// Every row of a process up to `until`, by time. What changes now and then comes before floors of the same moment.
    pub fn rows(&self, process: i64, until: Millis) -> Result<Vec<Row>, StoreError> {
        let mut select = self.db.prepare(
            "SELECT s.name, f.at, f.value FROM floor f JOIN series s ON s.id = f.series
             WHERE f.process = ?1 AND f.at <= ?2",
        )?;
        let rows = select.query_map(params![process, until], |r| {
            Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?))
        })?;
        let mut rows = rows
            .map(|row| {
                row.map(|(name, at, value)| Row {
                    series: Series::named(&name),
                    at,
                    value,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let changes = |row: &Row| row.series.kept() != crate::series::Kept::Changes;
        rows.sort_by(|a, b| (a.at, changes(a), &a.series).cmp(&(b.at, changes(b), &b.series)));
        Ok(rows)
    }

    /// A verdict and the configuration that it rests on.
    pub fn verdict(&self, id: i64) -> Result<(Verdict, String), StoreError> {
        let found: Option<(i64, String, String)> = self
            .db
            .query_row(
                "SELECT v.process, v.text, r.config FROM verdict v JOIN run r ON r.id = v.run WHERE v.id = ?1",
                [id],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .optional()?;
        let (process, text, config) = found.ok_or(StoreError::NoVerdict(id))?;
        let verdict: Verdict =
            serde_json::from_str(&text).map_err(|e| StoreError::Damaged(e.to_string()))?;
        Ok((
            Verdict {
                id,
                process,
                ..verdict
            },
            config,
        ))
    }

    /// The newest verdicts, newest first.
    pub fn newest(&self, most: u32) -> Result<Vec<Verdict>, StoreError> {
        let mut select = self
            .db
            .prepare("SELECT id FROM verdict ORDER BY id DESC LIMIT ?1")?;
        let ids = select
            .query_map([most], |r| r.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        ids.into_iter()
            .map(|id| self.verdict(id).map(|(verdict, _)| verdict))
            .collect()
    }

    /// What earlier processes of a workload reached.
    pub fn workload(&self, name: &str) -> Result<WorkloadMemory, StoreError> {
        let mut select = self
            .db
            .prepare("SELECT channel, peak FROM workload WHERE name = ?1 ORDER BY channel")?;
        let rows = select.query_map([name], |r| Ok((r.get::<_, String>(0)?, r.get(1)?)))?;
        let mut memory = WorkloadMemory::default();
        for row in rows {
            let (channel, peak) = row?;
            if let Some(channel) = Channel::ALL.into_iter().find(|c| c.name() == channel) {
                memory.remember(channel, peak);
            }
        }
        Ok(memory)
    }

    /// Remembers what a process of a workload reached. An older, higher value fades by a tenth each time: what a program
    /// needs changes with its versions.
    pub fn remember(&mut self, name: &str, memory: &WorkloadMemory) -> Result<(), StoreError> {
        for channel in Channel::ALL {
            if let Some(peak) = memory.peak(channel) {
                self.db.execute(
                    "INSERT INTO workload (name, channel, peak) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET peak = max(excluded.peak, 0.9 * peak)",
                    params![name, channel.name(), peak],
                )?;
            }
        }
        Ok(())
    }

    /// Forgets floors from before `floors`, and verdicts and ended processes from before `verdicts`.
    pub fn forget(&mut self, floors: Millis, verdicts: Millis) -> Result<(), StoreError> {
        let transaction = self.db.transaction()?;
        // What changes now and then stays as long as its process: its last value holds still.
        transaction.execute(
            "DELETE FROM floor WHERE at < ?1 AND (process IN (SELECT id FROM process WHERE ended IS NOT NULL)
             OR series NOT IN (SELECT id FROM series WHERE name IN ('limit', 'heap_max', 'gogc', 'start_time')))",
            [floors],
        )?;
        transaction.execute("DELETE FROM verdict WHERE at < ?1", [verdicts])?;
        transaction.execute(
            "DELETE FROM floor WHERE process IN (SELECT id FROM process WHERE ended < ?1)",
            [verdicts],
        )?;
        transaction.execute("DELETE FROM process WHERE ended < ?1", [verdicts])?;
        transaction.execute(
            "DELETE FROM run WHERE started < ?1 AND id < ?2 AND id NOT IN (SELECT run FROM verdict)",
            params![verdicts, self.run],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// How many floors are kept.
    pub fn floors(&self) -> Result<u64, StoreError> {
        let count: i64 = self
            .db
            .query_row("SELECT count(*) FROM floor", [], |r| r.get(0))?;
        Ok(count.unsigned_abs())
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

fn stored_process((id, has_floors, who): (i64, bool, String)) -> Result<StoredProcess, StoreError> {
    Ok(StoredProcess {
        id,
        has_floors,
        who: serde_json::from_str(&who).map_err(|e| StoreError::Damaged(e.to_string()))?,
    })
}

fn series_id(
    transaction: &Transaction<'_>,
    known: &mut BTreeMap<String, i64>,
    name: &str,
) -> Result<i64, StoreError> {
    if let Some(id) = known.get(name) {
        return Ok(*id);
    }
    transaction.execute("INSERT INTO series (name) VALUES (?1)", [name])?;
    let id = transaction.last_insert_rowid();
    known.insert(name.to_owned(), id);
    Ok(id)
}

fn user_version(db: &Connection) -> Result<i32, rusqlite::Error> {
    db.pragma_query_value(None, "user_version", |r| r.get(0))
}

/// Makes the file for its owner only, where there is none. SQLite gives its other files the same mode.
fn make(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

fn owner_only(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
