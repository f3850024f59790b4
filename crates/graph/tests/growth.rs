//! Growth between captures.

use leakscope_graph::{Held, growth};

fn held(objects: u64, bytes: u64) -> Held {
    Held { objects, bytes }
}

#[test]
fn two_captures_tell_what_grew_shrank_came_and_went() {
    let before = vec![
        ("same", held(1, 10)),
        ("up", held(2, 20)),
        ("gone", held(3, 30)),
    ];
    let after = vec![
        ("up", held(5, 50)),
        ("new", held(1, 5)),
        ("same", held(1, 10)),
    ];
    let rows = growth(&[], [before, after]);
    let told: Vec<_> = rows
        .iter()
        .map(|r| (r.key, r.bytes_grown, r.objects_grown, r.steady))
        .collect();
    assert_eq!(
        told,
        [
            ("up", 30, 3, true),
            ("new", 5, 1, true),
            ("same", 0, 0, false),
            ("gone", -30, -3, false)
        ]
    );
    assert_eq!(rows[1].sums, [held(0, 0), held(1, 5)]);
}

#[test]
fn three_captures_show_a_trend_in_the_given_time() {
    let capture = |a, b| vec![("line", held(1, a)), ("jump", held(1, b))];
    let rows = growth(
        &[0.0, 10.0, 40.0],
        [capture(100, 900), capture(200, 100), capture(500, 900)],
    );
    assert_eq!(rows[0].key, "line");
    assert!((rows[0].slope - 10.0).abs() < 1e-9 && rows[0].steady);
    assert_eq!((rows[1].bytes_grown, rows[1].steady), (0, false));
}

#[test]
fn rows_of_one_key_add_up_and_nothing_overflows() {
    let rows = growth(
        &[f64::NAN, 1.0],
        [vec![("k", held(1, 1)), ("k", held(1, u64::MAX))], vec![]],
    );
    assert_eq!(rows[0].sums, [held(2, u64::MAX), held(0, 0)]);
    assert_eq!((rows[0].bytes_grown, rows[0].objects_grown), (i64::MIN, -2));
    assert!(rows[0].slope.is_finite());
    assert!(growth(&[], [Vec::<(u32, Held)>::new()]).is_empty());
    let once = growth(&[3.0], [vec![("k", held(1, 7))]]);
    assert_eq!(
        (once[0].bytes_grown, once[0].slope, once[0].steady),
        (0, 0.0, false)
    );
}
