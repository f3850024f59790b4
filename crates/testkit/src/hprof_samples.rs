//! Small heap dumps that hold every kind of record once, and what is wrong with bad ones. Seeds of fuzzing, too.

use crate::hprof_writer::{HprofClass, HprofSegment, HprofType, HprofWriter};

/// `java.lang.Object`, `java.lang.Class` and those of the sample, by the ids of their class objects.
const OBJECT: u64 = 0x1000;
const CLASS: u64 = 0x1080;
const REFERENCE: u64 = 0x1100;
const WEAK: u64 = 0x1180;
const THREAD: u64 = 0x1200;
const NODE: u64 = 0x1280;
const NODES: u64 = 0x1300;
const STRING: u64 = 0x1380;

/// Objects.
const MAIN: u64 = 0x2000;
const NODE_A: u64 = 0x2080;
const NODE_B: u64 = 0x2100;
const TABLE: u64 = 0x2180;
const WEAKLY: u64 = 0x2200;
const TEXT: u64 = 0x2280;
const LETTERS: u64 = 0x2300;
const LOADER: u64 = 0x2380;

/// Ids of names: this and upwards.
const NAMES: u64 = 0x10;

const WORDS: [&str; 16] = [
    "java/lang/Object",
    "java/lang/Class",
    "java/lang/ref/Reference",
    "java/lang/ref/WeakReference",
    "java/lang/Thread",
    "com/acme/Node",
    "[Lcom/acme/Node;",
    "java/lang/String",
    "referent",
    "next",
    "NODES",
    "value",
    "run",
    "()V",
    "Node.java",
    "main",
];

/// A well-formed dump with every kind of record: a static field holds an array of two nodes that point at each other, one of
/// them also held weakly; one thread.
pub fn sample_hprof(version: &str, id_size: u8) -> Vec<u8> {
    let mut file = HprofWriter::new(version, id_size);
    preamble(&mut file);
    let mut heap = file.segment();
    classes(&mut heap);
    if version == "1.0.1" {
        objects(&mut heap);
        roots(&mut heap);
        file.heap_dump(&heap);
    } else {
        file.heap_dump_segment(&heap);
        let mut rest = file.segment();
        objects(&mut rest);
        file.heap_dump_segment(&rest);
        let mut rest = file.segment();
        roots(&mut rest);
        file.heap_dump_segment(&rest);
        file.heap_dump_end();
    }
    file.finish()
}

/// Dumps that no JVM writes, each with what is wrong with it.
pub fn malformed_hprofs() -> Vec<(&'static str, Vec<u8>)> {
    let whole = sample_hprof("1.0.2", 8);
    let mut list = vec![
        ("an empty file", Vec::new()),
        ("a header that ends in its magic", b"JAVA PROF".to_vec()),
        (
            "another magic",
            b"JAVA PROFILE 9.9.9\0\0\0\0\x08\0\0\0\0\0\0\0\0".to_vec(),
        ),
        ("a header that ends in the time", whole[..25].to_vec()),
        ("nothing but a header", whole[..31].to_vec()),
        ("ids of no bytes", HprofWriter::new("1.0.2", 0).finish()),
        ("ids of 255 bytes", HprofWriter::new("1.0.2", 255).finish()),
        (
            "a file that ends in a segment",
            whole[..whole.len() * 2 / 3].to_vec(),
        ),
    ];
    list.extend(bad_records());
    list.extend(bad_segments());
    list
}

fn bad_records() -> Vec<(&'static str, Vec<u8>)> {
    type Damage = fn(&mut HprofWriter);
    let damages: [(&str, Damage); 7] = [
        ("a record longer than the file", |file| {
            file.record_of_length(0x01, u32::MAX, &[0; 8]);
        }),
        ("a name shorter than its id", |file| {
            file.record(0x01, &[1, 2, 3]);
        }),
        ("a class record cut short", |file| {
            file.record(0x02, &[0; 7])
        }),
        ("a stack of four thousand million frames", |file| {
            file.record(0x05, &[0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255]);
        }),
        ("an unknown record", |file| file.record(0x77, &[0; 100])),
        ("a segment of no length", |file| {
            file.record_of_length(0x1c, 0, &[]);
        }),
        ("one class under two names", |file| {
            file.load_class(90, NODE, NAMES + 1);
            file.load_class(91, NODE, NAMES + 2);
        }),
    ];
    damages
        .into_iter()
        .map(|(what, damage)| {
            let mut file = HprofWriter::new("1.0.2", 8);
            preamble(&mut file);
            damage(&mut file);
            let mut heap = file.segment();
            classes(&mut heap);
            objects(&mut heap);
            roots(&mut heap);
            file.heap_dump_segment(&heap);
            file.heap_dump_end();
            (what, file.finish())
        })
        .collect()
}

fn bad_segments() -> Vec<(&'static str, Vec<u8>)> {
    type Damage = fn(&mut HprofSegment);
    let damages: [(&str, Damage); 12] = [
        ("an unknown sub-record", |heap| heap.raw(&[0x66; 40])),
        ("an array of four thousand million references", |heap| {
            heap.object_array_of_length(0x3000, NODES, u32::MAX, &[]);
        }),
        ("an array of four thousand million longs", |heap| {
            heap.primitive_array(0x3000, 11, u32::MAX, &[]);
        }),
        ("an array of an unknown type", |heap| {
            heap.primitive_array(0x3000, 99, 4, &[0; 16]);
        }),
        ("an instance longer than the segment", |heap| {
            heap.instance_of_length(0x3000, NODE, u32::MAX, &[]);
        }),
        ("an instance shorter than its class's fields", |heap| {
            heap.instance_of_length(0x3000, NODE, 3, &[0; 3]);
        }),
        ("an instance of a class that is not there", |heap| {
            heap.instance(0x3000, 0xdead_0000, &[(HprofType::Int, 5)]);
        }),
        ("a class that is its own ancestor", |heap| {
            heap.class(&HprofClass {
                id: 0x3000,
                super_class: 0x3080,
                ..HprofClass::default()
            });
            heap.class(&HprofClass {
                id: 0x3080,
                super_class: 0x3000,
                ..HprofClass::default()
            });
            heap.instance(0x3100, 0x3080, &[]);
        }),
        ("a class with instances of four gigabytes", |heap| {
            heap.class(&HprofClass {
                id: 0x3000,
                instance_size: u32::MAX,
                ..HprofClass::default()
            });
            heap.instance(0x3100, 0x3000, &[]);
        }),
        (
            "references to nowhere and to the middle of objects",
            |heap| {
                heap.object_array(0x3000, NODES, &[u64::MAX, 1, NODE_A + 4, 0x3000]);
                heap.root_unknown(u64::MAX);
            },
        ),
        ("one object twice", |heap| {
            heap.object_array(TABLE, NODES, &[NODE_B]);
        }),
        ("objects that overlap, at the ends of memory", |heap| {
            heap.primitive_array(u64::MAX, 8, 2, &[1, 2]);
            heap.primitive_array(1, 8, 2, &[1, 2]);
            heap.primitive_array(2, 8, 2, &[1, 2]);
        }),
    ];
    damages
        .into_iter()
        .map(|(what, damage)| {
            let mut file = HprofWriter::new("1.0.2", 8);
            preamble(&mut file);
            let mut heap = file.segment();
            classes(&mut heap);
            objects(&mut heap);
            roots(&mut heap);
            damage(&mut heap);
            file.heap_dump_segment(&heap);
            file.heap_dump_end();
            (what, file.finish())
        })
        .collect()
}

fn name(word: &str) -> u64 {
    NAMES
        + WORDS
            .iter()
            .position(|w| *w == word)
            .map_or(0, |at| at as u64)
}

fn preamble(file: &mut HprofWriter) {
    for word in WORDS {
        file.utf8(name(word), word.as_bytes());
    }
    let classes = [OBJECT, CLASS, REFERENCE, WEAK, THREAD, NODE, NODES, STRING];
    for (serial, (class, word)) in (1..).zip(classes.into_iter().zip(WORDS)) {
        file.load_class(serial, class, name(word));
    }
    file.unload_class(77);
    file.start_thread(1, MAIN, name("main"));
    file.frame(0x500, name("run"), name("()V"), name("Node.java"), 6, 42);
    file.frame(0x501, name("main"), name("()V"), name("Node.java"), 6, -3);
    file.trace(1, 1, &[0x500, 0x501]);
    file.other_records();
    file.end_thread(2);
}

fn classes(heap: &mut HprofSegment) {
    let width = u32::from(heap.id_size());
    let class = |id, super_class, instance_size| HprofClass {
        id,
        super_class,
        instance_size,
        ..HprofClass::default()
    };
    heap.class(&class(OBJECT, 0, 0));
    heap.class(&class(CLASS, OBJECT, 0));
    heap.class(&HprofClass {
        fields: &[(name("referent"), HprofType::Object)],
        ..class(REFERENCE, OBJECT, width)
    });
    heap.class(&class(WEAK, REFERENCE, width));
    heap.class(&class(THREAD, OBJECT, 0));
    heap.class(&HprofClass {
        loader: LOADER,
        constants: &[(1, HprofType::Int, 7), (2, HprofType::Object, TEXT)],
        statics: &[
            (name("NODES"), HprofType::Object, TABLE),
            (name("value"), HprofType::Double, 4),
        ],
        fields: &[
            (name("next"), HprofType::Object),
            (name("value"), HprofType::Int),
        ],
        ..class(NODE, OBJECT, width + 4)
    });
    heap.class(&class(NODES, OBJECT, 0));
    heap.class(&HprofClass {
        fields: &[(name("value"), HprofType::Object)],
        ..class(STRING, OBJECT, width)
    });
}

fn objects(heap: &mut HprofSegment) {
    use HprofType::{Int, Object};
    heap.instance(MAIN, THREAD, &[]);
    heap.instance(LOADER, OBJECT, &[]);
    heap.instance(NODE_A, NODE, &[(Object, NODE_B), (Int, 1)]);
    heap.instance(NODE_B, NODE, &[(Object, NODE_A), (Int, 2)]);
    heap.object_array(TABLE, NODES, &[NODE_A, 0, NODE_B]);
    heap.instance(WEAKLY, WEAK, &[(Object, NODE_A)]);
    heap.instance(TEXT, STRING, &[(Object, LETTERS)]);
    heap.primitive_array(LETTERS, HprofType::Byte as u8, 5, b"hello");
    for (nth, (kind, width)) in [(4, 1), (5, 2), (6, 4), (7, 8), (9, 2), (10, 4), (11, 8)]
        .into_iter()
        .enumerate()
    {
        let at = 0x2400 + 0x80 * nth as u64;
        heap.primitive_array(at, kind, 3, &vec![0x5a; 3 * width]);
    }
}

fn roots(heap: &mut HprofSegment) {
    heap.root_sticky_class(OBJECT);
    heap.root_jni_global(NODE, 0x9000);
    heap.root_thread(MAIN, 1, 1);
    heap.root_java_frame(WEAKLY, 1, 0);
    heap.root_jni_local(TEXT, 1, 1);
    heap.root_native_stack(TEXT, 1);
    heap.root_thread_block(MAIN, 1);
    heap.root_monitor(TEXT);
    heap.root_unknown(CLASS);
}
