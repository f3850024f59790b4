//! Dumps that no JVM writes: a partial heap with its gaps, or an error; never a panic. Time and memory that grew with the
//! square of a file's size would take these tests minutes.

use crate::common::{build, use_everything};
use leakscope_jvm::Error;
use leakscope_testkit::{
    HprofClass, HprofSegment, HprofType, HprofWriter, Random, damaged_hprof, malformed_hprofs,
    sample_hprof,
};

/// Damaged dumps in an ordinary run; `make fuzz` goes on for as long as asked.
const SMOKE: usize = 400;

/// Classes, threads or maps of a file, each of which asks for some [`WIDE`] times as much as its own bytes.
const MANY: u64 = 8_000;
/// Fields of a class, frames of a stack, places of an array that all of them share.
const WIDE: usize = 60_000;

/// Reads a hostile dump and asks everything.
fn survive(file: &[u8]) {
    if let Ok(heap) = build(file) {
        use_everything(&heap);
    }
}

#[test]
fn samples_with_every_kind_of_record_are_read_without_a_gap() {
    for (version, id_size) in [("1.0.1", 4), ("1.0.1", 8), ("1.0.2", 4), ("1.0.2", 8)] {
        let heap = build(&sample_hprof(version, id_size)).unwrap();
        assert_eq!(heap.header.id_size, id_size);
        assert!(heap.gaps.is_empty(), "{version}: {:?}", heap.gaps);
        assert_eq!((heap.cut, heap.graph.objects()), (None, 23));
        assert_eq!(heap.threads[0].stack.len(), 2);
        use_everything(&heap);
    }
}

#[test]
fn malformed_dumps_are_refused_or_told_with_a_gap() {
    for (what, file) in malformed_hprofs() {
        match build(&file) {
            Ok(heap) => {
                use_everything(&heap);
                // Some are odd, not wrong.
                let odd = ["no length", "two names", "four gigabytes", "overlap"];
                let told = heap.cut.is_some() || !heap.gaps.is_empty();
                assert!(told || odd.iter().any(|o| what.contains(o)), "{what}");
                assert!(heap.graph.objects() > 0, "{what}");
            }
            Err(error) => assert!(!error.to_string().is_empty(), "{what}"),
        }
    }
}

#[test]
fn garbage_is_refused_in_words() {
    assert!(matches!(build(b""), Err(Error::NotHprof(_))));
    let mut random = Random::new(3);
    let noise: Vec<u8> = (0..100_000).map(|_| random.number() as u8).collect();
    assert!(matches!(build(&noise), Err(Error::NotHprof(_))));
    let mut file = HprofWriter::new("1.0.2", 8).finish();
    file.extend(noise);
    let error = build(&file).err().unwrap().to_string();
    assert!(error.starts_with("no object in it"), "{error}");
}

#[test]
fn what_lies_before_the_damage_is_told() {
    let whole = sample_hprof("1.0.2", 8);
    let objects = build(&whole).unwrap().graph.objects();
    let mut file = whole.clone();
    // Behind everything: a record of a kind that there is not, longer than the file.
    file.truncate(file.len() - 9);
    file.extend([0x77, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    let heap = build(&file).unwrap();
    assert_eq!(heap.graph.objects(), objects);
    assert_eq!(heap.cut, Some(file.len() as u64));
    let gap = heap.gaps.iter().next().unwrap();
    assert_eq!(gap.examples, [file.len() as u64 - 12]);
}

/// A dump of one segment, with names 1 to 9 and class `java/lang/Object` of id 0x1000.
fn with(names: &[&[u8]], fill: impl FnOnce(&mut HprofWriter, &mut HprofSegment)) -> Vec<u8> {
    let mut file = HprofWriter::new("1.0.2", 8);
    for (id, name) in (1..).zip(names) {
        file.utf8(id, name);
    }
    file.load_class(1, 0x1000, 1);
    let mut heap = file.segment();
    heap.class(&HprofClass {
        id: 0x1000,
        ..HprofClass::default()
    });
    heap.instance(0x2000, 0x1000, &[]);
    heap.root_unknown(0x2000);
    fill(&mut file, &mut heap);
    file.heap_dump_segment(&heap);
    file.finish()
}

#[test]
fn hostile_names_are_bounded() {
    let long = vec![b'x'; 1 << 20];
    let deep = vec![b'['; 1 << 20];
    let fields: Vec<(u64, HprofType, u64)> = (0..60_000)
        .map(|_| (2, HprofType::Object, 0x2000))
        .collect();
    let file = with(
        &[
            b"java/lang/Object",
            &long,
            &deep,
            b"\x1b[31m\x07\xff\xfe/\0",
        ],
        |file, heap| {
            for (class, name) in [(0x3000, 2), (0x3100, 3), (0x3200, 4), (0x3300, 99)] {
                file.load_class(class as u32, class, name);
                heap.class(&HprofClass {
                    id: class,
                    super_class: 0x1000,
                    statics: &fields,
                    ..HprofClass::default()
                });
                heap.object_array(class + 8, class, &[0x2000]);
                heap.instance(class + 16, class, &[]);
            }
        },
    );
    let heap = build(&file).unwrap();
    use_everything(&heap);
    for type_ in 0..heap.names.types() {
        use leakscope_graph::{Resolver, TypeIx};
        let name = heap.names.type_name(TypeIx(type_));
        assert!(name.len() < 4096, "{} bytes", name.len());
    }
}

#[test]
fn a_small_file_cannot_ask_for_much_work() {
    use HprofType::{Int, Object};
    let names: [&[u8]; 6] = [
        b"java/lang/Object",
        b"java/lang/Thread",
        b"f",
        b"java/util/concurrent/ConcurrentHashMap",
        b"java/util/concurrent/ConcurrentLinkedQueue",
        b"counterCells",
    ];
    let wide: Vec<(u64, HprofType)> = (0..WIDE).map(|_| (3, Object)).collect();
    // Many classes that inherit many fields.
    let heirs = with(&names, |_, heap| {
        heap.class(&HprofClass {
            id: 0x3000,
            super_class: 0x1000,
            fields: &wide,
            ..HprofClass::default()
        });
        for n in 0..MANY {
            let id = 0x10_0000 + n * 8;
            heap.class(&HprofClass {
                id,
                super_class: 0x3000,
                ..HprofClass::default()
            });
            heap.instance(id + 0x100_0000, id, &[]);
        }
    });
    survive(&heirs);
    // Many classes above which there is no end.
    let cycle = with(&names, |_, heap| {
        heap.class(&HprofClass {
            id: 0x3000,
            super_class: 0x3000,
            fields: &wide,
            ..HprofClass::default()
        });
        for n in 0..MANY {
            let id = 0x10_0000 + n * 8;
            heap.class(&HprofClass {
                id,
                super_class: 0x3000,
                ..HprofClass::default()
            });
        }
    });
    survive(&cycle);
    // More generations than anyone would follow.
    let tower = with(&names, |_, heap| {
        for n in 0..2 * MANY {
            let id = 0x10_0000 + n * 8;
            let super_class = if n == 0 { 0x1000 } else { id - 8 };
            heap.class(&HprofClass {
                id,
                super_class,
                ..HprofClass::default()
            });
        }
    });
    survive(&tower);
    // Many threads without the many fields of their class.
    let empty = with(&names, |file, heap| {
        file.load_class(2, 0x3000, 2);
        heap.class(&HprofClass {
            id: 0x3000,
            super_class: 0x1000,
            fields: &wide,
            ..HprofClass::default()
        });
        for n in 0..MANY {
            heap.instance_of_length(0x10_0000 + n * 8, 0x3000, 0, &[]);
            heap.root_thread(0x10_0000 + n * 8, n as u32, 1);
        }
    });
    survive(&empty);
    // Many threads with the same deep stack.
    let stacks = with(&names, |file, heap| {
        file.frame(1, 3, 3, 3, 1, 1);
        file.trace(7, 7, &vec![1; WIDE]);
        for n in 0..MANY {
            heap.root_thread(0x2000 + n * 8, n as u32, 7);
        }
    });
    survive(&stacks);
    // Many maps that share many counters.
    let cells = with(&names, |file, heap| {
        file.load_class(2, 0x3000, 4);
        heap.class(&HprofClass {
            id: 0x3000,
            super_class: 0x1000,
            fields: &[(6, Object), (3, Int)],
            ..HprofClass::default()
        });
        heap.object_array(0x4000, 0x1000, &vec![0x2000; WIDE]);
        for n in 0..MANY {
            heap.instance(0x10_0000 + n * 8, 0x3000, &[(Object, 0x4000), (Int, 1)]);
        }
    });
    survive(&cells);
}

#[test]
fn damage_anywhere_is_survived() {
    let mut random = Random::seeded_by_clock("damaged dumps");
    for _ in 0..SMOKE {
        survive(&damaged_hprof(&mut random, &[]));
    }
}
