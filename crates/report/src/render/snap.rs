//! What a snapshot came to, as text.

use super::head::{fact, opening};
use super::{Page, Render};
use crate::{SnapDoc, bytes, percent};

impl Render for SnapDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        fact(&mut out, page, "snapshot", &self.snapshot.to_string());
        let share = self.written_bytes as f64 / self.unpacked_bytes.max(1) as f64;
        let size = format!(
            "{}, {} of {}",
            bytes(self.written_bytes),
            percent(share),
            bytes(self.unpacked_bytes)
        );
        fact(&mut out, page, "size", &size);
        let values = if self.values {
            "included: whoever reads the file reads what the process held"
        } else {
            "left out: only pointers and what the runtime keeps"
        };
        fact(&mut out, page, "values", values);
        out
    }
}
