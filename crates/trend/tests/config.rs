//! Configuration: every error at once, with its line; and what a user adds is matched.

use leakscope_trend::{
    Config, Judged, Process, Runtime, Scratch, Sensitivity, Signal, Verdict, minutes,
};

#[test]
fn every_error_is_named_with_its_line() {
    let text = "\
sensitivty = \"early\"
[floors]
bucket = \"5\"
keep = 3
[tests]
z = \"high\"
plateau = 50
groups = 8.5
[[threshold]]
name = \"native\"
signal = \"native\"
above = \"4 GiBs\"
[[signature]]
name = \"both\"
when = [{ signal = \"rss\", shape = \"round\" }]
nonsense = 1
[evaluate]
windows = [\"6h\", \"90 parsecs\"]
";
    let errors = Config::from_toml(text).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|e| e.line).collect();
    for line in [1, 3, 4, 6, 7, 8, 12, 15, 16, 18] {
        assert!(
            lines.contains(&line),
            "no error for line {line}: {errors:#?}"
        );
    }
}

#[test]
fn broken_syntax_is_named_with_its_line() {
    let errors = Config::from_toml("sensitivity = \"early\"\n[tests\nz = 3\n").unwrap_err();
    assert!(errors.iter().any(|e| e.line == 2), "{errors:?}");
}

#[test]
fn what_is_not_named_stays_as_it_is() {
    let config = Config::from_toml("sensitivity = \"early\"\n[tests]\nz = 4\n").unwrap();
    assert_eq!(config.sensitivity, Sensitivity::Early);
    assert_eq!(config.tests.z, 4.0);
    let default = Config::default();
    assert_eq!(config.windows, default.windows);
    assert_eq!(Config::from_toml("").unwrap(), default);
}

#[test]
fn thresholds_and_signatures_of_a_user_come_and_go() {
    let config = Config::from_toml(
        "[[threshold]]\nname = \"native-over-4g\"\nsignal = \"native\"\nabove = \"4 GiB\"\nverdict = \"leak\"\n\
         [[threshold]]\nname = \"heap-over-82\"\nsignal = \"heap_share\"\nabove = \"82 %\"\nfor = \"30m\"\n\
         [[signature]]\nname = \"queue\"\nwhen = [{ signal = \"queue_length\", above = 100 }, { signal = \"rss\", shape = \"flat\" }]\n",
    )
    .unwrap();
    let mut process = Process::new(Runtime::Jvm, &[Signal::HeapFloor, Signal::Native]);
    let mut scratch = Scratch::default();
    process.set(0, Signal::HeapMax, 1e9, &config);
    let mut said = Vec::new();
    for minute in 0..600 {
        let at = minutes(minute);
        let high = (200..400).contains(&minute);
        let native = if high { 5e9 } else { 1e9 };
        process.set(at, Signal::Native, native, &config);
        process.set(at, Signal::HeapFloor, if high { 9e8 } else { 1e8 }, &config);
        process.set(at, Signal::Rss, 6e9, &config);
        process.set_named(at, "queue_length", 500.0, &config);
        for change in process.evaluate(at, &config, &mut scratch) {
            if let Judged::Signature(name) = change.about {
                said.push((name, change.verdict, minute));
            }
        }
    }
    let of = |name: &str| -> Vec<(Verdict, i64)> {
        let mine = said.iter().filter(|(n, ..)| n == name);
        mine.map(|(_, v, m)| (*v, *m)).collect()
    };
    let native = of("native-over-4g");
    assert_eq!(native.len(), 2, "{said:?}");
    assert_eq!((native[0].0, native[1].0), (Verdict::Leak, Verdict::Quiet));
    let heap = of("heap-over-82");
    assert!(heap[0].1 >= native[0].1 + 20, "{heap:?} {native:?}");
    assert_eq!(of("queue").first().map(|q| q.0), Some(Verdict::Suspect));
}
