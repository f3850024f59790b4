//! Allocation sites as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::{DIM, HEADER, Page, Render, shown};
use crate::text::{shorten, width};
use crate::{
    HeldSite, Place, ProfileRow, SampleSum, SiteRow, SitesDoc, bytes, count, percent, things,
};

/// Frames shown of a stack; JSON has all.
const FRAMES: usize = 4;
/// Columns in front of a frame.
const INDENT: usize = 4;

impl Render for SitesDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        self.profile.write(&mut out, page);
        coverage(&mut out, page, &self.head.coverage);
        if self.profile.missing.is_some() {
            return out;
        }
        let rows = shown(&self.sites, page);
        for (i, row) in rows.iter().enumerate() {
            out.push('\n');
            one(&mut out, page, i + 1, row);
        }
        let left = self.site_count.saturating_sub(rows.len() as u64);
        if left > 0 {
            let _ = writeln!(out, "\n{DIM}and {} (--all){DIM:#}", things(left, "site"));
        }
        out
    }
}

impl ProfileRow {
    fn write(&self, out: &mut String, page: &Page) {
        if let Some(missing) = &self.missing {
            fact(out, page, "profile", &missing.to_string());
            return;
        }
        let rate = match self.rate {
            Some(1) => "every object is sampled".to_owned(),
            Some(rate) => format!("sampled once in {}", bytes(rate)),
            None => "sampled".to_owned(),
        };
        fact(out, page, "profile", &rate);
        fact(out, page, "  live", &sum(&self.live));
        fact(out, page, "  garbage", &sum(&self.garbage));
        if let Some(at) = &self.published_at {
            fact(out, page, "  published", &at.to_string());
        }
    }
}

/// `12.3 MiB ±8.1%, 1,234 objects, from 40 samples`.
fn sum(sum: &SampleSum) -> String {
    format!(
        "{}{}, {}, from {}",
        bytes(sum.bytes),
        error(sum),
        things(sum.objects, "object"),
        things(sum.sampled_objects, "sample")
    )
}

/// ` ±8.1%`; nothing where every object is known.
fn error(sum: &SampleSum) -> String {
    if sum.error > 0.0 {
        format!(" ±{}", percent(sum.error))
    } else {
        String::new()
    }
}

fn one(out: &mut String, page: &Page, number: usize, row: &SiteRow) {
    let before = format!(
        "{number:>2}. {}{}  ",
        bytes(row.live.bytes),
        error(&row.live)
    );
    let place = place(&row.place);
    let place = shorten(&place, page.columns.saturating_sub(width(&before)));
    let _ = writeln!(out, "{before}{HEADER}{place}{HEADER:#}");
    let indent = " ".repeat(INDENT);
    let mut text = format!(
        "{} live, from {}",
        things(row.live.objects, "object"),
        things(row.live.sampled_objects, "sample")
    );
    if row.garbage.bytes > 0 {
        let _ = write!(text, "; {} garbage", bytes(row.garbage.bytes));
    }
    let _ = write!(
        text,
        "; profile: {} in use, {}",
        count(row.published.in_use_objects),
        bytes(row.published.in_use_bytes)
    );
    let text = shorten(&text, page.columns.saturating_sub(INDENT));
    let _ = writeln!(out, "{indent}{text}");
    let frames = if page.limit.is_none() {
        usize::MAX
    } else {
        FRAMES
    };
    for frame in row.stack.iter().take(frames) {
        let text = self::place(frame);
        let text = shorten(&text, page.columns.saturating_sub(INDENT));
        let _ = writeln!(out, "{indent}{DIM}{text}{DIM:#}");
    }
    let left = row.stack.len().saturating_sub(frames);
    if left > 0 {
        let _ = writeln!(
            out,
            "{indent}{DIM}and {}{DIM:#}",
            things(left as u64, "frame")
        );
    }
}

/// `main.(*cache).put cache.go:42`.
pub(super) fn place(place: &Place) -> String {
    let mut text = place.function.to_string();
    if let Some(file) = &place.file {
        let file = file.to_string();
        let _ = write!(text, " {}", file.rsplit('/').next().unwrap_or(&file));
        if let Some(line) = place.line {
            let _ = write!(text, ":{line}");
        }
    }
    text
}

/// `allocated by main.newSession handlers.go:31`.
pub(super) fn allocated(site: &HeldSite, room: usize) -> String {
    const BEFORE: &str = "allocated by ";
    let place = place(&site.place);
    format!(
        "{BEFORE}{}",
        shorten(&place, room.saturating_sub(BEFORE.len()))
    )
}

/// `96.1%, 16.1 MiB ±7.2% sampled, called by main.login handlers.go:52`: as many callers as there is room for, one at least.
pub(super) fn sampled(site: &HeldSite, room: usize) -> String {
    let mut text = format!("{}, {}", percent(site.share), bytes(site.held.bytes));
    if site.held.error > 0.0 {
        let _ = write!(text, "{} sampled", error(&site.held));
    }
    let first = usize::try_from(site.caller).unwrap_or(usize::MAX);
    for (i, caller) in site.stack.iter().skip(first).enumerate() {
        let before = if i == 0 { ", called by " } else { ", by " };
        let caller = place(caller);
        let left = room.saturating_sub(width(&text) + width(before));
        if i > 0 && width(&caller) > left {
            break;
        }
        text.push_str(before);
        text.push_str(&shorten(&caller, left));
    }
    text
}
