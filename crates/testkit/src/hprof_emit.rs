//! Writes a made-up heap as a dump.

use crate::Random;
use crate::hprof_random::{Body, Heap, HprofShape};
use crate::hprof_writer::{HprofClass, HprofSegment, HprofType, HprofWriter};

/// Ids of names: this and upwards.
const NAMES: u64 = 0x100;

/// The dump of a heap in a shape.
pub(crate) fn emit(heap: &Heap, shape: &HprofShape, random: &mut Random) -> Vec<u8> {
    let mut file = HprofWriter::new(shape.version, shape.id_size);
    let mut names: Vec<&str> = Vec::new();
    for class in &heap.classes {
        names.push(&class.name);
        names.extend(class.fields.iter().map(|(name, _)| *name));
        names.extend(class.statics.iter().map(|(name, _)| *name));
    }
    for (nth, name) in names.iter().enumerate() {
        file.utf8(NAMES + nth as u64, name.as_bytes());
    }
    let name = |wanted: &str| {
        let at = names.iter().position(|name| *name == wanted);
        NAMES + at.map_or(0, |at| at as u64)
    };
    for (nth, class) in heap.classes.iter().enumerate() {
        file.load_class(nth as u32 + 1, heap.ids[nth], name(&class.name));
    }
    file.frame(1, name("left"), 0, 0, 1, 7);
    for thread in 0..=heap.threads.len() as u32 {
        file.trace(thread, thread, &[1, 1]);
    }
    let mut records: Vec<HprofSegment> = Vec::new();
    // Classes first, as JVMs write them.
    for object in 0..heap.objects.len() {
        let mut record = file.segment();
        write(heap, object, &name, &mut record);
        records.push(record);
    }
    if shape.roots {
        records.extend(roots(heap, &file));
    }
    if !shape.in_order {
        for n in (1..records.len()).rev() {
            records.swap(n, random.index(n + 1));
        }
    }
    let mut segment = file.segment();
    for record in records {
        segment.raw(record.bytes());
        if shape.version != "1.0.1" && random.below(16) == 0 {
            file.heap_dump_segment(&segment);
            segment = file.segment();
        }
    }
    if shape.version == "1.0.1" {
        file.heap_dump(&segment);
    } else {
        file.heap_dump_segment(&segment);
        file.heap_dump_end();
    }
    file.finish()
}

fn write(heap: &Heap, object: usize, name: &dyn Fn(&str) -> u64, record: &mut HprofSegment) {
    let id = heap.ids[object];
    let to = |object: &Option<usize>| object.map_or(0, |o| heap.ids[o]);
    match &heap.objects[object] {
        Body::Class => {
            let class = &heap.classes[object];
            let statics = class.statics.iter();
            let statics: Vec<(u64, HprofType, u64)> = statics
                .map(|(field, value)| (name(field), HprofType::Object, to(value)))
                .collect();
            let fields = class.fields.iter();
            let fields: Vec<(u64, HprofType)> =
                fields.map(|(field, kind)| (name(field), *kind)).collect();
            record.class(&HprofClass {
                id,
                super_class: to(&class.parent),
                loader: to(&class.loader),
                instance_size: 0,
                constants: &[(1, HprofType::Long, 9)],
                statics: &statics,
                fields: &fields,
            });
        }
        Body::Instance(class, values) => {
            let values: Vec<(HprofType, u64)> = values
                .iter()
                .map(|(kind, value)| (*kind, to(value)))
                .collect();
            record.instance(id, heap.ids[*class], &values);
        }
        Body::Array(class, elements) => {
            let elements: Vec<u64> = elements.iter().map(to).collect();
            record.object_array(id, heap.ids[*class], &elements);
        }
        Body::Primitives(kind, width, len) => {
            let bytes = vec![0x41; (*width * u64::from(*len)) as usize];
            record.primitive_array(id, *kind, *len, &bytes);
        }
    }
}

/// Every kind of root, by turns.
fn roots(heap: &Heap, file: &HprofWriter) -> Vec<HprofSegment> {
    let mut records = Vec::new();
    let mut root = |write: &dyn Fn(&mut HprofSegment)| {
        let mut record = file.segment();
        write(&mut record);
        records.push(record);
    };
    for (class, id) in heap.classes.iter().zip(&heap.ids) {
        if class.loader.is_none() {
            root(&|record| record.root_sticky_class(*id));
        }
    }
    for (serial, thread) in (1..).zip(&heap.threads) {
        root(&|record| record.root_thread(heap.ids[*thread], serial, serial));
    }
    let serial = heap.threads.len() as u32;
    for (nth, object) in heap.held.iter().enumerate() {
        let id = heap.ids[*object];
        root(&|record| match nth % 7 {
            0 => record.root_jni_global(id, 0x99),
            1 => record.root_java_frame(id, serial, 1),
            2 => record.root_jni_local(id, serial, 0),
            3 => record.root_native_stack(id, serial),
            4 => record.root_thread_block(id, serial),
            5 => record.root_monitor(id),
            _ => record.root_unknown(id),
        });
    }
    records
}
