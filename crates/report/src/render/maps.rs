//! The census of maps as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::histo::more;
use super::table::{Column, Table};
use super::{DIM, HEADER, Page, Render, UNKNOWN, shown};
use crate::text::{shorten, width};
use crate::{Generation, MapRow, MapSums, MapsDoc, bytes, count, percent, things};

impl Render for MapsDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        fact(&mut out, page, "maps", &sums(&self.sums));
        coverage(&mut out, page, &self.head.coverage);
        out.push('\n');
        if self.maps.is_empty() {
            let _ = writeln!(out, "no maps");
            return out;
        }
        let rows = shown(&self.maps, page);
        let _ = writeln!(out, "{HEADER}OWNER  TYPE  (ADDRESS){HEADER:#}");
        let with_retained = rows.iter().any(|row| row.retained_bytes.is_some());
        let line = |cells: [&str; 8]| {
            let [len, slots, load, bytes, rebuilt, waste, retained, inside] = cells;
            // Who wants to know what they retain has no use for the generation, and 80 columns are few.
            let last = if with_retained {
                format!("{retained:>11}")
            } else {
                format!("  {inside}")
            };
            format!("  {len:>12}{slots:>12}{load:>8}{bytes:>11}{rebuilt:>11}{waste:>11}{last}")
        };
        let heading = line([
            "LEN",
            "SLOTS",
            "LOAD",
            "BYTES",
            "REBUILT",
            "WASTE",
            "RETAINED",
            "GENERATION",
        ]);
        let _ = writeln!(out, "{HEADER}{heading}{HEADER:#}");
        for row in rows {
            let _ = writeln!(out, "{}", title(row, page.columns));
            let figures = line([
                &count(row.len),
                &count(row.slots),
                &load(row),
                &bytes(row.bytes),
                &bytes(row.rebuilt_bytes),
                &bytes(row.waste_bytes),
                &row.retained_bytes.map_or("-".to_owned(), bytes),
                generation(row.generation),
            ]);
            let _ = writeln!(out, "{figures}");
            if let Some(notes) = notes(row) {
                let _ = writeln!(
                    out,
                    "  {DIM}{}{DIM:#}",
                    super::wrap(&notes, page.columns, 2)
                );
            }
        }
        let listed: u64 = rows.iter().map(|r| r.bytes).sum();
        more(
            &mut out,
            self.sums.count.saturating_sub(rows.len() as u64),
            "map",
            self.sums.bytes.saturating_sub(listed),
        );
        out
    }
}

/// `12 maps holding 3,456 entries, 7.8 MiB, 1.2 MiB less if rebuilt`.
pub(super) fn sums(sums: &MapSums) -> String {
    let len = count(sums.len);
    format!(
        "{} holding {len} entries, {}, {} less if rebuilt",
        things(sums.count, "map"),
        bytes(sums.bytes),
        bytes(sums.waste_bytes)
    )
}

/// Owner, type and address in one line; owner and type give way to each other.
fn title(row: &MapRow, columns: usize) -> String {
    let address = format!("({})", row.address);
    let owner = owner(row);
    let type_ = row.type_.to_string();
    let room = columns.saturating_sub(address.len() + 4);
    let fair = room / 2;
    let type_room = width(&type_).min(fair.max(room.saturating_sub(width(&owner))));
    let owner_room = room - type_room;
    format!(
        "{}  {}  {DIM}{address}{DIM:#}",
        shorten(&owner, owner_room),
        shorten(&type_, type_room)
    )
}

fn owner(row: &MapRow) -> String {
    match (&row.owner, row.reachable) {
        (Some(owner), _) => owner.to_string(),
        (None, Some(false)) => "(nothing reaches it)".to_owned(),
        (None, _) => UNKNOWN.to_owned(),
    }
}

/// The filled share of the slots.
fn load(row: &MapRow) -> String {
    if row.slots == 0 {
        "-".to_owned()
    } else {
        percent(row.load)
    }
}

fn generation(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "classic",
        Generation::Swiss => "swiss",
        Generation::Jdk => "jdk",
    }
}

/// What is unusual about a map, if anything is.
fn notes(row: &MapRow) -> Option<String> {
    let mut notes = Vec::new();
    if let Some(classic) = row.classic {
        if let Some(growth) = classic.growth {
            let kind = if growth.same_size {
                "growing at the same size"
            } else {
                "growing"
            };
            notes.push(format!(
                "{kind}: {} of {} old buckets moved",
                count(growth.evacuated),
                count(growth.old_buckets)
            ));
        }
        if classic.overflow_buckets > 0 {
            notes.push(things(classic.overflow_buckets, "overflow bucket"));
        }
    }
    if let Some(swiss) = row.swiss
        && swiss.tombstones > 0
    {
        notes.push(things(swiss.tombstones, "tombstone"));
    }
    if row.torn {
        notes.push("being written when captured".to_owned());
    }
    if row.incomplete {
        notes.push("partly unreadable: sizes are lower bounds".to_owned());
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Appends the short table of maps that `analyze` shows.
pub(super) fn top(out: &mut String, page: &Page, rows: &[MapRow]) {
    let mut table = Table::new(&[
        (Column::Number, "BYTES"),
        (Column::Number, "WASTE"),
        (Column::Number, "LEN"),
        (Column::Number, "RETAINED"),
        (Column::Flexible, "OWNER"),
        (Column::Flexible, "TYPE"),
    ]);
    let rows = shown(rows, page);
    for row in rows {
        table.row(vec![
            bytes(row.bytes),
            bytes(row.waste_bytes),
            count(row.len),
            row.retained_bytes.map_or("-".to_owned(), bytes),
            owner(row),
            row.type_.to_string(),
        ]);
    }
    table.write(out, page.columns, HEADER);
}
