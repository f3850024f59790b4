//! `leakscope histo` of a live JVM: counted by the JVM itself, garbage included, without a collection.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_jvm::{java_name, package_of};
use leakscope_report::{Amount, Coverage, Document, Gap, HistoDoc, PackageRow, TypeRow, bytes};

use super::{Asked, Prediction, allowed};
use crate::advice::attach::HISTOGRAM;
use crate::args::{Common, HeapArgs};
use crate::failure::Failure;
use crate::head::head;
use crate::output;
use crate::progress::Progress;

/// Longest answer: a line of 100 bytes for each class, of which large services have 100,000.
const LONGEST: usize = 256 << 20;
/// Rows of a table in text; JSON has all.
const LIST: usize = 30;

pub(crate) fn histo(
    pid: i32,
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let asked = Asked::open(pid, progress)?;
    let prediction = Prediction::of_histogram(asked.heap_used);
    progress.remark(&format!(
        "{HISTOGRAM} of {} of heap: the JVM will stand still for about {:.2} s",
        bytes(prediction.heap),
        prediction.pause.as_secs_f64()
    ));
    allowed(&args.target.how, &prediction, HISTOGRAM)?;
    progress.phase("the JVM counts its objects");
    let patience = Asked::patience(&prediction);
    let text = asked
        .attach
        .command("inspectheap", &[b"-all"], LONGEST, patience)?;
    Asked::drop_privileges(progress);
    let types = types(&text);
    let packages = packages(&types);
    let capture = Asked::capture(&prediction, None);
    let coverage = Coverage {
        gaps: vec![Gap {
            reason: "objects that nothing reaches are counted too: finding them takes a collection, which is not forced".into(),
            count: 1,
            examples: Vec::new(),
        }],
        ..Coverage::default()
    };
    let mut doc = HistoDoc {
        head: head(Document::Histo, asked.target, capture, coverage),
        reachable: types.iter().fold(Amount::default(), |sum, row| Amount {
            objects: sum.objects.saturating_add(row.count),
            bytes: sum.bytes.saturating_add(row.bytes),
        }),
        garbage: Amount::default(),
        type_count: types.len() as u64,
        package_count: packages.len() as u64,
        unreachable_type_count: 0,
        root_count: 0,
        types,
        packages,
        unreachable: Vec::new(),
        roots: Vec::new(),
    };
    let limit = if options.json {
        args.rows.of_json(None)
    } else {
        args.rows.of_text(LIST)
    };
    doc.types.truncate(limit.unwrap_or(usize::MAX));
    doc.packages.truncate(limit.unwrap_or(usize::MAX));
    progress.pause();
    output::document(&doc, options, limit)
}

/// The table that `jmap -histo` prints: rank, count, bytes, class, and since JDK 9 the module in parentheses. Classes of
/// one name, each by a loader of its own, are added up.
fn types(text: &[u8]) -> Vec<TypeRow> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in String::from_utf8_lossy(text).lines() {
        if let Some((name, count, bytes)) = row(line) {
            let sum = sums.entry(name).or_default();
            sum.0 = sum.0.saturating_add(count);
            sum.1 = sum.1.saturating_add(bytes);
        }
    }
    let mut rows: Vec<TypeRow> = sums
        .into_iter()
        .map(|(name, (count, bytes))| TypeRow {
            package: package_of(&name).into(),
            type_: name.as_str().into(),
            count,
            bytes,
            retained_bytes: None,
        })
        .collect();
    // Stable: equal sums stay in the order of their names.
    rows.sort_by_key(|row| Reverse(row.bytes));
    rows
}

fn row(line: &str) -> Option<(String, u64, u64)> {
    let (rank, rest) = line.trim_start().split_once(':')?;
    rank.parse::<u64>().ok()?;
    let (count, rest) = rest.trim_start().split_once(' ')?;
    let (bytes, name) = rest.trim_start().split_once(' ')?;
    let name = name.trim();
    let name = name
        .strip_suffix(')')
        .and_then(|name| Some(name.rsplit_once(" (")?.0))
        .unwrap_or(name);
    Some((java_name(name), count.parse().ok()?, bytes.parse().ok()?))
}

fn packages(types: &[TypeRow]) -> Vec<PackageRow> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in types {
        let sum = sums.entry(row.package.raw()).or_default();
        sum.0 = sum.0.saturating_add(row.count);
        sum.1 = sum.1.saturating_add(row.bytes);
    }
    let mut rows: Vec<PackageRow> = sums
        .into_iter()
        .map(|(package, (count, bytes))| PackageRow {
            package: package.into(),
            count,
            bytes,
            retained_bytes: None,
        })
        .collect();
    rows.sort_by_key(|row| Reverse(row.bytes));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_everything_else_is_not() {
        let text = b" num     #instances         #bytes  class name (module)\n\
            -------------------------------------------------------\n   \
            1:       3200000      128000000  com.acme.Big$LineItem\n   \
            2:            70           7000  [Ljava.lang.String; (java.base@17.0.15)\n   \
            3:             2             32  com.acme.Big$LineItem\n\
            Total             3              4\n   9:  x  1  odd\n  10: 99999999999999999999 1 odd\n\xff\n";
        let rows = types(text);
        let seen: Vec<(&str, u64, u64)> = rows
            .iter()
            .map(|row| (row.type_.raw(), row.count, row.bytes))
            .collect();
        assert_eq!(
            seen,
            [
                ("com.acme.Big$LineItem", 3_200_002, 128_000_032),
                ("java.lang.String[]", 70, 7000)
            ]
        );
        assert_eq!(packages(&rows)[0].package.raw(), "com.acme");
    }
}
